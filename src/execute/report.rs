//! Where the time went: the chain of operations that the whole run waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use scalectl_plan::{OpId, Plan};

/// When an operation ran, counted from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub start: Duration,
    pub end: Duration,
}

/// How a finished run went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub elapsed: Duration,
    /// From the first operation to the last one that ended.
    pub critical_path: Vec<PathStep>,
}

/// One operation of the critical path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStep {
    pub id: OpId,
    pub elapsed: Duration,
}

impl Report {
    pub(crate) fn of(plan: &Plan, timings: &BTreeMap<OpId, Timing>, elapsed: Duration) -> Self {
        let mut critical_path = Vec::new();
        let mut at = timings
            .iter()
            .max_by_key(|(_, timing)| timing.end)
            .map(|(id, _)| *id);
        while let Some(id) = at {
            let timing = timings[&id];
            critical_path.push(PathStep {
                id,
                elapsed: timing.end.saturating_sub(timing.start),
            });
            let operation = plan.operations.iter().find(|operation| operation.id == id);
            let before = operation
                .map(|operation| operation.after.as_slice())
                .unwrap_or_default();
            at = before
                .iter()
                .copied()
                .filter(|id| timings.contains_key(id))
                .max_by_key(|id| timings[id].end);
        }
        critical_path.reverse();
        Self {
            elapsed,
            critical_path,
        }
    }
}

#[cfg(test)]
mod tests {
    use scalectl_plan::{Call, Cause, Operation};

    use super::*;

    /// Operations by number, after whom they come, and when they ran in milliseconds.
    fn report(ran: &[(u32, &[u32], u64, u64)]) -> Vec<(u32, u64)> {
        let operation = |(id, after, ..): &(u32, &[u32], u64, u64)| Operation {
            id: OpId(*id),
            call: Call::StartContainer {
                container: format!("c{id}"),
            },
            cause: Cause::Missing,
            after: after.iter().copied().map(OpId).collect(),
        };
        let plan = Plan {
            project: "shop".to_owned(),
            operations: ran.iter().map(operation).collect(),
            keeps: Vec::new(),
            fingerprint: String::new(),
        };
        let timings = ran.iter().map(|(id, _, start, end)| {
            let start = Duration::from_millis(*start);
            let end = Duration::from_millis(*end);
            (OpId(*id), Timing { start, end })
        });
        let timings = timings.filter(|(_, it)| it.end > it.start).collect();
        let report = Report::of(&plan, &timings, Duration::from_secs(1));
        assert_eq!(report.elapsed, Duration::from_secs(1));
        let steps = report.critical_path.iter();
        let millis = |it: &PathStep| u64::try_from(it.elapsed.as_millis()).unwrap();
        steps.map(|it| (it.id.0, millis(it))).collect()
    }

    #[test]
    fn the_critical_path_is_the_chain_that_ended_last_by_what_each_waited_for() {
        let path = report(&[
            (1, &[], 0, 100),
            // Long, and nobody waits for it in the end.
            (2, &[], 0, 700),
            (3, &[1], 100, 400),
            (4, &[1], 100, 200),
            (5, &[3, 4], 400, 900),
        ]);
        assert_eq!(path, [(1, 100), (3, 300), (5, 500)]);
    }

    #[test]
    fn what_never_ran_is_on_no_path_and_a_run_of_nothing_has_none() {
        let path = report(&[(1, &[], 0, 0), (2, &[1], 10, 30)]);
        assert_eq!(path, [(2, 20)]);
        assert_eq!(report(&[]), []);
    }
}
