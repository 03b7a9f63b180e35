//! The database's settings: Patroni's dynamic configuration, kept as written.
//!
//! What differs is sent as one PATCH; what the settings no longer name goes.
//! Keys that operations own (a pause, a migration's standby cluster, slots)
//! are left alone unless the settings name them. Restarts happen only where the
//! agent's settings say so, one member at a time, the leader last.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::config::{Database, Member};
use super::database::{Known, PATIENCE, at};
use super::http::{CallError, Client};
use super::metrics::Metrics;
use crate::log::{Log, chain};

const LOG: Log = Log::new("settings");
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the cluster is compared although nothing changed here.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// A renewal writes one volume after the other.
const RENEWAL_TAKES: Duration = Duration::from_secs(10);
/// A restart waits for its own checkpoint.
const RESTART_PATIENCE: Duration = Duration::from_secs(120);
const OWNED_BY_OPERATIONS: [&str; 4] = ["pause", "standby_cluster", "slots", "ignore_slots"];

pub struct Applier {
    pub config: Arc<Database>,
    pub client: Arc<Client>,
    pub metrics: Arc<Metrics>,
    pub known: watch::Receiver<Known>,
}

impl Applier {
    /// Runs for ever.
    pub async fn run(self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut compared: Option<(Option<SystemTime>, Instant)> = None;
        let mut certificate = self.client.certificate_written();
        let mut restart_after = Instant::now();
        loop {
            ticks.tick().await;
            let known = self.known.borrow().clone();
            let Some(leader) = self.member(known.primary.as_deref()) else {
                continue;
            };
            let written = self.settings_written();
            let is_due =
                compared.is_none_or(|(of, when)| of != written || when.elapsed() >= COMPARE_EVERY);
            if is_due && written.is_some() {
                compared = Some((written, Instant::now()));
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
            if self.config.restart_when_needed && Instant::now() >= restart_after {
                let did = self.restart_one(&known).await;
                restart_after = Instant::now() + if did { LOOK_EVERY * 2 } else { Duration::ZERO };
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
        let wanted: Map<String, Value> =
            serde_saphyr::from_str(&text).map_err(|source| SettingsError::Syntax {
                path: path.clone(),
                source: Box::new(source),
            })?;
        let url = at(leader, "/config");
        let (found, _) = self
            .client
            .ask_json::<Map<String, Value>>(&url, PATIENCE)
            .await?;
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

    /// Restarts the next member that waits for it, if all others are well;
    /// whether it did anything.
    async fn restart_one(&self, known: &Known) -> bool {
        let Some(name) = next_restart(known) else {
            return false;
        };
        let Some(member) = self.member(Some(name)) else {
            return false;
        };
        LOG.info(format_args!("{name} restarts for its settings"));
        let body = r#"{"restart_pending": true}"#;
        match self
            .client
            .ask(
                "POST",
                &at(member, "/restart"),
                Some(body),
                RESTART_PATIENCE,
            )
            .await
        {
            Ok(heard) if heard.answer.status == 200 => self.metrics.restarts.add(1),
            Ok(heard) => LOG.warn(format_args!(
                "{name} refused to restart ({})",
                heard.answer.status
            )),
            Err(error) => LOG.warn(format_args!("{}", chain(&error))),
        }
        true
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

/// Standbys before the leader; nobody while a member is away or paused.
fn next_restart(known: &Known) -> Option<&str> {
    let members = &known.view.members;
    if known.view.paused
        || known.primary.is_none()
        || members.iter().any(|member| !member.is_running)
    {
        return None;
    }
    let waiting = |leader: bool| {
        move |member: &&super::cluster::MemberView| {
            member.pending_restart && member.is_leader == leader
        }
    };
    let standby = members.iter().find(waiting(false));
    standby
        .or_else(|| members.iter().find(waiting(true)))
        .map(|member| member.name.as_str())
}

/// What makes `found` into `wanted`, as a merge patch (null removes).
fn patch(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut patch = difference(wanted, found);
    for key in OWNED_BY_OPERATIONS {
        if !wanted.contains_key(key) {
            patch.remove(key);
        }
    }
    if patch.is_empty() { None } else { Some(patch) }
}

fn difference(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in wanted.iter().filter(|(_, value)| !value.is_null()) {
        match (value, found.get(key)) {
            (Value::Object(wanted), Some(Value::Object(found))) => {
                let inner = difference(wanted, found);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (value, Some(found)) if is_same(value, found) => {}
            (value, _) => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    let gone = found
        .keys()
        .filter(|key| wanted.get(*key).is_none_or(Value::is_null));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    patch
}

/// 1 and 1.0 are one number to everybody but JSON's readers.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && one.as_f64() == other.as_f64())
}

fn names(patch: &Map<String, Value>, prefix: &str) -> Vec<String> {
    let name = |(key, value): (&String, &Value)| match value {
        Value::Object(inner) => names(inner, &format!("{prefix}{key}.")),
        _ => vec![format!("{prefix}{key}")],
    };
    patch.iter().flat_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resident::cluster::View;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    /// RFC 7396, which Patroni's PATCH follows.
    fn apply(patch: &Map<String, Value>, to: &mut Map<String, Value>) {
        for (key, value) in patch {
            match (value, to.get_mut(key)) {
                (Value::Null, _) => drop(to.remove(key)),
                (Value::Object(patch), Some(Value::Object(inner))) => apply(patch, inner),
                _ => drop(to.insert(key.clone(), value.clone())),
            }
        }
    }

    #[test]
    fn only_what_differs_is_sent_and_what_is_no_longer_named_goes() {
        let wanted = object(
            r#"{"ttl":20,"postgresql":{"parameters":{"max_connections":70,"jit":"off"}},"new":{"a":1}}"#,
        );
        let found = object(
            r#"{"ttl":20.0,"pause":true,"slots":{"x":{}},"postgresql":{"parameters":{"max_connections":60,"jit":"off","work_mem":"4MB"}},"old":1}"#,
        );
        let patch = patch(&wanted, &found).unwrap();
        assert_eq!(
            Value::Object(patch.clone()),
            serde_json::json!({"new":{"a":1},"old":null,"postgresql":{"parameters":{"max_connections":70,"work_mem":null}}})
        );
        assert_eq!(
            names(&patch, ""),
            [
                "new.a",
                "old",
                "postgresql.parameters.max_connections",
                "postgresql.parameters.work_mem"
            ]
        );
    }

    #[test]
    fn what_operations_own_is_touched_only_when_it_is_named() {
        let found = object(r#"{"ttl":1,"pause":true,"standby_cluster":{"host":"x"}}"#);
        assert_eq!(patch(&object(r#"{"ttl":1}"#), &found), None);
        assert_eq!(
            patch(&object(r#"{"ttl":1,"pause":null}"#), &found).map(Value::Object),
            Some(serde_json::json!({"pause":null}))
        );
    }

    fn json(depth: u32) -> impl proptest::strategy::Strategy<Value = Map<String, Value>> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0i64..3).prop_map(Value::from),
            "[a-c]?".prop_map(Value::from)
        ];
        let value = leaf.prop_recursive(depth, 12, 3, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest::proptest! {
        #[test]
        fn after_the_patch_there_is_nothing_to_patch(wanted in json(3), found in json(3)) {
            let mut now = found.clone();
            if let Some(patch) = patch(&wanted, &found) {
                apply(&patch, &mut now);
            }
            proptest::prop_assert_eq!(patch(&wanted, &now), None, "left {:?}", now);
        }
    }

    fn known(members: &str, primary: Option<&str>) -> Known {
        let view = View::parse(format!(r#"{{"members":[{members}]}}"#).as_bytes()).unwrap();
        Known {
            view,
            primary: primary.map(str::to_owned),
            ..Known::default()
        }
    }

    #[test]
    fn standbys_restart_before_the_leader_and_nobody_while_a_member_is_away() {
        let leader = r#"{"name":"db-1","role":"leader","state":"running","pending_restart":true}"#;
        let standby = r#"{"name":"db-2","role":"replica","state":"streaming","lag":0,"pending_restart":true}"#;
        let done = r#"{"name":"db-2","role":"replica","state":"streaming","lag":0}"#;
        let away = r#"{"name":"db-2","role":"replica","state":"stopped"}"#;
        let next = |second: &str, primary| {
            next_restart(&known(&format!("{leader},{second}"), primary)).map(str::to_owned)
        };
        assert_eq!(next(standby, Some("db-1")).as_deref(), Some("db-2"));
        assert_eq!(next(done, Some("db-1")).as_deref(), Some("db-1"));
        assert_eq!(next(away, Some("db-1")), None);
        assert_eq!(next(standby, None), None, "no primary");
    }
}
