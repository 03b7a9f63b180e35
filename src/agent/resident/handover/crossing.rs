//! A handover between two clusters: what it needs beyond one within a cluster.
//!
//! The cluster that follows says so in its own store (`standby_cluster`), and so does the
//! one that was left: that is what keeps an old primary from ever being one again, beside
//! the marks in its data. Only here is it said who follows whom.
//! Next: `mod.rs` (the order), images/postgres/door.py (the second lock).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::cluster::{Own, View};
use super::super::config::Member;
use super::super::database::{PATIENCE, at};
use super::member::{StepError, Way};
use super::{Handover, HandoverError, LOG, LOOK_EVERY, PAUSE_PATIENCE, PREPARE_PATIENCE, Report};
use crate::log::chain;

/// The slot that keeps the log for whoever follows. Its other home: src/render/patroni.rs.
pub const SLOT: &str = "scalectl_move";
const PORT: u16 = 5432;
/// Both stores must know who follows whom before failover goes on.
const ARRANGED_WITHIN: Duration = Duration::from_secs(120);

/// From one cluster to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    pub old: u32,
    pub new: u32,
}

impl Handover {
    /// Moves the database to the cluster of that generation.
    ///
    /// # Errors
    /// As of any handover; that cluster does not follow closely.
    pub async fn cross(&self, generation: u32, budget: Duration) -> Result<Report, HandoverError> {
        let refused = HandoverError::Refused;
        let Some(_turn) = self.traffic.turn_now() else {
            let busy = "somebody else is at work on a database member";
            return Err(refused(busy.to_owned()));
        };
        let from = self.known.borrow().primary.clone();
        let from = from.ok_or_else(|| refused("there is no primary now".to_owned()))?;
        let to = self.heir(&from, generation).await.map_err(refused)?;
        self.hand_over(&from, &to, budget).await
    }

    /// The member of another cluster that would take over, if it follows closely.
    async fn heir(&self, from: &str, generation: u32) -> Result<String, String> {
        let told = |error: StepError| chain(&error).to_string();
        let view = self.view_of(generation).await.map_err(told)?;
        if view.leader.is_some() {
            return Err(format!("cluster {generation} takes writes already"));
        }
        let mut members = view.members.into_iter();
        // One that has the old primary's log but for some bytes may never get the rest:
        // somebody may have started it as a primary by hand.
        let heir = members.find(|it| it.is_standby_leader && it.is_streaming);
        let heir = heir.ok_or_else(|| format!("cluster {generation} follows nobody now"))?;
        let heir = heir.name;
        let places = [self.place(from).await, self.place(&heir).await];
        match places {
            [Ok(Some(end)), Ok(Some(replayed))] => {
                let behind = end.saturating_sub(replayed);
                let close = behind <= self.members.config.max_read_lag_bytes;
                let far = || format!("{heir} is {behind} bytes behind {from}");
                close.then(|| heir.clone()).ok_or_else(far)
            }
            [Err(error), _] | [_, Err(error)] => Err(told(error)),
            _ => Err(format!(
                "{from} and {heir} do not both tell how far they are"
            )),
        }
    }

