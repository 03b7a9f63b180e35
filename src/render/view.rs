//! The view: all that a template may use, in the templates' words.
//!
//! Prepared here so that a template never chooses or computes: a component that
//! is not there is missing from `has` only as `false`, never as an absent name.
//! docs/templates.md lists these names. Next: `settings.rs`, `assemble.rs`.

use std::collections::BTreeMap;

use scalectl_documents::ByteSize;
use scalectl_model::{App, Component, Resources, SecretDelivery, SecretSource, Source};
use scalectl_phase::{FIRST, Stack};
use serde::Serialize;

use crate::components::ComponentLine;
use crate::{Facts, patroni, values};

/// The data of every template.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct View {
    pub project: String,
    pub phase: u8,
    /// The member that this rendering is for; number 0 where there is none.
    pub member: MemberView,
    pub has: BTreeMap<String, bool>,
    /// Names of all members, by component: `db-1`, `db-2`, ...
    pub members: BTreeMap<String, Vec<MemberView>>,
    /// The same for the second cluster that is there while data move.
    pub beside: BTreeMap<String, Vec<MemberView>>,
    pub images: BTreeMap<String, String>,
    pub app: AppView,
    pub edge: EdgeView,
    pub database: DatabaseView,
    pub cache: CacheView,
    pub monitoring: MonitoringView,
    /// Hash of each settings volume's files, for the label that makes a change
    /// of settings a change of the service.
    pub settings: BTreeMap<String, String>,
    /// Names of settings volumes and of folders that bootstrap prepares.
    pub prepared: Vec<PreparedView>,
    pub configs: Vec<ConfigView>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct MemberView {
    pub number: u32,
    pub name: String,
    pub is_first: bool,
    /// Of its cluster, where a component has more than one.
    pub generation: u32,
    /// That is not the first one, so it has another name in the store.
    pub is_later: bool,
    /// It founds the stack's database.
    pub founds: bool,
    /// Its cluster is made to follow the one that the stack has.
    pub follows: bool,
    /// It copies that one's data for its own cluster.
    pub copies: bool,
    /// When it copies it reads that much a second at most; empty text for no limit.
    pub copy_rate: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct AppView {
    pub image: String,
    /// The folder to build; empty text if the image is made elsewhere.
    pub context: String,
    pub dockerfile: String,
    pub build_args: BTreeMap<String, String>,
    pub command: Vec<String>,
    /// Empty without a release command.
    pub release: Vec<String>,
    pub port: u16,
    pub health: String,
    /// Empty text without metrics.
    pub metrics: String,
    pub env: BTreeMap<String, String>,
    pub limits: LimitsView,
    pub replicas: u32,
    pub workers: Vec<WorkerView>,
    pub secrets: Vec<SecretView>,
    /// Secrets reach the app as files, not in its environment.
    pub secret_files: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct LimitsView {
    /// In bytes, as Compose takes it.
    pub memory: String,
    /// Cores; 0 for no limit.
    pub cpus: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerView {
    pub name: String,
    pub command: Vec<String>,
    pub replicas: u32,
    pub limits: LimitsView,
}

/// A secret of the user's own.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SecretView {
    pub name: String,
    /// The caller's variable that holds it.
    pub variable: String,
    /// The key of its config in the document.
    pub config: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct EdgeView {
    pub http: u16,
    pub https: u16,
    pub address: String,
    pub host: String,
    pub own_certificate: bool,
    /// The caller's variables that carry it and its key.
    pub certificate_variable: &'static str,
    pub key_variable: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct DatabaseView {
    pub version: String,
    pub memory_mib: u64,
    /// Patroni's dynamic configuration: what all members share and may change
    /// while they run.
    pub dynamic: serde_json::Value,
    /// The same for a cluster that is made to follow.
    pub following: serde_json::Value,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct CacheView {
    pub memory_bytes: u64,
    pub memory_mib: u64,
    pub limit_mib: u64,
    pub policy: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct MonitoringView {
    pub port: u16,
    pub grafana_port: u16,
    pub retention_seconds: u64,
}

/// A volume that bootstrap fills or hands over.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PreparedView {
    /// Its folder below `/out` in bootstrap.
    pub name: String,
    /// Its key in the document.
    pub volume: String,
    /// It holds a certificate of the stack's own authority.
    pub is_renewed: bool,
}

/// A file that bootstrap gets.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConfigView {
    pub name: String,
    pub target: String,
    pub content: String,
    /// The caller's variable that holds the content instead.
    pub variable: String,
}

const MIB: u64 = 1 << 20;
/// A copy beside users, so that who writes meanwhile has most of the disk. Its other home:
/// src/cli/migrate/begin.rs.
const COPY_RATE: &str = "24M";

impl View {
    pub(crate) fn of(stack: &Stack, facts: &Facts, components: &[ComponentLine]) -> Self {
        let app = &stack.app;
        Self {
            project: stack.project.clone(),
            phase: stack.phase,
            member: MemberView::default(),
            has: components
                .iter()
                .map(|line| (line.component.clone(), stack.has(&line.component)))
                .collect(),
            members: components
                .iter()
                .map(|line| (line.component.clone(), members(stack, line)))
                .collect(),
            beside: components
                .iter()
                .map(|line| (line.component.clone(), beside(stack, line)))
                .collect(),
            images: images(app, facts),
            app: AppView::of(app, facts),
            edge: EdgeView {
                http: app.edge.http.get(),
                https: app.edge.https.get(),
                address: app.edge.address.to_string(),
                host: app.edge.host.to_string(),
                own_certificate: app.edge.certificate.is_some(),
                certificate_variable: values::EDGE_CERTIFICATE,
                key_variable: values::EDGE_KEY,
            },
            database: DatabaseView {
                version: app.database.version.clone(),
                memory_mib: app.database.memory.get() / MIB,
                dynamic: patroni::dynamic(&app.database),
                following: patroni::following(&app.database, &primaries(stack, components)),
            },
            cache: CacheView {
                memory_bytes: app.cache.memory.get(),
                memory_mib: app.cache.memory.get() / MIB,
                // What Valkey needs beside the data: buffers, fragmentation.
                limit_mib: app.cache.memory.get() / MIB * 3 / 2 + 32,
                policy: app.cache.policy.to_string(),
            },
            monitoring: MonitoringView {
                port: app.monitoring.port.get(),
                grafana_port: app.monitoring.grafana_port.get(),
                retention_seconds: app.monitoring.retention.seconds(),
            },
            settings: BTreeMap::new(),
            prepared: Vec::new(),
            configs: Vec::new(),
        }
    }
}

impl AppView {
    fn of(app: &App, facts: &Facts) -> Self {
        let program = &app.app;
        let (context, dockerfile, build_args) = match &program.source {
            Source::Build(build) => (
                build.context.clone(),
                build.dockerfile.clone(),
                texts(&build.args),
            ),
            Source::Image(_) => Default::default(),
        };
        let worker =
            |(name, worker): (&scalectl_model::Name, &scalectl_model::Worker)| WorkerView {
                name: name.to_string(),
                command: worker.command.words().to_vec(),
                replicas: worker.replicas.get().into(),
                limits: LimitsView::of(&worker.resources),
            };
        let secret = |(name, source): (&scalectl_model::EnvName, &SecretSource)| SecretView {
            name: name.to_string(),
            config: format!("given.user-{name}"),
            variable: match source {
                SecretSource::Env(variable) => variable.clone(),
                SecretSource::File(_) => values::secret_variable(name.as_str()),
            },
        };
        Self {
            image: facts.app_image.clone(),
            context,
            dockerfile,
            build_args,
            command: facts.app_command.clone(),
            release: program
                .release
                .as_ref()
                .map(|it| it.words().to_vec())
                .unwrap_or_default(),
            port: program.port.get(),
            health: program.health.to_string(),
            metrics: program
                .metrics
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            env: texts(&program.env),
            limits: LimitsView::of(&program.resources),
            replicas: program.replicas.get().into(),
            workers: program.workers.iter().map(worker).collect(),
            secrets: program.secrets.iter().map(secret).collect(),
            secret_files: app.secrets == SecretDelivery::Files,
        }
    }
}

impl LimitsView {
    fn of(resources: &Resources) -> Self {
        let cpus = resources
            .cpus
            .map_or(0.0, |cpus| f64::from(cpus.millis()) / 1000.0);
        Self {
            memory: ByteSize(resources.memory.get()).to_string(),
            cpus,
        }
    }
}

fn texts(map: &BTreeMap<scalectl_model::EnvName, String>) -> BTreeMap<String, String> {
    map.iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect()
}

/// The members of a component under the names that containers get.
fn members(stack: &Stack, line: &ComponentLine) -> Vec<MemberView> {
    cluster(stack, line, stack.lineage.generation, false)
}

/// Those of the second cluster.
fn beside(stack: &Stack, line: &ComponentLine) -> Vec<MemberView> {
    match stack.lineage.beside {
        Some(generation) if line.generations => cluster(stack, line, generation, true),
        _ => Vec::new(),
    }
}

fn cluster(stack: &Stack, line: &ComponentLine, generation: u32, follows: bool) -> Vec<MemberView> {
    let mut stem = line.stem().to_owned();
    let generation = if line.generations { generation } else { FIRST };
    if generation != FIRST {
        stem += &generation.to_string();
    }
    let count = stack.members.get(&line.component).copied().unwrap_or(0);
    let founds = |number| number == 1 && generation == FIRST && !follows;
    // While there are two clusters only the newer one copies.
    let is_slow = stack.copies_slowly && follows == stack.lineage.beside.is_some();
    (1..=count)
        .map(|number| MemberView {
            number,
            name: format!("{stem}-{number}"),
            is_first: number == 1,
            generation,
            is_later: generation != FIRST,
            founds: founds(number),
            follows,
            copies: number == 1 && follows,
            copy_rate: if is_slow && !founds(number) {
                COPY_RATE
            } else {
                ""
            },
        })
        .collect()
}

fn images(app: &App, facts: &Facts) -> BTreeMap<String, String> {
    let own = |image: &str| format!("scalectl/{image}:{}", facts.image_tag);
    let image_of = |component: Component| match component {
        Component::Edge => "envoy",
        Component::Pooler => "pgbouncer",
        Component::Database => "postgres",
        Component::Cache => "valkey",
        Component::Etcd
        | Component::Prometheus
        | Component::Exporters
        | Component::Agent
        | Component::Grafana => component.as_str(),
    };
    Component::ALL
        .iter()
        .map(|component| {
            let given = app.images.get(component).map(ToString::to_string);
            (
                component.as_str().to_owned(),
                given.unwrap_or_else(|| own(image_of(*component))),
            )
        })
        .collect()
}

/// The database's members that a second cluster copies and follows.
fn primaries(stack: &Stack, components: &[ComponentLine]) -> Vec<String> {
    let lines = components.iter().filter(|line| line.generations);
    let all = lines.flat_map(|line| members(stack, line));
    all.map(|member| member.name).collect()
}
