//! The control socket: what a command line tool asks a running agent to do.
//!
//! One line of JSON there, one back. The socket lies in a tmpfs that only the
//! agent's own user can enter; whoever may exec in its container may use it.
//! Next: `verbs.rs` (the asking side).

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use scalectl_migrate::Facts;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::census::census;
use super::discovery::Services;
use super::edges::healthy_at_all;
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

    async fn drain(
        &self,
        address: Ipv4Addr,
        until: SystemTime,
        even_last: bool,
        patience: Duration,
    ) -> Reply {
        let knowing = self.knowing(address);
        if knowing.is_empty() {
            return Reply::Done(format!("{address} is no instance: it gets nothing"));
        }
        if !even_last {
            let is_another = |healthy: &[Ipv4Addr]| healthy.iter().any(|other| *other != address);
            if let Err(problem) = self.wait(&knowing, patience, is_another).await {
                return Reply::Refused(format!("no other instance serves: {problem}"));
            }
        }
        for service in &knowing {
            let Some(mut watched) = self.services.lock(service) else {
                continue;
            };
            if let Err(refused) = watched.endpoints.drain(address, until, even_last) {
                return Reply::Refused(refused.to_string());
            }
            if let Err(error) = watched.write() {
                watched.endpoints.undrain(address);
                return Reply::Refused(format!("write the endpoints of {service}: {error}"));
            }
        }
        LOG.info(format_args!("{address} drains"));
        Reply::Done(format!("{address} gets no new request"))
    }

    fn undrain(&self, address: Ipv4Addr) -> Reply {
        let mut was_drained = false;
        for service in self.knowing(address) {
            let Some(mut watched) = self.services.lock(&service) else {
                continue;
            };
            was_drained |= watched.endpoints.undrain(address);
            if let Err(error) = watched.write() {
                // The discovery loop writes it with its next look.
                LOG.warn(format_args!("write the endpoints of {service}: {error}"));
            }
        }
        Reply::Done(format!(
            "{address} {}",
            if was_drained {
                "serves again"
            } else {
                "was not drained"
            }
        ))
    }

    /// Waits until that many-sided condition holds for the instances that serve
    /// in one of these services: in the file, and healthy at every edge.
    async fn wait(
        &self,
        services: &[String],
        patience: Duration,
        holds: impl Fn(&[Ipv4Addr]) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            let mut problem = "not in time".to_owned();
            for service in services {
                match self.healthy(service).await {
                    Ok(healthy) if holds(&healthy) => return Ok(()),
                    Ok(healthy) => problem = format!("{} of {service} healthy", healthy.len()),
                    Err(why) => problem = why,
                }
            }
            if Instant::now() >= deadline {
                return Err(problem);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn healthy(&self, service: &str) -> Result<Vec<Ipv4Addr>, String> {
        let healthy = if self.edges.is_empty() {
            None
        } else {
            Some(healthy_at_all(&self.client, &self.edges, service).await?)
        };
        let Some(watched) = self.services.lock(service) else {
            return Ok(Vec::new());
        };
        let serving = watched.endpoints.serving();
        Ok(serving
            .filter(|address| {
                healthy
                    .as_ref()
                    .is_none_or(|healthy| healthy.contains(address))
            })
            .collect())
    }

    fn knowing(&self, address: Ipv4Addr) -> Vec<String> {
        let knows = |service: &&str| {
            self.services.lock(service).is_some_and(|watched| {
                watched
                    .endpoints
                    .serving()
                    .chain(watched.endpoints.drained())
                    .any(|known| known == address)
            })
        };
        self.services
            .names()
            .filter(knows)
            .map(str::to_owned)
            .collect()
    }

    fn endpoints(&self) -> BTreeMap<String, Told> {
        let told = |name: &str| {
            let watched = self.services.lock(name)?;
            let endpoints = &watched.endpoints;
            let told = Told {
                serving: endpoints.serving().collect(),
                drained: endpoints.drained().collect(),
            };
            Some((name.to_owned(), told))
        };
        self.services.names().filter_map(told).collect()
    }
}
