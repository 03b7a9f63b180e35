//! `agent drain|undrain|ready|endpoints|vacate`: asks the agent that runs beside it.
//!
//! For an exec in the agent's container. Blocking and short; exit code 0 done,
//! 1 the agent cannot be asked, 3 it refused, 4 it went back, 5 it left it to others,
//! 6 nothing could be held.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::{Reply, Request};
use super::{handover, sampler};
use crate::journal;
use crate::probe::seconds;

/// Beyond the wait for a standby: the handover that is under way when that is over.
const VACATE_TAKES: Duration = handover::TAKES_AT_MOST;

/// What to ask a running agent
#[derive(clap::Subcommand, Debug)]
pub enum AgentVerb {
    /// Take an instance out of traffic, once another one serves
    Drain {
        address: Ipv4Addr,
        /// Seconds to wait, once it gets nothing new, for what is in flight
        #[arg(long, default_value = "2", value_parser = seconds)]
        settle: Duration,
        /// Drain it even if nobody else serves
        #[arg(long)]
        even_last: bool,
        /// Seconds after which it serves again if it is still there
        #[arg(long = "for", default_value = "120", value_parser = seconds)]
        at_most: Duration,
        /// Seconds to wait for another instance that serves
        #[arg(long, default_value = "10", value_parser = seconds)]
        timeout: Duration,
    },
    /// Let a drained instance serve again
    Undrain { address: Ipv4Addr },
    /// Wait until every edge sends to an instance
    Ready {
        /// Its address, or its name in the stack's network
        instance: String,
        #[arg(long, default_value = "30", value_parser = seconds)]
        timeout: Duration,
    },
    /// Print who serves and who drains, as JSON
    Endpoints,
    /// Make a database member ready to be stopped: its reads go to others, the
    /// primary moves to a standby, or writes wait for its return
    Vacate {
        /// Its name in the stack, as `db-1`
        member: String,
        /// Seconds to wait for a standby that can take over
        #[arg(long, default_value = "30", value_parser = seconds)]
        timeout: Duration,
    },
    /// Print who is primary, who follows and how far, as JSON
    Census,
    /// Print what is at work on the primary, and what is set there, as JSON
    Facts,
    /// Print samples of the migration that is open as they come, as lines of JSON
    Samples {
        /// Seconds after which it ends
        #[arg(long = "for", default_value = "30", value_parser = seconds)]
        at_most: Duration,
        #[arg(long, default_value = "/journal")]
        folder: PathBuf,
    },
    /// Add an entry to the journal of migrations
    Journal {
        /// One line of JSON
        entry: String,
        #[arg(long, default_value = "/journal")]
        folder: PathBuf,
    },
    /// Move the database's primary to another member behind a held pooler;
    /// prints what it took, as JSON
    Switch {
        /// The member that takes over; without it the standby that follows best
        #[arg(long)]
        to: Option<String>,
        /// How long writes may wait, in milliseconds
        #[arg(long, default_value_t = 2000)]
        hold_ms: u64,
    },
    /// Move the database to another cluster of the stack, which follows the one it is in,
    /// behind a held pooler; prints what it took, as JSON
    Cross {
        /// The cluster's generation
        #[arg(long)]
        to: u32,
        /// How long writes may wait, in milliseconds
        #[arg(long, default_value_t = 2000)]
        hold_ms: u64,
    },
}

/// Members that are away are each waited for.
const CENSUS_PATIENCE: Duration = Duration::from_secs(20);
const SWITCH_PATIENCE: Duration = handover::TAKES_AT_MOST;

