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
