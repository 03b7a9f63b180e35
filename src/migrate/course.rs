//! The course: which steps lead from one rung to another.
//!
//! Up, members come first and are waited for. Down, the primary first moves to a member
//! that stays; data goes at the very end, when all else is done. Pure.
//! Next: `drive.rs` (who takes the steps).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ladder::Ladder;

/// One step. Each can be taken again: it looks first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The stack is brought to a rung's document, by a plan as `up` makes them.
    Settle {
        rung: usize,
        /// Down the ladder: what is named is taken back.
        takes_back: bool,
        /// What lies between that rung and the one before.
        what: String,
    },
    /// New members follow the primary closely and answer reads.
    Follow { members: BTreeSet<String> },
    /// The primary moves to a member that stays, if another one has it.
    Gather { stay: BTreeSet<String> },
    /// It still is there; its timeline is noted.
    Pin { stay: BTreeSet<String> },
    /// Those that left are gone from the cluster, and nobody took over meanwhile.
    Alone { stay: BTreeSet<String> },
    /// The database moves to the cluster of that generation, if it is in another one.
    Cross { generation: u32 },
    /// It still is there.
    Affirm { generation: u32 },
    /// The point of no return: data goes, in these volumes.
    Discard { volumes: BTreeSet<String> },
    /// The mark of the migration is taken off: the document is the phase's own.
    Finish,
}

impl Step {
    pub fn is_point_of_no_return(&self) -> bool {
        matches!(self, Self::Discard { .. })
    }
}

/// The steps from a rung that the stack is at, or on its way to, towards another.
pub fn course(ladder: &Ladder, from: usize, to: usize) -> Vec<Step> {
    if let Some((old, new)) = ladder.generations() {
        return match to {
            0 => back_to_the_old(ladder, from, old),
            _ => to_the_new(ladder, from, new),
        };
    }
    let mut steps = Vec::new();
    for rung in from + 1..=to {
        steps.push(settle(ladder, rung, false));
        let before = ladder.members(rung - 1);
        let members = ladder.members(rung).into_keys();
        let members: BTreeSet<_> = members.filter(|it| !before.contains_key(it)).collect();
        if !members.is_empty() {
            steps.push(Step::Follow { members });
        }
    }
    for rung in (to..from).rev() {
        let stay = stayers(ladder, rung);
        if stay.len() == ladder.members(rung + 1).len() {
            steps.push(settle(ladder, rung, true));
            continue;
        }
        steps.push(Step::Gather { stay: stay.clone() });
        steps.push(Step::Pin { stay: stay.clone() });
        steps.push(settle(ladder, rung, true));
        steps.push(Step::Alone { stay });
    }
    if to < from {
        let volumes = ladder.volumes_only_in(from, to);
        if !volumes.is_empty() {
            steps.push(Step::Discard { volumes });
        }
    }
    steps.push(Step::Finish);
    steps
}

/// Until members of the old cluster leave, the move is taken back at once: a cluster that
/// was left follows the one that was moved to. It is affirmed before they leave, and
/// once more before their data go.
fn to_the_new(ladder: &Ladder, from: usize, new: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    if from == 0 {
        let members = newcomers(ladder, 0, 1);
        steps.extend([settle(ladder, 1, false), Step::Follow { members }]);
    }
    steps.extend([
        Step::Cross { generation: new },
        Step::Affirm { generation: new },
        settle(ladder, 2, false),
        Step::Affirm { generation: new },
    ]);
    ended(ladder, 0, 2, steps)
}

fn back_to_the_old(ladder: &Ladder, from: usize, old: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    if from == 2 {
        let members = newcomers(ladder, 2, 1);
        steps.extend([settle(ladder, 1, true), Step::Follow { members }]);
    }
    steps.extend([
        Step::Cross { generation: old },
        Step::Affirm { generation: old },
        settle(ladder, 0, true),
        Step::Affirm { generation: old },
    ]);
    ended(ladder, 1, 0, steps)
}

fn newcomers(ladder: &Ladder, from: usize, to: usize) -> BTreeSet<String> {
    let before = ladder.members(from);
    let members = ladder.members(to).into_keys();
    members.filter(|it| !before.contains_key(it)).collect()
}

fn ended(ladder: &Ladder, from: usize, to: usize, mut steps: Vec<Step>) -> Vec<Step> {
    let volumes = ladder.volumes_only_in(from, to);
    if !volumes.is_empty() {
        steps.push(Step::Discard { volumes });
    }
    steps.push(Step::Finish);
    steps
}

fn settle(ladder: &Ladder, rung: usize, takes_back: bool) -> Step {
    let named = if takes_back { rung + 1 } else { rung };
    Step::Settle {
        rung,
        takes_back,
        what: ladder.rungs()[named].name.clone(),
    }
}

/// The database members of a rung.
pub fn stayers(ladder: &Ladder, rung: usize) -> BTreeSet<String> {
    ladder.members(rung).into_keys().collect()
}
