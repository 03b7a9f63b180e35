//! Follows a Patroni cluster: who is primary, who may be read from.
//!
//! `/cluster` of any member tells what the store says; a member that the store
//! calls leader counts only once it says itself that it is out of recovery.
//! Nothing is decided here about the pooler: it gets what is known to be so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::certificates::not_after;
use super::cluster::{Own, View};
use super::config::{Database, Member};
use super::http::{CallError, Client};
use super::metrics::Metrics;
use crate::log::{Log, chain};
use crate::wire::Url;

const LOG: Log = Log::new("database");
/// Less than Patroni's own time-outs, more than a member under load needs.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks while nobody is known to take writes.
const WITHOUT_PRIMARY: Duration = Duration::from_millis(200);

/// What is known of the cluster now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub view: View,
    /// The leader, confirmed by itself.
    pub primary: Option<String>,
    pub readable: BTreeSet<String>,
}

pub struct Follower {
    config: Arc<Database>,
    client: Arc<Client>,
    metrics: Arc<Metrics>,
    known: watch::Sender<Known>,
    /// Somebody waits for a change: look now.
    haste: Arc<Notify>,
    /// The cluster that takes writes, as far as is known.
    generation: u32,
    /// Asked first: the leader's answer is the freshest.
    first: usize,
    silent_since: Option<Instant>,
}

impl Follower {
    pub fn new(
        config: Arc<Database>,
        client: Arc<Client>,
        metrics: Arc<Metrics>,
        haste: Arc<Notify>,
    ) -> (Self, watch::Receiver<Known>) {
        let (known, receiver) = watch::channel(Known::default());
        let generation = config.generations().first().copied().unwrap_or_default();
        (
            Self {
                generation,
                config,
                client,
                metrics,
                known,
                haste,
                first: 0,
                silent_since: None,
            },
            receiver,
        )
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_primary = self.known.borrow().primary.is_some();
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.haste.notified() => {}
                // Everybody waits for one.
                () = sleep(WITHOUT_PRIMARY), if !has_primary => {}
            }
            match self.ask_all().await {
                Some(view) => self.take_in(view).await,
                None => self.tell_silence(),
            }
        }
    }

    /// The cluster that takes writes; another one only once that has a primary which
    /// says so itself, and this one has none: where a database has moved to.
    async fn ask_all(&mut self) -> Option<View> {
        let view = self.ask_any(self.generation).await;
        if view.as_ref().is_some_and(|view| view.leader.is_some()) {
            return view;
        }
        for generation in self.config.generations() {
            if generation != self.generation
                && let Some(other) = self.ask_any(generation).await
                && let Some(leader) = &other.leader
                && self.confirmed(leader).await.is_some()
            {
                LOG.info(format_args!("cluster {generation} takes writes"));
                self.generation = generation;
                return Some(other);
            }
        }
        view
    }

    async fn ask_any(&mut self, generation: u32) -> Option<View> {
        let config = Arc::clone(&self.config);
        let members: Vec<_> = config.of(generation).collect();
        let count = members.len();
        for at in (0..count).map(|offset| (self.first + offset) % count) {
            let Some(member) = members.get(at) else {
                continue;
            };
            match self.ask(member).await {
                Ok(view) => {
                    self.first = at;
                    return Some(view);
                }
                Err(error) => {
                    self.metrics.database_failures.add(1);
                    if self.silent_since.is_none() && config.members.len() > 1 {
                        LOG.warn(format_args!("{}", chain(&error)));
                    }
                }
            }
        }
        None
    }

    async fn ask(&self, member: &Member) -> Result<View, CallError> {
        let url = at(member, "/cluster");
        let heard = self.client.ask("GET", &url, None, PATIENCE).await?;
        if let Some(until) = heard.certificate.as_deref().and_then(not_after) {
            self.metrics.certificate(&member.name, until);
        }
        if heard.answer.status != 200 {
            return Err(CallError::Status {
                method: "GET",
                url: url.to_string(),
                status: heard.answer.status,
            });
        }
        View::parse(&heard.answer.body).map_err(|source| CallError::Json {
            url: url.to_string(),
            source,
        })
    }

    async fn take_in(&mut self, view: View) {
        if let Some(since) = self.silent_since.take() {
            LOG.info(format_args!(
                "a member answers again after {:.0} s",
                since.elapsed().as_secs_f64()
            ));
        }
        let before = self.known.borrow().clone();
        let primary = match &view.leader {
            Some(leader) if before.primary.as_ref() == Some(leader) => before.primary.clone(),
            Some(leader) => self.confirmed(leader).await,
            None => None,
        };
        let leader_at = self
            .config
            .of(self.generation)
            .position(|member| Some(&member.name) == view.leader.as_ref());
        self.first = leader_at.unwrap_or(self.first);
        let readable = view.readable(&before.readable, self.config.max_read_lag_bytes);
        let known = Known {
            view,
            primary,
            readable,
        };
        tell_changes(&before, &known);
        self.known.send_if_modified(|held| {
            let is_new = *held != known;
            *held = known;
            is_new
        });
    }

    /// That member, if it says itself that it takes writes.
    async fn confirmed(&self, leader: &str) -> Option<String> {
        let member = self
            .config
            .members
            .iter()
            .find(|member| member.name == leader)?;
        match self
            .client
            .ask_json::<Own>(&at(member, "/patroni"), PATIENCE)
            .await
        {
            Ok((own, _)) if own.is_primary() => Some(leader.to_owned()),
            Ok(_) => None,
            Err(error) => {
                LOG.warn(format_args!(
                    "{leader} is leader and does not say so itself: {}",
                    chain(&error)
                ));
                None
            }
        }
    }

    fn tell_silence(&mut self) {
        if self.silent_since.is_none() {
            LOG.warn(format_args!("no member answers; the pooler stays as it is"));
            self.silent_since = Some(Instant::now());
        }
    }
}

/// A path of a member's REST API.
pub fn at(member: &Member, path: &str) -> Url {
    Url {
        path: path.to_owned(),
        ..member.api.clone()
    }
}

fn tell_changes(before: &Known, now: &Known) {
    if before.primary != now.primary {
        match &now.primary {
            Some(primary) => LOG.info(format_args!("{primary} is primary")),
            None => LOG.warn(format_args!("there is no primary")),
        }
    }
    if before.readable != now.readable {
        LOG.info(format_args!("{} may answer reads", told_readers(now)));
    }
}

/// Who answers reads, for the log.
pub fn told_readers(known: &Known) -> String {
    let names: Vec<_> = known.readable.iter().map(String::as_str).collect();
    if names.is_empty() {
        "the primary".to_owned()
    } else {
        names.join(", ")
    }
}
