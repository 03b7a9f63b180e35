//! The documents between two phases, rendered as `up` renders them.

use scalectl_engine_docker::DockerEngine;
use scalectl_migrate::Ladder;
use scalectl_phase::Lineage;

use super::MigrateError;
use crate::cli::context::{Between, Context};
use crate::cli::error::CommandError;

/// What holds data, and so gets its members before anything else changes.
const DATABASE: &str = "database";

/// The ladder between two phases, whichever of them is the larger one.
pub async fn between(
    context: &Context,
    engine: &DockerEngine,
    one: u8,
    other: u8,
    is_fast: bool,
) -> Result<Ladder, CommandError> {
    let phases = context.phases()?;
    let small = scalectl_phase::get(&phases, one.min(other))?;
    let large = scalectl_phase::get(&phases, one.max(other))?;
    let grown = small.with_members_of(large, DATABASE);
    let small = context.render(small.phase, Some(engine)).await?.compose;
    let copying = Between::copying(!is_fast);
    let grown = context
        .render_between(&grown, engine, copying)
        .await?
        .compose;
    let large = context.render(large.phase, Some(engine)).await?.compose;
    let ladder = Ladder::of(&small, &grown, &large);
    Ok(ladder.map_err(MigrateError::from)?)
}

/// The ladder between two clusters of the database, in one phase.
pub async fn of_move(
    context: &Context,
    engine: &DockerEngine,
    phase: u8,
    (old, new): (u32, u32),
    is_fast: bool,
) -> Result<Ladder, CommandError> {
    let phases = context.phases()?;
    let phase = scalectl_phase::get(&phases, phase)?;
    let both = Lineage {
        generation: old,
        beside: Some(new),
    };
    let render = async |lineage, slowly| {
        let between = Between {
            lineage: Some(lineage),
            copies_slowly: slowly,
        };
        context.render_between(phase, engine, between).await
    };
    let from = render(Lineage::only(old), false).await?.compose;
    let both = render(both, !is_fast).await?.compose;
    let to = render(Lineage::only(new), false).await?.compose;
    let ladder = Ladder::of_move((old, new), [&from, &both, &to]);
    Ok(ladder.map_err(MigrateError::from)?)
}
