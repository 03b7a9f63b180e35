//! `scalectl exec`: a command in a running container, with this terminal.
//!
//! Its exit code is this program's. Next: `engine/docker/session.rs`,
//! `ui/terminal.rs` (raw mode).

use std::process::ExitCode;

use futures_util::StreamExt;
use scalectl_engine_docker::{DockerEngine, ExecId, ExecRequest, ExecSession, LogSource};
use scalectl_plan::Observed;
use scalectl_ui::{RawMode, has_terminal, pass_on, stdin_parts, terminal_size};
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Run a command in a running container
#[derive(clap::Args, Debug)]
pub struct ExecArgs {
    /// The service (`scalectl status` names them)
    service: String,
    /// The command and its arguments, behind `--`
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Hand stdin to the command (by itself where stdin is a terminal)
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal (by itself where stdin and stdout are one)
    #[arg(short, long, conflicts_with = "no_tty")]
    tty: bool,
    /// Give it no terminal
    #[arg(short = 'T', long)]
    no_tty: bool,
    /// The container's number, where a service has several
    #[arg(long, value_name = "N")]
    index: Option<u32>,
    /// Run it as this user: a name or an id in the container
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Add to its environment; readable to whoever may inspect containers
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
}

pub async fn run(args: &ExecArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look(&engine, &project).await?;
    context.refuse_unknown(&project, &observed, std::slice::from_ref(&args.service))?;
    let has_terminal = has_terminal();
    let request = ExecRequest {
        container: container(&observed, &args.service, args.index)?,
        command: args.command.clone(),
        tty: args.tty || (has_terminal && !args.no_tty),
        stdin: args.interactive || args.tty || has_terminal,
        user: args.user.clone(),
        environment: args.environment.clone(),
    };
    attach(&engine, &request).await
}

/// The running container of a service: the one of that number, else the first.
fn container(
    observed: &Observed,
    service: &str,
    index: Option<u32>,
) -> Result<String, CommandError> {
    let instances = observed.instances(service).into_iter();
    let mut wanted = instances.filter(|(_, it)| index.is_none_or(|index| it.number == index));
    let running = wanted.find(|(_, it)| it.is_running());
    running
        .map(|(name, _)| name.clone())
        .ok_or_else(|| CommandError::NotRunning {
            service: service.to_owned(),
            index,
        })
}

/// Runs a command with this process's streams; gives its exit code.
pub async fn attach(
    engine: &DockerEngine,
    request: &ExecRequest,
) -> Result<ExitCode, CommandError> {
    let failed = |source| CommandError::io("use the terminal", source);
    let mut sizes = signal(SignalKind::window_change()).map_err(failed)?;
    let mut session = engine.open_exec(request).await?;
    let id = session.id();
    let raw = request.tty.then(RawMode::new).transpose();
    // A terminal for a command whose stdin is none has no mode to change.
    let raw = raw.ok().flatten();
    let drained = stream(engine, &id, request, &mut session, &mut sizes).await;
    drop(raw);
    drained?;
    let code = engine.exit_code(&session).await?;
    // The operating system keeps the low byte of an exit code, too.
    Ok(ExitCode::from((code & 0xff) as u8))
}

/// Passes everything on in both directions until the command's output ends.
async fn stream(
    engine: &DockerEngine,
    id: &ExecId,
    request: &ExecRequest,
    session: &mut ExecSession,
    sizes: &mut Signal,
) -> Result<(), CommandError> {
    let (output, input) = (&mut session.output, &mut session.input);
    let feed = async {
        let mut parts = stdin_parts();
        while let Some(part) = parts.recv().await {
            // A command that ended does not read on: its exit code tells.
            if input.write_all(&part).await.is_err() || input.flush().await.is_err() {
                return;
            }
        }
        let _ = input.shutdown().await;
    };
    let drain = async {
        while let Some(part) = output.next().await {
            let (source, bytes) = part?;
            pass_on(source == LogSource::Stderr, &bytes)
                .map_err(|source| CommandError::io("write what the command writes", source))?;
        }
        Ok::<_, CommandError>(())
    };
    let resize = async {
        loop {
            fit(engine, id).await;
            if sizes.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    };
    let (mut feed, mut drain) = (std::pin::pin!(feed), std::pin::pin!(drain));
    let mut resize = std::pin::pin!(resize);
    let mut is_fed = !request.stdin;
    loop {
        tokio::select! {
            drained = &mut drain => return drained,
            () = &mut feed, if !is_fed => is_fed = true,
            () = &mut resize, if request.tty => {}
        }
    }
}

/// Tells the command how large this terminal is. It may not have begun yet, or
/// have ended: then there is nothing to fit.
async fn fit(engine: &DockerEngine, id: &ExecId) {
    if let Some((columns, rows)) = terminal_size() {
        for _ in 0..3 {
            if engine.resize(id, columns, rows).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
