//! The report of a migration: its steps with what each took, the holds, and how the
//! stack did meanwhile. Made from what is kept with the stack. Pure.

use serde::{Deserialize, Serialize};

use crate::course::Step;
use crate::journal::{Entry, Event, Migration};
use crate::samples::{Sample, read_samples};

/// One migration, from its beginning on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub migration: Migration,
    pub steps: Vec<Taken>,
    pub holds: Vec<Hold>,
    pub summary: Summary,
    pub samples: Vec<Sample>,
}

/// A step that was begun. One that was taken again stands there once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub number: usize,
    #[serde(flatten)]
    pub step: Step,
    pub began_at_ms: u64,
    /// None for one that did not come to its end.
    pub took_ms: Option<u64>,
    pub held_ms: Option<u64>,
}

/// A time in which writes waited, or the agent tried to have them wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    pub from: String,
    pub to: String,
    pub began_at_ms: u64,
    pub ended_at_ms: u64,
    pub has_moved: bool,
}

/// The figures of all samples together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    pub took_ms: u64,
    /// The longest that the agent held writes.
    pub held_ms: Option<u64>,
    pub median_per_second: Option<f64>,
    pub median_took_ms: Option<f64>,
    /// The longest that a client was seen waiting at the pooler.
    pub longest_wait_ms: u64,
    pub largest_lag_bytes: Option<u64>,
    pub samples: usize,
}

/// An entry of the agent's journal of handovers, as far as a report needs it.
#[derive(Deserialize)]
struct Handover {
    epoch: u64,
    from: String,
    to: String,
    stage: serde_json::Value,
    at_ms: u64,
}

impl Report {
    /// From the texts of the journal, of the agent's journal of handovers and of the
    /// samples.
    pub fn of(migration: &Migration, journal: &str, handovers: &str, samples: &str) -> Self {
        let begun = migration.begun_at_ms;
        let until = migration.ended.map(|it| it.at_ms);
        let samples: Vec<_> = read_samples(samples)
            .into_iter()
            .filter(|it| it.at_ms >= begun)
            .collect();
        let last = samples.last().map_or(0, |it| it.at_ms);
        let until = until.unwrap_or(migration.last_at_ms.max(last));
        let holds = holds(handovers).into_iter();
        let holds = holds.filter(|it| it.began_at_ms >= begun && it.began_at_ms <= until);
        Self {
            steps: taken(journal, migration.id),
            holds: holds.collect(),
            summary: summary(migration, until, &samples),
            migration: migration.clone(),
            samples,
        }
    }
}

/// The steps of a migration that were begun, by the journal.
pub fn taken(journal: &str, id: u64) -> Vec<Taken> {
    let entries = journal.lines().map(serde_json::from_str::<Entry>);
    let entries = entries.filter_map(Result::ok).filter(|it| it.id == id);
    let mut steps: Vec<Taken> = Vec::new();
    for entry in entries {
        match entry.event {
            Event::Started { index, step } => steps.push(Taken {
                number: index + 1,
                step,
                began_at_ms: entry.at_ms,
                took_ms: None,
                held_ms: None,
            }),
            Event::Done {
                index,
                took_ms,
                held_ms,
                ..
            } => {
                let same = steps.iter_mut().rfind(|it| it.number == index + 1);
                if let Some(step) = same {
                    (step.took_ms, step.held_ms) = (Some(took_ms), held_ms);
                }
            }
            _ => {}
        }
    }
    steps
}

fn holds(handovers: &str) -> Vec<Hold> {
    let entries = handovers.lines().map(serde_json::from_str::<Handover>);
    let mut holds: Vec<(u64, Hold)> = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let is = |name: &str| entry.stage == name || entry.stage.get(name).is_some();
        if is("holding") {
            let hold = Hold {
                from: entry.from,
                to: entry.to,
                began_at_ms: entry.at_ms,
                ended_at_ms: entry.at_ms,
                has_moved: false,
            };
            holds.push((entry.epoch, hold));
            continue;
        }
        let open = holds.last_mut().filter(|(epoch, _)| *epoch == entry.epoch);
        let Some((_, hold)) = open else { continue };
        if is("promoting") || is("promoted") || is("rolled_back") {
            hold.ended_at_ms = entry.at_ms;
            hold.has_moved = is("promoted");
        }
    }
    holds.into_iter().map(|(_, hold)| hold).collect()
}

