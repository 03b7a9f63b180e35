//! How a migration can end other than well.

use miette::Diagnostic;
use scalectl_migrate::{DriveError, LadderError};

use crate::cli::error::CommandError;
use crate::exit::Exit;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum MigrateError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ladder(#[from] LadderError),
    #[error("a migration of {project} {way} is open")]
    #[diagnostic(
        code(scalectl::migrate::open),
        help(
            "`scalectl migrate status` tells how far it is, `scalectl migrate resume` finishes it, `scalectl migrate abort` takes it back"
        )
    )]
    Open { project: String, way: String },
    #[error("no migration of {project} is open")]
    #[diagnostic(
        code(scalectl::migrate::none_open),
        help("`scalectl migrate history` lists those that were")
    )]
    NoneOpen { project: String },
    #[error("{project} has no migration{}", id.map_or(String::new(), |id| format!(" with the number {id}")))]
    #[diagnostic(
        code(scalectl::migrate::no_such),
        help("`scalectl migrate history` lists those that were")
    )]
    NoSuch { project: String, id: Option<u64> },
    #[error("there is no migration of {project} to take back")]
    #[diagnostic(
        code(scalectl::migrate::nothing_to_undo),
        help(
            "`scalectl migrate history` lists what was done; `scalectl migrate --to N` moves to any phase"
        )
    )]
    NothingToUndo { project: String },
    #[error(
        "the last migration of {project} moved its database, and the cluster that it left is gone"
    )]
    #[diagnostic(
        code(scalectl::migrate::moved_for_good),
        help("`scalectl db move` moves it once more, to a fresh cluster")
    )]
    MovedForGood { project: String },
    #[error("what runs is not what scale.yaml says of phase {phase}: {subject} ({cause})")]
    #[diagnostic(
        code(scalectl::migrate::not_at_rest),
        help(
            "a migration changes nothing else: `scalectl plan` shows the rest of it, `scalectl up` brings it about; then migrate"
        )
    )]
    NotAsDescribed {
        phase: u8,
        subject: String,
        cause: String,
    },
    #[error("scale.yaml says something else than when this migration began")]
    #[diagnostic(
        code(scalectl::migrate::other_documents),
        help(
            "put it back as it was (or use the scalectl that began it), then `scalectl migrate resume` or `abort`; change it after that"
        )
    )]
    OtherDocuments,
    #[error("it is past its point of no return")]
    #[diagnostic(
        code(scalectl::migrate::past_return),
        help("`scalectl migrate resume` finishes it, `scalectl migrate undo` then goes back")
    )]
    PastReturn,
    #[error("the database of {project} is not well: {why}")]
    #[diagnostic(
        code(scalectl::migrate::database),
        help("nothing was changed; `scalectl status` and `scalectl logs agent` show more")
    )]
    Database { project: String, why: String },
    #[error(
        "the new database members need {needed} of disk together, and {free} are free where they would be"
    )]
    #[diagnostic(
        code(scalectl::migrate::disk),
        help("nothing was changed; make room on the engine's disk first")
    )]
    Disk { needed: String, free: String },
    #[error("the journal of {project} cannot be written: {why}")]
    #[diagnostic(
        code(scalectl::migrate::journal),
        help(
            "nothing is done that is not written there first; `scalectl logs agent` may show more, then `scalectl migrate resume` goes on"
        )
    )]
    Journal { project: String, why: String },
    #[error("the journal of {project} cannot be read: it has no container of `agent`")]
    #[diagnostic(
        code(scalectl::migrate::no_agent),
        help(
            "the journal is in the volume {project}_agent-journal; `scalectl migrate resume` brings the agent back if a migration is open, `scalectl up` if none is"
        )
    )]
    NoAgent { project: String },
    #[error("the agent of {project} does not answer: {why}")]
    #[diagnostic(
        code(scalectl::migrate::agent),
        help(
            "everything serves as before; `scalectl logs agent` shows what it says, `scalectl migrate resume` goes on"
        )
    )]
    Agent { project: String, why: String },
    #[error("step {step} of the migration does not come to its end")]
    #[diagnostic(
        code(scalectl::migrate::stopped),
        help(
            "what serves goes on serving; `scalectl migrate resume` looks first and goes on from there, `scalectl migrate abort` takes it back"
        )
    )]
    Step {
        step: usize,
        #[source]
        source: Box<DriveError<CommandError>>,
    },
}

impl MigrateError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Step { source, .. } => match &**source {
                DriveError::Site(error) => error.exit(),
                _ => Exit::Failed,
            },
            Self::Journal { .. } | Self::Agent { .. } => Exit::Failed,
            _ => Exit::Refused,
        }
    }
}
