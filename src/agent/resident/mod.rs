//! `agent`: the part of a stack that stays.
//!
//! It keeps Envoy's endpoints at what DNS knows, the pooler pointed at the
//! primary, the database's settings as written, and tells Prometheus. It has no
//! engine socket and no key of the stack's CA: one task a duty, one thread, and
//! each duty converges by itself after a restart.
//! Next: `config.rs` (what it is told), then one file a duty.

mod census;
mod certificates;
mod cluster;
mod config;
mod console;
mod control;
mod database;
mod discovery;
mod dns;
mod edges;
mod endpoints;
mod handover;
mod hold;
mod http;
mod metrics;
mod patch;
mod pooler;
mod readers;
mod restarts;
mod routes;
mod sampler;
mod serve;
mod sessions;
mod settings;
mod statement;
mod unheld;
mod vacate;
mod verbs;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::log::Log;
use config::{Config, Database, Pooler};
use control::Control;
use database::{Follower, Known};
use discovery::Services;
use dns::Resolver;
use handover::Handover;
use hold::{LastRelease, Traffic};
use http::Client;
use metrics::Metrics;
use pooler::Keeper;
use sampler::Sampler;
use serve::Server;
use sessions::Witness;
use settings::Applier;
use vacate::Vacator;

pub use verbs::{AgentVerb, AskError};

const LOG: Log = Log::new("agent");
/// Below the grace period of the agent's container.
const HANDOVER_ENDS: Duration = Duration::from_secs(8);

/// Stay and keep the stack's parts pointed at each other
#[derive(clap::Args, Debug)]
pub struct AgentArgs {
    /// The agent's settings
    #[arg(long, default_value = "/etc/scalectl/agent.yaml")]
    config: PathBuf,
    /// The running agent's control socket, for the verbs
    #[arg(long, default_value = "/run/scalectl/control.sock")]
    socket: PathBuf,
    #[command(subcommand)]
    verb: Option<AgentVerb>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AgentError {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} are no settings of this version", path.display())]
    #[diagnostic(help("render the stack again with the version whose agent image runs here"))]
    Syntax {
        path: PathBuf,
        source: Box<serde_saphyr::Error>,
    },
    #[error("{} asks for what cannot be:\n  {}", path.display(), mistakes.join("\n  "))]
    Invalid {
        path: PathBuf,
        mistakes: Vec<String>,
    },
    #[error("{what}")]
    Start { what: String, source: io::Error },
    #[error("a duty of the agent ended: a bug")]
    Ended,
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ask(#[from] AskError),
}

impl AgentError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Ask(error) => error.exit_code(),
            _ => 1,
        }
    }

    fn start(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Start { what, source }
    }
}

/// Stays until it is told to stop, or asks the one that stays.
pub fn run(args: &AgentArgs) -> Result<(), AgentError> {
    if let Some(verb) = &args.verb {
        return Ok(verbs::ask(verb, &args.socket)?);
    }
    let config = Config::read(&args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AgentError::start("start the runtime"))?;
    runtime.block_on(stay(config))
}

