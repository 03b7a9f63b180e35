//! Keeps the pooler pointed at the primary: its database file, then RELOAD.
//!
//! Members stand in it by address, asked again with every look: the pooler's own
//! resolver keeps an answer for as long as the engine says (ten minutes), and a
//! member that was started again may have another one.
//!
//! Converges instead of remembering: the file is compared with what is known,
//! and every console that has not yet read this very file (a new process, or an
//! agent that died in between) is told to. A pooler that is away reads the file
//! when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::config::Pooler;
use super::console::{ConsoleError, command};
use super::database::{Known, told_readers};
use super::hold::Wishes;
use super::http::Client;
use super::metrics::Metrics;
use super::readers::Readers;
use super::routes::databases_file;
use crate::files::{self, Access, Change};
use crate::log::{Log, chain};

const LOG: Log = Log::new("pooler");
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// To be followed at once; whoever gives it waits for it.
pub struct Order {
    pub what: Follow,
    /// Told when every pooler has read it.
    pub done: oneshot::Sender<()>,
}

/// What the pooler is to follow.
pub enum Follow {
    /// What is known now, and the addresses that members have now.
    Known,
    /// The change from one primary to another, before the store tells it.
    Change {
        from: String,
        to: String,
        /// To another cluster: nobody of this one answers reads any more.
        crosses: bool,
    },
}

pub struct Keeper {
    config: Arc<Pooler>,
    client: Arc<Client>,
    metrics: Arc<Metrics>,
    known: watch::Receiver<Known>,
    wishes: Wishes,
    /// Who takes writes although the store still tells the other, or nobody.
    ordered: Option<Ordered>,
    members: Vec<String>,
    addresses: BTreeMap<String, IpAddr>,
    readers: Readers,
    /// What each console has read: by its socket, and which process's it was.
    read: BTreeMap<PathBuf, Reading>,
    told: BTreeMap<PathBuf, String>,
}

struct Ordered {
    from: String,
    to: String,
    crosses: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    socket: (u64, i64),
    file: Option<SystemTime>,
    certificate: Option<SystemTime>,
}

