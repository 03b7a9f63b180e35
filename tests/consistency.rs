//! The checker sees what it must: on recorded histories, and on a stack whose data were
//! changed by hand. A checker that is blind fails here before it can praise anything.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic and speak"
)]

mod checker;
mod load;
mod support;

use std::process::Command;
use std::time::Duration;

use checker::anomaly::Kind;
use checker::figures::{Figures, Span};
use checker::history::{History, Op, Outcome, Seen};
use checker::reading::{primary, psql};
use checker::recorded::{at, ms, ok, sound, unknown};
use checker::scenario::Checker;
use checker::state::{Rows, State};
use checker::verdict::{Bounds, Verdict, judge};
use support::{Stack, run};

const BOUNDS: Bounds = Bounds {
    staleness: Duration::from_secs(2),
};

/// The verdict after one thing in a sound history, or in what is there, was changed.
fn changed(change: impl FnOnce(&mut History, &mut State)) -> Verdict {
    let (mut history, mut state) = sound();
    change(&mut history, &mut state);
    judge(&history, &state, &BOUNDS)
}

/// The only thing that is wrong is of that kind.
fn only(kind: Kind, change: impl FnOnce(&mut History, &mut State)) {
    let verdict = changed(change);
    let kinds: Vec<_> = verdict.kinds().into_keys().collect();
    assert_eq!(kinds, [kind], "{:?}", verdict.anomalies);
}

#[test]
fn a_history_in_which_all_went_well_is_sound() {
    assert_eq!(changed(|_, _| {}).anomalies, []);
}

#[test]
fn an_unknown_write_may_be_there_or_not() {
    let unknown_append = |history: &mut History| history.records[0].outcome = unknown();
    only(Kind::FailedRequest, |history, _| unknown_append(history));
    only(Kind::FailedRequest, |history, state| {
        unknown_append(history);
        history.records.retain(|it| it.op != Op::OwnRead { id: 1 });
        state.appends.clear();
    });
    let twice = changed(|history, state| {
        unknown_append(history);
        state.appends.insert(1, 2);
    });
    assert!(twice.has(Kind::Doubled), "at most once: {twice}");
}

#[test]
fn a_lost_write_is_caught() {
    only(Kind::Lost, |_, state| {
        state.appends.clear();
    });
    only(Kind::Lost, |_, state| {
        state.orders.clear();
    });
    only(Kind::Lost, |_, state| {
        state.transfers.clear();
    });
    only(Kind::Lost, |_, state| state.beat = 0);
    // The last transaction of a promoted standby that had not received it: nothing is torn.
    only(Kind::Lost, |_, state| {
        state.parts.remove(&3);
        state.counters.extend([(3, 1), (5, 0)]);
    });
}

#[test]
fn a_doubled_write_is_caught() {
    only(Kind::Doubled, |_, state| {
        state.appends.insert(1, 2);
    });
    only(Kind::Doubled, |_, state| {
        let rows = Rows {
            heads: 2,
            lines: 4,
            movements: 4,
            sum: 0,
        };
        state.orders.insert(4, rows);
    });
    only(Kind::Doubled, |history, _| {
        history.records[6].outcome = ok(Seen::Rows(2));
    });
}

#[test]
fn a_torn_transaction_is_caught() {
    let torn = changed(|_, state| {
        state.parts.get_mut(&2).expect("two parts").pop();
    });
    assert!(torn.has(Kind::Torn), "{torn}");
    only(Kind::Torn, |_, state| {
        state.orders.get_mut(&4).expect("an order").lines = 1;
    });
    only(Kind::Torn, |_, state| {
        let transfer = state.transfers.get_mut(&5).expect("a transfer");
        (transfer.movements, transfer.sum) = (3, -1);
    });
}

#[test]
fn a_lost_update_is_caught() {
    only(Kind::LostUpdate, |_, state| {
        state.counters.insert(3, 1);
    });
    let same = changed(|history, state| {
        history.records[2].outcome = ok(Seen::Counters([1, 1]));
        state.parts.get_mut(&3).expect("two parts")[0].value = 1;
    });
    assert!(same.has(Kind::LostUpdate), "both were told 1: {same}");
}

#[test]
fn a_client_that_misses_its_own_write_is_caught() {
    only(Kind::StaleOwnRead, |history, _| {
        history.records[6].outcome = ok(Seen::Rows(0));
    });
    only(Kind::StaleOwnRead, |history, _| {
        history.records[7].outcome = ok(Seen::Rows(0));
    });
}

