//! One service of a compose.yaml, with exactly the keys that scalectl renders.
//!
//! Field names are Compose's own (source: the Compose specification), in long
//! form only, so that each thing can be said in one way.
//! Next: `hash.rs` (which of these decide whether a container is replaced).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quantity::{ByteSize, Span};

/// A service: what its containers are made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    pub image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// `never` for images that only a build can make; else fetched when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub environment: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub volumes: Vec<Mount>,
    pub configs: Vec<ConfigMount>,
    pub tmpfs: Vec<String>,
    pub networks: BTreeMap<String, Attach>,
    /// `none`, or `service:NAME` to join the network of that service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    pub ports: Vec<PublishedPort>,
    pub depends_on: BTreeMap<String, Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    pub restart: Restart,
    /// How many containers; Compose's `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<Span>,
    pub read_only: bool,
    pub init: bool,
    pub cap_drop: Vec<String>,
    pub cap_add: Vec<String>,
    pub security_opt: Vec<String>,
    pub sysctls: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_limit: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    #[serde(rename = "x-scalectl")]
    pub extension: Extension,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    Missing,
    Never,
}

/// How the user's own image is built from a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    pub context: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    #[serde(rename = "type", default)]
    pub kind: MountType,
    /// A key of the document's `volumes`.
    pub source: String,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
}

/// Only named volumes: a bind mount would tie the stack to the caller's machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountType {
    #[default]
    Volume,
}

/// A config as a file in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigMount {
    /// A key of the document's `configs`.
    pub source: String,
    pub target: String,
}

/// A service's place in a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A port of a container on the engine's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedPort {
    pub target: u16,
    /// Text as in Compose; one port, no range.
    pub published: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
}

/// What must hold of another service before this one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    pub condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    #[serde(rename = "service_started")]
    Started,
    #[serde(rename = "service_healthy")]
    Healthy,
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

/// How the engine finds out whether a container is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healthcheck {
    /// `["CMD", program, arguments...]` or `["CMD-SHELL", line]`.
    pub test: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Span>,
    /// Interval during `start_period`; engines below API 1.44 lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    #[default]
    No,
    Always,
    OnFailure,
    UnlessStopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    pub driver: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// What scalectl must know of a service and Compose has no word for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Extension {
    pub update: Update,
    /// A service without a health check counts as well when its container has run
    /// this long without an end; without this it does as soon as it is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<Span>,
    /// Run once a new container of this service is well; it counts as well after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Drain>,
    /// Run before an old container of this service is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Configs of another service, whose text reaches the containers of this one
    /// through a volume and is read at their start only: with another value of the
    /// caller's they are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<String>,
    /// Services with the same word here take turns: of them only one at a time
    /// gives way to its successor, when all others are well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
}

/// How a container of a service gives way to its successor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Update {
    /// Stop the old one, then start the new one.
    #[default]
    Recreate,
    /// Start the new one, wait until it is healthy, drain the old one, stop it.
    Rolling,
    /// Owns a network that others live in: replaced only when its own
    /// definition changes, never for a newer image.
    Holder,
}

/// A command in another service's container, about one container of this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// The service whose container runs the command.
    pub service: String,
    /// `{address}` stands for the container's address in its first network,
    /// `{name}` for its name; a container that is only being made, or that lives
    /// in another's network, has no address.
    pub command: Vec<String>,
}

impl Service {
    /// The number of containers wanted.
    pub fn replicas(&self) -> u32 {
        self.scale.unwrap_or(1)
    }

    /// Runs once and ends, as bootstrap does; others wait for its exit code.
    pub fn is_one_shot(&self) -> bool {
        self.restart == Restart::No
    }

    /// The service whose network this one joins.
    pub fn network_of(&self) -> Option<&str> {
        self.network_mode.as_deref()?.strip_prefix("service:")
    }

    pub(crate) fn unescape(&mut self) {
        let lists = [&mut self.entrypoint, &mut self.command];
        let texts = lists
            .into_iter()
            .flatten()
            .flatten()
            .chain(self.environment.values_mut())
            .chain(self.labels.values_mut())
            .chain(
                self.healthcheck
                    .iter_mut()
                    .flat_map(|check| &mut check.test),
            );
        for text in texts {
            *text = text.replace("$$", "$");
        }
    }
}
