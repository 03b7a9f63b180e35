//! Who is at work on the primary: what the member tells, beside what the poolers tell.
//!
//! Behind the pooler a session of the server says nothing of whose it is: the pooler knows
//! which client has it. Changes nothing. Next: images/postgres/sessions.py,
//! `statement.rs` (what is shown of a statement).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scalectl_migrate::{Facts, PoolerWait, Prepared, Session, Standby, Timeout, Way};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::config::{Database, Pooler};
use super::console::{Row, rows};
use super::handover::{Members, StepError};
use super::hold::{is_session_mode, live};
use super::http::Client;
use super::statement::masked;
use crate::log::{Log, chain};

const LOG: Log = Log::new("sessions");
const PATIENCE: Duration = Duration::from_secs(3);
/// Roles of the stack's own components; roles.sql makes them.
const OWN: [&str; 3] = ["monitor", "replicator", "rewind"];
/// What names a client may give itself, in characters.
const NAME: usize = 64;
/// Waits that end in an error for whoever waits.
const WAITS: [&str; 2] = ["query_wait_timeout", "client_login_timeout"];

/// Asks members and poolers.
pub struct Witness {
    members: Members,
    pooler: Option<Arc<Pooler>>,
}

/// What a member tells (images/postgres/sessions.py).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    sessions: Vec<Session>,
    prepared: Vec<Prepared>,
    standbys: Vec<Standby>,
    timeouts: Vec<Timeout>,
    synchronous_standby_names: String,
    is_synchronous: bool,
}

/// A connection of a pooler to the server, and the client that has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Link {
    database: String,
    address: Option<String>,
    application: Option<String>,
    is_active: bool,
}

impl Witness {
    pub fn new(config: Arc<Database>, client: Arc<Client>, pooler: Option<Arc<Pooler>>) -> Self {
        Self {
            members: Members { config, client },
            pooler,
        }
    }

    /// All that is at work on that member.
    pub async fn facts(&self, primary: &str) -> Result<Facts, StepError> {
        let told = self.told(primary).await?;
        let links = self.links(primary).await;
        let waits = match &self.pooler {
            Some(pooler) => waits(pooler).await,
            None => Vec::new(),
        };
        // One whose connection came or went between the two looks.
        let linked = told
            .sessions
            .iter()
            .filter(|it| links.contains_key(&it.pid));
        let poolers: BTreeSet<_> = linked.filter_map(|it| it.client.clone()).collect();
        let is_poolers = |it: &Session| it.client.as_ref().is_some_and(|it| poolers.contains(it));
        let seen = told.sessions.iter();
        let sessions = seen.map(|it| match self.attributed(it.clone(), &links) {
            one if one.way == Way::Direct && is_poolers(it) => Session {
                way: Way::Transactions,
                ..one
            },
            one => one,
        });
        let sessions = sessions.collect();
        let prepared = told.prepared.into_iter().map(|one| Prepared {
            gid: clean(&one.gid),
            ..one
        });
        Ok(Facts {
            primary: primary.to_owned(),
            sessions,
            prepared: prepared.collect(),
            standbys: told.standbys,
            timeouts: told.timeouts,
            synchronous_standby_names: told.synchronous_standby_names,
            is_synchronous: told.is_synchronous,
            pooler_waits: waits,
            is_busy: false,
            available_memory_bytes: available_memory_bytes(),
        })
    }

    /// Who has a transaction open at least that long in one of these databases of the
    /// pooler, longest first; or why nobody can tell.
    pub async fn blockers(
        &self,
        primary: &str,
        databases: &[String],
        at_least: Duration,
    ) -> Result<Vec<Session>, StepError> {
        let told = self.told(primary).await?;
        let links = self.links(primary).await;
        let at_least = u64::try_from(at_least.as_millis()).unwrap_or(u64::MAX);
        let blocks = |one: &Session| {
            let link = links.get(&one.pid);
            one.open_ms.is_some_and(|open| open >= at_least)
                && link.is_some_and(|link| link.is_active && databases.contains(&link.database))
        };
        let open = told.sessions.into_iter().filter(blocks);
        Ok(open.map(|it| self.attributed(it, &links)).collect())
    }

    /// The standbys as that member sees them.
    pub async fn standbys(&self, primary: &str) -> Result<Vec<Standby>, StepError> {
        let asked = self.members.ask(primary, "standbys", PATIENCE, Value::Null);
        read(primary, "standbys", asked.await?)
    }

    async fn told(&self, primary: &str) -> Result<Told, StepError> {
        let asked = self.members.ask(primary, "sessions", PATIENCE, Value::Null);
        read(primary, "sessions", asked.await?)
    }

