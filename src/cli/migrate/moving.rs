//! `scalectl db move`: the whole database moves to a fresh cluster, while the stack serves.
//!
//! A migration like any other, between a phase's documents with one cluster and with
//! another. It rests when the database has moved: the old cluster follows, and `migrate
//! undo` goes back at once; `migrate resume` gives the old cluster up.
//! Next: src/migrate/course.rs (the steps), src/agent/resident/handover/crossing.rs.

use scalectl_migrate::Ladder;
use scalectl_phase::Lineage;

use super::begin::{self, Way};
use super::{Begin, journal, ladder};
use crate::cli::context::Context;
use crate::cli::error::CommandError;

#[derive(clap::Args, Debug)]
pub struct MoveArgs {
    /// Give the old cluster up at once, with its data; without it the move rests and can be taken back
    #[arg(long)]
    finish: bool,
    #[command(flatten)]
    begin: Begin,
}

pub async fn run(args: &MoveArgs, context: &Context) -> Result<(), CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look(&engine, &project).await?;
    let phase = begin::running(context, &project, &observed)?;
    begin::refuse_open(&engine, &project, &observed).await?;
    let old = Lineage::of(&engine.generations(&project).await?).generation;
    let journal = journal::read(&engine, &project, &observed).await?;
    // The store remembers each cluster that there was.
    let new = journal.last_generation().unwrap_or_default().max(old) + 1;
    let engine = context.giving(engine, phase)?;
    let ladder: Ladder =
        ladder::of_move(context, &engine, phase, (old, new), args.begin.fast).await?;
    let way = Way {
        project,
        engine,
        observed,
        ladder,
        from: phase,
        to: phase,
        is_fast: args.begin.fast,
        rests: !args.finish,
    };
    way.go(context, args.begin).await
}
