//! After a takeover: what the dead owner of a lock had asked for comes to its end.
//!
//! An engine goes on with a stop whose caller is gone, and a container that is
//! being stopped looks as one that runs: only the events of the past tell. Without
//! this wait, a plan would rely on what is about to end. Must never stop or start
//! anything. Next: `lock.rs` (who took over).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::future::join_all;
use scalectl_engine::EngineError;
use scalectl_plan::LABELS;

use crate::DockerEngine;
use crate::errors::Fault;
use crate::lock::DeadOwner;
use crate::stream::EventStream;

const PAST: &str = r#"{"type":["container"],"event":["create","kill","start","die","destroy"]}"#;
const READ_LIMIT: u64 = 30;
/// The longest grace of a component of ours, and time for what follows it.
const STOP_LIMIT: Duration = Duration::from_secs(180);
/// Where the engine has forgotten what was asked: as long as most take, an edge
/// whose clients keep idle connections open among them (12.3 s).
const FORGOTTEN_LIMIT: Duration = Duration::from_secs(15);

/// What the past tells of the containers that run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Past {
    /// Ids of those that were asked to end and have not.
    stopping: BTreeSet<String>,
    /// Ids of those whose last start is in it, and so all that was asked since.
    started: BTreeSet<String>,
    /// Whether it reaches back to the lock: the engine keeps some 256 events, and
    /// none from before it was started itself.
    is_whole: bool,
}

impl Past {
    /// Whether it tells all that was asked of the container.
    fn tells_of(&self, id: &str) -> bool {
        self.is_whole || self.started.contains(id) || self.stopping.contains(id)
    }
}

impl DockerEngine {
    /// Waits until every container of `project` has ended that somebody asked to
    /// end since `dead` took its lock. Bounded.
    ///
    /// # Errors
    /// The engine cannot be reached.
    pub async fn settle(&self, project: &str, dead: &DeadOwner) -> Result<(), EngineError> {
        let past = self
            .past(project, dead)
            .await
            .map_err(|fault| self.reading("tell what happened", fault))?;
        let mut forgotten = match past.is_whole {
            true => BTreeSet::new(),
            false => self.running(project).await?,
        };
        forgotten.retain(|id| !past.tells_of(id));
        tokio::join!(
            self.until_all_stopped(&past.stopping, STOP_LIMIT),
            self.until_all_stopped(&forgotten, FORGOTTEN_LIMIT),
        );
        Ok(())
    }

    /// Late is no error: it is looked at as it is then, and again after the work.
    async fn until_all_stopped(&self, ids: &BTreeSet<String>, limit: Duration) {
        // One that is gone and an answer that is lost count as ended, too.
        let ends = ids.iter().map(|id| self.until_stopped(id));
        let _ = tokio::time::timeout(limit, join_all(ends)).await;
    }

    async fn past(&self, project: &str, dead: &DeadOwner) -> Result<Past, Fault> {
        let until = self.engine_seconds() + 1;
        let read = async {
            let mut stream = EventStream::open_past(&self.wire, PAST, dead.since, until).await?;
            let mut events = Vec::new();
            while let Some(told) = stream.next().await {
                events.extend(told);
            }
            Ok(read_past(project, &dead.lock, events))
        };
        let read = tokio::time::timeout(Duration::from_secs(READ_LIMIT), read).await;
        read.unwrap_or_else(|_| Err(Fault::late(READ_LIMIT)))
    }

    async fn running(&self, project: &str) -> Result<BTreeSet<String>, EngineError> {
        let label = format!("{}={project}", LABELS.project);
        let filters = [("label", vec![label.as_str()]), ("status", vec!["running"])];
        let found = self
            .containers(filters.into_iter().collect())
            .await
            .map_err(|fault| self.reading("list containers", fault))?;
        Ok(found.into_iter().filter_map(|it| it.id).collect())
    }
}

fn read_past(project: &str, lock: &str, events: Vec<EventMessage>) -> Past {
    let mut past = Past::default();
    for event in events {
        let (Some(action), Some(actor)) = (event.action, event.actor) else {
            continue;
        };
        let id = actor.id.unwrap_or_default();
        let attributes = actor.attributes.unwrap_or_default();
        if action == "create" {
            past.is_whole |= id == lock;
            continue;
        }
        if attributes.get(LABELS.project).map(String::as_str) != Some(project) {
            continue;
        }
        match action.as_str() {
            "kill" if asks_to_end(&attributes) => {
                past.stopping.insert(id);
            }
            "die" | "destroy" => drop(past.stopping.remove(&id)),
            "start" => {
                past.stopping.remove(&id);
                past.started.insert(id);
            }
            _ => {}
        }
    }
    past
}

/// Other signals (HUP, USR1) ask for something else.
fn asks_to_end(attributes: &HashMap<String, String>) -> bool {
    const ENDING: [&str; 4] = ["2", "3", "9", "15"];
    let signal = attributes.get("signal").map(String::as_str);
    signal.is_some_and(|signal| ENDING.contains(&signal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn event(action: &str, id: &str, attributes: &[(&str, &str)]) -> EventMessage {
        let attributes = attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        EventMessage {
            action: Some(action.to_owned()),
            actor: Some(EventActor {
                id: Some(id.to_owned()),
                attributes: Some(attributes),
            }),
            ..EventMessage::default()
        }
    }

    const OURS: (&str, &str) = (LABELS.project, "shop");

    fn stopping(events: Vec<EventMessage>) -> Vec<String> {
        let past = read_past("shop", "lock", events);
        past.stopping.into_iter().collect()
    }

    #[test]
    fn what_was_asked_to_end_and_has_not_is_waited_for() {
        let events = vec![
            event("kill", "db", &[OURS, ("signal", "15")]),
            event("kill", "app", &[OURS, ("signal", "15")]),
            event("die", "app", &[OURS]),
            event("kill", "theirs", &[(LABELS.project, "b"), ("signal", "15")]),
        ];
        assert_eq!(stopping(events), ["db"]);
    }

    #[test]
    fn a_signal_that_asks_for_something_else_is_no_end() {
        let events = vec![event("kill", "pooler", &[OURS, ("signal", "1")])];
        assert!(stopping(events).is_empty());
    }

    #[test]
    fn the_past_is_whole_if_it_reaches_back_to_the_lock() {
        let made = |id| read_past("shop", "lock", vec![event("create", id, &[])]);
        assert!(made("lock").is_whole);
        assert!(!made("another").is_whole, "its beginning is forgotten");
    }

    #[test]
    fn of_a_past_that_is_not_whole_only_what_was_started_in_it_is_known() {
        let past = read_past("shop", "lock", vec![event("start", "app", &[OURS])]);
        assert!(past.tells_of("app"));
        assert!(!past.tells_of("db"), "it may have been asked to end before");
    }
}
