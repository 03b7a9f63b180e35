//! Keeping clients unaware of a member's absence: aside, or held at the pooler.
//!
//! A standby is taken out of the pooler's reads first. Before the leader goes
//! the pooler holds new transactions (PAUSE) and lets them go after it
//! (RESUME), at the latest at a limit. A PAUSE outlives whoever sent it, waiting
//! or complete: so each hold is given up when a long transaction keeps it
//! waiting, and whatever an agent that died has left is released at the start.
//! Next: `unheld.rs` (who kept it waiting), `vacate.rs`, `handover/`.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::config::{PooledDatabase, Pooler, Route};
use super::console::{ConsoleError, command};
use super::database::Known;
use super::handover::StepError;
use super::pooler::{Follow, Order, sockets};
use super::sessions::Witness;
use super::unheld::{Unheld, WhoKept};
use crate::log::{Log, chain};

const LOG: Log = Log::new("pooler");
/// Everybody else queues behind a PAUSE that waits for one long transaction.
pub const PAUSE_PATIENCE: Duration = Duration::from_millis(300);
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// All tries together: what a handover may take before anything is held.
pub const HOLD_TAKES: Duration = Duration::from_secs(60);
/// Well below the pooler's query_wait_timeout and client_login_timeout.
const HOLD_LIMIT: Duration = Duration::from_secs(5);
/// The look between two tries for who keeps the hold waiting.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// What a standby is answering when it is taken out of the reads.
const READS_TAKE: Duration = Duration::from_secs(2);

/// The traffic to members, as far as the pooler directs it.
pub struct Traffic {
    pooler: Option<Arc<Pooler>>,
    /// Asked who keeps a hold waiting.
    witness: Arc<Witness>,
    /// Standbys that must get no reads although they are well.
    aside: watch::Sender<BTreeSet<String>>,
    holding: Arc<AtomicBool>,
    /// One member at a time.
    turn: Arc<Mutex<()>>,
    orders: mpsc::Sender<Order>,
}

/// What the pooler's keeper must follow.
pub struct Wishes {
    pub aside: watch::Receiver<BTreeSet<String>>,
    pub orders: mpsc::Receiver<Order>,
}

/// Lets go whatever is held when the agent is told to stop.
#[derive(Clone)]
pub struct LastRelease {
    pooler: Option<Arc<Pooler>>,
    holding: Arc<AtomicBool>,
}

impl LastRelease {
    pub async fn release(&self) {
        if let Some(pooler) = self
            .pooler
            .as_ref()
            .filter(|_| self.holding.load(Ordering::Relaxed))
        {
            release_all(pooler).await;
        }
    }
}

/// New transactions wait until this is released; whoever has it must do so.
pub struct Held {
    pooler: Arc<Pooler>,
    databases: Vec<String>,
    holding: Arc<AtomicBool>,
    /// When the first of them had to wait.
    pub since: Instant,
}

impl Held {
    pub async fn release(self) {
        release(&self.pooler, &self.databases).await;
        self.holding.store(false, Ordering::Relaxed);
        LOG.info(format_args!(
            "transactions waited {} ms",
            self.since.elapsed().as_millis()
        ));
    }
}

impl Traffic {
    pub fn new(pooler: Option<Arc<Pooler>>, witness: Arc<Witness>) -> (Self, Wishes) {
        let (aside, is_aside) = watch::channel(BTreeSet::new());
        let (orders, ordered) = mpsc::channel(1);
        let traffic = Self {
            pooler,
            witness,
            aside,
            holding: Arc::default(),
            turn: Arc::default(),
            orders,
        };
        let wishes = Wishes {
            aside: is_aside,
            orders: ordered,
        };
        (traffic, wishes)
    }

    /// Has the pooler follow that now; returns when every pooler has read it.
    pub async fn follow(&self, what: Follow) {
        if self.pooler.is_none() {
            return;
        }
        let (done, is_done) = oneshot::channel();
        let order = Order { what, done };
        // Both fail only when the agent ends.
        let _ = self.orders.send(order).await;
        let _ = is_done.await;
    }

    /// Releases what an agent that died may have held; before the first hold.
    pub async fn release_left(&self) {
        if let Some(pooler) = &self.pooler {
            release_all(pooler).await;
        }
        self.holding.store(false, Ordering::Relaxed);
    }

