//! Draining an Envoy: no new connection, and those that are open may finish.
//!
//! SIGTERM alone resets what is in flight. Measured order: fail the health
//! check, drain the listeners, wait longer than the drain time and until nothing
//! is connected (with a cap), then SIGTERM.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::log::{Log, chain};
use crate::wire::{Address, WireError, connect, http::request};

/// A listener closes at the end of the drain time; a connection that was just
/// being accepted then needs a moment to be counted.
const MARGIN: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

pub struct Drain {
    pub admin: Address,
    /// Envoy's `--drain-time-s`.
    pub drain_time: Duration,
    /// Beyond the drain time.
    pub cap: Duration,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DrainError {
    #[error("drain Envoy by its admin address")]
    Call(#[from] WireError),
    #[error("Envoy answered {status} to {path}")]
    Refused { path: &'static str, status: u16 },
    #[error("Envoy's {path} says nothing about its listeners")]
    NoCount { path: &'static str },
}

impl Drain {
    /// Drains to the end; how many connections are left at the cap.
    pub fn run(&self) -> Result<u64, DrainError> {
        let started = Instant::now();
        self.call("POST", "/healthcheck/fail")?;
        self.call("POST", "/drain_listeners?graceful")?;
        let earliest = started + self.drain_time + MARGIN;
        let latest = earliest + self.cap;
        sleep(earliest.saturating_duration_since(Instant::now()));
        loop {
            let left = self.connections();
            match left {
                Ok(0) => return Ok(0),
                Ok(_) if Instant::now() < latest => {}
                Ok(left) => return Ok(left),
                Err(error) if Instant::now() < latest => {
                    Log::new("edge").warn(format_args!("{}", chain(&error)));
                }
                Err(error) => return Err(error),
            }
            sleep(LOOK_EVERY);
        }
    }

    /// Open connections of all listeners but the admin's own.
    fn connections(&self) -> Result<u64, DrainError> {
        const PATH: &str = "/stats?filter=downstream_cx_active";
        let body = self.call("GET", PATH)?;
        count_connections(&String::from_utf8_lossy(&body)).ok_or(DrainError::NoCount { path: PATH })
    }

    fn call(&self, method: &str, path: &'static str) -> Result<Vec<u8>, DrainError> {
        let socket = connect(&self.admin, Instant::now() + CALL_TIMEOUT)?;
        let answer = request(socket, method, "localhost", path)
            .map_err(WireError::io(format!("{method} {path} of {}", self.admin)))?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(DrainError::Refused {
                path,
                status: answer.status,
            })
        }
    }
}

/// From lines like `listener.0.0.0.0_8443.downstream_cx_active: 3`; nothing if
/// there is no such line (then the settings leave these figures out).
fn count_connections(stats: &str) -> Option<u64> {
    let mut sum = None;
    for line in stats.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        // A worker's own figure is part of its listener's.
        let counts = name.starts_with("listener.")
            && name.ends_with(".downstream_cx_active")
            && !name.starts_with("listener.admin.")
            && !name.contains(".worker_");
        if let Some(value) = value.trim().parse::<u64>().ok().filter(|_| counts) {
            sum = Some(sum.unwrap_or(0) + value);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_of_all_listeners_but_the_admin_s_are_counted_once() {
        let stats = "http.edge.downstream_cx_active: 9\nlistener.0.0.0.0_8080.downstream_cx_active: 2\n\
                     listener.0.0.0.0_8080.worker_0.downstream_cx_active: 2\n\
                     listener.0.0.0.0_8443.downstream_cx_active: 1\nlistener.admin.downstream_cx_active: 1\n";
        assert_eq!(count_connections(stats), Some(3));
        assert_eq!(
            count_connections("cluster.app.upstream_cx_active: 1\n"),
            None
        );
    }
}
