//! What must not be, each with what shows it.

use std::fmt;
use std::time::Duration;

use super::history::{Id, Op};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Acknowledged, and not there.
    Lost { op: Op, acknowledged: Duration },
    /// There more than once.
    Doubled { op: Op, times: u64 },
    /// Told to have failed, and there all the same.
    Resurrected { op: Op },
    /// There, and nobody wrote it.
    Phantom { what: &'static str, id: Id },
    /// A part of a transaction without the rest.
    Torn { op: Op, found: String },
    /// Two transactions wrote the same value to a counter, or one's update is gone.
    LostUpdate { key: u32, why: String },
    /// A client did not see what it had been acknowledged.
    StaleOwnRead {
        op: Op,
        acknowledged: Duration,
        sent: Duration,
    },
    /// A replica's answer was older than the bound.
    TooStale { op: Op, by: Duration },
    /// A client saw an error, or no answer.
    FailedRequest {
        op: Op,
        ended: Duration,
        reason: String,
    },
    /// The shop's own audit.
    Audit { what: String, count: i64 },
}

/// The kinds, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Lost,
    Doubled,
    Resurrected,
    Phantom,
    Torn,
    LostUpdate,
    StaleOwnRead,
    TooStale,
    FailedRequest,
    Audit,
}

impl Anomaly {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Lost { .. } => Kind::Lost,
            Self::Doubled { .. } => Kind::Doubled,
            Self::Resurrected { .. } => Kind::Resurrected,
            Self::Phantom { .. } => Kind::Phantom,
            Self::Torn { .. } => Kind::Torn,
            Self::LostUpdate { .. } => Kind::LostUpdate,
            Self::StaleOwnRead { .. } => Kind::StaleOwnRead,
            Self::TooStale { .. } => Kind::TooStale,
            Self::FailedRequest { .. } => Kind::FailedRequest,
            Self::Audit { .. } => Kind::Audit,
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |time: &Duration| format!("{:.3} s", time.as_secs_f64());
        match self {
            Self::Lost { op, acknowledged } => {
                write!(f, "lost: {op}, acknowledged at {}", s(acknowledged))
            }
            Self::Doubled { op, times } => write!(f, "doubled: {op} is there {times} times"),
            Self::Resurrected { op } => write!(f, "resurrected: {op} failed, and is there"),
            Self::Phantom { what, id } => write!(f, "phantom: nobody wrote the {what} {id}"),
            Self::Torn { op, found } => write!(f, "torn: of {op} there is {found}"),
            Self::LostUpdate { key, why } => write!(f, "lost update: counter {key}: {why}"),
            Self::StaleOwnRead {
                op,
                acknowledged,
                sent,
            } => write!(
                f,
                "stale own read: {op} at {} does not see what was acknowledged at {}",
                s(sent),
                s(acknowledged)
            ),
            Self::TooStale { op, by } => write!(f, "too stale: {op} is {} behind", s(by)),
            Self::FailedRequest { op, ended, reason } => {
                write!(f, "failed request: {op} at {}: {reason}", s(ended))
            }
            Self::Audit { what, count } => write!(f, "audit: {count} {what}"),
        }
    }
}
