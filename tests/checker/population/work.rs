//! What clients do: one operation each time, and one record of it.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use super::super::history::{Id, Op, Outcome, Record, Seen};
use super::edge::refused;
use super::{PATIENCE, Shared};

/// A kind of operation, and on which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Append,
    AppendAnew,
    Transaction,
    Order,
    OrderAnew,
    Transfer,
    OwnRead,
    ReplicaRead,
    OwnOrderRead,
    ReplicaOrderRead,
    Catalogue,
}

/// How often in a second at the full rate. With the beats: 250 writes, 125 of them
/// several statements in a transaction; 50 reads; 4 new connections.
pub const MIX: [(Work, f64); 11] = [
    (Work::Append, 113.0),
    (Work::AppendAnew, 2.0),
    (Work::Transaction, 85.0),
    (Work::Order, 33.0),
    (Work::OrderAnew, 2.0),
    (Work::Transfer, 5.0),
    (Work::OwnRead, 15.0),
    (Work::ReplicaRead, 10.0),
    (Work::OwnOrderRead, 10.0),
    (Work::ReplicaOrderRead, 5.0),
    (Work::Catalogue, 10.0),
];
const BEATS_GAP: Duration = Duration::from_millis(100);
const KEYS: u64 = 64;
/// How old an order is when a replica is asked for it: it must be there within the bound.
const OLD: Duration = Duration::from_secs(1);

/// One operation, due at that time.
pub async fn once(shared: Rc<Shared>, work: Work, due: Instant) {
    let Some(op) = shared.choose(work) else {
        return;
    };
    let is_new = matches!(work, Work::AppendAnew | Work::OrderAnew);
    let mut turn = Turn::new(&shared, due);
    let outcome = shared.perform(&op, is_new, &mut turn);
    let outcome = within_patience(outcome).await;
    shared.note(turn, op, is_new, outcome);
}

/// The one client that beats: the next number once the one before was answered.
pub async fn beats(shared: Rc<Shared>, end: Arc<AtomicBool>) {
    let mut due = Instant::now();
    while !end.load(Ordering::Relaxed) {
        sleep_until(due.into()).await;
        let number = shared.next_beat.get();
        shared.next_beat.set(number + 1);
        let op = Op::Beat { number };
        let mut turn = Turn::new(&shared, due);
        let outcome = within_patience(shared.perform(&op, false, &mut turn)).await;
        shared.note(turn, op, false, outcome);
        due = (due + BEATS_GAP).max(Instant::now());
    }
}

/// When an operation was due, and when it was sent.
struct Turn {
    zero: Instant,
    due: Duration,
    sent: Option<Duration>,
}

impl Turn {
    fn new(shared: &Shared, due: Instant) -> Self {
        let zero = shared.start.zero;
        Self {
            zero,
            due: due.saturating_duration_since(zero),
            sent: None,
        }
    }

    fn sends(&mut self) {
        self.sent = Some(self.zero.elapsed());
    }
}

async fn within_patience(outcome: impl Future<Output = Result<Seen, Outcome>>) -> Outcome {
    match timeout(PATIENCE, outcome).await {
        Ok(Ok(seen)) => Outcome::Ok(seen),
        Ok(Err(trouble)) => trouble,
        Err(_) => Outcome::Unknown(format!("no answer within {PATIENCE:?}")),
    }
}

impl Shared {
    /// What to do now; nothing if there is nothing yet to read.
    fn choose(&self, work: Work) -> Option<Op> {
        Some(match work {
            Work::Append | Work::AppendAnew => Op::Append { id: self.new_id() },
            Work::Transaction => {
                let id = self.new_id();
                let first = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                let second = first + 1 + (first >> 8) % (KEYS - 1);
                let mut keys = [first, second].map(|it| (it % KEYS) as u32);
                keys.sort_unstable();
                Op::Transaction { id, keys }
            }
            Work::Order | Work::OrderAnew => Op::Order { id: self.new_id() },
            Work::Transfer => Op::Transfer { id: self.new_id() },
            Work::OwnRead => Op::OwnRead {
                id: self.last_append.get()?,
            },
            Work::ReplicaRead => Op::ReplicaRead,
            Work::OwnOrderRead => Op::OwnOrderRead {
                id: self.last_order.get()?,
            },
            Work::ReplicaOrderRead => {
                let (id, acknowledged) = self.old_order.get()?;
                if self.start.zero.elapsed() < acknowledged + OLD {
                    return None;
                }
                self.old_order.set(None);
                Op::ReplicaOrderRead { id }
            }
            Work::Catalogue => Op::Catalogue,
        })
    }

    fn new_id(&self) -> Id {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        id
    }

