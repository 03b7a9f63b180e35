//! `scalectl migrate`: a running stack moves to another phase, and back.
//!
//! Joins the rooms: documents of both phases, the ladder between them, the journal that
//! the stack keeps, and the driver. Must never know a step, nor an order.
//! Next: `begin.rs`, `onward.rs` (resume, abort, undo), `site.rs` (what it works on).

mod begin;
mod checks;
mod error;
mod journal;
mod ladder;
mod moving;
mod needs;
mod onward;
mod report;
mod site;
mod told;
mod watch;

use std::process::ExitCode;

pub use error::MigrateError;
pub use moving::{MoveArgs, run as move_database};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::LockArgs;

/// Move the running stack to another phase, with its data, while it serves
#[derive(clap::Args, Debug)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct MigrateArgs {
    /// The phase to move to
    #[arg(long, value_name = "N", required = true)]
    to: Option<u8>,
    #[command(flatten)]
    begin: Begin,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// How one is begun.
#[derive(clap::Args, Debug, Clone, Copy)]
struct Begin {
    /// Show the steps and what each changes; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Accept that sessions past the pooler and in its session mode are ended
    #[arg(long)]
    end_sessions: bool,
    /// Copy the database as fast as the disk allows, though whoever uses it meanwhile has less of it
    #[arg(long)]
    fast: bool,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(clap::Args, Debug, Clone, Copy)]
pub struct HowArgs {
    /// Answer the question with yes
    #[arg(short, long)]
    yes: bool,
    /// How long each wait may take, in seconds; copies of the database are waited for
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    wait_timeout: u64,
    #[command(flatten)]
    lock: LockArgs,
}

/// How one that is open goes on.
#[derive(clap::Args, Debug, Clone, Copy)]
pub struct OnwardArgs {
    /// Accept that sessions past the pooler and in its session mode are ended
    #[arg(long)]
    end_sessions: bool,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Tell how far the migration is that is open
    Status,
    /// Go on with the migration that is open
    Resume(OnwardArgs),
    /// Take the migration that is open back to where it began
    Abort(OnwardArgs),
    /// Take the last migration back: the same as a migration to where it began
    Undo(Begin),
    /// List the migrations of this stack
    History,
    /// Tell what a migration did and how the stack did meanwhile
    Report(report::ReportArgs),
}

pub async fn run(args: &MigrateArgs, context: &Context) -> Result<ExitCode, CommandError> {
    match (&args.verb, args.to) {
        (None, Some(to)) => begin::run(context, to, args.begin).await?,
        (None, None) | (Some(Verb::Status), _) => told::status(context).await?,
        (Some(Verb::Resume(args)), _) => onward::resume(context, *args).await?,
        (Some(Verb::Abort(args)), _) => onward::abort(context, *args).await?,
        (Some(Verb::Undo(begin)), _) => onward::undo(context, *begin).await?,
        (Some(Verb::History), _) => told::history(context).await?,
        (Some(Verb::Report(args)), _) => report::report(context, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
