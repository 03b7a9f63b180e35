//! Operations: everything that `execute/` can be asked to do.
//!
//! A `Call` is one engine call with all its arguments, or one wait for a state
//! with a deadline. It must never hold a retry, a fallback or a choice: those
//! are made by the rules. A plan serialises, so that it can be kept in a file.
//! Next: `text.rs` (how it prints), the engine rooms (who performs a call).

use std::collections::BTreeMap;
use std::fmt;

use scalectl_documents::Span;
use serde::{Deserialize, Serialize};

use crate::spec::{ContainerSpec, NetworkPlace};

/// The number of an operation in its plan; from 1, in the order of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub u32);

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OpId,
    pub call: Call,
    pub cause: Cause,
    /// Operations that must have succeeded before.
    pub after: Vec<OpId>,
}

/// One call of the engine, or one wait. Containers, networks and volumes are
/// given by the engine's name, or by id where the plan means the very object
/// that was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// Fetches an image that the engine does not have.
    PullImage {
        reference: String,
    },
    CreateNetwork {
        name: String,
        internal: bool,
        labels: BTreeMap<String, String>,
    },
    RemoveNetwork {
        name: String,
        id: String,
    },
    CreateVolume {
        name: String,
        labels: BTreeMap<String, String>,
    },
    /// Destroys data. Only planned when asked for.
    RemoveVolume {
        name: String,
    },
    CreateContainer {
        spec: Box<ContainerSpec>,
    },
    /// Joins a container to a network that its creation could not name:
    /// engines below API 1.44 take one network in a create call.
    ConnectNetwork {
        container: String,
        place: NetworkPlace,
    },
    /// Puts files into a created container, before its start.
    UploadFiles {
        container: String,
        files: Vec<InjectedFile>,
    },
    StartContainer {
        container: String,
    },
    /// Lets a paused container go on.
    UnpauseContainer {
        container: String,
    },
    /// Asks a container to end and waits for it; killed after `grace`.
    StopContainer {
        name: String,
        id: String,
        grace: Option<Span>,
    },
    /// Removes a container that has ended, with its anonymous volumes.
    /// Missing is a success.
    RemoveContainer {
        name: String,
        id: String,
    },
    /// Runs a command in a running container; anything but exit code 0 fails.
    Exec {
        container: String,
        command: Vec<String>,
        deadline: Span,
    },
    /// Waits until a container's process has ended; the engine may still be
    /// clearing up after it. Stops nothing. Missing is a success.
    AwaitEnd {
        name: String,
        id: String,
    },
    Await {
        container: String,
        wait: Await,
        deadline: Span,
    },
}

/// A state that a container is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Await {
    /// Its health check succeeds. A container that ends meanwhile fails the wait.
    Healthy,
    /// It ended with exit code 0.
    Completed,
    /// Well by what the container itself has: its health check succeeds; without
    /// one, a one-shot ended with 0 and any other has run for `settle` without an
    /// end. For services without a check, and where no document is at hand.
    Well { settle: Span },
}

/// A file that goes into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedFile {
    /// Absolute path in the container.
    pub path: String,
    pub content: FileContent,
}

/// Where a file's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileContent {
    Text(String),
    /// A variable of the environment of whoever runs the plan: a secret of the
    /// user, which must not stand in a plan.
    Environment(String),
}

/// Why an operation is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// The document has it and the engine has not.
    Missing,
    /// It exists but does not run.
    NotRunning { state: String },
    /// It runs but is not well yet.
    NotHealthy,
    /// It runs once and has not ended yet.
    NotDone,
    /// Its definition changed.
    DefinitionChanged,
    /// Its image has another content than the one it was made from.
    ImageChanged,
    /// The caller gives another value for these variables.
    ValueChanged { variables: String },
    /// The container whose network it lives in is gone or is replaced.
    Stranded { holder: String },
    /// It is not in a network that it needs, or in one that has been replaced.
    NetworkIsNew { network: String },
    /// A volume that it fills or needs is new.
    VolumeIsNew { volume: String },
    /// A successor has taken its place.
    Superseded { successor: String },
    /// The document does not have it.
    NotWanted,
    /// More of them run than the document wants.
    TooMany,
    /// The data was asked to be destroyed.
    DataRemovalAsked,
    /// It is right as it is, and was asked to be started anew.
    RestartAsked,
    /// Somebody died before those in front of it were known to know it.
    Unsettled,
}

