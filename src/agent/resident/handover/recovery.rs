//! After an agent's death in the middle of a handover: the journal says which
//! side is safe, and that one serves again.

use super::super::cluster::View;
use super::super::pooler::Follow;
use super::journal::{Entry, Stage};
use super::{Handover, LOG};
use crate::log::chain;

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
    Leave(String),
    /// Nothing: it is over.
    Nothing,
}

fn duty(entry: &Entry, view: Option<&View>) -> Duty {
    let (from, to) = (entry.from.clone(), entry.to.clone());
    let leader = view.and_then(|view| view.leader.as_ref());
    match &entry.stage {
        Stage::Preparing | Stage::RolledBack { .. } => Duty::Settle(from),
        Stage::Holding => match leader {
            Some(leader) if *leader != from => Duty::Leave(leader.clone()),
            _ => Duty::Back(from),
        },
        Stage::Promoting { lsn } => match leader {
            // The old one has no server that could lead; what says so is old news.
            Some(leader) if *leader != from && *leader != to => Duty::Leave(leader.clone()),
            _ => Duty::Forward {
                to,
                lsn: lsn.clone(),
            },
        },
        Stage::Promoted => Duty::Settle(to),
        Stage::Done { .. } => Duty::Nothing,
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
            Duty::Nothing => None,
            Duty::Leave(primary) | Duty::Settle(primary) => Some(primary),
            Duty::Back(from) => self.revive(&from, entry.epoch).await.then_some(from),
            Duty::Forward { to, lsn } => match self.promote(&entry.from, &to, &lsn).await {
                true => {
                    let change = Follow::Change {
                        from: entry.from.clone(),
                        to: to.clone(),
                        crosses: self.crossing(&entry.from, &to).is_some(),
                    };
                    self.traffic.follow(change).await;
                    Some(to)
                }
                false => None,
            },
        };
        self.traffic.release_left().await;
        self.settle(&mut journal, primary.as_deref()).await;
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
    fn nobody_is_started_again_or_promoted_beside_another_primary() {
        let holding = entry(Stage::Holding);
        let leave = || Duty::Leave("db-3".to_owned());
        assert_eq!(duty(&holding, Some(&led_by("db-3"))), leave());
        let lsn = "0/5000028".to_owned();
        let promoting = entry(Stage::Promoting { lsn });
        assert_eq!(duty(&promoting, Some(&led_by("db-3"))), leave());
        assert_eq!(
            duty(&holding, Some(&led_by("db-1"))),
            Duty::Back("db-1".to_owned())
        );
    }
}
