//! The agent's settings, `/etc/scalectl/agent.yaml`.
//!
//! A stack says everything here that the agent has to know: it has no engine to
//! ask, and nothing in the code depends on a phase. A part that is not there is
//! not done. Fields that this version does not know are refused.
//! Next: `config/forms.rs` (defaults), `config/mistakes.rs`.

mod forms;
mod mistakes;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::AgentError;
use crate::wire::{Address, Url};
use forms::{
    addresses, database_interval, discovery_interval, engine_resolver, first_generation,
    milliseconds, pooler_port, pooler_user, sixteen_mebibytes, url, yes,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where `/metrics` and `/healthz` are served.
    pub listen: SocketAddr,
    /// The control socket, in a tmpfs of the agent's own.
    pub control: PathBuf,
    /// The agent's certificate: how it is known to members.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// The engine's DNS server.
    #[serde(default = "engine_resolver")]
    pub resolver: SocketAddr,
    /// Believe only addresses of networks that this container is in: a name that
    /// the engine does not know may be answered by anybody's DNS.
    #[serde(default = "yes")]
    pub local_only: bool,
    #[serde(default)]
    pub discovery: Option<Discovery>,
    #[serde(default)]
    pub database: Option<Database>,
    #[serde(default)]
    pub pooler: Option<Pooler>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Which instances serve: from DNS into Envoy's endpoint files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    #[serde(
        default = "discovery_interval",
        rename = "interval_ms",
        deserialize_with = "milliseconds"
    )]
    pub interval: Duration,
    pub services: Vec<Service>,
    /// Each edge's internal address, asked at `/clusters?format=json` which
    /// instances it finds healthy.
    #[serde(default, deserialize_with = "addresses")]
    pub edges: Vec<Address>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The DNS name, and the cluster's name in Envoy.
    pub name: String,
    pub port: u16,
    /// The endpoint file; its folder is watched by Envoy.
    pub file: PathBuf,
}

/// A Patroni cluster to follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub members: Vec<Member>,
    #[serde(
        default = "database_interval",
        rename = "interval_ms",
        deserialize_with = "milliseconds"
    )]
    pub interval: Duration,
    /// The dynamic configuration as it should be (Patroni's own document).
    #[serde(default)]
    pub settings_file: Option<PathBuf>,
    /// Restart members whose settings wait for a restart, one after the other.
    #[serde(default)]
    pub restart_when_needed: bool,
    /// The folder of the journal of handovers, which outlives the container.
    pub journal: PathBuf,
    /// A standby further behind gets no reads.
    #[serde(default = "sixteen_mebibytes")]
    pub max_read_lag_bytes: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub name: String,
    /// Its REST API, as `https://db-1:8008`.
    #[serde(deserialize_with = "url")]
    pub api: Url,
    /// Which of the stack's clusters it is in: while the database moves there are two.
    #[serde(default = "first_generation")]
    pub generation: u32,
}

impl Database {
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Each once, the oldest first.
    pub fn generations(&self) -> BTreeSet<u32> {
        self.members.iter().map(|it| it.generation).collect()
    }

    /// The members of one cluster.
    pub fn of(&self, generation: u32) -> impl Iterator<Item = &Member> {
        let members = self.members.iter();
        members.filter(move |member| member.generation == generation)
    }

    /// Those in the same cluster as that member.
    pub fn beside(&self, name: &str) -> impl Iterator<Item = &Member> {
        let generation = self.member(name).map(|it| it.generation);
        let members = self.members.iter();
        members.filter(move |member| Some(member.generation) == generation)
    }
}

/// A PgBouncer to keep pointed at the primary.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pooler {
    /// The file that its settings include.
    pub databases_file: PathBuf,
    /// Its admin sockets are `<folder>/*/.s.PGSQL.<port>`.
    pub sockets: PathBuf,
    #[serde(default = "pooler_port")]
    pub port: u16,
    /// Who the admin console knows this process as (peer).
    #[serde(default = "pooler_user")]
    pub user: String,
    pub databases: Vec<PooledDatabase>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PooledDatabase {
    pub name: String,
    pub route: Route,
    /// All but the host, as PgBouncer writes it: `dbname=app pool_size=10`.
    pub options: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// Where writes go.
    Primary,
    /// Healthy standbys, the primary while there is none.
    Standbys,
}

impl Config {
    pub fn read(path: &Path) -> Result<Self, AgentError> {
        let text = std::fs::read_to_string(path).map_err(|source| AgentError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = serde_saphyr::from_str(&text).map_err(|source| AgentError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let mistakes = config.mistakes();
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(AgentError::Invalid {
                path: path.to_owned(),
                mistakes,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "
listen: 0.0.0.0:9102
control: /run/scalectl/control.sock
tls: {ca: /c/ca.crt, certificate: /c/tls.crt, key: /c/tls.key}
discovery:
  services:
    - {name: app, port: 8000, file: /endpoints/app.json}
  edges: ['edge:9901']
database:
  members:
    - {name: db-1, api: 'https://db-1:8008'}
  settings_file: /etc/scalectl/database.yaml
  journal: /journal
pooler:
  databases_file: /run/pgbouncer/databases.ini
  sockets: /run/pgbouncer
  databases:
    - {name: app, route: primary, options: dbname=app}
    - {name: app_read, route: standbys, options: dbname=app}
";

    fn read(text: &str) -> Result<Config, AgentError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.yaml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn the_whole_of_it_is_read_with_its_defaults() {
        let config = read(WHOLE).unwrap();
        assert_eq!(config.resolver.to_string(), "127.0.0.11:53");
        let discovery = config.discovery.unwrap();
        assert_eq!(
            (discovery.interval, config.local_only),
            (Duration::from_millis(250), true)
        );
        let database = config.database.unwrap();
        assert_eq!(
            (database.interval, database.restart_when_needed),
            (Duration::from_secs(1), false)
        );
        assert_eq!(database.members[0].api.to_string(), "https://db-1:8008/");
        assert_eq!(config.pooler.unwrap().databases[1].route, Route::Standbys);
    }

    #[test]
    fn what_it_does_not_know_or_cannot_be_is_refused() {
        for (text, told) in [
            (WHOLE.replace("edges:", "egdes:"), "unknown field"),
            (WHOLE.replace("https://db-1:8008", "db-1"), "not a URL"),
            (
                WHOLE.replace("name: app,", "name: 'app..x',"),
                "no DNS name",
            ),
            (
                WHOLE.replace("name: db-1,", "name: 'db-1 port=1',"),
                "no DNS name",
            ),
            (WHOLE.replace("tls: {", "x-tls: {"), "unknown field"),
            (
                WHOLE.replace(
                    "tls: {ca: /c/ca.crt, certificate: /c/tls.crt, key: /c/tls.key}\n",
                    "",
                ),
                "no tls section",
            ),
            (
                WHOLE.replace("options: dbname=app}", "options: \"a\\nb\"}"),
                "does not fit in one line",
            ),
        ] {
            let error = crate::log::chain(&read(&text).unwrap_err()).to_string();
            assert!(error.contains(told), "expected {told:?} in: {error}");
        }
    }
}
