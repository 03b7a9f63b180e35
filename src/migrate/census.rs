//! What the database's members say of themselves, as the stack's agent tells it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// All members of the cluster, asked now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Who takes writes and says so itself.
    pub primary: Option<String>,
    pub members: BTreeMap<String, Seat>,
    /// The standbys that the pooler may send reads to.
    pub readable: BTreeSet<String>,
    /// Automatic failover is off.
    pub paused: bool,
    /// The generation of the cluster that takes writes.
    #[serde(default)]
    pub generation: Option<u32>,
}

/// One member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub is_running: bool,
    /// How far a standby is behind; none for one that does not follow.
    pub lag_bytes: Option<u64>,
    /// Grows with every change of the primary.
    pub timeline: Option<u64>,
}

impl Census {
    /// The primary's timeline.
    pub fn timeline(&self) -> Option<u64> {
        self.members.get(self.primary.as_ref()?)?.timeline
    }

    /// A timeline that somebody has and that is not `this`, if the primary's is another
    /// one or a member's is newer.
    pub fn timeline_beside(&self, this: u64) -> Option<u64> {
        let primary = self.timeline().filter(|it| *it != this);
        let timelines = self.members.values().filter_map(|seat| seat.timeline);
        primary.or_else(|| timelines.filter(|it| *it > this).max())
    }

    /// Why these members cannot be relied on yet; none if they can.
    pub fn reason_not_followed(&self, members: &BTreeSet<String>) -> Option<String> {
        if self.primary.is_none() {
            return Some("no member takes writes".to_owned());
        }
        members
            .iter()
            .find_map(|member| match self.members.get(member) {
                None => Some(format!("{member} has not joined")),
                Some(Seat {
                    is_running: false, ..
                }) => Some(format!("{member} does not follow yet")),
                Some(_) if self.primary.as_ref() == Some(member) => None,
                Some(Seat {
                    lag_bytes: Some(lag),
                    ..
                }) if !self.readable.contains(member) => {
                    Some(format!("{member} is {lag} bytes behind"))
                }
                Some(_) if !self.readable.contains(member) => {
                    Some(format!("{member} does not follow yet"))
                }
                Some(_) => None,
            })
    }
}