    async fn perform(&self, op: &Op, is_new: bool, turn: &mut Turn) -> Result<Seen, Outcome> {
        match op {
            Op::Append { id } if is_new => {
                turn.sends();
                self.writers.append_anew(*id).await.map(|()| Seen::Done)
            }
            Op::ReplicaRead => {
                let taken = self.readers.take().await?;
                turn.sends();
                let seen = taken.session.latest_beat().await;
                self.readers.give_back(taken);
                seen.map(Seen::Beat)
            }
            Op::Append { .. } | Op::Transaction { .. } | Op::Beat { .. } | Op::OwnRead { .. } => {
                self.with_writer(op, turn).await
            }
            Op::Order { .. }
            | Op::Transfer { .. }
            | Op::OwnOrderRead { .. }
            | Op::ReplicaOrderRead { .. }
            | Op::Catalogue => self.through_the_edge(op, is_new, turn).await,
        }
    }

    async fn with_writer(&self, op: &Op, turn: &mut Turn) -> Result<Seen, Outcome> {
        let mut taken = self.writers.take().await?;
        turn.sends();
        let session = &mut taken.session;
        let seen = match op {
            Op::Append { id } => session.append(*id).await.map(|()| Seen::Done),
            Op::Transaction { id, keys } => {
                session.transaction(*id, *keys).await.map(Seen::Counters)
            }
            Op::Beat { number } => session.beat(*number).await.map(|()| Seen::Done),
            Op::OwnRead { id } => session.rows(*id).await.map(Seen::Rows),
            _ => unreachable!("{op} is not of a writer's session"),
        };
        // Without an answer its session is of no use to anybody.
        if !matches!(seen, Err(Outcome::Unknown(_))) {
            self.writers.give_back(taken);
        }
        seen
    }

    async fn through_the_edge(
        &self,
        op: &Op,
        is_new: bool,
        turn: &mut Turn,
    ) -> Result<Seen, Outcome> {
        let prefix = &self.target.prefix;
        let (method, path, body) = match op {
            Op::Order { id } => (
                "PUT",
                format!("/orders/{prefix}-{id}"),
                format!(r#"{{"customer":"checker","lines":[{}]}}"#, lines(*id)),
            ),
            Op::Transfer { id } => {
                let (from, to) = match id % 2 {
                    0 => ("shop", "warehouse"),
                    _ => ("warehouse", "shop"),
                };
                let body = format!(
                    r#"{{"from_place":"{from}","to_place":"{to}","lines":[{}]}}"#,
                    lines(*id)
                );
                ("PUT", format!("/transfers/{prefix}-{id}"), body)
            }
            Op::OwnOrderRead { id } => (
                "GET",
                format!("/orders/{prefix}-{id}?fresh=1"),
                String::new(),
            ),
            Op::ReplicaOrderRead { id } => ("GET", format!("/orders/{prefix}-{id}"), String::new()),
            _ => ("GET", "/products".to_owned(), String::new()),
        };
        turn.sends();
        let answer = self.edge.ask(method, &path, &body, is_new).await?;
        let is_read_of_one = matches!(op, Op::OwnOrderRead { .. } | Op::ReplicaOrderRead { .. });
        match answer.status {
            404 if is_read_of_one => Ok(Seen::Rows(0)),
            200..300 if is_read_of_one => Ok(Seen::Rows(1)),
            200..300 => Ok(Seen::Done),
            _ => Err(refused(&answer)),
        }
    }

    fn note(&self, turn: Turn, op: Op, is_new_connection: bool, outcome: Outcome) {
        let ended = self.start.zero.elapsed();
        if matches!(outcome, Outcome::Ok(_)) {
            match op {
                Op::Append { id } => self.last_append.set(Some(id)),
                Op::Order { id } => {
                    self.last_order.set(Some(id));
                    if self.old_order.get().is_none() {
                        self.old_order.set(Some((id, ended)));
                    }
                }
                _ => {}
            }
            if op.is_write() {
                self.pulse.beat(ended.saturating_sub(turn.due));
            }
        }
        self.records.borrow_mut().push(Record {
            op,
            is_new_connection,
            due: turn.due,
            sent: turn.sent.unwrap_or(ended),
            ended,
            outcome,
        });
    }
}

/// Two of the shop's hundred products, others for each order.
fn lines(id: Id) -> String {
    const THINGS: [&str; 10] = [
        "bag", "book", "bowl", "cap", "cup", "lamp", "pen", "scarf", "shirt", "vase",
    ];
    const COLOURS: [&str; 10] = [
        "black", "blue", "brown", "green", "grey", "pink", "red", "teal", "white", "yellow",
    ];
    let (thing, colour) = ((id % 10) as usize, (id / 10 % 10) as usize);
    let line = |thing: usize| {
        let (thing, colour) = (THINGS[thing], COLOURS[colour]);
        format!(r#"{{"sku":"{thing}-{colour}","quantity":1}}"#)
    };
    format!("{},{}", line(thing), line((thing + 1) % 10))
}
