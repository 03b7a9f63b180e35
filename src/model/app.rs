//! The app model: what a person wrote in `scale.yaml`, typed, with defaults.
//!
//! These types are the result of `load` and the source of the JSON Schema: a
//! docstring here is what an editor shows. They must never hold what a phase
//! decides (members of a database, images of ours): that is the room `phase`.
//! Next: `decode.rs` (how text becomes these types), `units.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::Serialize;

use crate::choices::{CachePolicy, Component, SecretDelivery, Size};
use crate::forms::{BuildForm, CommandForm, ImagesForm, ValueForm, VersionForm};
use crate::quantity::{Bytes, Cpus, Retention};
use crate::units::{EnvName, HostName, HttpPath, ImageName, Name, Port, Replicas};

/// An app and the stack it wants, as `scale.yaml` says it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "scale.yaml")]
pub struct App {
    /// Name of the stack and of everything in it: a DNS label of at most 40
    /// characters.
    pub name: Name,
    /// How the app gets `DATABASE_URL` and its kin, and its own secrets.
    #[schemars(default)]
    pub secrets: SecretDelivery,
    /// The app itself: its code, how it starts, and what it needs.
    pub app: Program,
    /// The door to the outside: published ports and the certificate.
    #[schemars(with = "Option<Edge>")]
    pub edge: Edge,
    /// PostgreSQL.
    #[schemars(default)]
    pub database: Database,
    /// The cache (Valkey), in phases that have one.
    #[schemars(default)]
    pub cache: Cache,
    /// Prometheus and its kin, in phases that have them.
    #[schemars(default)]
    pub monitoring: Monitoring,
    /// Images of your own in place of scalectl's, by component.
    #[schemars(with = "ImagesForm", default)]
    pub images: BTreeMap<Component, ImageName>,
    /// How many members components get where a phase offers both: `ha` or
    /// `small`. Without it the phase decides.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

/// The app's code and how it runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Program {
    /// Where the image comes from: built here, or made elsewhere.
    #[serde(flatten)]
    pub source: Source,
    /// What starts the app: a list, or one text that is split into words as a
    /// shell does (no shell runs it). Without it the image's own command.
    #[schemars(with = "Option<CommandForm>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// TCP port the app listens on inside its container; it is told in `PORT`.
    #[schemars(default = "Program::default_port")]
    pub port: Port,
    /// HTTP path that answers 2xx or 3xx when the app is healthy.
    #[schemars(default = "HttpPath::root")]
    pub health: HttpPath,
    /// HTTP path of the app's own Prometheus metrics, if it has them.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<HttpPath>,
    /// Environment of the app. A value may use another entry as `${NAME}`, and
    /// `${PORT}`; `$${` stands for `${`.
    #[schemars(with = "BTreeMap<EnvName, ValueForm>", default)]
    pub env: BTreeMap<EnvName, String>,
    /// The app's own secrets, by the name of the variable that carries them.
    #[schemars(default)]
    pub secrets: BTreeMap<EnvName, SecretSource>,
    /// Limits of one instance.
    #[schemars(default)]
    pub resources: Resources,
    /// How many instances of the app run.
    #[schemars(default = "Replicas::one")]
    pub replicas: Replicas,
    /// Runs once, to its end, before new code serves: migrations of the schema.
    #[schemars(with = "Option<CommandForm>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Command>,
    /// Processes beside the app from the same image, by name.
    #[schemars(default)]
    pub workers: BTreeMap<Name, Worker>,
}

impl Program {
    pub(crate) fn default_port() -> Port {
        Port::literal(8000)
    }
}

/// Where the app's image comes from: exactly one of `build` and `image`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Folder that holds the app's Dockerfile, or a mapping that says more.
    Build(#[schemars(with = "BuildForm")] Build),
    /// Image that exists already, with its tag or digest.
    Image(ImageName),
}

