//! The outline of a migration: its steps before any is taken, as data.
//!
//! What a step changes is told from the documents of the rungs that it leads between,
//! which are what is applied. The ui makes words of it. Pure.

use std::collections::BTreeSet;

use scalectl_documents::Compose;
use serde::Serialize;

use crate::course::{Step, course};
use crate::ladder::Ladder;

/// A migration, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    pub from: u8,
    pub to: u8,
    /// The database's clusters that it leads from and to, where it moves that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generations: Option<(u32, u32)>,
    pub steps: Vec<OutlinedStep>,
    /// The number of the step that cannot be taken back; none if each can.
    pub point_of_no_return: Option<usize>,
    /// Volumes that are destroyed, with the data in them.
    pub destroys: BTreeSet<String>,
    /// Services that go and keep nothing on disk: what they hold in memory is lost.
    pub forgets: BTreeSet<String>,
}

/// One step, and what it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutlinedStep {
    pub number: usize,
    #[serde(flatten)]
    pub step: Step,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub makes: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub changes: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub removes: BTreeSet<String>,
}

/// The steps from one rung to another.
pub fn outline(ladder: &Ladder, start: usize, goal: usize) -> Outline {
    let steps = course(ladder, start, goal);
    let mut at = start;
    let mut outlined = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let mut one = OutlinedStep {
            number: index + 1,
            step: step.clone(),
            makes: BTreeSet::new(),
            changes: BTreeSet::new(),
            removes: BTreeSet::new(),
        };
        if let Step::Settle { rung, .. } = step {
            let (before, after) = (&ladder.rungs()[at], &ladder.rungs()[*rung]);
            one.makes = only_in(&after.compose, &before.compose);
            one.removes = only_in(&before.compose, &after.compose);
            one.changes = changed(&before.compose, &after.compose);
            at = *rung;
        }
        outlined.push(one);
    }
    let phase = |rung: usize| {
        if rung == 0 {
            ladder.phases().0
        } else {
            ladder.phases().1
        }
    };
    let last = steps.iter().position(Step::is_point_of_no_return);
    let destroys = steps.iter().find_map(|step| match step {
        Step::Discard { volumes } => Some(volumes.clone()),
        _ => None,
    });
    Outline {
        from: phase(start),
        to: phase(goal),
        generations: ladder.generations(),
        steps: outlined,
        point_of_no_return: last.map(|index| index + 1),
        destroys: destroys.unwrap_or_default(),
        forgets: forgotten(
            &ladder.rungs()[start].compose,
            &ladder.rungs()[goal].compose,
        ),
    }
}

fn forgotten(before: &Compose, after: &Compose) -> BTreeSet<String> {
    let gone = only_in(before, after).into_iter();
    let keeps = |name: &String| {
        let mut mounts = before.services[name].volumes.iter();
        mounts.any(|mount| !mount.read_only)
    };
    gone.filter(|name| !keeps(name)).collect()
}

fn only_in(one: &Compose, other: &Compose) -> BTreeSet<String> {
    let names = one.services.keys();
    let new = names.filter(|name| !other.services.contains_key(*name));
    new.cloned().collect()
}

/// Services of both whose containers are replaced.
fn changed(before: &Compose, after: &Compose) -> BTreeSet<String> {
    let both = after.services.iter().filter(|(name, service)| {
        let was = before.services.get(*name);
        was.is_some_and(|was| {
            before.hash_of(was) != after.hash_of(service) || was.replicas() != service.replicas()
        })
    });
    both.map(|(name, _)| name.clone()).collect()
}