fn summary(migration: &Migration, until: u64, samples: &[Sample]) -> Summary {
    let lags = samples.iter().flat_map(|it| it.lag.values());
    Summary {
        took_ms: until.saturating_sub(migration.begun_at_ms),
        held_ms: migration.held_ms,
        median_per_second: median(samples.iter().filter_map(|it| it.per_second).collect()),
        median_took_ms: median(samples.iter().filter_map(|it| it.took_ms).collect()),
        longest_wait_ms: samples
            .iter()
            .map(|it| it.longest_wait_ms)
            .max()
            .unwrap_or(0),
        largest_lag_bytes: lags.map(|it| it.bytes).max(),
        samples: samples.len(),
    }
}

fn median(mut all: Vec<f64>) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    const JOURNAL: &str = r#"{"id":3,"epoch":1,"at_ms":1000,"owner":"o","event":"begun","from":2,"to":1,"fingerprint":"f","start":3,"goal":0}
{"id":3,"epoch":1,"at_ms":1100,"owner":"o","event":"started","index":0,"step":"gather","stay":["db-1"]}
{"id":3,"epoch":2,"at_ms":1900,"owner":"o","event":"started","index":0,"step":"gather","stay":["db-1"]}
{"id":3,"epoch":2,"at_ms":2900,"owner":"o","event":"done","index":0,"took_ms":1000,"held_ms":140}
{"id":3,"epoch":2,"at_ms":3000,"owner":"o","event":"started","index":1,"step":"finish"}
{"id":4,"epoch":1,"at_ms":3000,"owner":"o","event":"started","index":1,"step":"finish"}
"#;

    #[test]
    fn a_report_tells_each_step_each_hold_and_what_was_seen() {
        let handovers = r#"{"epoch":7,"from":"db-2","to":"db-1","stage":"preparing","at_ms":500}
{"epoch":7,"from":"db-2","to":"db-1","stage":"holding","at_ms":600}
{"epoch":8,"from":"db-2","to":"db-1","stage":"holding","at_ms":2000}
{"epoch":8,"from":"db-2","to":"db-1","stage":{"promoting":{"lsn":"0/1"}},"at_ms":2080}
{"epoch":8,"from":"db-2","to":"db-1","stage":"promoted","at_ms":2140}
{"epoch":8,"from":"db-2","to":"db-1","stage":{"done":{"moved":true}},"at_ms":2900}
"#;
        let samples = r#"{"at_ms":900,"per_second":1.0}
{"at_ms":1500,"per_second":240.0,"took_ms":2.0,"lag":{"db-2":{"bytes":70}}}
{"at_ms":2500,"per_second":200.0,"took_ms":3.0,"waiting":4,"longest_wait_ms":150}
{"at_ms":"#;
        let journal = Journal::read(JOURNAL);
        let migration = journal.migrations.first().unwrap();
        let report = Report::of(migration, JOURNAL, handovers, samples);
        let steps: Vec<_> = report
            .steps
            .iter()
            .map(|it| (it.number, it.took_ms))
            .collect();
        assert_eq!(steps, [(1, None), (1, Some(1000)), (2, None)]);
        assert_eq!(report.holds.len(), 1, "one of another time is left out");
        let hold = &report.holds[0];
        assert_eq!(
            (hold.began_at_ms, hold.ended_at_ms, hold.has_moved),
            (2000, 2140, true)
        );
        let summary = Summary {
            took_ms: 2000,
            held_ms: Some(140),
            median_per_second: Some(240.0),
            median_took_ms: Some(3.0),
            longest_wait_ms: 150,
            largest_lag_bytes: Some(70),
            samples: 2,
        };
        assert_eq!(report.summary, summary);
    }
}
