//! Samples of an open migration as they come, from the agent's container.
//!
//! A command beside the agent prints them for a while and is started anew: the agent is
//! itself replaced on the way, and a command that nobody reads must not stay. What cannot
//! be seen is no error: the migration goes on.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use scalectl_engine_docker::{DockerEngine, ExecRequest, LogSource};
use scalectl_migrate::{Sample, read_samples};

use crate::cli::context::Context;
use crate::cli::db::switchover::{self, AGENT};
use crate::cli::error::CommandError;

const AGAIN: Duration = Duration::from_secs(1);
const FOR_SECONDS: &str = "30";

/// Shows each sample; never ends by itself.
pub async fn watch(
    context: &Context,
    engine: &DockerEngine,
    project: &str,
    show: impl Fn(&Sample),
) -> Infallible {
    loop {
        // Seen again a moment later, or not at all.
        let _unseen = once(context, engine, project, &show).await;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn once(
    context: &Context,
    engine: &DockerEngine,
    project: &str,
    show: &impl Fn(&Sample),
) -> Result<(), CommandError> {
    let observed = context.look_at_own(engine, project).await?;
    let request = ExecRequest {
        container: switchover::agent(project, &observed)?,
        command: [AGENT, "agent", "samples", "--for", FOR_SECONDS]
            .map(str::to_owned)
            .to_vec(),
        ..ExecRequest::default()
    };
    let mut session = engine.open_exec(&request).await?;
    let mut text = String::new();
    while let Some(part) = session.output.next().await {
        let (source, bytes) = part?;
        if source != LogSource::Stdout {
            continue;
        }
        text += &String::from_utf8_lossy(&bytes);
        let Some(end) = text.rfind('\n') else {
            continue;
        };
        read_samples(&text[..end]).iter().for_each(show);
        text.drain(..=end);
    }
    Ok(())
}
