//! How the old containers of a service give way to new ones.
//!
//! Recreated: the old one ends before the new one starts, under the same number,
//! and nothing of the old ends before all that the new one needs is there.
//! Rolled: the new one is well before the old one is drained and ends.
//! Next: `leaving.rs` (how one goes), `create.rs` (how one is made).

use std::collections::BTreeSet;

use scalectl_documents::Update;

use crate::fleet::Seen;
use crate::instance::Verdict;
use crate::operation::Cause;
use crate::services::{Change, Planner, Sorted};
use crate::spec::instance_name;

impl<'a> Planner<'a, '_> {
    /// Two cannot run side by side where the engine's machine has one port for
    /// both, nor where others live in the network of this very container; and
    /// members of a holder that is gone serve nobody any more.
    pub(crate) fn rolls(&self, change: &Change<'a>, sorted: &Sorted<'a>) -> bool {
        let service = change.service;
        let is_stranded = |cause: &Cause| matches!(cause, Cause::Stranded { .. });
        service.extension.update == Update::Rolling
            && !service.is_one_shot()
            && service.ports.is_empty()
            && !self.holders.contains(change.name)
            && !sorted.replaced.iter().any(|(_, cause)| is_stranded(cause))
    }

    /// Ends what has no heir, then stops each other old one and makes its
    /// successor under the same number.
    pub(crate) fn recreate(&mut self, change: &mut Change<'a>, sorted: Sorted<'a>) {
        let mut guard = change.before.clone();
        guard.extend(match change.missing {
            0 => Vec::new(),
            _ => self.needs(change.service),
        });
        let (mut heirs, mut ends) = (sorted.replaced, Vec::new());
        let spare = heirs.split_off(heirs.len().min(change.missing));
        let surplus = sorted.surplus.into_iter();
        let spare = spare.into_iter();
        for (old, cause) in spare.chain(surplus.map(|seen| (seen, Cause::TooMany))) {
            ends.extend(self.retire(change, old, &cause, &guard).ended);
        }
        change.before.extend(ends);
        for (seen, verdict) in sorted.kept {
            self.keep(change, seen, &verdict);
        }
        let mut taken = self.numbers(change.name);
        for _ in heirs.len()..change.missing {
            self.make(change, lowest_free(&mut taken), &Cause::Missing, &[], &[]);
        }
        let cluster = change.service.extension.turn.as_deref();
        let turns = cluster.and_then(|cluster| self.turns.get(cluster));
        let mut turn = turns.cloned().unwrap_or_default();
        for (old, cause) in heirs {
            let serves = self.serves(old);
            let mut after = guard.clone();
            if serves {
                after.extend(&turn);
            }
            let gone = self.retire(change, old, &cause, &after);
            let made = self.make(change, old.1.number, &cause, &[gone.removed], &[]);
            if serves {
                turn.push(made.well);
            }
        }
    }

    /// Makes a successor, waits until it is well, then takes the old one out,
    /// one after the other. What does not serve goes at once.
    pub(crate) fn roll(&mut self, change: &mut Change<'a>, sorted: Sorted<'a>) {
        let out = sorted.replaced.iter().find(|(old, _)| self.serves(*old));
        let out = out.map(|(_, cause)| cause.clone());
        let out = out.or((!sorted.surplus.is_empty()).then_some(Cause::TooMany));
        let out = out.or(self.goal.is_unsettled.then_some(Cause::Unsettled));
        for (seen, verdict) in sorted.kept {
            self.keep(change, seen, &verdict);
            self.know(change, seen, &verdict, out.as_ref());
        }
        let (serving, idle): (Vec<_>, Vec<_>) = sorted
            .replaced
            .into_iter()
            .partition(|(old, _)| self.serves(*old));
        let mut missing = change.missing;
        for (old, cause) in idle {
            let gone = self.take_away(old, &cause, Vec::new());
            if missing > 0 {
                missing -= 1;
                self.make(change, old.1.number, &cause, &[gone.removed], &[]);
            }
        }
        let mut taken = self.numbers(change.name);
        for _ in serving.len()..missing {
            self.make(change, lowest_free(&mut taken), &Cause::Missing, &[], &[]);
        }
        let mut heirs = missing.min(serving.len());
        let cluster = change.service.extension.turn.as_deref();
        let others = cluster.and_then(|it| self.turns.get(it)).cloned();
        let others = others.unwrap_or_default();
        let mut turn = [change.ready.well.clone(), others.clone()].concat();
        let mut ended = Vec::new();
        for (old, mut cause) in serving {
            if heirs > 0 {
                heirs -= 1;
                let number = lowest_free(&mut taken);
                turn = vec![self.make(change, number, &cause, &[], &turn).well];
                let project = &self.goal.compose.name;
                let successor = instance_name(project, change.name, number);
                cause = Cause::Superseded { successor };
                turn = self.retire(change, old, &cause, &turn).ended;
                ended.extend(&turn);
            } else {
                ended.extend(self.retire(change, old, &cause, &turn).ended);
            }
        }
        let well = [change.ready.well.clone(), others].concat();
        for seen in sorted.surplus {
            ended.extend(self.retire(change, seen, &Cause::TooMany, &well).ended);
        }
        if let Some(cluster) = cluster {
            self.turns.entry(cluster).or_default().extend(ended);
        }
    }

    /// One that is well may be what a killed run left before those in front knew
    /// of it: they must before another is taken out.
    fn know(
        &mut self,
        change: &mut Change<'a>,
        (container, seen): Seen<'a>,
        verdict: &Verdict,
        out: Option<&Cause>,
    ) {
        if let Some(cause) = out
            && *verdict == Verdict::Right
            && seen.is_running()
        {
            let known = self.await_known(change.service, container, cause, Vec::new());
            change.ready.well.extend(known);
        }
    }

    /// Alive, and not about to go for another reason.
    fn serves(&self, (name, seen): Seen<'a>) -> bool {
        seen.is_alive() && !self.removed.contains_key(name)
    }

    fn numbers(&self, name: &str) -> BTreeSet<u32> {
        let instances = self.fleet.of_service(name).iter();
        instances.map(|(_, it)| it.number).collect()
    }
}

/// The lowest number from 1 that is not taken; takes it.
fn lowest_free(taken: &mut BTreeSet<u32>) -> u32 {
    let number = (1..)
        .find(|number| !taken.contains(number))
        .unwrap_or(u32::MAX);
    taken.insert(number);
    number
}