/// How the app's image is built. Paths are relative to `scale.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Build {
    /// Folder that is sent to the build.
    #[schemars(default = "Build::default_context")]
    pub context: String,
    /// The Dockerfile, relative to the context.
    #[schemars(default = "Build::default_dockerfile")]
    pub dockerfile: String,
    /// Build arguments. They stay readable in the image: no secrets here.
    #[schemars(with = "BTreeMap<EnvName, ValueForm>", default)]
    pub args: BTreeMap<EnvName, String>,
}

impl Build {
    pub(crate) fn default_context() -> String {
        ".".to_owned()
    }
    pub(crate) fn default_dockerfile() -> String {
        "Dockerfile".to_owned()
    }
}

/// A command: the program and its arguments, at least one word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Command(pub(crate) Vec<String>);

impl Command {
    /// The program and its arguments; never empty.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

/// Where the value of one secret comes from: exactly one of `env` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// Name of a variable in the environment of who runs scalectl.
    Env(String),
    /// File that holds the value, relative to `scale.yaml`. A line end at its end
    /// does not count.
    File(String),
}

/// Limits of one instance of the app or of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Resources {
    /// Memory limit, such as `256Mi`.
    pub memory: Bytes,
    /// CPU limit in cores, such as `0.5`. Without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            memory: Bytes::mebi(256),
            cpus: None,
        }
    }
}

/// A process beside the app, from the app's image, without a port.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Worker {
    /// What starts the worker: a list, or one text split into words.
    #[schemars(with = "CommandForm")]
    pub command: Command,
    /// How many instances run.
    #[schemars(default = "Replicas::one")]
    pub replicas: Replicas,
    /// Limits of one instance.
    #[schemars(default)]
    pub resources: Resources,
}

/// The door to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Edge {
    /// Published port for HTTP, which redirects to HTTPS.
    #[schemars(default = "Edge::default_http")]
    pub http: Port,
    /// Published port for HTTPS.
    #[schemars(default = "Edge::default_https")]
    pub https: Port,
    /// Address of the engine's machine that both ports are published on.
    #[schemars(with = "String", default = "Edge::default_address")]
    pub address: IpAddr,
    /// Name in the certificate; `NAME.localhost` when it is not said.
    #[schemars(with = "Option<HostName>")]
    pub host: HostName,
    /// Your own certificate in place of one from the local authority.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

impl Edge {
    pub(crate) fn default_http() -> Port {
        Port::literal(8080)
    }
    pub(crate) fn default_https() -> Port {
        Port::literal(8443)
    }
    pub(crate) fn default_address() -> IpAddr {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    }
}

/// A certificate of the user's, as PEM files relative to `scale.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Certificate {
    /// File with the certificate and its chain (PEM).
    pub file: String,
    /// File with the private key (PEM).
    pub key: String,
}

/// PostgreSQL: its version, its room, its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Database {
    /// Major version of PostgreSQL.
    #[schemars(with = "VersionForm")]
    pub version: String,
    /// Disk space that the data is expected to need; checks look for it.
    pub size: Bytes,
    /// Memory limit of one member.
    pub memory: Bytes,
    /// PostgreSQL settings by name. Those that scalectl needs are refused.
    #[schemars(with = "BTreeMap<String, ValueForm>")]
    pub settings: BTreeMap<String, String>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            version: "17".to_owned(),
            size: Bytes::mebi(10 * 1024),
            memory: Bytes::mebi(512),
            settings: BTreeMap::new(),
        }
    }
}

/// The cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Cache {
    /// Memory for cached data; beyond it the policy evicts.
    pub memory: Bytes,
    /// What is evicted when the memory is full.
    pub policy: CachePolicy,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            memory: Bytes::mebi(64),
            policy: CachePolicy::AllkeysLru,
        }
    }
}

/// Prometheus and Grafana.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Monitoring {
    /// Whether Grafana runs too; its image is named in `images.grafana`.
    pub grafana: bool,
    /// Port of Grafana on 127.0.0.1.
    pub grafana_port: Port,
    /// Port of Prometheus on 127.0.0.1.
    pub port: Port,
    /// How long measurements are kept, such as `7d`.
    pub retention: Retention,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            grafana: false,
            grafana_port: Port::literal(3000),
            port: Port::literal(9090),
            retention: Retention::days(7),
        }
    }
}
