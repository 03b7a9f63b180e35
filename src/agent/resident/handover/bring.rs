//! Bringing one side to serve: asked again until it does, until it refuses for good,
//! until somebody else leads, or until it is late. Then automatic failover is what
//! is needed: it finds a primary by itself. Never waits without an end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::pooler::Follow;
use super::journal::{Journal, Stage};
use super::member::StepError;
use super::{Handover, LOG, LOOK_EVERY};
use crate::log::chain;

/// One start of a server, or one promotion.
const ONE_TRY: Duration = Duration::from_secs(20);
/// All tries together.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// Longer than the leader's key of a member that died lives (Patroni's `ttl`).
const LEADS_WITHIN: Duration = Duration::from_secs(45);
/// Any member is asked once a round, and one that is away has its time to answer.
const RESUMES_WITHIN: Duration = Duration::from_secs(120);

/// All of it, one after the other, with the try that is under way at each end.
pub(super) const TAKES_AT_MOST: Duration = Duration::from_secs(
    SERVES_WITHIN.as_secs()
        + LEADS_WITHIN.as_secs()
        + RESUMES_WITHIN.as_secs()
        + 3 * ONE_TRY.as_secs(),
);

impl Handover {
    /// Has the old primary serve again, unless it was never stopped; whether it does.
    pub(super) async fn revive(&self, from: &str, epoch: u64) -> bool {
        let verbs = [("revive", json!({ "epoch": epoch }))];
        self.insist(from, &verbs, &[from]).await
    }

    /// Makes the new one the primary, once all of the old one's log is in it, which
    /// it is at once for one that was promoted already; whether it is.
    pub(super) async fn promote(&self, from: &str, to: &str, lsn: &str) -> bool {
        let verbs = [
            // While failover is off nobody else starts a server that ended.
            ("wake", Value::Null),
            ("replayed", json!({ "lsn": lsn })),
            ("promote", Value::Null),
        ];
        self.insist(to, &verbs, &[from, to]).await
    }

    /// Asks a member for verbs in their order; `ours` are those who may be told to lead.
    async fn insist(&self, member: &str, verbs: &[(&'static str, Value)], ours: &[&str]) -> bool {
        let deadline = Instant::now() + SERVES_WITHIN;
        loop {
            let Err(error) = self.ask_all(member, verbs).await else {
                return true;
            };
            LOG.warn(format_args!("{}", chain(&error)));
            if matches!(error, StepError::Declined { .. }) || Instant::now() > deadline {
                return false;
            }
            if let Some(other) = self.other_leader(member, ours).await {
                LOG.warn(format_args!("{other} leads meanwhile"));
                return false;
            }
            sleep(LOOK_EVERY * 4).await;
        }
    }

    async fn ask_all(
        &self,
        member: &str,
        verbs: &[(&'static str, Value)],
    ) -> Result<(), StepError> {
        for (verb, more) in verbs {
            self.members
                .ask(member, verb, ONE_TRY, more.clone())
                .await?;
        }
        Ok(())
    }

    /// Somebody else who leads and runs, as the first member that answers tells.
    async fn other_leader(&self, beside: &str, than: &[&str]) -> Option<String> {
        for member in self.members.beside(beside) {
            if let Ok(view) = self.members.view(member).await {
                return view.leader.filter(|leader| !than.contains(&&**leader));
            }
        }
        None
    }

    /// Automatic failover goes on again, once the store knows that primary: a
    /// primary without the leader's key would be stopped by its own Patroni. If
    /// that does not come about, or nobody is known to serve, failover is what is
    /// needed, and the pooler follows whom it finds.
    pub(super) async fn settle(&self, journal: &mut Journal, primary: Option<&str>) {
        let last = journal.last().cloned();
        let crossing = last.as_ref().and_then(|it| self.crossing(&it.from, &it.to));
        // Where nobody is known to serve, the side that failover must find one in.
        let side = primary.map(str::to_owned);
        let side = side.or_else(|| last.as_ref().map(|it| it.safe_side().to_owned()));
        if let (Some(crossing), Some(side)) = (crossing, side)
            && !self.arrange(crossing, &side).await
        {
            // Failover stays off: a cluster that is not told rightly would end its primary.
            return;
        }
        let leads = match primary {
            Some(primary) => self.comes_to_lead(primary).await,
            None => false,
        };
        let deadline = Instant::now() + RESUMES_WITHIN;
        for side in last.iter().flat_map(|it| [&it.from, &it.to]) {
            while !self.resume_failover(side).await && Instant::now() < deadline {
                sleep(LOOK_EVERY * 4).await;
            }
            if crossing.is_none() {
                break;
            }
        }
        if !leads {
            self.traffic.follow(Follow::Known).await;
        }
        let moved = leads && last.is_some_and(|last| Some(&*last.to) == primary);
        Self::note(journal, Stage::Done { moved });
    }

    async fn comes_to_lead(&self, primary: &str) -> bool {
        let deadline = Instant::now() + LEADS_WITHIN;
        while Instant::now() < deadline {
            match self.members.view(primary).await {
                Ok(view) if view.leader.as_deref() == Some(primary) => return true,
                Ok(_) => {
                    // It may have ended with its engine, and nobody else starts it now.
                    let woken = self.members.ask(primary, "wake", ONE_TRY, Value::Null);
                    if let Err(error) = woken.await {
                        LOG.warn(format_args!("{}", chain(&error)));
                    }
                }
                Err(error) => LOG.warn(format_args!("{}", chain(&error))),
            }
            sleep(LOOK_EVERY * 2).await;
        }
        LOG.warn(format_args!(
            "{primary} does not lead after {LEADS_WITHIN:?}"
        ));
        false
    }

    /// Through any member that answers; whether one did.
    async fn resume_failover(&self, beside: &str) -> bool {
        for member in self.members.beside(beside) {
            match self.members.pause(member, false).await {
                Ok(()) => return true,
                Err(error) => LOG.warn(format_args!("{}", chain(&error))),
            }
        }
        false
    }
}
