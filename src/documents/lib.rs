//! Documents: a rendered compose.yaml as types.
//!
//! The border between what is written and what is done: `render/` parses its
//! own text back into these types, and planning sees nothing else. Only the
//! part of the Compose specification that scalectl renders is here, and an
//! unknown key is an error, so that nothing in a file is passed over in silence.
//! Must never name an engine, nor read a file. Next: `service.rs`, `check.rs`.

mod check;
mod hash;
mod quantity;
mod service;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use check::DocumentError;
pub use hash::{ServiceHash, settings_hash};
pub use quantity::{ByteSize, Span};
pub use service::{
    Attach, Build, Condition, ConfigMount, Dependency, Drain, Extension, Healthcheck, Logging,
    Mount, MountType, PublishedPort, PullPolicy, Restart, Service, Update,
};

/// One rendered stack for a Docker engine: the content of a compose.yaml.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    /// The project: the prefix of every name on the engine.
    pub name: String,
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    #[serde(default)]
    pub networks: BTreeMap<String, Network>,
    #[serde(default)]
    pub volumes: BTreeMap<String, Volume>,
    #[serde(default)]
    pub configs: BTreeMap<String, Config>,
    /// What the whole stack says of itself (phase, addresses to open).
    #[serde(
        rename = "x-scalectl",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub about: Option<About>,
}

/// What `up` and `status` tell about a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The stage of growth, 1 to 4.
    pub phase: u8,
    /// Addresses to open once it is up: what it is, and where.
    #[serde(default)]
    pub addresses: BTreeMap<String, String>,
}

/// A network of the stack; created unless it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The engine's name; `<project>_<key>` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Without a way out of the engine.
    #[serde(default)]
    pub internal: bool,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A volume of the stack; never removed unless asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The engine's name; `<project>_<key>` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A file that is put into a container before its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The text itself. Compose reads `$$` as one `$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The variable in the caller's environment that holds the text: how a
    /// user's own secret gets in without standing in the rendered file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl Compose {
    /// A stack of nothing: what `down` plans towards.
    pub fn none(project: &str) -> Self {
        Self {
            name: project.to_owned(),
            services: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            configs: BTreeMap::new(),
            about: None,
        }
    }

    /// Reads a compose.yaml and checks that every reference in it resolves.
    ///
    /// # Errors
    /// Text that is not YAML, a key outside what scalectl renders, or a
    /// reference to a service, network, volume or config that is not there.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let mut compose: Self = serde_saphyr::from_str(text)
            .map_err(|source| DocumentError::Syntax(Box::new(source)))?;
        compose.unescape();
        check::references(&compose)?;
        Ok(compose)
    }

    /// The engine's name of the network `key`.
    pub fn network_name(&self, key: &str) -> String {
        let given = self
            .networks
            .get(key)
            .and_then(|network| network.name.clone());
        given.unwrap_or_else(|| format!("{}_{key}", self.name))
    }

    /// The engine's name of the volume `key`.
    pub fn volume_name(&self, key: &str) -> String {
        let given = self.volumes.get(key).and_then(|volume| volume.name.clone());
        given.unwrap_or_else(|| format!("{}_{key}", self.name))
    }

    /// Compose reads `$` as the start of a variable and `$$` as one `$`; what
    /// scalectl renders has no variables, so `$$` is all there is to undo.
    fn unescape(&mut self) {
        for config in self.configs.values_mut() {
            if let Some(content) = &mut config.content {
                *content = content.replace("$$", "$");
            }
        }
        for service in self.services.values_mut() {
            service.unescape();
        }
    }
}
