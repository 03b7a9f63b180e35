//! What a migration works on: a stack on a Docker engine, and its agent.
//!
//! Plans and carries out as `up` does. The agent is asked by commands beside it, as
//! other verbs ask it; one that was just replaced gets a moment to answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scalectl_documents::{Compose, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::DockerEngine;
use scalectl_migrate::{Census, Entry, Site};
use scalectl_plan::{Goal, Volumes};
use serde::de::DeserializeOwned;

use super::{MigrateError, journal};
use crate::cli::apply;
use crate::cli::context::Context;
use crate::cli::db::switchover::{self, AGENT};
use crate::cli::error::CommandError;
use crate::cli::lock::{Before, unless_interrupted};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an agent that was just started may take to answer.
const AGENT_ANSWERS: Duration = Duration::from_secs(30);
const ANSWER_BYTES: usize = 1 << 20;
/// How long writes may wait for a move of the primary, in milliseconds.
pub const MAX_HOLD_MS: u64 = 2000;

pub struct DockerSite<'a> {
    pub context: &'a Context,
    pub engine: &'a DockerEngine,
    pub project: &'a str,
    pub before: Before,
    pub wait_timeout: Span,
}

impl Site for DockerSite<'_> {
    type Error = CommandError;

    async fn write(&mut self, entry: &Entry) -> Result<(), CommandError> {
        let agent = self.agent().await?;
        journal::write(self.engine, &agent, self.project, entry).await
    }

    async fn settle(&mut self, to: &Compose, volumes: Volumes<'_>) -> Result<(), CommandError> {
        let (context, engine) = (self.context, self.engine);
        let plan = async |is_unsettled| {
            let goal = Goal {
                volumes,
                migrates: true,
                is_unsettled,
                ..Goal::up(to, self.wait_timeout)
            };
            let observed = engine.observe(&Scope::of(to)).await?;
            Ok(scalectl_plan::build(&goal, &observed)?)
        };
        apply::carry_out(context, engine, "migrate resume", self.before, plan).await?;
        Ok(())
    }

    async fn census(&mut self) -> Result<Census, CommandError> {
        unless_interrupted(self.ask(&["census"])).await
    }

    async fn switch(&mut self, to: &str) -> Result<u64, CommandError> {
        let agent = self.agent().await?;
        let report = switchover::ask(self.engine, &agent, Some(to), MAX_HOLD_MS).await?;
        Ok(report.held_ms)
    }

    async fn cross(&mut self, generation: u32) -> Result<u64, CommandError> {
        let agent = self.agent().await?;
        let (to, hold) = (generation.to_string(), MAX_HOLD_MS.to_string());
        let words = ["cross", "--to", &to, "--hold-ms", &hold];
        Ok(switchover::order(self.engine, &agent, &words)
            .await?
            .held_ms)
    }

    async fn pause(&mut self) -> Result<(), CommandError> {
        unless_interrupted(async {
            tokio::time::sleep(LOOK_EVERY).await;
            Ok(())
        })
        .await
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = since.unwrap_or_default().as_millis();
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

impl DockerSite<'_> {
    /// The members, before anything has begun.
    pub async fn census_now(&self) -> Result<Census, CommandError> {
        unless_interrupted(self.ask(&["census"])).await
    }

    async fn agent(&self) -> Result<String, CommandError> {
        let observed = self.context.look_at_own(self.engine, self.project).await?;
        switchover::agent(self.project, &observed)
    }

    async fn ask<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T, CommandError> {
        let give_up = tokio::time::Instant::now() + AGENT_ANSWERS;
        let command = [&[AGENT, "agent"], words].concat();
        let command: Vec<_> = command.into_iter().map(str::to_owned).collect();
        loop {
            let agent = self.agent().await?;
            let answer = self.engine.collect(&agent, &command, ANSWER_BYTES).await?;
            let why = match (answer.code, serde_json::from_slice(&answer.stdout)) {
                (0, Ok(told)) => return Ok(told),
                (0, Err(error)) => format!("its answer is not understood: {error}"),
                _ => String::from_utf8_lossy(&answer.stderr).trim().to_owned(),
            };
            if tokio::time::Instant::now() > give_up {
                let project = self.project.to_owned();
                return Err(MigrateError::Agent { project, why }.into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