    /// A session as it may be told, with whose it is.
    fn attributed(&self, session: Session, links: &BTreeMap<u32, Link>) -> Session {
        let link = links.get(&session.pid);
        let is_own = |user: &String| OWN.contains(&user.as_str());
        let way = match link {
            _ if session.user.as_ref().is_some_and(is_own) => Way::Own,
            // One that no client has waits in the pool for the next.
            Some(link) if link.is_active && self.session_databases().contains(&link.database) => {
                Way::Session
            }
            Some(_) => Way::Transactions,
            None => Way::Direct,
        };
        let application = link.and_then(|it| it.application.clone());
        let client = link.and_then(|it| it.address.clone());
        Session {
            application: application.or(session.application).map(|it| clean(&it)),
            client: client.or(session.client),
            user: session.user.map(|it| clean(&it)),
            database: session.database.map(|it| clean(&it)),
            statement: session.statement.map(|it| masked(&it)),
            way,
            ..session
        }
    }

    /// The poolers' connections to that member, by the process that serves them.
    async fn links(&self, primary: &str) -> BTreeMap<u32, Link> {
        let mut all = BTreeMap::new();
        let Some(pooler) = &self.pooler else {
            return all;
        };
        let addresses = self.members.client.addresses_of(primary).await;
        let addresses = addresses.unwrap_or_default();
        let addresses: BTreeSet<_> = addresses.iter().map(IpAddr::to_string).collect();
        for socket in live(pooler).await {
            let servers = table(pooler, &socket, "SHOW SERVERS").await;
            let clients = table(pooler, &socket, "SHOW CLIENTS").await;
            all.extend(joined(&addresses, &servers, &clients));
        }
        all
    }

    fn session_databases(&self) -> BTreeSet<String> {
        let pooler = self.pooler.iter();
        let databases = pooler.flat_map(|pooler| &pooler.databases);
        let names = databases.filter(|one| is_session_mode(one));
        names.map(|one| one.name.clone()).collect()
    }
}

fn read<T: DeserializeOwned>(
    member: &str,
    verb: &'static str,
    told: Value,
) -> Result<T, StepError> {
    serde_json::from_value(told).map_err(|error| StepError::Refused {
        member: member.to_owned(),
        verb,
        why: error.to_string(),
    })
}

/// Processes of other members may have the same numbers.
fn joined(addresses: &BTreeSet<String>, servers: &[Row], clients: &[Row]) -> BTreeMap<u32, Link> {
    let text = |row: &Row, column: &str| row.get(column).cloned().unwrap_or_default();
    let mut links = BTreeMap::new();
    for server in servers {
        let (database, link) = (text(server, "database"), text(server, "link"));
        let Ok(pid) = text(server, "remote_pid").parse() else {
            continue;
        };
        if !addresses.contains(&text(server, "addr")) {
            continue;
        }
        let mut clients = clients.iter();
        let client = clients.find(|one| !link.is_empty() && text(one, "ptr") == link);
        let told = |column| {
            client
                .map(|one| text(one, column))
                .filter(|it| !it.is_empty())
        };
        let link = Link {
            database,
            address: told("addr"),
            application: told("application_name"),
            is_active: text(server, "state") == "active",
        };
        links.insert(pid, link);
    }
    links
}

/// How long the poolers let somebody wait; the shortest of each.
async fn waits(pooler: &Pooler) -> Vec<PoolerWait> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for socket in live(pooler).await {
        for row in table(pooler, &socket, "SHOW CONFIG").await {
            let (Some(name), Some(value)) = (row.get("key"), row.get("value")) else {
                continue;
            };
            // 0 is "without end".
            let seconds = value.parse::<f64>().ok().filter(|it| *it > 0.0);
            if let (true, Some(seconds)) = (WAITS.contains(&name.as_str()), seconds) {
                let seconds =
                    Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |it| it.as_secs());
                let held = all.entry(name.clone()).or_insert(seconds);
                *held = seconds.min(*held);
            }
        }
    }
    let all = all.into_iter();
    all.map(|(name, seconds)| PoolerWait { name, seconds })
        .collect()
}

/// A table of a pooler's console; empty if it does not answer.
pub async fn table(pooler: &Pooler, socket: &Path, show: &str) -> Vec<Row> {
    rows(socket, &pooler.user, show)
        .await
        .unwrap_or_else(|error| {
            LOG.warn(format_args!("{}", chain(&error)));
            Vec::new()
        })
}

/// What somebody calls himself, in one short line.
fn clean(name: &str) -> String {
    let printable = name
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    printable.take(NAME).collect()
}

/// Source: Linux, proc_meminfo(5). A container sees its machine's.
fn available_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
