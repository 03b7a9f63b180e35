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
    /// Show the steps and what each changes; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Accept that sessions past the pooler and in its session mode are ended
    #[arg(long)]
    end_sessions: bool,
    #[command(flatten)]
    how: HowArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// How one is begun.
#[derive(Debug, Clone, Copy)]
struct Begin {
    dry_run: bool,
    end_sessions: bool,
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

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Tell how far the migration is that is open
    Status,
    /// Go on with the migration that is open
    Resume(HowArgs),
    /// Take the migration that is open back to where it began
    Abort(HowArgs),
    /// Take the last migration back: the same as a migration to where it began
    Undo {
        /// Show the steps and what each changes; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Accept that sessions past the pooler and in its session mode are ended
        #[arg(long)]
        end_sessions: bool,
        #[command(flatten)]
        how: HowArgs,
    },
    /// List the migrations of this stack
    History,
    /// Tell what a migration did and how the stack did meanwhile
    Report(report::ReportArgs),
}

pub async fn run(args: &MigrateArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let begin = Begin {
        dry_run: args.dry_run,
        end_sessions: args.end_sessions,
        how: args.how,
    };
    match (&args.verb, args.to) {
        (None, Some(to)) => begin::run(context, to, begin).await?,
        (None, None) | (Some(Verb::Status), _) => told::status(context).await?,
        (Some(Verb::Resume(how)), _) => onward::resume(context, *how).await?,
        (Some(Verb::Abort(how)), _) => onward::abort(context, *how).await?,
        (
            Some(Verb::Undo {
                dry_run,
                end_sessions,
                how,
            }),
            _,
        ) => {
            let (dry_run, end_sessions, how) = (*dry_run, *end_sessions, *how);
            let begin = Begin {
                dry_run,
                end_sessions,
                how,
            };
            onward::undo(context, begin).await?;
        }
        (Some(Verb::History), _) => told::history(context).await?,
        (Some(Verb::Report(args)), _) => report::report(context, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
