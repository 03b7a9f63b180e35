//! Keeps each service's endpoint file at what DNS knows and nobody drains.
//!
//! The engine gives no event without its socket, so its DNS is asked at a short
//! interval; each question is one small packet. What was written is kept while
//! nobody answers.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use super::config::{Discovery, Service};
use super::dns::{Lookup, Resolver};
use super::endpoints::Endpoints;
use crate::files::{self, Access, Change, UNFINISHED};
use crate::log::Log;

const LOG: Log = Log::new("discovery");
/// How often the file is looked at although nothing changed: somebody else may
/// have, or the last write failed.
const COMPARE_EVERY: Duration = Duration::from_secs(2);

/// All services, shared by the loop, the control socket and the metrics.
#[derive(Clone)]
pub struct Services(Arc<BTreeMap<String, Mutex<Watched>>>);

/// A service and how its discovery goes.
pub struct Watched {
    pub endpoints: Endpoints,
    pub failures: u64,
    pub changes: u64,
    pub last_answer: Option<Instant>,
    /// When the file was last looked at.
    compared: Instant,
    file: PathBuf,
}

impl Services {
    /// Reads what an earlier agent left, and writes each file at once: Envoy
    /// does not start without it.
    pub fn open(config: &[Service]) -> io::Result<Self> {
        let mut services = BTreeMap::new();
        for service in config {
            remove_unfinished(service);
            let left = std::fs::read(&service.file).ok();
            let endpoints = Endpoints::resume(&service.name, service.port, left.as_deref());
            let mut watched = Watched {
                endpoints,
                failures: 0,
                changes: 0,
                last_answer: None,
                compared: Instant::now(),
                file: service.file.clone(),
            };
            watched.write()?;
            services.insert(service.name.clone(), Mutex::new(watched));
        }
        Ok(Self(Arc::new(services)))
    }

    pub fn lock(&self, name: &str) -> Option<MutexGuard<'_, Watched>> {
        Some(
            self.0
                .get(name)?
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Watched {
    /// Puts the file in place if it says something else; whether it did.
    pub fn write(&mut self) -> io::Result<bool> {
        // No sync: after a power cut everything starts anew, and a disk that is
        // slow to sync must not hold up the other tasks.
        let access = Access {
            mode: 0o644,
            ..Access::private()
        };
        self.compared = Instant::now();
        let change = files::put_unsynced(&self.file, &self.endpoints.file(), access)?;
        self.changes += u64::from(change == Change::Written);
        Ok(change == Change::Written)
    }
}

/// Runs for ever.
pub async fn follow(config: Discovery, resolver: Resolver, services: Services) {
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let names: Vec<String> = services.names().map(str::to_owned).collect();
    let mut silent = BTreeMap::new();
    loop {
        ticks.tick().await;
        for name in &names {
            let found = resolver.lookup(name).await;
            tell_silence(name, &found, &mut silent);
            if let Some(mut watched) = services.lock(name) {
                take_in(&mut watched, found);
            }
        }
    }
}

fn take_in(watched: &mut Watched, found: Lookup) {
    let before = watched.endpoints.clone();
    let now = SystemTime::now();
    for address in watched.endpoints.expire(now) {
        LOG.warn(format_args!(
            "nobody finished the drain of {address}: it serves again"
        ));
    }
    match found {
        Lookup::Known(addresses) => {
            watched.last_answer = Some(Instant::now());
            watched.endpoints.learn(addresses, now);
        }
        Lookup::Silent(_) => watched.failures += 1,
    }
    if watched.endpoints != before || watched.compared.elapsed() >= COMPARE_EVERY {
        compare(watched);
    }
}

fn compare(watched: &mut Watched) {
    match watched.write() {
        Ok(true) => LOG.info(format_args!(
            "{}: {}",
            watched.endpoints.service(),
            told(&watched.endpoints)
        )),
        Ok(false) => {}
        Err(error) => {
            watched.failures += 1;
            LOG.warn(format_args!("write {}: {error}", watched.file.display()));
        }
    }
}

/// Once when it begins, once when it ends: not four lines a second.
fn tell_silence(name: &str, found: &Lookup, silent: &mut BTreeMap<String, Instant>) {
    match found {
        Lookup::Silent(problem) => {
            if silent.insert(name.to_owned(), Instant::now()).is_none() {
                LOG.warn(format_args!(
                    "{name}: {problem}; its instances stay as they are"
                ));
            }
        }
        Lookup::Known(_) => {
            if silent.remove(name).is_some() {
                LOG.info(format_args!("{name}: DNS answers again"));
            }
        }
    }
}

fn told(endpoints: &Endpoints) -> String {
    let list = |addresses: Vec<Ipv4Addr>| {
        let texts: Vec<_> = addresses.iter().map(Ipv4Addr::to_string).collect();
        if texts.is_empty() {
            "nobody".to_owned()
        } else {
            texts.join(", ")
        }
    };
    let drained: Vec<_> = endpoints.drained().collect();
    let serving = list(endpoints.serving().collect());
    if drained.is_empty() {
        format!("{serving} serve")
    } else {
        format!("{serving} serve, {} drained", list(drained))
    }
}

/// What an agent that was killed left beside the file.
fn remove_unfinished(service: &Service) {
    let entries = service
        .file
        .parent()
        .and_then(|folder| folder.read_dir().ok());
    for entry in entries.into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = files::remove(&entry.path());
        }
    }
}

/// How old an answer may be before the agent calls itself unhealthy.
pub const STALE_AFTER: Duration = Duration::from_secs(30);