/// An address as it is, a name through the engine's DNS.
fn resolve(instance: &str) -> Result<Ipv4Addr, AskError> {
    let found = (instance, 0)
        .to_socket_addrs()
        .map_err(|source| AskError::Resolve {
            instance: instance.to_owned(),
            source,
        })?;
    let address = found.map(|found| found.ip()).find_map(|ip| match ip {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    address.ok_or_else(|| AskError::Refused(format!("{instance} has no IPv4 address")))
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AskError {
    #[error("look {instance} up")]
    Resolve { instance: String, source: io::Error },
    #[error("ask the agent at {}", path.display())]
    #[diagnostic(help("is the agent running?"))]
    Ask { path: PathBuf, source: io::Error },
    #[error("refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Left(String),
    #[error("{0}")]
    Unheld(String),
    #[error("write the journal in {}", folder.display())]
    Journal { folder: PathBuf, source: io::Error },
    #[error("write to stdout")]
    Print(#[source] io::Error),
}

impl AskError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 3,
            Self::Failed(_) => 4,
            Self::Left(_) => 5,
            Self::Unheld(_) => 6,
            Self::Resolve { .. } | Self::Ask { .. } | Self::Journal { .. } | Self::Print(_) => 1,
        }
    }
}

/// Asks, waits, prints the answer.
pub fn ask(verb: &AgentVerb, socket: &Path) -> Result<(), AskError> {
    let (request, patience) = match verb {
        AgentVerb::Drain {
            address,
            even_last,
            at_most,
            timeout,
            ..
        } => {
            let drain = Request::Drain {
                address: *address,
                even_last: *even_last,
                for_seconds: at_most.as_secs(),
                patience_ms: milliseconds(*timeout),
            };
            (drain, *timeout)
        }
        AgentVerb::Undrain { address } => (Request::Undrain { address: *address }, Duration::ZERO),
        AgentVerb::Ready { instance, timeout } => (
            Request::Ready {
                address: resolve(instance)?,
                patience_ms: milliseconds(*timeout),
            },
            *timeout,
        ),
        AgentVerb::Endpoints => (Request::Endpoints, Duration::ZERO),
        AgentVerb::Vacate { member, timeout } => {
            let vacate = Request::Vacate {
                member: member.clone(),
                patience_ms: milliseconds(*timeout),
            };
            (vacate, *timeout + VACATE_TAKES)
        }
        AgentVerb::Census => (Request::Census, CENSUS_PATIENCE),
        AgentVerb::Facts => (Request::Facts, CENSUS_PATIENCE),
        AgentVerb::Journal { entry, folder } => {
            return journal::append(folder, entry).map_err(|source| AskError::Journal {
                folder: folder.clone(),
                source,
            });
        }
        AgentVerb::Samples { at_most, folder } => {
            return sampler::print(folder, *at_most).map_err(AskError::Print);
        }
        AgentVerb::Switch { to, hold_ms } => {
            let switch = Request::Switch {
                to: to.clone(),
                hold_ms: *hold_ms,
            };
            (switch, SWITCH_PATIENCE)
        }
        AgentVerb::Cross { to, hold_ms } => {
            let cross = Request::Cross {
                generation: *to,
                hold_ms: *hold_ms,
            };
            (cross, SWITCH_PATIENCE)
        }
    };
    // The agent ends its own wait; this is for one that hangs.
    let reply =
        exchange(socket, &request, patience + Duration::from_secs(10)).map_err(|source| {
            AskError::Ask {
                path: socket.to_owned(),
                source,
            }
        })?;
    match reply {
        Reply::Refused(why) => Err(AskError::Refused(why)),
        Reply::Failed(why) => Err(AskError::Failed(why)),
        Reply::Left(why) => Err(AskError::Left(why)),
        Reply::Unheld(why) => Err(AskError::Unheld(why)),
        Reply::Done(text) => {
            if let AgentVerb::Drain { settle, .. } = verb {
                std::thread::sleep(*settle);
            }
            print(&text)
        }
        Reply::Endpoints(endpoints) => print(&format!("{:#}", serde_json::json!(endpoints))),
    }
}

fn exchange(socket: &Path, request: &Request, patience: Duration) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn print(text: &str) -> Result<(), AskError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(AskError::Print)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