async fn stay(config: Config) -> Result<(), AgentError> {
    let mut stop =
        signal(SignalKind::terminate()).map_err(AgentError::start("listen for signals"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(AgentError::start("listen for signals"))?;
    let (mut duties, unfinished) = start(config).await?;
    tokio::select! {
        _ = stop.recv() => {}
        _ = interrupt.recv() => {}
        _ = duties.join_next() => return Err(AgentError::Ended),
    }
    let Some(unfinished) = unfinished else {
        return Ok(());
    };
    let turn = unfinished.finish().await;
    duties.abort_all();
    unfinished.held.release().await;
    drop(turn);
    Ok(())
}

/// What must not be cut when the agent ends.
struct Unfinished {
    traffic: Arc<Traffic>,
    held: LastRelease,
}

impl Unfinished {
    /// A handover ends by itself; what is held after that is let go.
    async fn finish(&self) -> Option<OwnedMutexGuard<()>> {
        timeout(HANDOVER_ENDS, self.traffic.turn()).await.ok()
    }
}

/// Opens everything that can fail, then starts one task a duty.
async fn start(config: Config) -> Result<(JoinSet<()>, Option<Unfinished>), AgentError> {
    let resolver = Resolver::new(config.resolver, config.local_only);
    let client = Arc::new(Client::new(resolver, config.tls.clone()));
    let metrics = Arc::new(Metrics::default());
    let services = config
        .discovery
        .as_ref()
        .map(|discovery| discovery.services.as_slice())
        .unwrap_or_default();
    let services =
        Services::open(services).map_err(AgentError::start("write the endpoint files"))?;
    let socket = control::listen(&config.control).map_err(AgentError::start(format!(
        "open the control socket {}",
        config.control.display()
    )))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(AgentError::start(format!("listen at {}", config.listen)))?;

    let mut duties = JoinSet::new();
    let mut server = Server {
        services: services.clone(),
        metrics: Arc::clone(&metrics),
        database: None,
        has_pooler: config.pooler.is_some(),
        tls: config.tls,
        started: Instant::now(),
    };
    let mut control = Control {
        services: services.clone(),
        edges: Vec::new(),
        client: Arc::clone(&client),
        vacator: None,
    };
    if let Some(discovery) = config.discovery {
        control.edges.clone_from(&discovery.edges);
        duties.spawn(discovery::follow(discovery, resolver, services));
    }
    let mut unfinished = None;
    if let Some(database) = config.database {
        let started = follow_database(database, config.pooler, client, metrics, &mut duties)?;
        server.database = Some(started.known);
        control.vacator = Some(started.vacator);
        unfinished = Some(started.unfinished);
    }
    duties.spawn(control::serve(socket, control));
    let address = listener.local_addr().map_err(AgentError::start("listen"))?;
    duties.spawn(serve::serve(listener, server));
    LOG.info(format_args!(
        "has {} duties and serves at {address}",
        duties.len()
    ));
    Ok((duties, unfinished))
}

/// What the others need of the duties around the database.
struct Following {
    known: watch::Receiver<Known>,
    vacator: Arc<Vacator>,
    unfinished: Unfinished,
}

fn follow_database(
    database: Database,
    pooler: Option<Pooler>,
    client: Arc<Client>,
    metrics: Arc<Metrics>,
    duties: &mut JoinSet<()>,
) -> Result<Following, AgentError> {
    let (database, haste) = (Arc::new(database), Arc::new(Notify::new()));
    let (follower, known) = Follower::new(
        Arc::clone(&database),
        Arc::clone(&client),
        Arc::clone(&metrics),
        Arc::clone(&haste),
    );
    duties.spawn(follower.run());
    let pooler = pooler.map(Arc::new);
    let witness = Witness::new(Arc::clone(&database), Arc::clone(&client), pooler.clone());
    let witness = Arc::new(witness);
    let (traffic, wishes) = Traffic::new(pooler.clone(), Arc::clone(&witness));
    let traffic = Arc::new(traffic);
    if let Some(pooler) = pooler {
        let (client, metrics) = (Arc::clone(&client), Arc::clone(&metrics));
        let members = database
            .members
            .iter()
            .map(|member| member.name.clone())
            .collect();
        let sampler = Sampler {
            folder: database.journal.clone(),
            pooler: Arc::clone(&pooler),
            known: known.clone(),
            traffic: Arc::clone(&traffic),
            witness: Arc::clone(&witness),
        };
        duties.spawn(sampler.run());
        duties.spawn(Keeper::new(pooler, members, client, metrics, known.clone(), wishes).run());
    }
    let handover = Handover::open(
        &database.journal,
        Arc::clone(&database),
        Arc::clone(&client),
        known.clone(),
        Arc::clone(&traffic),
    );
    let handover = Arc::new(handover.map_err(AgentError::start(format!(
        "read the journal in {}",
        database.journal.display()
    )))?);
    let applier = Applier {
        config: Arc::clone(&database),
        client: Arc::clone(&client),
        metrics,
        known: known.clone(),
        traffic: Arc::clone(&traffic),
    };
    let left = Arc::clone(&handover);
    duties.spawn(async move {
        left.recover().await;
        applier.run().await;
    });
    let vacator = Vacator {
        config: database,
        client,
        known: known.clone(),
        traffic: Arc::clone(&traffic),
        haste,
        handover,
        witness,
    };
    let held = traffic.last_release();
    Ok(Following {
        known,
        vacator: Arc::new(vacator),
        unfinished: Unfinished { traffic, held },
    })
}
