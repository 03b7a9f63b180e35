//! `agent`: the part of a stack that stays.
//!
//! It keeps Envoy's endpoints at what DNS knows, the pooler pointed at the
//! primary, the database's settings as written, and tells Prometheus. It has no
//! engine socket and no key of the stack's CA: one task a duty, one thread, and
//! each duty converges by itself after a restart.
//! Next: `config.rs` (what it is told), then one file a duty.

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
mod hold;
mod http;
mod metrics;
mod patch;
mod pooler;
mod readers;
mod restarts;
mod routes;
mod serve;
mod settings;
mod vacate;
mod verbs;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::log::Log;
use config::Config;
use control::Control;
use database::Follower;
use discovery::Services;
use dns::Resolver;
use hold::{LastRelease, Traffic};
use http::Client;
use metrics::Metrics;
use pooler::Keeper;
use serve::Server;
use settings::Applier;
use vacate::Vacator;

pub use verbs::{AgentVerb, AskError};

const LOG: Log = Log::new("agent");

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
    let (mut duties, held) = start(config).await?;
    tokio::select! {
        _ = stop.recv() => {}
        _ = interrupt.recv() => {}
        _ = duties.join_next() => return Err(AgentError::Ended),
    }
    duties.abort_all();
    if let Some(held) = held {
        held.release().await;
    }
    Ok(())
}

/// Opens everything that can fail, then starts one task a duty.
async fn start(config: Config) -> Result<(JoinSet<()>, Option<LastRelease>), AgentError> {
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
    let control = control::listen(&config.control).map_err(AgentError::start(format!(
        "open the control socket {}",
        config.control.display()
    )))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(AgentError::start(format!("listen at {}", config.listen)))?;

    let mut duties = JoinSet::new();
    let edges = config
        .discovery
        .as_ref()
        .map(|discovery| discovery.edges.clone())
        .unwrap_or_default();
    if let Some(discovery) = config.discovery {
        duties.spawn(discovery::follow(discovery, resolver, services.clone()));
    }
    let mut server = Server {
        services: services.clone(),
        metrics: Arc::clone(&metrics),
        database: None,
        has_pooler: config.pooler.is_some(),
        tls: config.tls,
        started: Instant::now(),
    };
    let (mut held, mut vacator) = (None, None);
    if let Some(database) = config.database {
        let common = (Arc::clone(&client), Arc::clone(&metrics));
        let started = start_database(database, config.pooler, common, &mut duties);
        server.database = Some(started.known.clone());
        held = Some(started.traffic.last_release());
        vacator = Some(Arc::new(started));
    }
    duties.spawn(control::serve(
        control,
        Control {
            services,
            edges,
            client,
            vacator,
        },
    ));
    let address = listener.local_addr().map_err(AgentError::start("listen"))?;
    duties.spawn(serve::serve(listener, server));
    LOG.info(format_args!(
        "has {} duties and serves at {address}",
        duties.len()
    ));
    Ok((duties, held))
}

/// The duties about the database and its pooler; what moves things off a member.
fn start_database(
    database: config::Database,
    pooler: Option<config::Pooler>,
    (client, metrics): (Arc<Client>, Arc<Metrics>),
    duties: &mut JoinSet<()>,
) -> Vacator {
    let (database, haste) = (Arc::new(database), Arc::new(Notify::new()));
    let (follower, known) = Follower::new(
        Arc::clone(&database),
        Arc::clone(&client),
        Arc::clone(&metrics),
        Arc::clone(&haste),
    );
    duties.spawn(follower.run());
    let pooler = pooler.map(Arc::new);
    let (traffic, aside) = Traffic::new(pooler.clone());
    let traffic = Arc::new(traffic);
    let mut keeper = None;
    if let Some(pooler) = pooler {
        let (ask, asked) = mpsc::channel(1);
        keeper = Some(ask);
        let members = database.members.iter();
        let members = members.map(|member| member.name.clone()).collect();
        let (client, metrics) = (Arc::clone(&client), Arc::clone(&metrics));
        let known = known.clone();
        duties.spawn(Keeper::new(pooler, members, client, metrics, known, aside, asked).run());
    }
    let applier = Applier {
        config: Arc::clone(&database),
        client: Arc::clone(&client),
        metrics,
        known: known.clone(),
        traffic: Arc::clone(&traffic),
    };
    duties.spawn(applier.run());
    Vacator {
        config: database,
        client,
        known,
        traffic,
        haste,
        keeper,
    }
}
