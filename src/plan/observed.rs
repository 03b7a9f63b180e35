//! Observed: what an engine reports now, and nothing that it does not.
//!
//! Filled by an engine room from list calls, read by the rules. It holds what
//! belongs to the project, and what else stands in its way (names, ports).
//! Must not be relied on for longer than one plan: the engine moves on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::migrating::Migrating;

/// One look at an engine, for one project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub engine: EngineFacts,
    /// The phase that runs: what the stack's one-shot says, or else what the newest
    /// container of ours was made for.
    pub phase: Option<u8>,
    /// The migration that is open, if one is.
    pub migrating: Option<Migrating>,
    /// The largest phase that a volume of ours was made for: what a stack that is
    /// down was, as far as can be told.
    pub phase_of_volumes: Option<u8>,
    /// Containers by name: the project's own and all others, because any of
    /// them can hold a name or a port that is wanted.
    pub containers: BTreeMap<String, ObservedContainer>,
    pub networks: BTreeMap<String, ObservedNetwork>,
    pub volumes: BTreeMap<String, ObservedVolume>,
    /// The images that the document names and the engine has, by reference.
    pub images: BTreeMap<String, ImageFacts>,
}

/// What kind of engine it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFacts {
    /// The negotiated API version, major and minor.
    pub api: (u32, u32),
}

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// Made by scalectl for this project.
    Ours,
    /// Anything else; never touched. Says what is known of the owner.
    Foreign { owner: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedContainer {
    pub id: String,
    pub ownership: Ownership,
    /// The service and number that it was made for (empty and 0 if foreign).
    pub service: String,
    pub number: u32,
    pub hash: String,
    /// The content it was made from (`sha256:...`).
    pub image_id: String,
    pub state: ContainerState,
    pub health: Health,
    /// Services it waited for, from its label: the order of `down`.
    pub depends_on: BTreeSet<String>,
    /// The container (name or id) whose network it joined.
    pub network_of: Option<String>,
    /// When it was last started, in nanoseconds since 1970; known for containers
    /// that join another's network and for those that are joined.
    pub started_at: Option<u64>,
    /// The networks it belongs to in any state, by name: the id of the network as
    /// the container keeps it (`NetworkID`), empty before its first start.
    pub networks: BTreeMap<String, String>,
    /// Its address in each network, by the network's name.
    pub addresses: BTreeMap<String, String>,
    pub volumes: BTreeSet<String>,
    /// Those of its volumes that it may write (`RW` of the mount).
    pub writes: BTreeSet<String>,
    /// Ports it holds on the engine's machine: address and port.
    pub published: BTreeSet<(String, u16)>,
    /// From its label: which value of each config of the caller's it was made
    /// with, counted from 1 (`values.rs`).
    pub values: BTreeMap<String, u32>,
    /// Configs whose value in its files is not the one that the caller gives now.
    pub outdated: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Exited { code: i64 },
    Removing,
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It has no health check.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedNetwork {
    pub id: String,
    pub ownership: Ownership,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedVolume {
    pub ownership: Ownership,
    pub data: Data,
}

/// What a volume holds, as far as the order of its destruction depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// What the members of the database know of each other.
    Store,
    #[default]
    Other,
    /// A database member's data, which must not be left behind by a smaller phase.
    Member,
}

impl Data {
    /// From the volume's labels.
    pub fn of(label: Option<&str>) -> Self {
        match label {
            Some("store") => Self::Store,
            Some("member") => Self::Member,
            _ => Self::Other,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The content's id (`sha256:...`).
    pub id: String,
}

impl Ownership {
    /// Of what plain `docker compose` made for a project.
    pub fn composed(project: &str) -> Self {
        Self::Foreign {
            owner: format!("compose project {project}"),
        }
    }
}

impl Observed {
    /// The project's own containers, by name.
    pub fn ours(&self) -> impl Iterator<Item = (&String, &ObservedContainer)> {
        self.containers
            .iter()
            .filter(|(_, container)| container.ownership == Ownership::Ours)
    }

    /// The project's own containers of one service, lowest number first.
    pub fn instances<'a>(&'a self, service: &str) -> Vec<(&'a String, &'a ObservedContainer)> {
        let mut found: Vec<_> = self
            .ours()
            .filter(|(_, container)| container.service == service)
            .collect();
        found.sort_by_key(|(_, container)| container.number);
        found
    }

    /// The phase that runs, or else the one that its volumes tell of.
    pub fn last_phase(&self) -> Option<u8> {
        self.phase.or(self.phase_of_volumes)
    }

    /// Containers that plain `docker compose` made under the project's name.
    pub fn composed(&self, project: &str) -> Vec<&String> {
        let composed = Ownership::composed(project);
        let all = self.containers.iter();
        all.filter(|(_, it)| it.ownership == composed)
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether anything of the project is there.
    pub fn is_empty(&self) -> bool {
        let networks = self
            .networks
            .values()
            .all(|network| network.ownership != Ownership::Ours);
        let volumes = self
            .volumes
            .values()
            .all(|volume| volume.ownership != Ownership::Ours);
        networks && volumes && self.ours().next().is_none()
    }
}

impl ObservedContainer {
    pub fn is_running(&self) -> bool {
        self.state == ContainerState::Running
    }

    /// Has processes, or gets them again by itself: it must be stopped to end.
    pub fn is_alive(&self) -> bool {
        matches!(
            self.state,
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
        )
    }
}

impl ContainerState {
    /// The engine's word for it.
    pub fn word(&self) -> String {
        match self {
            Self::Created => "created".to_owned(),
            Self::Running => "running".to_owned(),
            Self::Paused => "paused".to_owned(),
            Self::Restarting => "restarting".to_owned(),
            Self::Exited { code } => format!("exited with {code}"),
            Self::Removing => "being removed".to_owned(),
            Self::Dead => "dead".to_owned(),
        }
    }
}
