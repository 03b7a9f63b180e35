//! How a verb can end other than well.
//!
//! Next: `error/exit.rs` (with which exit code), `error/printed.rs`.

mod exit;
mod printed;

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use scalectl_engine::EngineError;
use scalectl_engine_docker::LockError;
use scalectl_execute::ExecuteError;
use scalectl_images::ImageError;
use scalectl_migrate::DriveError;
use scalectl_model::Mistakes;
use scalectl_phase::PhaseError;
use scalectl_plan::{Call, PlanError};
use scalectl_render::RenderError;

use crate::cli::migrate::MigrateError;
use crate::cli::preflight::NotReady;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CommandError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Model(#[from] Mistakes),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Phase(#[from] PhaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotReady(#[from] NotReady),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    #[error("somebody took this stack's lock away while it was held: the work was given up")]
    #[diagnostic(
        code(scalectl::cli::lock_lost),
        help("what was under way may have happened; run the same command again: it looks first")
    )]
    LockLost,
    #[error("{project} is not up")]
    #[diagnostic(code(scalectl::cli::not_up), help("`scalectl up` brings it up"))]
    NotUp { project: String },
    #[error(
        "{project} has {count} containers that plain `docker compose` made: they are not scalectl's"
    )]
    #[diagnostic(
        code(scalectl::cli::not_ours),
        help(
            "they are left as they are: `docker compose -p {project} ps` shows them, `docker compose -p {project} down` removes them"
        )
    )]
    NotOurs { project: String, count: usize },
    #[error("{project} has no service {service}")]
    #[diagnostic(
        code(scalectl::cli::unknown_service),
        help("{}", one_of(service, known))
    )]
    UnknownService {
        project: String,
        service: String,
        known: Vec<String>,
    },
    #[error("no container of {service}{} runs", index.map(|index| format!(" with the number {index}")).unwrap_or_default())]
    #[diagnostic(
        code(scalectl::cli::not_running),
        help("`scalectl status` shows what does; `scalectl up` starts what should")
    )]
    NotRunning { service: String, index: Option<u32> },
    #[error("the engine ended, or the connection to it did")]
    #[diagnostic(
        code(scalectl::cli::engine_ended),
        help("run the same command again when the engine is back; `scalectl doctor` looks at it")
    )]
    EngineEnded,
    #[error("no member of the database of {project} takes writes")]
    #[diagnostic(
        code(scalectl::cli::no_primary),
        help("`scalectl status` shows its members, `scalectl logs db-1` what the first one says")
    )]
    NoPrimary {
        project: String,
        #[related]
        members: Vec<Member>,
    },
    #[error("{program} ended with exit code {code}")]
    #[diagnostic(code(scalectl::cli::database_program), help("{hint}"))]
    DatabaseProgram {
        program: &'static str,
        code: i64,
        hint: &'static str,
        #[source]
        said: Said,
    },
    #[error("the primary stays where it is: {why}")]
    #[diagnostic(code(scalectl::cli::switchover_refused))]
    SwitchoverRefused { why: String },
    #[error("the primary did not move: {why}")]
    #[diagnostic(
        code(scalectl::cli::switchover_went_back),
        help(
            "no write was lost; `scalectl logs agent` tells each step, and a longer `--max-hold` gives more time where writes were held"
        )
    )]
    SwitchoverWentBack { why: String },
    #[error("the primary did not move, for {why}")]
    #[diagnostic(
        code(scalectl::cli::switchover_unheld),
        help(
            "everything serves as before; let that transaction end, or end it, which is an error for its client (`scalectl db shell --superuser -- -c 'SELECT pg_terminate_backend(PROCESS)'`), then try again"
        )
    )]
    SwitchoverUnheld { why: String },
    #[error("whether the primary moved is not known: {why}")]
    #[diagnostic(
        code(scalectl::cli::switchover_unknown),
        help("the agent ends what it has begun; `scalectl logs agent` tells who is the primary")
    )]
    SwitchoverUnknown { why: String },
    #[error("{} is no dump of `scalectl db dump`", file.display())]
    #[diagnostic(
        code(scalectl::cli::no_dump),
        help("it must be in pg_dump's custom format (`pg_dump -Fc`)")
    )]
    NoDump { file: PathBuf },
    #[error("a dump is bytes, and stdout is a terminal")]
    #[diagnostic(
        code(scalectl::cli::dump_to_terminal),
        help("name a file with `-o FILE`, or send it on with `> FILE`")
    )]
    DumpToTerminal,
    #[error("stopped by Ctrl-C; nothing was changed")]
    Interrupted,
    #[error("{action}")]
    Io {
        action: String,
        #[source]
        source: io::Error,
    },
    #[error("there is no {}", file.display())]
    #[diagnostic(
        code(scalectl::cli::no_model),
        help("`scalectl init` writes one for this folder; `-f FILE` names another")
    )]
    NoModel { file: PathBuf },
    #[error("{} is there already", file.display())]
    #[diagnostic(
        code(scalectl::cli::model_exists),
        help("it is left as it is; `--print` shows what would be written")
    )]
    ModelExists { file: PathBuf },
    #[error("the app has no command, and nothing says what its image starts")]
    #[diagnostic(
        code(scalectl::cli::no_command),
        help(
            "say it as `command:` under `app:` in scale.yaml, or let `scalectl up` build or fetch the image: its own command is used then"
        )
    )]
    NoCommand,
    #[error("{what} stops before its end: the plan did not finish")]
    #[diagnostic(
        code(scalectl::cli::stopped),
        help("what is done stays; `scalectl {what}` again looks first and goes on from there")
    )]
    Execute {
        what: &'static str,
        #[source]
        source: ExecuteError,
    },
    #[error("`scalectl {what}` ended at once; what was under way goes on in the engine")]
    #[diagnostic(
        code(scalectl::cli::ended_at_once),
        help(
            "run a command again when you like: it waits for what is under way and goes on from there"
        )
    )]
    EndedAtOnce { what: &'static str },
    #[error("{project} does not come to rest: {subject} is {cause}, again")]
    #[diagnostic(
        code(scalectl::cli::not_at_rest),
        help("`scalectl logs` shows what its containers say, `scalectl plan` what is left to do")
    )]
    NotAtRest {
        project: String,
        subject: String,
        cause: String,
    },
    #[error("nobody can be asked, and this needs an answer: {question}")]
    #[diagnostic(code(scalectl::cli::needs_yes), help("`--yes` answers it"))]
    NeedsYes { question: String },
    #[error("nothing was changed: the answer was not `yes`")]
    Declined,
    #[error("nothing was changed: more data would be destroyed than was asked about")]
    #[diagnostic(
        code(scalectl::cli::more_to_destroy),
        help("the stack changed while the question stood; run the same command again")
    )]
    MoreToDestroy,
    #[error("what is there has changed since {} was made", file.display())]
    #[diagnostic(code(scalectl::cli::stale_plan), help("make a new one with `scalectl plan -o {}` and read it", file.display()))]
    StalePlan { file: PathBuf },
    #[error("the plan was not kept: `up` makes images first, and then it would no longer hold")]
    #[diagnostic(
        code(scalectl::cli::plan_before_images),
        help(
            "missing: {}. `scalectl images build` builds scalectl's own, `docker build -t IMAGE FOLDER` the app's; or run `scalectl up` without a plan",
            images.join(", ")
        )
    )]
    PlanBeforeImages { images: Vec<String> },
    #[error("{} is not a plan of scalectl's", file.display())]
    #[diagnostic(
        code(scalectl::cli::bad_plan),
        help("`up` takes what `scalectl plan -o FILE` wrote; an app model is named by `-f FILE`")
    )]
    BadPlan {
        file: PathBuf,
        #[source]
        source: Option<serde_json::Error>,
    },
}

