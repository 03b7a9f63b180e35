//! The control socket: what a command line tool asks a running agent to do.
//!
//! One line of JSON there, one back. The socket lies in a tmpfs that only the
//! agent's own user can enter; whoever may exec in its container may use it.
//! Next: `verbs.rs` (the asking side), `control/serving.rs`.

mod serving;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scalectl_migrate::Facts;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::census::census;
use super::discovery::Services;
use super::handover::{Handover, HandoverError, Report};
use super::http::Client;
use super::vacate::Vacator;
use crate::log::{Log, chain};
use crate::wire::Address;

const LOG: Log = Log::new("control");
const LOOK_EVERY: Duration = Duration::from_millis(100);
const REQUEST_LIMIT_BYTES: u64 = 4096;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Take an instance out, once another one serves.
    Drain {
        address: Ipv4Addr,
        even_last: bool,
        for_seconds: u64,
        patience_ms: u64,
    },
    Undrain {
        address: Ipv4Addr,
    },
    /// Wait until every edge sends to that instance.
    Ready {
        address: Ipv4Addr,
        patience_ms: u64,
    },
    Endpoints,
    /// Take everything off a database member that is about to be stopped.
    Vacate {
        member: String,
        patience_ms: u64,
    },
    /// Who is primary, who follows and how far: asked now.
    Census,
    /// What is at work on the primary: asked now.
    Facts,
    /// Move the primary to that member, or to the standby that follows best.
    Switch {
        to: Option<String>,
        hold_ms: u64,
    },
    /// Move the database to the cluster of that generation.
    Cross {
        generation: u32,
        hold_ms: u64,
    },
}

#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Done(String),
    /// Nothing was changed.
    Refused(String),
    /// It was begun and taken back.
    Failed(String),
    /// Nothing was changed, for transactions could not be held.
    Unheld(String),
    /// It was begun, and how it ends is not the agent's to say.
    Left(String),
    Endpoints(BTreeMap<String, Told>),
}

#[derive(Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Told {
    pub serving: Vec<Ipv4Addr>,
    pub drained: Vec<Ipv4Addr>,
}

/// What answers requests.
pub struct Control {
    pub services: Services,
    pub edges: Vec<Address>,
    pub client: Arc<Client>,
    /// What moves things off database members.
    pub vacator: Option<Arc<Vacator>>,
}

/// Opens the socket; one that an earlier agent left is replaced.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

/// Runs for ever.
pub async fn serve(listener: UnixListener, control: Control) {
    let control = Arc::new(control);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer(stream, Arc::clone(&control)));
            }
            Err(error) => {
                LOG.warn(format_args!("accept: {error}"));
                sleep(LOOK_EVERY).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, control: Arc<Control>) {
    let mut line = String::new();
    let (read, mut write) = stream.split();
    let mut asked = BufReader::new(read.take(REQUEST_LIMIT_BYTES));
    match timeout(Duration::from_secs(5), asked.read_line(&mut line)).await {
        Ok(Ok(length)) if length > 0 => {}
        _ => return,
    }
    let reply = match serde_json::from_str(&line) {
        Ok(request) => control.perform(request).await,
        Err(error) => Reply::Refused(format!("not a request of this version: {error}")),
    };
    if let Ok(mut text) = serde_json::to_string(&reply) {
        text.push('\n');
        // Whoever asked may be gone; what was done is done.
        let _ = write.write_all(text.as_bytes()).await;
    }
}

impl Control {
    async fn perform(&self, request: Request) -> Reply {
        match request {
            Request::Drain {
                address,
                even_last,
                for_seconds,
                patience_ms,
            } => {
                let until = SystemTime::now() + Duration::from_secs(for_seconds);
                self.drain(
                    address,
                    until,
                    even_last,
                    Duration::from_millis(patience_ms),
                )
                .await
            }
            Request::Undrain { address } => self.undrain(address),
            Request::Ready {
                address,
                patience_ms,
            } => {
                let is_ready = |healthy: &[Ipv4Addr]| healthy.contains(&address);
                let all: Vec<String> = self.services.names().map(str::to_owned).collect();
                match self
                    .wait(&all, Duration::from_millis(patience_ms), is_ready)
                    .await
                {
                    Ok(()) => Reply::Done(format!("{address} serves")),
                    Err(problem) => Reply::Refused(format!("{address} does not serve: {problem}")),
                }
            }
            Request::Endpoints => Reply::Endpoints(self.endpoints()),
            Request::Vacate {
                member,
                patience_ms,
            } => {
                let patience = Duration::from_millis(patience_ms);
                let Some(vacator) = &self.vacator else {
                    return Reply::Refused("this stack has no database".to_owned());
                };
                let vacated = vacator.vacate(&member, patience).await;
                vacated.map_or_else(
                    |error| Reply::Refused(chain(&error).to_string()),
                    Reply::Done,
                )
            }
            Request::Census => self.census().await,
            Request::Facts => self.facts().await,
            Request::Switch { to, hold_ms } => {
                let hold = Duration::from_millis(hold_ms);
                let moved = async |handover: &Handover| handover.switch(to.as_deref(), hold).await;
                self.hand_over(moved).await
            }
            Request::Cross {
                generation,
                hold_ms,
            } => {
                let hold = Duration::from_millis(hold_ms);
                let moved = async |handover: &Handover| handover.cross(generation, hold).await;
                self.hand_over(moved).await
            }
        }
    }

    async fn census(&self) -> Reply {
        let Some(vacator) = &self.vacator else {
            return Reply::Refused("this stack has no database".to_owned());
        };
        let census = census(vacator).await.map(|it| serde_json::to_string(&it));
        match census {
            Ok(Ok(text)) => Reply::Done(text),
            Ok(Err(error)) => Reply::Refused(error.to_string()),
            Err(why) => Reply::Refused(format!("no member of the database answers: {why}")),
        }
    }

    async fn facts(&self) -> Reply {
        let Some(vacator) = &self.vacator else {
            return Reply::Refused("this stack has no database".to_owned());
        };
        let primary = vacator.known.borrow().primary.clone();
        let Some(primary) = primary else {
            return Reply::Refused("there is no primary now".to_owned());
        };
        let is_busy = vacator.traffic.turn_now().is_none();
        match vacator.witness.facts(&primary).await {
            Ok(facts) => serde_json::to_string(&Facts { is_busy, ..facts })
                .map_or_else(|error| Reply::Refused(error.to_string()), Reply::Done),
            Err(error) => Reply::Refused(chain(&error).to_string()),
        }
    }

    async fn hand_over(
        &self,
        moved: impl AsyncFnOnce(&Handover) -> Result<Report, HandoverError>,
    ) -> Reply {
        let Some(vacator) = &self.vacator else {
            return Reply::Refused("this stack has no database".to_owned());
        };
        match moved(&vacator.handover).await {
            Ok(report) => serde_json::to_string(&report)
                .map_or_else(|error| Reply::Failed(error.to_string()), Reply::Done),
            Err(error @ HandoverError::Refused(_)) => Reply::Refused(chain(&error).to_string()),
            Err(HandoverError::Unheld(error)) => Reply::Unheld(error.to_string()),
            Err(error @ HandoverError::Left { .. }) => Reply::Left(chain(&error).to_string()),
            Err(error) => Reply::Failed(chain(&error).to_string()),
        }
    }
}