impl Keeper {
    pub fn new(
        config: Arc<Pooler>,
        members: Vec<String>,
        client: Arc<Client>,
        metrics: Arc<Metrics>,
        known: watch::Receiver<Known>,
        wishes: Wishes,
    ) -> Self {
        Self {
            config,
            client,
            metrics,
            known,
            wishes,
            ordered: None,
            members,
            addresses: BTreeMap::new(),
            readers: Readers::default(),
            read: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_tick = tokio::select! {
                biased;
                Some(order) = self.wishes.orders.recv() => {
                    self.obey(order).await;
                    false
                }
                Ok(()) = self.known.changed() => false,
                Ok(()) = self.wishes.aside.changed() => false,
                _ = ticks.tick() => true,
            };
            // What changed goes first; then the addresses, which take a while
            // to ask for, and for which no order waits.
            self.point();
            self.reload_all().await;
            if is_tick {
                tokio::select! {
                    biased;
                    Some(order) = self.wishes.orders.recv() => self.obey(order).await,
                    found = look_up(&self.client, &self.members) => if self.take_in(found) {
                        self.point();
                        self.reload_all().await;
                    },
                }
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order.what {
            Follow::Change { from, to, crosses } => {
                self.ordered = Some(Ordered { from, to, crosses });
            }
            Follow::Known => {
                self.ordered = None;
                let found = look_up(&self.client, &self.members).await;
                self.take_in(found);
            }
        }
        self.point();
        self.reload_all().await;
        // Whoever ordered may have died.
        let _ = order.done.send(());
    }

    /// Takes in what DNS says; whether a member has another address.
    fn take_in(&mut self, found: Vec<(String, BTreeSet<IpAddr>)>) -> bool {
        let mut changed = false;
        for (member, found) in found {
            let held = self.addresses.get(&member);
            let held = held.filter(|held| found.contains(held));
            if let (None, Some(first)) = (held, found.first()) {
                self.addresses.insert(member, *first);
                changed = true;
            }
        }
        changed
    }

    /// An order counts until the store knows better.
    fn known(&mut self) -> Known {
        let mut known = self.known.borrow_and_update().clone();
        if let Some(ordered) = self.ordered.take()
            && (known.primary.as_ref()).is_none_or(|now| *now == ordered.from)
        {
            known.primary = Some(ordered.to.clone());
            if ordered.crosses {
                known.readable.clear();
            }
            self.ordered = Some(ordered);
        }
        known
    }

    /// Writes the file where it says something else.
    fn point(&mut self) {
        let mut known = self.known();
        let well = &known.readable - &*self.wishes.aside.borrow_and_update();
        if known.primary.is_some() {
            known.readable = self.readers.settle(well, Instant::now());
        }
        let Some(text) = databases_file(&self.config.databases, &known, &self.addresses) else {
            return;
        };
        let path = &self.config.databases_file;
        let access = Access {
            mode: 0o644,
            ..Access::private()
        };
        let is_there = std::fs::read(path).is_ok_and(|found| found == text.as_bytes());
        // One that the pooler's own start put there has another owner: left so.
        let change = if is_there {
            Ok(Change::Unchanged)
        } else {
            files::put_unsynced(path, text.as_bytes(), access)
        };
        match change {
            Ok(Change::Written) => {
                self.metrics.repoints.add(1);
                LOG.info(format_args!(
                    "writes go to {}, reads to {}",
                    known.primary.as_deref().unwrap_or("nobody"),
                    told_readers(&known)
                ));
            }
            Ok(Change::Unchanged) => {}
            Err(error) => self.tell_once(&path.clone(), format!("write it: {error}")),
        }
    }

    async fn reload_all(&mut self) {
        let sockets = sockets(&self.config);
        self.read.retain(|socket, _| sockets.contains_key(socket));
        self.told.retain(|socket, _| {
            sockets.contains_key(socket) || *socket == self.config.databases_file
        });
        for (socket, process) in sockets {
            let reading = Reading {
                socket: process,
                file: modified(&self.config.databases_file),
                certificate: self.client.certificate_written(),
            };
            if reading.file.is_none() || self.read.get(&socket) == Some(&reading) {
                continue;
            }
            match command(&socket, &self.config.user, "RELOAD").await {
                Ok(()) => {
                    self.metrics.reloads.add(1);
                    self.told.remove(&socket);
                    self.read.insert(socket, reading);
                }
                Err(error) => {
                    self.metrics.reload_failures.add(1);
                    // A socket without a process behind it is what a killed
                    // pooler leaves.
                    let is_away = matches!(&error, ConsoleError::Io { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused);
                    if !is_away {
                        self.tell_once(&socket, chain(&error).to_string());
                    }
                }
            }
        }
    }

    /// The same trouble is told once, not every second.
    fn tell_once(&mut self, about: &Path, problem: String) {
        if self.told.get(about) != Some(&problem) {
            LOG.warn(format_args!("{}: {problem}", about.display()));
            self.told.insert(about.to_owned(), problem);
        }
    }
}

/// Asks DNS for every member. One that it does not know is away, and not told:
/// its last address stays.
async fn look_up(client: &Client, members: &[String]) -> Vec<(String, BTreeSet<IpAddr>)> {
    let mut all = Vec::new();
    for member in members {
        if let Some(found) = client.addresses_of(member).await {
            all.push((member.clone(), found));
        }
    }
    all
}

/// The admin sockets that are there: one folder a process, so that two can run
/// side by side while one replaces the other.
pub fn sockets(config: &Pooler) -> BTreeMap<PathBuf, (u64, i64)> {
    let folders = config.sockets.read_dir().into_iter().flatten().flatten();
    let sockets = folders.filter_map(|folder| {
        let socket = folder.path().join(format!(".s.PGSQL.{}", config.port));
        let found = socket.metadata().ok()?;
        Some((socket, (found.ino(), found.ctime_nsec() ^ found.ctime())))
    });
    sockets.collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
