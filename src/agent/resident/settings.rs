//! The database's settings: Patroni's dynamic configuration, kept as written.
//!
//! What differs is sent as one PATCH; what the settings no longer name goes.
//! Restarts happen only where the agent's settings say so, one member at a
//! time, the leader last. Next: `patch.rs` (what differs).

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::config::{Database, Member};
use super::database::{Known, PATIENCE, at};
use super::handover::SLOT;
use super::hold::Traffic;
use super::http::{CallError, Client};
use super::metrics::Metrics;
use super::patch::{names, patch};
use super::restarts::Restarts;
use crate::log::{Log, chain};

const LOG: Log = Log::new("settings");
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the cluster is compared although nothing changed here.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// A renewal writes one volume after the other.
const RENEWAL_TAKES: Duration = Duration::from_secs(10);
/// A restart waits for its own checkpoint.
const RESTART_PATIENCE: Duration = Duration::from_secs(120);

pub struct Applier {
    pub config: Arc<Database>,
    pub client: Arc<Client>,
    pub metrics: Arc<Metrics>,
    pub known: watch::Receiver<Known>,
    pub traffic: Arc<Traffic>,
}

impl Applier {
    /// Runs for ever.
    pub async fn run(self) {
        let mut certificate = self.client.certificate_written();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut compared: Option<(Option<SystemTime>, u32, Instant)> = None;
        let mut restarts = Restarts::default();
        loop {
            ticks.tick().await;
            let known = self.known.borrow().clone();
            let Some(leader) = self.member(known.primary.as_deref()) else {
                continue;
            };
            let written = self.settings_written();
            let generation = leader.generation;
            let is_due = compared.is_none_or(|(of, with, when)| {
                of != written || with != generation || when.elapsed() >= COMPARE_EVERY
            });
            if is_due && written.is_some() {
                compared = Some((written, generation, Instant::now()));
                if let Err(error) = self.compare(leader).await {
                    self.metrics.settings_failures.add(1);
                    LOG.error(&error);
                }
            }
            if self.client.certificate_written() != certificate {
                sleep(RENEWAL_TAKES).await;
                certificate = self.client.certificate_written();
                self.reload_members().await;
            }
            if self.config.restart_when_needed {
                self.restart_one(&mut restarts).await;
            }
        }
    }

    fn member(&self, name: Option<&str>) -> Option<&Member> {
        self.config
            .members
            .iter()
            .find(|member| Some(member.name.as_str()) == name)
    }

    fn settings_written(&self) -> Option<SystemTime> {
        self.config
            .settings_file
            .as_ref()?
            .metadata()
            .ok()?
            .modified()
            .ok()
    }

    /// Sends what differs, if anything does.
    async fn compare(&self, leader: &Member) -> Result<(), SettingsError> {
        let Some(path) = &self.config.settings_file else {
            return Ok(());
        };
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.clone(),
            source,
        })?;
        let mut wanted: Map<String, Value> =
            serde_saphyr::from_str(&text).map_err(|source| SettingsError::Syntax {
                path: path.clone(),
                source: Box::new(source),
            })?;
        let url = at(leader, "/config");
        let (found, _) = self
            .client
            .ask_json::<Map<String, Value>>(&url, PATIENCE)
            .await?;
        wanted.extend(self.slots(&found));
        let Some(patch) = patch(&wanted, &found) else {
            return Ok(());
        };
        let heard = self
            .client
            .ask(
                "PATCH",
                &url,
                Some(&Value::Object(patch.clone()).to_string()),
                PATIENCE,
            )
            .await?;
        if heard.answer.status != 200 {
            let status = heard.answer.status;
            return Err(CallError::Status {
                method: "PATCH",
                url: url.to_string(),
                status,
            }
            .into());
        }
        self.metrics.settings_changes.add(1);
        // Names only: a value may be anybody's.
        LOG.info(format_args!("changed {}", names(&patch, "").join(", ")));
        Ok(())
    }

    /// The slots that are there, with or without the one for a cluster that follows.
    fn slots(&self, found: &Map<String, Value>) -> Option<(String, Value)> {
        let held = found.get("slots").and_then(Value::as_object);
        let mut slots = held.cloned().unwrap_or_default();
        let is_wanted = self.config.generations().len() > 1;
        match (is_wanted, slots.remove(SLOT)) {
            (false, None) => return None,
            (false, Some(_)) => {}
            (true, _) => {
                let slot = json!({ "type": "physical", "cluster_type": "primary" });
                slots.insert(SLOT.to_owned(), slot);
            }
        }
        Some(("slots".to_owned(), Value::Object(slots)))
    }

    /// Members read a renewed certificate when they are told to.
    async fn reload_members(&self) {
        for member in &self.config.members {
            match self
                .client
                .ask("POST", &at(member, "/reload"), None, PATIENCE)
                .await
            {
                Ok(_) => LOG.info(format_args!(
                    "{} reads its renewed certificate",
                    member.name
                )),
                Err(error) => LOG.warn(format_args!("{}", chain(&error))),
            }
        }
    }

    /// Restarts the next member that waits for it, if all are well and nobody else
    /// is at work on one.
    async fn restart_one(&self, restarts: &mut Restarts) {
        let Some(_turn) = self.traffic.turn_now() else {
            return;
        };
        // One that was vacated is about to be stopped.
        if !self.traffic.is_nobody_aside() {
            return;
        }
        let known = &self.known.borrow().clone();
        let Some(name) = restarts.next(known, Instant::now()) else {
            return;
        };
        let Some(member) = self.member(Some(&name)) else {
            return;
        };
        LOG.info(format_args!("{name} restarts for its settings"));
        let body = r#"{"restart_pending": true}"#;
        let url = at(member, "/restart");
        let restart = self.client.ask("POST", &url, Some(body), RESTART_PATIENCE);
        match self.traffic.without(&name, known, restart).await {
            Ok(heard) if heard.answer.status == 200 => self.metrics.restarts.add(1),
            Ok(heard) => LOG.warn(format_args!(
                "{name} refused to restart ({})",
                heard.answer.status
            )),
            Err(error) => LOG.warn(format_args!("{}", chain(&error))),
        }
        restarts.done(name, Instant::now());
    }
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum SettingsError {
    #[error("read {}", path.display())]
    Read {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("{} is no configuration of Patroni", path.display())]
    Syntax {
        path: std::path::PathBuf,
        source: Box<serde_saphyr::Error>,
    },
    #[error("apply the database's settings")]
    Call(#[from] CallError),
}
