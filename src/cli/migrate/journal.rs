//! The journal where it is kept: in a volume of the stack's agent.
//!
//! Read through the engine, so that it can be read while the agent does not run;
//! written by a command beside the agent, so that it is on disk when that ends.

use scalectl_engine_docker::DockerEngine;
use scalectl_migrate::{Entry, Journal};
use scalectl_plan::Observed;

use super::MigrateError;
use crate::cli::db::switchover::AGENT;
use crate::cli::error::CommandError;

/// Where the agent's container has it: templates/compose/agent's.
const FOLDER: &str = "/journal";
/// The journal of migrations there.
pub const FILE: &str = "migrations.jsonl";
const ANSWER_BYTES: usize = 64 << 10;

/// Every migration of the stack.
///
/// # Errors
/// There is no container to read it from, or the engine does not answer.
pub async fn read(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<Journal, CommandError> {
    let text = text(engine, project, observed, FILE).await?;
    Ok(Journal::read(&text))
}

/// The text of a file beside the journal; empty if it is not there.
pub async fn text(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
    file: &str,
) -> Result<String, CommandError> {
    let agents = observed.instances("agent");
    let Some((agent, _)) = agents.first() else {
        let project = project.to_owned();
        return Err(MigrateError::NoAgent { project }.into());
    };
    let path = format!("{FOLDER}/{file}");
    let bytes = engine.file_of(agent, &path).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Adds an entry; it is on disk when this returns.
pub async fn write(
    engine: &DockerEngine,
    agent: &str,
    project: &str,
    entry: &Entry,
) -> Result<(), CommandError> {
    let refused = |why: String| MigrateError::Journal {
        project: project.to_owned(),
        why,
    };
    let line = serde_json::to_string(entry).map_err(|error| refused(error.to_string()))?;
    let words = [AGENT, "agent", "journal", &line].map(str::to_owned);
    let answer = engine.collect(agent, &words, ANSWER_BYTES).await?;
    match answer.code {
        0 => Ok(()),
        code => {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            let why = match told.is_empty() {
                true => format!("exit code {code}"),
                false => told,
            };
            Err(refused(why).into())
        }
    }
}
