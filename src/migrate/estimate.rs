//! How long a migration will take: by what its steps took before on this stack, or by
//! stated defaults. An estimate, never a promise. Pure.

use serde::Serialize;

use crate::course::Step;
use crate::outline::Outline;
use crate::report::Taken;

/// Where a figure is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The median of what such a step took on this stack, and how often it was taken.
    History(usize),
    /// Measured elsewhere: a small stack on two cores.
    Default,
}

/// What one step will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    pub number: usize,
    pub takes_ms: u64,
    /// How long writes will wait.
    pub held_ms: u64,
    pub basis: Basis,
}

/// A whole one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    pub steps: Vec<Estimate>,
    pub takes_ms: u64,
    pub held_ms: u64,
}

/// What new members copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Copies {
    pub bytes: u64,
    /// As fast as they may be, where somebody has set that.
    pub bytes_a_second: Option<u64>,
}

/// Bytes a second of a copy of the database, where nothing is known: a busy disk's.
const COPY_BYTES_A_SECOND: u64 = 40 << 20;
const SETTLE_MS: u64 = 8_000;
const HELD_MS: u64 = 300;

/// `history` are steps of earlier migrations; `has_hold` tells whether the primary is to
/// move.
pub fn expected(outline: &Outline, history: &[Taken], copies: Copies, has_hold: bool) -> Expected {
    let steps = outline.steps.iter().map(|one| {
        let holds = has_hold && matches!(one.step, Step::Gather { .. } | Step::Cross { .. });
        let same = history.iter().filter(|it| is_alike(&it.step, &one.step));
        let same = same.filter(|it| holds == it.held_ms.is_some() && it.took_ms.is_some());
        let same: Vec<_> = same.collect();
        let (takes_ms, held_ms, basis) = match same.len() {
            0 => (default(&one.step, copies, holds), HELD_MS, Basis::Default),
            count => (
                median(same.iter().filter_map(|it| it.took_ms)),
                median(same.iter().filter_map(|it| it.held_ms)),
                Basis::History(count),
            ),
        };
        Estimate {
            number: one.number,
            takes_ms,
            held_ms: if holds { held_ms } else { 0 },
            basis,
        }
    });
    let steps: Vec<_> = steps.collect();
    Expected {
        takes_ms: steps.iter().map(|it| it.takes_ms).sum(),
        held_ms: steps.iter().map(|it| it.held_ms).max().unwrap_or(0),
        steps,
    }
}

/// The same kind of step, with the same words for what it brings.
fn is_alike(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (
            Step::Settle {
                takes_back, what, ..
            },
            Step::Settle {
                takes_back: back,
                what: other,
                ..
            },
        ) => takes_back == back && what == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

fn default(step: &Step, copies: Copies, holds: bool) -> u64 {
    let rate = copies.bytes_a_second.unwrap_or(COPY_BYTES_A_SECOND).max(1);
    match step {
        Step::Settle { .. } => SETTLE_MS,
        Step::Follow { .. } => 3_000 + copies.bytes.saturating_mul(1000) / rate,
        Step::Gather { .. } if holds => 3_000,
        Step::Cross { .. } => 4_000,
        Step::Gather { .. } | Step::Pin { .. } | Step::Affirm { .. } => 300,
        Step::Alone { .. } | Step::Discard { .. } | Step::Finish => 2_000,
    }
}

fn median(all: impl Iterator<Item = u64>) -> u64 {
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::outline::OutlinedStep;

    fn gather() -> Step {
        let stay = BTreeSet::from(["db-1".to_owned()]);
        Step::Gather { stay }
    }

    fn outline(steps: Vec<Step>) -> Outline {
        let none = BTreeSet::new;
        let steps = steps
            .into_iter()
            .enumerate()
            .map(|(at, step)| OutlinedStep {
                number: at + 1,
                step,
                makes: none(),
                changes: none(),
                removes: none(),
            });
        Outline {
            generations: None,
            from: 2,
            to: 1,
            steps: steps.collect(),
            point_of_no_return: None,
            destroys: none(),
            forgets: none(),
        }
    }

    fn took(step: Step, took_ms: Option<u64>, held_ms: Option<u64>) -> Taken {
        Taken {
            number: 9,
            step,
            began_at_ms: 0,
            took_ms,
            held_ms,
        }
    }

    #[test]
    fn what_a_step_took_before_on_this_stack_counts_and_else_a_default_that_says_so() {
        let outline = outline(vec![gather(), Step::Finish]);
        let history = [
            took(gather(), Some(4_000), Some(200)),
            took(gather(), Some(5_000), Some(150)),
            took(gather(), Some(9_000), Some(400)),
            // The primary was there already, and one that never ended.
            took(gather(), Some(90), None),
            took(gather(), None, None),
        ];
        let expected_of = |has_hold| expected(&outline, &history, Copies::default(), has_hold);
        let moved = expected_of(true);
        assert_eq!((moved.steps[0].takes_ms, moved.held_ms), (5_000, 200));
        assert_eq!(moved.steps[0].basis, Basis::History(3));
        assert_eq!(moved.steps[1].basis, Basis::Default);
        assert_eq!(moved.takes_ms, 7_000);
        let stayed = expected_of(false);
        assert_eq!((stayed.steps[0].takes_ms, stayed.held_ms), (90, 0));
    }

    #[test]
    fn copies_take_as_long_as_they_are_large() {
        let members = BTreeSet::from(["db-2".to_owned()]);
        let outline = outline(vec![Step::Follow { members }]);
        let takes = |bytes, bytes_a_second| {
            let copies = Copies {
                bytes,
                bytes_a_second,
            };
            expected(&outline, &[], copies, false).takes_ms
        };
        assert_eq!(takes(5 << 30, None) - takes(0, None), 128_000);
        assert_eq!(takes(5 << 30, Some(20 << 20)) - takes(0, None), 256_000);
    }
}
