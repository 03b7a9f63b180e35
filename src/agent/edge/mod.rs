//! `edge`: process 1 of an Envoy's container, so that stopping it loses nothing.
//!
//! It starts Envoy, hands on signals and reaps. At SIGTERM it drains by Envoy's
//! admin address before it ends it; a second SIGTERM ends it at once. Envoy's
//! exit code is its own: one that dies by itself is never started again here,
//! that is the engine's restart policy.
//! Next: `drain.rs`.

mod drain;

use std::ffi::OsString;
use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::log::Log;
use crate::probe::seconds;
use crate::wire::Address;

use drain::{Drain, Left};

const LOG: Log = Log::new("edge");

/// Run an Envoy and drain it before it ends
#[derive(clap::Args, Debug)]
pub struct EdgeArgs {
    /// Envoy's admin address: unix:/path or host:port
    #[arg(long, default_value = "unix:/run/envoy/admin.sock")]
    admin: Address,
    /// Seconds to wait, beyond Envoy's drain time, for connections without a request
    #[arg(long, default_value = "10", value_parser = seconds)]
    drain_cap: Duration,
    /// Seconds to wait, beyond Envoy's drain time, for requests in flight
    #[arg(long, default_value = "60", value_parser = seconds)]
    request_cap: Duration,
    /// Envoy and its arguments
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum EdgeError {
    #[error("listen for signals")]
    Signals(#[source] io::Error),
    #[error("start {}", program.display())]
    Start {
        program: OsString,
        source: io::Error,
    },
    #[error("wait for Envoy")]
    Wait(#[source] rustix::io::Errno),
}

/// Runs until Envoy has ended; its exit code, 128 + signal if one ended it.
pub fn run(args: &EdgeArgs) -> Result<u8, EdgeError> {
    let watched = [SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
    let mut signals = Signals::new(watched).map_err(EdgeError::Signals)?;
    let envoy = start(&args.command)?;
    let mut draining = false;
    for signal in signals.forever() {
        match signal {
            SIGCHLD => {
                if let Some(code) = reap(envoy.pid)? {
                    return Ok(code);
                }
            }
            SIGTERM | SIGINT if !draining => {
                draining = true;
                start_drain(args, envoy.pid);
            }
            SIGTERM | SIGINT => {
                LOG.info(format_args!(
                    "told to stop again: ending Envoy without waiting"
                ));
                send(envoy.pid, Signal::TERM);
            }
            other => {
                if let Some(signal) = Signal::from_named_raw(other) {
                    send(envoy.pid, signal);
                }
            }
        }
    }
    // The iterator has no end; this is for the compiler.
    Ok(1)
}

struct Envoy {
    pid: Pid,
    /// Kept: reaping is done by process id, so it is never waited on.
    _child: Child,
}

fn start(command: &[OsString]) -> Result<Envoy, EdgeError> {
    let program = command.first().cloned().unwrap_or_default();
    let start = |source| EdgeError::Start {
        program: program.clone(),
        source,
    };
    let child = Command::new(&program)
        .args(command.iter().skip(1))
        .spawn()
        .map_err(start)?;
    let pid = Pid::from_raw(child.id().cast_signed())
        .ok_or_else(|| start(io::ErrorKind::NotFound.into()))?;
    Ok(Envoy { pid, _child: child })
}

/// Takes in every child that has ended (as process 1, orphans too); Envoy's
/// exit code if it is among them.
fn reap(envoy: Pid) -> Result<Option<u8>, EdgeError> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == envoy => {
                let code = status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                return Ok(Some(
                    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
                ));
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(EdgeError::Wait(error)),
        }
    }
}

/// Drains beside the signal loop, which must stay awake for a second SIGTERM
/// and for an Envoy that dies meanwhile.
fn start_drain(args: &EdgeArgs, envoy: Pid) {
    let drain_time = drain_time(&args.command).unwrap_or_else(|| {
        LOG.warn(format_args!(
            "Envoy was not told --drain-time-s and would take ten minutes: waiting for the cap"
        ));
        args.drain_cap
    });
    let drain = Drain {
        admin: args.admin.clone(),
        drain_time,
        idle_cap: args.drain_cap,
        request_cap: args.request_cap.max(args.drain_cap),
    };
    std::thread::spawn(move || {
        let started = Instant::now();
        match drain.run() {
            Ok(Left { connections: 0, .. }) => LOG.info(format_args!(
                "drained in {:.1} s",
                started.elapsed().as_secs_f64()
            )),
            Ok(left) => LOG.warn(format_args!(
                "{} connections are still open after {:.1} s, {} with a request: ending Envoy",
                left.connections,
                started.elapsed().as_secs_f64(),
                left.requests
            )),
            Err(error) => LOG.error(&error),
        }
        send(envoy, Signal::TERM);
    });
}

fn send(envoy: Pid, signal: Signal) {
    // It may have ended this moment; then the signal loop learns so.
    let _ = kill_process(envoy, signal);
}

/// What Envoy was told by `--drain-time-s`, as `--x 2` or `--x=2`.
fn drain_time(command: &[OsString]) -> Option<Duration> {
    let mut words = command.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--drain-time-s") {
            Some("") => words.next().map(|next| next.into_owned()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(seconds) = value.and_then(|value| value.parse().ok()) {
            return Some(Duration::from_secs(seconds));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drain_time_is_the_one_that_envoy_was_told() {
        let of = |text: &str| drain_time(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(
            of("envoy -c x --drain-time-s 2 --log-level warn"),
            Some(Duration::from_secs(2))
        );
        assert_eq!(of("envoy --drain-time-s=3"), Some(Duration::from_secs(3)));
        assert_eq!(of("envoy -c x"), None);
    }
}
