//! After an agent's death in the middle of a handover: the journal says which
//! side is safe, and that one serves again.

use super::super::cluster::View;
use super::super::pooler::Follow;
use super::journal::{Entry, Stage};
use super::{Handover, LOG, LOOK_EVERY};
use crate::log::chain;

use serde_json::json;
use tokio::time::sleep;

/// What is left to do.
#[derive(Debug, PartialEq, Eq)]
enum Duty {
    /// Nothing is held, and that side is the primary.
    Settle(String),
    /// The old primary may be down: it is started again, then it serves.
    Back(String),
    /// The promotion may have been ordered: it is brought about, then it serves.
    Forward { to: String, lsn: String },
    /// Another primary serves already.
    Leave,
}

fn duty(entry: &Entry, view: Option<&View>) -> Duty {
    let (from, to) = (entry.from.clone(), entry.to.clone());
    match &entry.stage {
        Stage::Preparing | Stage::RolledBack { .. } => Duty::Settle(from),
        Stage::Holding => {
            let leader = view.and_then(|view| view.leader.as_ref());
            match leader {
                Some(leader) if *leader != from => Duty::Leave,
                _ => Duty::Back(from),
            }
        }
        Stage::Promoting { lsn } => Duty::Forward {
            to,
            lsn: lsn.clone(),
        },
        Stage::Promoted => Duty::Settle(to),
        Stage::Done { .. } => Duty::Leave,
    }
}

impl Handover {
    /// Ends what an agent that died has left. Everything that is held is
    /// released when this returns; before it nothing else may release.
    pub async fn recover(&self) {
        let _turn = self.traffic.turn().await;
        let mut journal = self.journal.lock().await;
        let Some(entry) = journal.unfinished().cloned() else {
            self.traffic.release_left().await;
            return;
        };
        LOG.warn(format_args!(
            "the handover from {} to {} was left at {:?}",
            entry.from, entry.to, entry.stage
        ));
        let duty = duty(&entry, self.seen(&entry).await.as_ref());
        let primary = match duty {
            Duty::Leave => None,
            Duty::Settle(primary) => Some(primary),
            Duty::Back(from) => {
                self.revive(&from).await;
                Some(from)
            }
            Duty::Forward { to, lsn } => {
                self.replay(&to, &lsn).await;
                self.promote(&to).await;
                let from = entry.from.clone();
                let change = Follow::Change {
                    from,
                    to: to.clone(),
                };
                self.traffic.follow(change).await;
                Some(to)
            }
        };
        self.traffic.release_left().await;
        match primary {
            Some(primary) => self.settle(&mut journal, &primary).await,
            None => Self::note(&mut journal, Stage::Done { moved: false }),
        }
        LOG.info(format_args!("the handover that was left is over"));
    }

    /// The cluster as one of the two sees it; nothing if neither answers.
    async fn seen(&self, entry: &Entry) -> Option<View> {
        for member in [&entry.to, &entry.from] {
            match self.members.view(member).await {
                Ok(view) => return Some(view),
                Err(error) => LOG.warn(format_args!("{}", chain(&error))),
            }
        }
        None
    }

    /// Asks until all of the old primary's log is in the new one, which it is at
    /// once for one that was promoted already.
    async fn replay(&self, to: &str, lsn: &str) {
        loop {
            let asked = self.members.ask(
                to,
                "replayed",
                super::FORWARD_PATIENCE,
                json!({ "lsn": lsn }),
            );
            match asked.await {
                Ok(_) => return,
                Err(error) => LOG.warn(format_args!("{}", chain(&error))),
            }
            sleep(LOOK_EVERY * 4).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stage: Stage) -> Entry {
        Entry {
            epoch: 4,
            from: "db-1".to_owned(),
            to: "db-2".to_owned(),
            stage,
            at_ms: 0,
        }
    }

    fn led_by(name: &str) -> View {
        let text =
            format!(r#"{{"members":[{{"name":"{name}","role":"leader","state":"running"}}]}}"#);
        View::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_old_side_serves_until_a_promotion_may_have_been_ordered_then_only_the_new_one() {
        let lsn = "0/5000028".to_owned();
        let forward = Duty::Forward {
            to: "db-2".to_owned(),
            lsn: lsn.clone(),
        };
        let cases = [
            (Stage::Preparing, Duty::Settle("db-1".to_owned())),
            (Stage::Holding, Duty::Back("db-1".to_owned())),
            (Stage::Promoting { lsn }, forward),
            (Stage::Promoted, Duty::Settle("db-2".to_owned())),
            (
                Stage::RolledBack { why: String::new() },
                Duty::Settle("db-1".to_owned()),
            ),
        ];
        for (stage, expected) in cases {
            assert_eq!(duty(&entry(stage.clone()), None), expected, "{stage:?}");
        }
    }

    #[test]
    fn nobody_is_started_again_beside_another_primary() {
        let holding = entry(Stage::Holding);
        assert_eq!(duty(&holding, Some(&led_by("db-3"))), Duty::Leave);
        assert_eq!(
            duty(&holding, Some(&led_by("db-1"))),
            Duty::Back("db-1".to_owned())
        );
    }
}
