//! A planned move of the primary within its cluster, behind a held pooler.
//!
//! Automatic failover off -> checkpoints -> hold -> fence the old primary ->
//! the new one has replayed all -> promote it -> re-point -> release ->
//! automatic failover on. The agent does all of it by itself: whoever asked may
//! die. Before the promotion is ordered the old side is safe, and any trouble or
//! a hold that takes too long ends there; from then on there is only forward.
//! Where neither side can be brought to serve, it is left to automatic failover.
//! The journal is written before the act, so that an agent that died knows which.
//! Next: `bring.rs`, `recovery.rs` (after a death), `member.rs` (the verbs of members).

mod bring;
mod choice;
mod clock;
mod crossing;
mod journal;
mod member;
mod recovery;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use self::clock::Hold;
pub use self::crossing::SLOT;
use self::journal::{Journal, Stage};
pub use self::member::{Members, StepError};
use self::member::{Stand, Way};
use super::config::Database;
use super::database::Known;
use super::hold::{HOLD_TAKES, Traffic};
use super::http::Client;
use super::pooler::Follow;
use super::unheld::Unheld;
use crate::log::{Log, chain};

const LOG: Log = Log::new("handover");
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Until every member has taken in that automatic failover is off.
const PAUSE_PATIENCE: Duration = Duration::from_secs(20);
/// A checkpoint under load, before anything is held.
const PREPARE_PATIENCE: Duration = Duration::from_secs(60);
/// Only forward: as long as the new primary needs.
const FORWARD_PATIENCE: Duration = Duration::from_secs(20);
/// The longest that a handover may take, all its waits together: for whoever asks it.
pub const TAKES_AT_MOST: Duration = Duration::from_secs(
    3 * PREPARE_PATIENCE.as_secs()
        + 2 * PAUSE_PATIENCE.as_secs()
        + HOLD_TAKES.as_secs()
        + FORWARD_PATIENCE.as_secs()
        + bring::TAKES_AT_MOST.as_secs(),
);

