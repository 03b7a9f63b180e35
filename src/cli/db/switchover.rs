//! `scalectl db switchover`: has the agent move the primary, and tells how it went.
//!
//! Everything between hold and release is the agent's: when this process dies, the
//! move ends well without it. Must never talk to a member itself.
//! Next: src/agent/resident/handover.

use scalectl_engine_docker::{Collected, DockerEngine};
use scalectl_plan::Observed;
use scalectl_ui::Format;
use serde::{Deserialize, Serialize};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::LockArgs;
use crate::cli::preflight::{self, Check, Work};

/// The agent's own program, in its container.
pub const AGENT: &str = "/usr/local/bin/scalectl";
const ANSWER_BYTES: usize = 64 << 10;
/// What `agent switch` ends with when it refused, went back, or could not hold.
/// Its one home: src/agent/resident/verbs.rs.
const REFUSED: i64 = 3;
const WENT_BACK: i64 = 4;
const UNHELD: i64 = 6;

#[derive(clap::Args, Debug)]
pub struct SwitchoverArgs {
    /// The member that takes over, as `db-2`; without it the standby that follows best
    #[arg(long, value_name = "MEMBER")]
    to: Option<String>,
    /// How long writes may wait, in milliseconds; beyond it the old primary goes on
    #[arg(long, default_value_t = 2000, value_name = "MS", value_parser = clap::value_parser!(u64).range(200..=10_000))]
    max_hold: u64,
    /// Accept that sessions past the pooler and in its session mode are ended
    #[arg(long)]
    end_sessions: bool,
    /// Show what stands in the way; change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub lock: LockArgs,
}

/// What the agent tells of a move.
#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Report {
    from: String,
    to: String,
    /// How long writes waited at the pooler, in milliseconds.
    pub held_ms: u64,
    /// Each step within the hold, in milliseconds.
    steps: Vec<(String, u64)>,
}

/// Asks the agent and waits until it is over.
pub async fn run(
    args: &SwitchoverArgs,
    context: &Context,
    engine: &DockerEngine,
    project: &str,
) -> Result<(), CommandError> {
    // Under the lock: whoever had it may have changed all of it.
    let observed = context.look(engine, project).await?;
    context.refuse_migrating(project, &observed)?;
    let agent = agent(project, &observed)?;
    let checks = checks(args, engine, &observed, &agent).await?;
    if args.dry_run {
        show(context, &checks)?;
        return preflight::refuse(&checks);
    }
    preflight::refuse(&checks)?;
    let report = ask(engine, &agent, args.to.as_deref(), args.max_hold).await?;
    match context.printer.format {
        Format::Json => context.printer.json(&report),
        Format::Text => {
            context.printer.say(&text(&report));
            Ok(())
        }
    }
    .map_err(|source| CommandError::io("print the report", source))
}

/// What stands in the way of a move, and what does not.
async fn checks(
    args: &SwitchoverArgs,
    engine: &DockerEngine,
    observed: &Observed,
    agent: &str,
) -> Result<Vec<Check>, CommandError> {
    let work = Work {
        moves_primary: true,
        replaces_pooler: false,
        hold_ms: args.max_hold,
        end_sessions: args.end_sessions,
    };
    // A move of the primary may be what helps: nothing that is ill refuses it.
    let mut checks = vec![preflight::components(observed).noted()];
    let facts = preflight::facts(engine, agent).await?;
    checks.extend(preflight::database(
        facts,
        work,
        &preflight::names(observed),
    ));
    Ok(checks)
}

fn show(context: &Context, checks: &[Check]) -> Result<(), CommandError> {
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&checks),
        Format::Text => {
            let text = preflight::text(&context.printer, checks);
            context.printer.data(&text)
        }
    };
    printed.map_err(|source| CommandError::io("print the checks", source))
}

/// Has the agent move the primary; `max_hold_ms` is how long writes may wait.
pub async fn ask(
    engine: &DockerEngine,
    agent: &str,
    to: Option<&str>,
    max_hold_ms: u64,
) -> Result<Report, CommandError> {
    let hold = max_hold_ms.to_string();
    let mut words = vec!["switch", "--hold-ms", &hold];
    if let Some(to) = to {
        words.extend(["--to", to]);
    }
    order(engine, agent, &words).await
}