    /// Whether transactions are held, or are tried to be.
    pub fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Relaxed)
    }

    /// Waits until nobody else does something to a member.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The same, if nobody does now.
    pub fn turn_now(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// Does that to a member while nobody depends on it; whoever calls has the turn.
    pub async fn without<T>(&self, member: &str, known: &Known, act: impl Future<Output = T>) -> T {
        if self.pooler.is_none() {
            return act.await;
        }
        if known.primary.as_deref() == Some(member) {
            return self.held(known, act).await;
        }
        self.put_aside(member).await;
        let done = act.await;
        self.bring_back(member);
        done
    }

    pub fn last_release(&self) -> LastRelease {
        LastRelease {
            pooler: self.pooler.clone(),
            holding: Arc::clone(&self.holding),
        }
    }

    /// Takes a standby out of the reads, and lets it answer what it has begun.
    pub async fn put_aside(&self, member: &str) {
        self.aside.send_modify(|aside| {
            aside.insert(member.to_owned());
        });
        sleep(READS_TAKE).await;
    }

    /// Whether every member that is well answers reads.
    pub fn is_nobody_aside(&self) -> bool {
        self.aside.borrow().is_empty()
    }

    /// Lets it answer reads again, if it is well.
    pub fn bring_back(&self, member: &str) {
        self.aside.send_modify(|aside| {
            aside.remove(member);
        });
    }

    /// Holds new transactions. Tried again for a while, for a transaction that is open
    /// keeps it waiting, and with it everybody else.
    ///
    /// # Errors
    /// Who kept it waiting; nothing is held.
    pub async fn hold(&self, known: &Known) -> Result<Held, Unheld> {
        let pooler = Arc::clone(self.pooler.as_ref().ok_or(Unheld::NoPooler)?);
        let databases = held_databases(&pooler, known);
        self.holding.store(true, Ordering::Relaxed);
        let held = self.hold_when_quiet(&pooler, &databases, known).await;
        if held.is_err() {
            self.holding.store(false, Ordering::Relaxed);
        }
        held.map(|since| Held {
            pooler,
            databases,
            holding: Arc::clone(&self.holding),
            since,
        })
    }

    /// Since when the complete hold was asked for.
    async fn hold_when_quiet(
        &self,
        pooler: &Pooler,
        databases: &[String],
        known: &Known,
    ) -> Result<Instant, Unheld> {
        let mut who = WhoKept::new();
        for attempt in 1..=TRIES {
            let begun = Instant::now();
            let paused = timeout(PAUSE_PATIENCE, tell_all(pooler, "PAUSE", databases)).await;
            if let Ok(Ok(())) = paused {
                return Ok(begun);
            }
            // First of all: everybody waits.
            release(pooler, databases).await;
            match paused {
                Ok(Err(error)) => who.was_refused(chain(&error).to_string()),
                _ => {
                    let primary = known.primary.as_deref().unwrap_or_default();
                    let open = self.witness.blockers(primary, databases, PAUSE_PATIENCE);
                    let late = StepError::Refused {
                        member: primary.to_owned(),
                        verb: "sessions",
                        why: format!("it did not tell within {LOOK_PATIENCE:?}"),
                    };
                    let open = timeout(LOOK_PATIENCE, open).await;
                    who.was_kept(open.unwrap_or(Err(late)));
                }
            }
            LOG.warn(format_args!("try {attempt} of {TRIES} to hold: {who}"));
            if attempt < TRIES {
                sleep(BETWEEN_TRIES).await;
            }
        }
        Err(who.unheld(TRIES))
    }

    async fn held<T>(&self, known: &Known, act: impl Future<Output = T>) -> T {
        let held = match self.hold(known).await {
            Ok(held) => held,
            Err(error) => {
                LOG.error(&error);
                return act.await;
            }
        };
        let mut act = std::pin::pin!(act);
        let done = timeout(HOLD_LIMIT, &mut act).await;
        held.release().await;
        match done {
            Ok(done) => done,
            Err(_) => {
                LOG.warn(format_args!(
                    "released after {HOLD_LIMIT:?} although it is not over"
                ));
                act.await
            }
        }
    }
}

/// Those whose transactions go to the primary. A session could be held only
/// until its client leaves.
fn held_databases(pooler: &Pooler, known: &Known) -> Vec<String> {
    let goes_to_primary = |route| route == Route::Primary || known.readable.is_empty();
    let held = pooler
        .databases
        .iter()
        .filter(|one| goes_to_primary(one.route) && !is_session_mode(one));
    held.map(|one| one.name.clone()).collect()
}

/// Its clients keep a connection to the server for as long as they like.
pub fn is_session_mode(database: &PooledDatabase) -> bool {
    database.options.contains("pool_mode=session")
}

async fn tell_all(pooler: &Pooler, verb: &str, databases: &[String]) -> Result<(), ConsoleError> {
    for socket in live(pooler).await {
        for database in databases {
            command(&socket, &pooler.user, &format!("{verb} {database}")).await?;
        }
    }
    Ok(())
}

/// Lets everything go on; one that is not held says so, and that is well.
async fn release(pooler: &Pooler, databases: &[String]) {
    for socket in live(pooler).await {
        for database in databases {
            for _ in 0..3 {
                match command(&socket, &pooler.user, &format!("RESUME {database}")).await {
                    Ok(()) | Err(ConsoleError::Refused { .. }) => break,
                    Err(error) => LOG.warn(format_args!("{}", chain(&error))),
                }
            }
        }
    }
}

async fn release_all(pooler: &Pooler) {
    let databases: Vec<_> = pooler
        .databases
        .iter()
        .map(|database| database.name.clone())
        .collect();
    release(pooler, &databases).await;
}

/// Sockets with a process behind them: a killed one leaves its file. One that is frozen,
/// with no place for another connection, is live. Never blocks.
pub async fn live(pooler: &Pooler) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for socket in sockets(pooler).into_keys() {
        let connected = tokio::net::UnixStream::connect(&socket).await;
        let is_live = match connected {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        if is_live {
            found.push(socket);
        }
    }
    found
}