#[test]
fn a_replica_that_is_further_behind_than_the_bound_is_caught() {
    only(Kind::TooStale, |history, _| {
        history.records[9].outcome = ok(Seen::Rows(0));
    });
    only(Kind::TooStale, |history, _| {
        history.records[10].outcome = ok(Seen::Beat(0));
    });
    let within = changed(|history, _| history.records[10].sent = ms(1060));
    assert!(within.is_sound(), "{within}");
}

#[test]
fn a_failed_request_is_caught_and_so_is_one_that_happened_all_the_same() {
    let refused = || Outcome::Failed("status 500".to_owned());
    only(Kind::FailedRequest, |history, _| {
        history.records[11].outcome = refused();
    });
    let resurrected = changed(|history, _| history.records[0].outcome = refused());
    assert!(resurrected.has(Kind::Resurrected), "{resurrected}");
}

#[test]
fn what_nobody_wrote_is_caught() {
    only(Kind::Phantom, |_, state| {
        state.appends.insert(77, 1);
    });
    only(Kind::Audit, |_, state| {
        state.audit.insert("wrong-quantities".to_owned(), 1);
    });
}

#[test]
fn a_stall_is_as_long_as_its_longest_write() {
    let mut records: Vec<_> = (0..400)
        .map(|number| at(number * 10, Op::Append { id: number }, ok(Seen::Done)))
        .collect();
    // Nobody is answered from 1000 to 1300 ms, and again from 2000 to 2150 ms.
    for record in &mut records {
        for (from, to) in [(1000, 1300), (2000, 2150)] {
            if record.due >= ms(from) && record.due < ms(to) {
                record.ended = ms(to);
            }
        }
    }
    let span = Span {
        load_begun: ms(0),
        begun: ms(900),
        ended: ms(2500),
        load_ended: ms(4000),
    };
    let figures = Figures::of(&History { records }, &span);
    let stalls: Vec<_> = figures.stalls.iter().map(|stall| stall.longest).collect();
    assert_eq!(stalls, [ms(300), ms(150)]);
    assert_eq!(figures.median_stall(), ms(225));
    assert_eq!(figures.longest_write, ms(300));
    assert_eq!(figures.longest_silence, ms(300));
    assert_eq!(figures.before.median, ms(10));
    assert_eq!(figures.after.longest, ms(10));
}

#[test]
fn on_a_stack_the_checker_measures_a_stall_and_finds_whatever_was_done_to_the_data() {
    let stack = Stack::shop("consistency");
    stack.must(&["up", "--phase", "1"]);
    let mut checker = Checker::new(&stack).at_rate(100.0);
    let paused = checker.during("the pooler is frozen for 300 ms", |pulse| {
        let pooler = stack.instances("pooler");
        let docker = |verb: &str| run(Command::new("docker").args([verb, pooler[0].as_str()]));
        assert_eq!(docker("pause").code, 0);
        std::thread::sleep(ms(300));
        let silence = pulse.silence();
        assert_eq!(docker("unpause").code, 0);
        assert!(silence > ms(200), "clients wait meanwhile: {silence:?}");
    });
    paused.must_be_sound();
    let stall = paused.figures.longest_write;
    assert!(stall > ms(300) && stall < ms(10_000), "{stall:?}");
    assert!(
        paused.verdict.operations.len() == 10,
        "all kinds were tried: {paused}"
    );

    let primary = primary(&stack);
    for (kind, by_hand) in [
        (
            Kind::Lost,
            "DELETE FROM checker.appends WHERE number = (SELECT max(number) FROM checker.appends)",
        ),
        (
            Kind::Doubled,
            "INSERT INTO checker.appends (id) SELECT min(id) FROM checker.appends",
        ),
        (
            Kind::LostUpdate,
            "UPDATE checker.counters SET value = value - 1 WHERE key = 7",
        ),
        (
            Kind::Torn,
            "DELETE FROM checker.parts WHERE number = (SELECT max(number) FROM checker.parts)",
        ),
        (
            Kind::Audit,
            "UPDATE stock SET quantity = quantity - 1 WHERE sku = 'bag-blue' AND place = 'shop'",
        ),
    ] {
        assert!(!checker.judge().has(kind), "not before it is done");
        let done = psql(&primary, "app", by_hand);
        assert_eq!(done.code, 0, "{}", done.err);
        let verdict = checker.judge();
        assert!(verdict.has(kind), "{by_hand}: {verdict}");
    }
    let failed = checker.during("the pooler is killed", |_| {
        let pooler = stack.instances("pooler");
        let killed = run(Command::new("docker").args(["kill", &pooler[0]]));
        assert_eq!(killed.code, 0, "{}", killed.err);
    });
    assert!(failed.verdict.has(Kind::FailedRequest), "{failed}");
}
