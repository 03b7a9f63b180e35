//! What clients did and what they were told: one record an operation.
//!
//! Times are since the history's beginning. A record never tells more than a client
//! can know: a write without an answer is unknown, whatever the database holds.

use std::fmt;
use std::time::Duration;

/// A number that one client chose, and no other.
pub type Id = u64;

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// SQL, one statement: a row with the client's id, in a table that would take it twice.
    Append { id: Id },
    /// SQL, three statements in a transaction: reads two counters under lock, writes
    /// each one higher, and a part for each.
    Transaction { id: Id, keys: [u32; 2] },
    /// SQL, one statement of the one client that writes it, each number once and in turn.
    Beat { number: u64 },
    /// SQL on `DATABASE_URL`: rows of an append that was acknowledged before.
    OwnRead { id: Id },
    /// SQL on `DATABASE_READ_URL`: the latest beat.
    ReplicaRead,
    /// Through the edge: an order of two lines under the client's id.
    Order { id: Id },
    /// Through the edge: stock moved between two places.
    Transfer { id: Id },
    /// Through the edge, `?fresh=1`: an order that was acknowledged before.
    OwnOrderRead { id: Id },
    /// Through the edge, from a replica: an order that was acknowledged before.
    ReplicaOrderRead { id: Id },
    /// Through the edge: the catalogue, from the cache where there is one.
    Catalogue,
}

impl Op {
    pub fn is_write(&self) -> bool {
        match self {
            Self::Append { .. }
            | Self::Transaction { .. }
            | Self::Beat { .. }
            | Self::Order { .. }
            | Self::Transfer { .. } => true,
            Self::OwnRead { .. }
            | Self::ReplicaRead
            | Self::OwnOrderRead { .. }
            | Self::ReplicaOrderRead { .. }
            | Self::Catalogue => false,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Append { .. } => "append",
            Self::Transaction { .. } => "transaction",
            Self::Beat { .. } => "beat",
            Self::OwnRead { .. } => "own read",
            Self::ReplicaRead => "replica read",
            Self::Order { .. } => "order",
            Self::Transfer { .. } => "transfer",
            Self::OwnOrderRead { .. } => "own order read",
            Self::ReplicaOrderRead { .. } => "replica order read",
            Self::Catalogue => "catalogue",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Append { id }
            | Self::Transaction { id, .. }
            | Self::OwnRead { id }
            | Self::Order { id }
            | Self::Transfer { id }
            | Self::OwnOrderRead { id }
            | Self::ReplicaOrderRead { id } => write!(f, " {id}"),
            Self::Beat { number } => write!(f, " {number}"),
            Self::ReplicaRead | Self::Catalogue => Ok(()),
        }
    }
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok(Seen),
    /// Surely not done: refused, or never sent.
    Failed(String),
    /// Sent, and no answer: done or not.
    Unknown(String),
}

/// What a good answer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Done,
    /// The values that a transaction wrote to its two counters.
    Counters([i64; 2]),
    Rows(u64),
    Beat(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub op: Op,
    /// Whether a connection was made for it alone.
    pub is_new_connection: bool,
    /// When it was to begin, by the clock: what a client's patience counts from.
    pub due: Duration,
    /// When it was sent: later than due if all connections were waiting.
    pub sent: Duration,
    pub ended: Duration,
    pub outcome: Outcome,
}

impl Record {
    pub fn took(&self) -> Duration {
        self.ended.saturating_sub(self.due)
    }

    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }
}

/// All records of a population, over one or several runs.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub records: Vec<Record>,
}

impl History {
    /// Writes that were due or under way within a span of time.
    pub fn writes_within(&self, from: Duration, to: Duration) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |it| it.op.is_write() && it.due < to && it.ended > from)
    }
}