/// A member of a database, and why it is not the one that takes writes.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{container}: {why}")]
pub struct Member {
    pub container: String,
    pub why: String,
}

/// The last of what a program said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

impl CommandError {
    pub fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    /// Whether calls that were made may still be under way in the engine.
    pub fn is_under_way(&self) -> bool {
        match self {
            Self::EndedAtOnce { .. } => true,
            Self::Migrate(MigrateError::Step { source, .. }) => match &**source {
                DriveError::Site(error) => error.is_under_way(),
                _ => false,
            },
            Self::Engine(error) => error.is_unknown(),
            Self::Execute {
                source: ExecuteError::Failed { failures, .. },
                ..
            } => failures.iter().any(|it| it.error.is_unknown()),
            _ => false,
        }
    }

    /// Whether the next one has to make sure of what this one could not: of calls that may be
    /// under way, or of a container that runs while nobody in front of it has said that it
    /// knows it. No look at the engine shows either.
    pub fn leaves_unrest(&self) -> bool {
        let is_question = |call: &Call| matches!(call, Call::Exec { .. });
        let is_unanswered = match self {
            Self::Execute {
                source: ExecuteError::Failed { failures, .. },
                ..
            } => failures.iter().any(|it| is_question(&it.operation.call)),
            _ => false,
        };
        is_unanswered || self.is_under_way()
    }

    /// Whether what fails so can go well after another look, if something has
    /// changed meanwhile.
    pub fn may_be_unrest(&self) -> bool {
        let is_failure = matches!(
            self,
            Self::Execute {
                source: ExecuteError::Failed { .. },
                ..
            }
        );
        is_failure && !self.is_under_way()
    }
}

/// The service that was probably meant, or else all of them.
fn one_of(service: &str, known: &[String]) -> String {
    // As logs call it: a service and the number of one of its containers.
    if let Some((base, number)) = service.rsplit_once('-')
        && number.parse::<u32>().is_ok()
        && known.iter().any(|it| it == base)
    {
        return format!(
            "{service} is a container of the service `{base}`; `exec --index {number} {base}` runs something in that one"
        );
    }
    let distance = |known: &String| strsim::damerau_levenshtein(service, known);
    match known.iter().min_by_key(|it| distance(it)) {
        Some(near) if distance(near) <= 1 + near.len() / 4 => format!("did you mean `{near}`?"),
        _ => format!("its services are {}", known.join(", ")),
    }
}