/// Has the agent move it by one of its verbs.
pub async fn order(
    engine: &DockerEngine,
    agent: &str,
    words: &[&str],
) -> Result<Report, CommandError> {
    let words: Vec<_> = [&[AGENT, "agent"], words].concat();
    let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
    read(&engine.collect(agent, &words, ANSWER_BYTES).await?)
}

/// The container of the agent that runs.
pub fn agent(project: &str, observed: &Observed) -> Result<String, CommandError> {
    let mut all = observed.ours().peekable();
    if all.peek().is_none() {
        return Err(CommandError::NotUp {
            project: project.to_owned(),
        });
    }
    let agent = all.find(|(_, it)| it.service == "agent" && it.is_running());
    let agent = agent.ok_or_else(|| CommandError::NotRunning {
        service: "agent".to_owned(),
        index: None,
    })?;
    Ok(agent.0.clone())
}

fn read(answer: &Collected) -> Result<Report, CommandError> {
    let why = || {
        let told = String::from_utf8_lossy(&answer.stderr);
        let mut told = told.trim();
        for prefix in ["agent: ", "error: ", "refused: "] {
            told = told.strip_prefix(prefix).unwrap_or(told);
        }
        told.to_owned()
    };
    match answer.code {
        0 => serde_json::from_slice(&answer.stdout).map_err(|error| {
            CommandError::SwitchoverUnknown {
                why: format!("the agent's answer is not understood: {error}"),
            }
        }),
        REFUSED => Err(CommandError::SwitchoverRefused { why: why() }),
        UNHELD => Err(CommandError::SwitchoverUnheld { why: why() }),
        WENT_BACK => Err(CommandError::SwitchoverWentBack { why: why() }),
        code => Err(CommandError::SwitchoverUnknown {
            why: match why() {
                told if told.is_empty() => format!("asking the agent ended with exit code {code}"),
                told => told,
            },
        }),
    }
}

fn text(report: &Report) -> String {
    let steps = report.steps.iter().map(|(name, ms)| format!("{name} {ms}"));
    let steps: Vec<_> = steps.collect();
    format!(
        "the primary moved from {} to {}; writes waited {} ms ({})",
        report.from,
        report.to,
        report.held_ms,
        steps.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i64, stdout: &str, stderr: &str) -> Collected {
        Collected {
            code,
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_move_is_told_with_what_it_cost() {
        let told =
            r#"{"from":"db-1","to":"db-3","held_ms":262,"steps":[["hold",12],["fence",108]]}"#;
        let report = read(&answer(0, told, "")).unwrap();
        assert_eq!(
            text(&report),
            "the primary moved from db-1 to db-3; writes waited 262 ms (hold 12, fence 108)"
        );
    }

    #[test]
    fn refused_gone_back_and_unknown_are_three_things() {
        use crate::exit::Exit;
        let exit = |code, stderr| read(&answer(code, "", stderr)).unwrap_err().exit();
        let refused = "agent: error: refused: db-1 is the only member\n";
        assert_eq!(exit(3, refused), Exit::Refused);
        assert_eq!(
            read(&answer(3, "", refused)).unwrap_err().to_string(),
            "the primary stays where it is: db-1 is the only member"
        );
        assert_eq!(
            exit(4, "error: db-1 is the primary again after 900 ms"),
            Exit::Failed
        );
        let unheld = "agent: error: transactions could not be held in 20 tries: process 41\n";
        assert_eq!(exit(6, unheld), Exit::Failed);
        assert_eq!(
            read(&answer(6, "", unheld)).unwrap_err().to_string(),
            "the primary did not move, for transactions could not be held in 20 tries: process 41"
        );
        assert_eq!(exit(137, ""), Exit::Unknown);
        assert_eq!(read(&answer(0, "?", "")).unwrap_err().exit(), Exit::Unknown);
    }
}
