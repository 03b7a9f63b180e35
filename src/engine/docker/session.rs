//! A command in a container with its streams: for `exec`, shells, dump and restore.
//!
//! Gives bytes in and out and the exit code. Raw mode, signals and the size of
//! a terminal are the caller's. Next: `exec.rs` (commands without input).

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use scalectl_engine::EngineError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::DockerEngine;
use crate::logs::LogSource;

const LIMIT: u64 = 60;
const CHUNK: usize = 64 << 10;

/// How a command is to be run.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    pub container: String,
    pub command: Vec<String>,
    /// With a terminal: both outputs come as one.
    pub tty: bool,
    /// Whether anything will be written to it.
    pub stdin: bool,
    /// Name or id; the container's own if left out.
    pub user: Option<String>,
    pub environment: Vec<String>,
}

type Output = Pin<Box<dyn Stream<Item = Result<(LogSource, Bytes), EngineError>> + Send>>;

/// A running command.
pub struct ExecSession {
    id: String,
    action: String,
    /// What it writes, until it ends.
    pub output: Output,
    /// What it reads; `shutdown` is its end of input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl DockerEngine {
    /// Starts a command and gives its streams.
    ///
    /// # Errors
    /// The container is gone or does not run, or the engine refuses.
    pub async fn open_exec(&self, request: &ExecRequest) -> Result<ExecSession, EngineError> {
        // Its arguments can hold what is nobody's business: not in an error.
        let program = request
            .command
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        let action = format!("run `{program}` in {}", request.container);
        let options = CreateExecOptions {
            attach_stdin: Some(request.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.tty),
            cmd: Some(request.command.clone()),
            user: request.user.clone(),
            env: (!request.environment.is_empty()).then(|| request.environment.clone()),
            ..Default::default()
        };
        let created = self
            .within(LIMIT, self.docker.create_exec(&request.container, options))
            .await;
        let id = created
            .map_err(|fault| self.not_run(&request.container, &action, fault))?
            .id;
        let options = StartExecOptions {
            detach: false,
            tty: request.tty,
            output_capacity: Some(CHUNK),
        };
        let started = self
            .within(LIMIT, self.docker.start_exec(&id, Some(options)))
            .await;
        let started = started.map_err(|fault| self.not_run(&request.container, &action, fault))?;
        let StartExecResults::Attached { output, input } = started else {
            return Err(EngineError::Refused {
                action,
                message: "it was not attached to".to_owned(),
            });
        };
        let place = self.wire.place().clone();
        let failed = action.clone();
        let output = output.map(move |part| match part {
            Ok(part @ LogOutput::StdErr { .. }) => Ok((LogSource::Stderr, part.into_bytes())),
            Ok(part) => Ok((LogSource::Stdout, part.into_bytes())),
            Err(error) => {
                Err(crate::Fault::from(error).into_error(&place, &failed, crate::Effect::Changes))
            }
        });
        Ok(ExecSession {
            id,
            action,
            output: Box::pin(output),
            input,
        })
    }

    /// Tells a command with a terminal how large that is.
    ///
    /// # Errors
    /// The command has ended, or the engine does not answer.
    pub async fn resize(
        &self,
        session: &ExecId,
        columns: u16,
        rows: u16,
    ) -> Result<(), EngineError> {
        let size = ResizeExecOptions {
            height: rows,
            width: columns,
        };
        let resized = self
            .within(LIMIT, self.docker.resize_exec(&session.0, size))
            .await;
        resized.map_err(|fault| self.changing("resize a terminal", fault))
    }

    /// The exit code of a command whose output has ended.
    ///
    /// # Errors
    /// It still runs, or the engine does not answer.
    pub async fn exit_code(&self, session: &ExecSession) -> Result<i64, EngineError> {
        self.exec_code(&session.id, &session.action).await
    }

    /// Runs a command with `input` as what it reads and its outputs written to
    /// `stdout` and `stderr`; gives its exit code. Holds no more than a chunk.
    ///
    /// # Errors
    /// As `open_exec`, and what reading or writing here gives.
    pub async fn pipe(
        &self,
        request: &ExecRequest,
        input: &mut (impl AsyncRead + Unpin),
        stdout: &mut (impl AsyncWrite + Unpin),
        stderr: &mut (impl AsyncWrite + Unpin),
    ) -> Result<i64, EngineError> {
        let mut session = self.open_exec(request).await?;
        let action = session.action.clone();
        let here = |error: std::io::Error| EngineError::Refused {
            action: action.clone(),
            message: error.to_string(),
        };
        let (id, output, into) = (session.id, &mut session.output, &mut session.input);
        let feed = async {
            let mut chunk = vec![0; CHUNK];
            if request.stdin {
                loop {
                    let count = input.read(&mut chunk).await.map_err(here)?;
                    // A command that ended does not read on: its exit code tells.
                    if count == 0 || into.write_all(&chunk[..count]).await.is_err() {
                        break;
                    }
                }
            }
            let _ = into.shutdown().await;
            Ok::<_, EngineError>(())
        };
        let drain = async {
            while let Some(part) = output.next().await {
                match part? {
                    (LogSource::Stdout, bytes) => stdout.write_all(&bytes).await.map_err(here)?,
                    (LogSource::Stderr, bytes) => stderr.write_all(&bytes).await.map_err(here)?,
                }
            }
            stdout.flush().await.map_err(here)?;
            stderr.flush().await.map_err(here)
        };
        let mut feed = std::pin::pin!(feed);
        let mut drain = std::pin::pin!(drain);
        // Its output's end is the command's end, whatever is still to be read.
        tokio::select! {
            drained = &mut drain => drained?,
            fed = &mut feed => {
                fed?;
                drain.await?;
            }
        }
        self.exec_code(&id, &action).await
    }
}

/// Names a running command, for `resize` beside its streams.
#[derive(Debug, Clone)]
pub struct ExecId(String);

impl ExecSession {
    pub fn id(&self) -> ExecId {
        ExecId(self.id.clone())
    }
}