/// A graph of operations from what is to what is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub project: String,
    /// In an order in which they could run one by one.
    pub operations: Vec<Operation>,
    /// Volumes that stay although nothing uses them after this plan.
    pub keeps: Vec<String>,
    /// A hash of the observation it was made from: another one refuses it.
    pub fingerprint: String,
}

impl Plan {
    /// Nothing to do: what is wanted is there.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Volumes that this plan destroys.
    pub fn destroys(&self) -> impl Iterator<Item = &str> {
        self.operations
            .iter()
            .filter_map(|operation| match &operation.call {
                Call::RemoveVolume { name } => Some(name.as_str()),
                _ => None,
            })
    }
}

impl Call {
    /// What the call is about: the name of a container, network, volume or image.
    pub fn subject(&self) -> &str {
        match self {
            Self::PullImage { reference } => reference,
            Self::CreateContainer { spec } => &spec.name,
            Self::CreateNetwork { name, .. }
            | Self::RemoveNetwork { name, .. }
            | Self::CreateVolume { name, .. }
            | Self::RemoveVolume { name }
            | Self::StopContainer { name, .. }
            | Self::AwaitEnd { name, .. }
            | Self::RemoveContainer { name, .. } => name,
            Self::ConnectNetwork { container, .. }
            | Self::UploadFiles { container, .. }
            | Self::StartContainer { container }
            | Self::UnpauseContainer { container }
            | Self::Exec { container, .. }
            | Self::Await { container, .. } => container,
        }
    }

    /// The call's name in a plan's text.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull-image",
            Self::CreateNetwork { .. } => "create-network",
            Self::RemoveNetwork { .. } => "remove-network",
            Self::CreateVolume { .. } => "create-volume",
            Self::RemoveVolume { .. } => "remove-volume",
            Self::CreateContainer { .. } => "create",
            Self::ConnectNetwork { .. } => "connect",
            Self::UploadFiles { .. } => "upload-files",
            Self::StartContainer { .. } => "start",
            Self::UnpauseContainer { .. } => "unpause",
            Self::StopContainer { .. } => "stop",
            Self::RemoveContainer { .. } => "remove",
            Self::Exec { .. } => "exec",
            Self::AwaitEnd { .. } => "await-end",
            Self::Await {
                wait: Await::Healthy,
                ..
            } => "await-healthy",
            Self::Await {
                wait: Await::Completed,
                ..
            } => "await-completed",
            Self::Await {
                wait: Await::Well { .. },
                ..
            } => "await-well",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::NotRunning { state } => write!(f, "not running ({state})"),
            Self::NotHealthy => f.write_str("not healthy yet"),
            Self::NotDone => f.write_str("not done yet"),
            Self::DefinitionChanged => f.write_str("definition changed"),
            Self::ImageChanged => f.write_str("image changed"),
            Self::ValueChanged { variables } => write!(f, "another value of {variables}"),
            Self::Stranded { holder } => write!(f, "network of {holder} is gone"),
            Self::NetworkIsNew { network } => write!(f, "not in network {network}"),
            Self::VolumeIsNew { volume } => write!(f, "volume {volume} is new"),
            Self::Superseded { successor } => write!(f, "superseded by {successor}"),
            Self::NotWanted => f.write_str("not wanted"),
            Self::TooMany => f.write_str("one too many"),
            Self::DataRemovalAsked => f.write_str("removal of data asked"),
            Self::RestartAsked => f.write_str("restart asked"),
            Self::Unsettled => f.write_str("a scalectl ended before this was sure"),
        }
    }
}
