//! Commands in running containers.
//!
//! A command that is late keeps running: the engine has no call that ends one.
//! Nothing here reads a terminal; raw mode is the caller's. Next: `apply.rs`.

use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use scalectl_documents::Span;
use scalectl_engine::EngineError;

use crate::DockerEngine;
use crate::errors::Fault;
use crate::wait::TAIL;

const LIMIT: u64 = 60;
/// A command that writes without end must not fill our memory.
const OUTPUT_BYTES: usize = 64 << 10;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    pub code: i64,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl DockerEngine {
    /// Runs a command until it ends; any exit code but 0 is an error.
    pub(crate) async fn exec(
        &self,
        container: &str,
        command: &[String],
        deadline: Span,
    ) -> Result<(), EngineError> {
        let run = self.collect(container, command, OUTPUT_BYTES);
        let Ok(ended) = tokio::time::timeout(deadline.0, run).await else {
            return Err(EngineError::Deadline {
                container: container.to_owned(),
                service: self.service_of(container).await,
                wanted: "done with a command",
                seconds: deadline.0.as_secs(),
                tail: self.tail(container, TAIL).await,
            });
        };
        let collected = ended?;
        if collected.code == 0 {
            return Ok(());
        }
        let output = [collected.stdout, collected.stderr].concat();
        Err(EngineError::ExecFailed {
            container: container.to_owned(),
            command: command.join(" "),
            code: collected.code,
            output: String::from_utf8_lossy(&output).trim().to_owned(),
        })
    }

    /// Runs a command and keeps at most `limit` bytes of each of its outputs.
    ///
    /// # Errors
    /// The container does not run, the program does not exist, or the engine
    /// does not answer.
    pub async fn collect(
        &self,
        container: &str,
        command: &[String],
        limit: usize,
    ) -> Result<Collected, EngineError> {
        let action = format!("run `{}` in {container}", command.join(" "));
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..Default::default()
        };
        let created = self
            .within(LIMIT, self.docker.create_exec(container, options))
            .await;
        let id = created
            .map_err(|fault| self.not_run(container, &action, fault))?
            .id;
        let started = self
            .within(LIMIT, self.docker.start_exec(&id, None::<StartExecOptions>))
            .await;
        let mut collected = Collected {
            code: -1,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        if let StartExecResults::Attached { mut output, .. } =
            started.map_err(|fault| self.not_run(container, &action, fault))?
        {
            use bollard::container::LogOutput;
            while let Some(part) = output.next().await {
                let part = part.map_err(|error| self.changing(&action, error.into()))?;
                let into = if matches!(part, LogOutput::StdErr { .. }) {
                    &mut collected.stderr
                } else {
                    &mut collected.stdout
                };
                let room = limit.saturating_sub(into.len());
                into.extend(part.into_bytes().into_iter().take(room));
            }
        }
        collected.code = self.exec_code(&id, &action).await?;
        Ok(collected)
    }

    /// The exit code of a command whose output has ended. The output's end can
    /// come a moment before the engine has noted the exit.
    pub(crate) async fn exec_code(&self, id: &str, action: &str) -> Result<i64, EngineError> {
        for pause in [0, 10, 50, 100, 200, 500, 1000, 2000] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let found = self.within(LIMIT, self.docker.inspect_exec(id)).await;
            let found = found.map_err(|fault| self.changing(action, fault))?;
            if found.running != Some(true)
                && let Some(code) = found.exit_code
            {
                return Ok(code);
            }
        }
        Err(self.changing(action, Fault::late(4)))
    }

    pub(crate) fn not_run(&self, container: &str, action: &str, fault: Fault) -> EngineError {
        match fault.status() {
            Some(404) => EngineError::Gone {
                subject: container.to_owned(),
            },
            _ => self.changing(action, fault),
        }
    }
}