/// What a handover did.
#[derive(Debug, Serialize)]
pub struct Report {
    pub from: String,
    pub to: String,
    /// How long writes waited at the pooler, in milliseconds.
    pub held_ms: u64,
    /// Each step within the hold, in milliseconds.
    pub steps: Vec<(&'static str, u64)>,
}

/// Why the primary is where it was.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HandoverError {
    #[error("{0}")]
    Refused(String),
    #[error("nothing was held yet: {why}")]
    NotBegun { why: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unheld(Unheld),
    #[error("{from} is the primary again after {held_ms} ms: {why}")]
    RolledBack {
        from: String,
        held_ms: u64,
        why: String,
    },
    #[error("writes go on after {held_ms} ms, with whom automatic failover finds: {why}")]
    Left { held_ms: u64, why: String },
}

pub struct Handover {
    members: Members,
    known: watch::Receiver<Known>,
    traffic: Arc<Traffic>,
    journal: Mutex<Journal>,
}

impl Handover {
    /// # Errors
    /// The journal in `folder` cannot be read.
    pub fn open(
        folder: &Path,
        config: Arc<Database>,
        client: Arc<Client>,
        known: watch::Receiver<Known>,
        traffic: Arc<Traffic>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            members: Members { config, client },
            known,
            traffic,
            journal: Mutex::new(Journal::open(folder)?),
        })
    }

    /// Moves the primary to `to`, or to the standby that follows best.
    pub async fn switch(
        &self,
        to: Option<&str>,
        budget: Duration,
    ) -> Result<Report, HandoverError> {
        let Some(_turn) = self.traffic.turn_now() else {
            let busy = "somebody else is at work on a database member";
            return Err(HandoverError::Refused(busy.to_owned()));
        };
        let known = self.known.borrow().clone();
        let (from, to) = choice::choose(&known, to).map_err(HandoverError::Refused)?;
        self.hand_over(&from, &to, budget).await
    }

    /// Moves the primary from one member to another; whoever calls has the turn.
    /// Writes wait for at most `budget`, unless the promotion has been ordered.
    pub async fn hand_over(
        &self,
        from: &str,
        to: &str,
        budget: Duration,
    ) -> Result<Report, HandoverError> {
        self.may_begin(from).await?;
        if self.crossing(from, to).is_some() {
            self.may_cross(to).await.map_err(HandoverError::Refused)?;
        }
        let mut journal = self.journal.lock().await;
        let begun = journal.begin(from, to);
        begun.map_err(|error| HandoverError::NotBegun {
            why: format!("write the journal: {error}"),
        })?;
        LOG.info(format_args!("the primary goes from {from} to {to}"));
        let outcome = self.conduct(&mut journal, from, to, budget).await;
        match &outcome {
            Ok(report) => LOG.info(format_args!(
                "{to} is primary, writes waited {} ms",
                report.held_ms
            )),
            Err(error) => LOG.error(error),
        }
        outcome
    }

    async fn conduct(
        &self,
        journal: &mut Journal,
        from: &str,
        to: &str,
        budget: Duration,
    ) -> Result<Report, HandoverError> {
        if let Err(error) = self.prepare(from, to).await {
            return Err(self.give_up(journal, from, &error).await);
        }
        let crossing = self.crossing(from, to);
        let ways = async {
            let ways = Ways {
                fence: self.members.open(from).await?,
                replayed: self.members.open(to).await?,
                promote: self.members.open(to).await?,
                stores: match crossing {
                    Some(_) => Some((self.members.open(from).await?, self.members.open(to).await?)),
                    None => None,
                },
            };
            journal.enter(Stage::Holding)?;
            Ok::<_, StepError>(ways)
        };
        let ways = match ways.await {
            Ok(ways) => ways,
            Err(error) => return Err(self.give_up(journal, from, &error).await),
        };
        let known = self.known.borrow().clone();
        let held = match self.traffic.hold(&known).await {
            Ok(held) => held,
            Err(error) => {
                let why = StepError::Unheld(error.clone());
                self.give_up(journal, from, &why).await;
                return Err(HandoverError::Unheld(error));
            }
        };
        let mut hold = Hold::new(held);
        let Ways {
            fence,
            replayed,
            promote,
            stores,
        } = ways;
        let (old_store, new_store) = stores.unzip();
        // Half of what is left for the stop; the other half is for starting again
        // what was stopped.
        let stopped = async {
            let left = budget.saturating_sub(hold.begun.elapsed()) / 2;
            let how = match crossing {
                Some(_) => json!({ "epoch": journal.epoch(), "lock": true }),
                None => json!({ "epoch": journal.epoch() }),
            };
            let stand = fence.ask("fence", left, how).await?;
            hold.step("fence");
            let lsn = end_of_log(from, stand)?;
            let stage = Stage::Promoting { lsn: lsn.clone() };
            let left = budget.saturating_sub(hold.begun.elapsed()) / 2;
            let subject = async {
                match (crossing, old_store) {
                    (Some(crossing), Some(way)) => self.subject(way, Some(crossing.new)).await,
                    _ => Ok(()),
                }
            };
            let replayed = replayed.ask("replayed", left, json!({ "lsn": lsn }));
            tokio::try_join!(replayed, subject)?;
            hold.step("replay");
            journal.enter(stage)?;
            Ok::<_, StepError>(lsn)
        };
        let lsn = match stopped.await {
            Ok(lsn) => lsn,
            Err(error) => return Err(self.roll_back(journal, from, budget, hold, &error).await),
        };
        let freed = async {
            match new_store {
                Some(way) => self.subject(way, None).await,
                None => Ok(()),
            }
        };
        let promote = promote.ask("promote", FORWARD_PATIENCE, Value::Null);
        let (promoted, freed) = tokio::join!(promote, freed);
        if let Err(error) = freed {
            // Said again before automatic failover goes on (`settle`).
            LOG.warn(format_args!("{}", chain(&error)));
        }
        if let Err(error) = promoted {
            // A lost reply is no failure: it is asked again until it is so.
            LOG.warn(format_args!("{}", chain(&error)));
            if !self.promote(from, to, &lsn).await {
                return Err(self.leave(journal, hold, &error).await);
            }
        }
        hold.step("promote");
        let report = self.release(journal, from, to, hold).await;
        self.settle(journal, Some(to)).await;
        Ok(report)
    }

    /// Asked now: what was known a moment ago may be the end of another handover.
    async fn may_begin(&self, from: &str) -> Result<(), HandoverError> {
        let refused = |why: String| Err(HandoverError::Refused(why));
        match self.members.view(from).await {
            Ok(view) if view.paused => refused(
                "automatic failover is off: somebody else is at work on the database".to_owned(),
            ),
            Ok(view) if view.leader.as_deref() == Some(from) => Ok(()),
            Ok(_) => refused(format!("{from} is not the leader now")),
            Err(error) => refused(chain(&error).to_string()),
        }
    }

    async fn prepare(&self, from: &str, to: &str) -> Result<(), StepError> {
        self.members.pause(from, true).await?;
        if self.crossing(from, to).is_some() {
            self.prepare_other(to).await?;
        }
        // Twice: the second has little left to write, and so has the shutdown's.
        for _ in 0..2 {
            let checkpoint = self
                .members
                .ask(from, "prepare", PREPARE_PATIENCE, Value::Null);
            checkpoint.await?;
        }
        self.prepare_heir(to).await?;
        for member in [from, to] {
            let paused = self
                .members
                .ask(member, "paused", PAUSE_PATIENCE, Value::Null);
            paused.await?;
        }
        Ok(())
    }

    async fn release(&self, journal: &mut Journal, from: &str, to: &str, mut hold: Hold) -> Report {
        let change = Follow::Change {
            from: from.to_owned(),
            to: to.to_owned(),
            crosses: self.crossing(from, to).is_some(),
        };
        self.traffic.follow(change).await;
        hold.step("re-point");
        let held_ms = hold.release().await;
        hold.step("release");
        Self::note(journal, Stage::Promoted);
        Report {
            from: from.to_owned(),
            to: to.to_owned(),
            held_ms,
            steps: hold.steps,
        }
    }

    /// Before the promotion was ordered: the old primary goes on.
    async fn roll_back(
        &self,
        journal: &mut Journal,
        from: &str,
        budget: Duration,
        mut hold: Hold,
        error: &StepError,
    ) -> HandoverError {
        let why = chain(error).to_string();
        LOG.warn(format_args!("back to {from}: {why}"));
        let mut revive = std::pin::pin!(self.revive(from, journal.epoch()));
        let left = budget.saturating_sub(hold.begun.elapsed());
        let is_revived = match timeout(left, &mut revive).await {
            Ok(is_revived) => is_revived,
            Err(_) => {
                LOG.warn(format_args!("released, although {from} does not serve yet"));
                hold.release().await;
                revive.await
            }
        };
        if !is_revived {
            return self.leave(journal, hold, error).await;
        }
        let held_ms = hold.release().await;
        Self::note(journal, Stage::RolledBack { why: why.clone() });
        self.settle(journal, Some(from)).await;
        HandoverError::RolledBack {
            from: from.to_owned(),
            held_ms,
            why,
        }
    }

    /// Neither side can be brought to serve, or it is not for the agent to do.
    async fn leave(&self, journal: &mut Journal, mut hold: Hold, why: &StepError) -> HandoverError {
        let why = chain(why).to_string();
        let held_ms = hold.release().await;
        self.settle(journal, None).await;
        HandoverError::Left { held_ms, why }
    }

    /// Before anything was held.
    async fn give_up(&self, journal: &mut Journal, from: &str, error: &StepError) -> HandoverError {
        let why = chain(error).to_string();
        Self::note(journal, Stage::RolledBack { why: why.clone() });
        self.settle(journal, Some(from)).await;
        HandoverError::NotBegun { why }
    }

    /// What is already done is noted; a disk that refuses costs a second look
    /// after a restart, nothing else.
    fn note(journal: &mut Journal, stage: Stage) {
        if let Err(error) = journal.enter(stage) {
            LOG.warn(format_args!("write the journal: {error}"));
        }
    }
}

/// Ways that are open before anything is held, one for each question within the hold.
struct Ways {
    fence: Way,
    replayed: Way,
    promote: Way,
    /// To the stores of the old cluster and the new one, where they are two.
    stores: Option<(Way, Way)>,
}

/// Where the log of a member that was fenced ends.
fn end_of_log(member: &str, told: Value) -> Result<String, StepError> {
    let refused = |why: String| StepError::Refused {
        member: member.to_owned(),
        verb: "fence",
        why,
    };
    let stand: Stand = serde_json::from_value(told).map_err(|error| refused(error.to_string()))?;
    if stand.control != "shut down" {
        return Err(refused(format!("its data says `{}`", stand.control)));
    }
    let lsn = stand.checkpoint_lsn;
    lsn.ok_or_else(|| refused("it does not tell where its log ends".to_owned()))
}