    async fn view_of(&self, generation: u32) -> Result<View, StepError> {
        let mut problem = StepError::Unfit(format!("there is no cluster {generation}"));
        for member in self.members.config.of(generation) {
            match self.members.view(&member.name).await {
                Ok(view) => return Ok(view),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    async fn place(&self, name: &str) -> Result<Option<u64>, StepError> {
        let url = at(&self.members.find(name)?, "/patroni");
        let (own, _) = self.members.client.ask_json::<Own>(&url, PATIENCE).await?;
        Ok(own.place())
    }

    /// Whether a handover leads from one cluster to another.
    pub(super) fn crossing(&self, from: &str, to: &str) -> Option<Crossing> {
        let generation = |name| self.members.config.member(name).map(|it| it.generation);
        let (old, new) = (generation(from)?, generation(to)?);
        (old != new).then_some(Crossing { old, new })
    }

    /// Whether a handover to another cluster may begin, as that one tells.
    pub(super) async fn may_cross(&self, to: &str) -> Result<(), String> {
        match self.members.view(to).await {
            Ok(view) if view.paused => {
                Err("automatic failover of the other cluster is off".to_owned())
            }
            Ok(view) if view.standby_leader.as_deref() == Some(to) => Ok(()),
            Ok(_) => Err(format!("{to} does not lead its cluster now")),
            Err(error) => Err(chain(&error).to_string()),
        }
    }

    /// The members of the cluster that is moved to let the app in before it is a
    /// primary's: whoever reads them finds them open then.
    pub(super) async fn prepare_other(&self, to: &str) -> Result<(), StepError> {
        self.members.pause(to, true).await?;
        let view = self.members.view(to).await?;
        let running = view.members.iter().filter(|member| member.is_running);
        for member in running {
            for (verb, limit) in [("paused", PAUSE_PATIENCE), ("unlock", PATIENCE)] {
                self.members
                    .ask(&member.name, verb, limit, Value::Null)
                    .await?;
            }
        }
        Ok(())
    }

    /// A checkpoint on the one that takes over, which must not wait for standbys that
    /// another configuration has left to it: each commit would hang after the release.
    pub(super) async fn prepare_heir(&self, to: &str) -> Result<(), StepError> {
        let told = self
            .members
            .ask(to, "prepare", PREPARE_PATIENCE, Value::Null)
            .await?;
        let waits_for = told.get("waits_for").and_then(Value::as_str);
        match waits_for.unwrap_or_default() {
            "" => Ok(()),
            names => Err(StepError::Unfit(format!(
                "{to} would wait for the synchronous standbys {names}"
            ))),
        }
    }

    /// Has a cluster follow another one, or nobody, over a way that is open.
    pub(super) async fn subject(&self, way: Way, to: Option<u32>) -> Result<(), StepError> {
        way.configure(&self.standby_cluster(to)).await
    }

    fn standby_cluster(&self, of: Option<u32>) -> Value {
        let Some(of) = of else {
            return json!({ "standby_cluster": null });
        };
        let hosts: Vec<_> = self
            .members
            .config
            .of(of)
            .map(|it| it.name.as_str())
            .collect();
        json!({ "standby_cluster": {
            "host": hosts.join(","),
            "port": PORT,
            "primary_slot_name": SLOT,
            "create_replica_methods": ["basebackup"],
        }})
    }

    /// Both stores know that the primary's cluster follows nobody and the other one
    /// follows it; whether they do at last.
    pub(super) async fn arrange(&self, crossing: Crossing, primary: &str) -> bool {
        let Crossing { old, new } = crossing;
        let generation = self.members.config.member(primary).map(|it| it.generation);
        let (leads, follows) = match generation {
            Some(generation) if generation == old => (old, new),
            _ => (new, old),
        };
        let deadline = Instant::now() + ARRANGED_WITHIN;
        // The one that must not lead first.
        for (cluster, of) in [(follows, Some(leads)), (leads, None)] {
            while !self.configured(cluster, of).await {
                if Instant::now() > deadline {
                    LOG.warn(format_args!(
                        "cluster {cluster} cannot be told whom to follow"
                    ));
                    return false;
                }
                sleep(LOOK_EVERY * 4).await;
            }
        }
        true
    }

    /// Through any member that answers.
    async fn configured(&self, generation: u32, of: Option<u32>) -> bool {
        let members: Vec<Member> = self.members.config.of(generation).cloned().collect();
        for member in members {
            let told = async {
                let way = self.members.open(&member.name).await?;
                self.subject(way, of).await
            };
            match told.await {
                Ok(()) => return true,
                Err(error) => LOG.warn(format_args!("{}", chain(&error))),
            }
        }
        false
    }
}
