//! Draining an Envoy: no new connection, and those that are open may finish.
//!
//! SIGTERM alone resets what is in flight. Measured order: fail the health
//! check, drain the listeners, wait longer than the drain time and until nothing
//! is connected, then SIGTERM. A connection that is merely kept open is waited
//! for a short while, a request in flight much longer: to end it is a failure
//! that a user sees, to end an idle connection is not. With nobody connected there
//! is nobody to tell, and the listeners close at once.

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
    /// How long idle connections may stay, beyond the drain time.
    pub idle_cap: Duration,
    /// How long requests in flight may take, beyond the drain time.
    pub request_cap: Duration,
}

/// What is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub connections: u64,
    pub requests: u64,
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
    /// Drains to the end; what is left at the caps.
    pub fn run(&self) -> Result<Left, DrainError> {
        let started = Instant::now();
        self.call("POST", "/healthcheck/fail")?;
        let is_idle = self.left().is_ok_and(|left| left.connections == 0);
        let (close, closes_within) = if is_idle {
            ("/drain_listeners", Duration::ZERO)
        } else {
            ("/drain_listeners?graceful", self.drain_time)
        };
        self.call("POST", close)?;
        let earliest = started + closes_within + MARGIN;
        sleep(earliest.saturating_duration_since(Instant::now()));
        loop {
            let left = self.left();
            match left {
                Ok(left) if self.is_over(left, earliest.elapsed()) => return Ok(left),
                Ok(_) => {}
                Err(error) if earliest.elapsed() < self.idle_cap => {
                    Log::new("edge").warn(format_args!("{}", chain(&error)));
                }
                Err(error) => return Err(error),
            }
            sleep(LOOK_EVERY);
        }
    }

    fn is_over(&self, left: Left, waited: Duration) -> bool {
        match left {
            Left { connections: 0, .. } => true,
            Left { requests: 0, .. } => waited >= self.idle_cap,
            _ => waited >= self.request_cap,
        }
    }

    /// Open connections of all listeners but the admin's own, and the requests
    /// that are under way.
    fn left(&self) -> Result<Left, DrainError> {
        // Its filter is a regular expression: `cx` and `rq`.
        const PATH: &str = "/stats?filter=downstream_.._active";
        let body = self.call("GET", PATH)?;
        count(&String::from_utf8_lossy(&body)).ok_or(DrainError::NoCount { path: PATH })
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

/// From lines like `listener.0.0.0.0_8443.downstream_cx_active: 3` and
/// `http.edge.downstream_rq_active: 1`; nothing if no listener is there (then the
/// settings leave these figures out).
fn count(stats: &str) -> Option<Left> {
    let (mut connections, mut requests) = (None, 0);
    for line in stats.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        let Ok(value) = value.trim().parse::<u64>() else {
            continue;
        };
        // A worker's own figure is part of its listener's.
        let is_listener = name.starts_with("listener.")
            && !name.starts_with("listener.admin.")
            && !name.contains(".worker_");
        if is_listener && name.ends_with(".downstream_cx_active") {
            connections = Some(connections.unwrap_or(0) + value);
        } else if name.starts_with("http.")
            && !name.starts_with("http.admin.")
            && name.ends_with(".downstream_rq_active")
        {
            requests += value;
        }
    }
    connections.map(|connections| Left {
        connections,
        requests,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_all_listeners_but_the_admin_s_and_requests_are_counted_once() {
        let stats = "http.edge.downstream_cx_active: 9\nhttp.edge.downstream_rq_active: 4\n\
                     http.admin.downstream_rq_active: 1\n\
                     listener.0.0.0.0_8080.downstream_cx_active: 2\n\
                     listener.0.0.0.0_8080.worker_0.downstream_cx_active: 2\n\
                     listener.0.0.0.0_8443.downstream_cx_active: 1\nlistener.admin.downstream_cx_active: 1\n";
        let left = Left {
            connections: 3,
            requests: 4,
        };
        assert_eq!(count(stats), Some(left));
        assert_eq!(count("cluster.app.upstream_cx_active: 1\n"), None);
    }

    #[test]
    fn a_request_in_flight_is_waited_for_longer_than_a_connection_that_is_idle() {
        let drain = Drain {
            admin: "unix:/x".parse().unwrap(),
            drain_time: Duration::ZERO,
            idle_cap: Duration::from_secs(10),
            request_cap: Duration::from_secs(60),
        };
        let is_over = |connections, requests, seconds| {
            let left = Left {
                connections,
                requests,
            };
            drain.is_over(left, Duration::from_secs(seconds))
        };
        assert!(is_over(0, 0, 0), "nobody is there");
        assert!(!is_over(2, 0, 9), "idle for a while");
        assert!(is_over(2, 0, 10), "idle for long");
        assert!(!is_over(2, 1, 59), "one still works");
        assert!(is_over(2, 1, 60), "one works for too long");
    }
}
