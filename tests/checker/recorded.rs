//! A short history in which all went well, for the controls of the verdict.

use std::time::Duration;

use super::history::{History, Op, Outcome, Record, Seen};
use super::state::{Part, Rows, State};

pub fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// One operation that began at a time, in milliseconds, and took ten.
pub fn at(begun: u64, op: Op, outcome: Outcome) -> Record {
    Record {
        op,
        is_new_connection: false,
        due: ms(begun),
        sent: ms(begun),
        ended: ms(begun + 10),
        outcome,
    }
}

pub fn ok(seen: Seen) -> Outcome {
    Outcome::Ok(seen)
}

pub fn unknown() -> Outcome {
    Outcome::Unknown("no answer".to_owned())
}

const WHOLE_ORDER: Rows = Rows {
    heads: 1,
    lines: 2,
    movements: 2,
    sum: 0,
};
const WHOLE_TRANSFER: Rows = Rows {
    heads: 1,
    lines: 0,
    movements: 4,
    sum: 0,
};

/// A history in which all went well, and what the primary then holds.
pub fn sound() -> (History, State) {
    let records = vec![
        at(0, Op::Append { id: 1 }, ok(Seen::Done)),
        at(
            10,
            Op::Transaction {
                id: 2,
                keys: [3, 4],
            },
            ok(Seen::Counters([1, 1])),
        ),
        at(
            20,
            Op::Transaction {
                id: 3,
                keys: [3, 5],
            },
            ok(Seen::Counters([2, 1])),
        ),
        at(30, Op::Order { id: 4 }, ok(Seen::Done)),
        at(40, Op::Transfer { id: 5 }, ok(Seen::Done)),
        at(50, Op::Beat { number: 1 }, ok(Seen::Done)),
        at(60, Op::OwnRead { id: 1 }, ok(Seen::Rows(1))),
        at(70, Op::OwnOrderRead { id: 4 }, ok(Seen::Rows(1))),
        at(80, Op::ReplicaRead, ok(Seen::Beat(0))),
        at(3000, Op::ReplicaOrderRead { id: 4 }, ok(Seen::Rows(1))),
        at(3010, Op::ReplicaRead, ok(Seen::Beat(1))),
        at(3020, Op::Catalogue, ok(Seen::Done)),
    ];
    let part = |key, value| Part { key, value };
    let state = State {
        appends: [(1, 1)].into(),
        parts: [
            (2, vec![part(3, 1), part(4, 1)]),
            (3, vec![part(3, 2), part(5, 1)]),
        ]
        .into(),
        counters: [(3, 2), (4, 1), (5, 1), (6, 0)].into(),
        beat: 1,
        orders: [(4, WHOLE_ORDER)].into(),
        transfers: [(5, WHOLE_TRANSFER)].into(),
        audit: [("wrong-quantities".to_owned(), 0)].into(),
    };
    (History { records }, state)
}
