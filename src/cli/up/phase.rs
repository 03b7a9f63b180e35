//! Which phase `up` brings: the one that is asked for, runs, or has left its data.

use std::collections::BTreeSet;

use scalectl_engine::Scope;
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::{Data, Observed, Ownership};

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// The phase that is asked for, else the one that runs or ran last, else 1.
pub async fn phase_of(
    context: &Context,
    engine: &DockerEngine,
    asked: Option<u8>,
) -> Result<u8, CommandError> {
    if let Some(phase) = asked {
        return Ok(phase);
    }
    let scope = Scope::project(&context.project()?);
    let observed = engine.observe_own(&scope).await?;
    let (None, Some(made_for)) = (observed.phase, observed.phase_of_volumes) else {
        return Ok(observed.phase.unwrap_or(1));
    };
    let phase = of_members(context, engine, made_for, &observed).await?;
    context.printer.say(&format!(
        "taking phase {phase}, whose volumes {} has; `--phase` asks for another",
        scope.project
    ));
    Ok(phase)
}

/// The phase that volumes were made for, or a smaller one that has every database member
/// of which there is data: a migration has taken the others away, and kept what both have.
async fn of_members(
    context: &Context,
    engine: &DockerEngine,
    made_for: u8,
    observed: &Observed,
) -> Result<u8, CommandError> {
    let there = observed.volumes.iter();
    let there = there.filter(|(_, it)| it.data == Data::Member && it.ownership == Ownership::Ours);
    let there: BTreeSet<_> = there.map(|(name, _)| name.clone()).collect();
    if context.global.document.is_some() || there.is_empty() {
        return Ok(made_for);
    }
    for phase in 1..made_for {
        let compose = context.render_unbuilt(phase, engine).await?.compose;
        if there.is_subset(&scalectl_plan::member_volumes(&compose)) {
            return Ok(phase);
        }
    }
    Ok(made_for)
}
