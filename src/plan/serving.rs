//! What an `up` has to make sure of before it says that all is done.
//!
//! A container can be right and healthy, and yet unknown to those in front of it: the
//! `up` that made it failed before that was sure. Nothing of the engine's shows it, so
//! the next one asks those in front, by the same hook as for a new one.
//! Next: `changeover.rs` (the same for what a killed scalectl left).

use std::collections::BTreeSet;

use crate::conflicts::PlanError;
use crate::graph::Graph;
use crate::observed::Observed;
use crate::operation::{Call, Cause, Plan};
use crate::rules::{self, Goal};

/// What is left to ask after `done` was carried out, by what was `observed` before it:
/// of each container that stayed, whether those in front know it. Changes nothing.
///
/// # Errors
/// As `build`.
pub fn unconfirmed(goal: &Goal<'_>, observed: &Observed, done: &Plan) -> Result<Plan, PlanError> {
    let goal = Goal {
        is_unsettled: true,
        ..*goal
    };
    let all = rules::build(&goal, observed)?;
    let calls = done.operations.iter().map(|it| &it.call);
    let stopped: BTreeSet<_> = calls
        .clone()
        .filter(|call| matches!(call, Call::StopContainer { .. }))
        .map(Call::subject)
        .collect();
    let mut graph = Graph::default();
    for operation in &all.operations {
        let Call::Exec { command, .. } = &operation.call else {
            continue;
        };
        let is_gone = command.iter().any(|word| stopped.contains(word.as_str()));
        let is_asked = calls.clone().any(|call| *call == operation.call);
        if operation.cause == Cause::Unsettled && !is_gone && !is_asked {
            graph.add(operation.call.clone(), &Cause::Unconfirmed, []);
        }
    }
    Ok(Plan {
        operations: graph.into_operations(),
        keeps: Vec::new(),
        ..all
    })
}
