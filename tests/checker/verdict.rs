//! The verdict: a history against what the primary holds. Pure.
//!
//! Every acknowledged write is there once and whole, an unknown one at most once, a
//! failed one never; no update is lost; nobody misses its own write; no replica is
//! further behind than the bound; no request fails.
//! Next: `anomaly.rs` (what can be wrong), `figures.rs` (how long it took).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::anomaly::{Anomaly, Kind};
use super::history::{History, Id, Op, Outcome, Record, Seen};
use super::state::{Part, Rows, State};

/// An order of the population has as many lines, a transfer twice as many movements.
pub const LINES: u64 = 2;

/// What is promised beyond atomicity.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How far a replica's answer may be behind what was acknowledged.
    pub staleness: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub anomalies: Vec<Anomaly>,
    /// By operation: ok, failed, unknown.
    pub operations: BTreeMap<&'static str, [u64; 3]>,
    /// The furthest that a replica's answer was behind.
    pub worst_staleness: Duration,
}

impl Verdict {
    pub fn kinds(&self) -> BTreeMap<Kind, usize> {
        let mut kinds = BTreeMap::new();
        for anomaly in &self.anomalies {
            *kinds.entry(anomaly.kind()).or_default() += 1;
        }
        kinds
    }

    pub fn is_sound(&self) -> bool {
        self.anomalies.is_empty()
    }

    pub fn has(&self, kind: Kind) -> bool {
        self.anomalies.iter().any(|it| it.kind() == kind)
    }
}

pub fn judge(history: &History, state: &State, bounds: &Bounds) -> Verdict {
    let mut verdict = Verdict::default();
    for record in &history.records {
        let counts = verdict.operations.entry(record.op.name()).or_default();
        counts[match record.outcome {
            Outcome::Ok(_) => 0,
            Outcome::Failed(_) => 1,
            Outcome::Unknown(_) => 2,
        }] += 1;
        verdict.anomalies.extend(failed_request(record));
        verdict.anomalies.extend(write(record, state));
    }
    verdict.anomalies.extend(phantoms(history, state));
    verdict.anomalies.extend(counters(history, state));
    verdict.anomalies.extend(beats(history, state));
    reads(history, bounds, &mut verdict);
    let wrong = state.audit.iter().filter(|(_, count)| **count != 0);
    verdict.anomalies.extend(wrong.map(|(what, count)| {
        let what = what.clone();
        Anomaly::Audit {
            what,
            count: *count,
        }
    }));
    verdict
}

fn failed_request(record: &Record) -> Option<Anomaly> {
    let (Outcome::Failed(reason) | Outcome::Unknown(reason)) = &record.outcome else {
        return None;
    };
    Some(Anomaly::FailedRequest {
        op: record.op.clone(),
        ended: record.ended,
        reason: reason.clone(),
    })
}

/// Whether a write is there as often as its client was told, and whole.
fn write(record: &Record, state: &State) -> Option<Anomaly> {
    let op = || record.op.clone();
    let torn = |found: String| Some(Anomaly::Torn { op: op(), found });
    let times = match &record.op {
        Op::Append { id } => state.appends.get(id).copied().unwrap_or(0),
        Op::Transaction { id, keys } => {
            let parts = state.parts.get(id).map_or(&[][..], Vec::as_slice);
            let of = |key: u32| parts.iter().filter(|part| part.key == key).count() as u64;
            let [first, second] = keys.map(of);
            if first != second || parts.len() as u64 != first + second {
                return torn(format!("{first} and {second} of {} parts", parts.len()));
            }
            first
        }
        Op::Order { id } => match whole(state.orders.get(id), LINES, LINES) {
            Ok(times) => times,
            Err(found) => return torn(found),
        },
        Op::Transfer { id } => match whole(state.transfers.get(id), 0, 2 * LINES) {
            Ok(times) => times,
            Err(found) => return torn(found),
        },
        _ => return None,
    };
    match (&record.outcome, times) {
        (_, 2..) => Some(Anomaly::Doubled { op: op(), times }),
        (Outcome::Ok(_), 0) => Some(Anomaly::Lost {
            op: op(),
            acknowledged: record.ended,
        }),
        (Outcome::Failed(_), 1) => Some(Anomaly::Resurrected { op: op() }),
        _ => None,
    }
}

/// How often it is there, if all that belongs to it is there as often.
fn whole(rows: Option<&Rows>, lines: u64, movements: u64) -> Result<u64, String> {
    let rows = rows.copied().unwrap_or_default();
    let is_whole = rows.lines == rows.heads * lines && rows.movements == rows.heads * movements;
    if is_whole && rows.sum == 0 {
        return Ok(rows.heads);
    }
    Err(format!(
        "{} with {} lines and {} movements, which sum up to {}",
        rows.heads, rows.lines, rows.movements, rows.sum
    ))
}

/// What is there and stands in no record.
fn phantoms(history: &History, state: &State) -> Vec<Anomaly> {
    let written = |pick: fn(&Op) -> Option<Id>| -> BTreeSet<Id> {
        history
            .records
            .iter()
            .filter_map(|it| pick(&it.op))
            .collect()
    };
    fn not_in<'a, T>(
        what: &'static str,
        there: &'a BTreeMap<Id, T>,
        written: BTreeSet<Id>,
    ) -> impl Iterator<Item = Anomaly> + 'a {
        let ids = there.keys().filter(move |id| !written.contains(id));
        ids.map(move |id| Anomaly::Phantom { what, id: *id })
    }
    let appends = written(|op| match op {
        Op::Append { id } => Some(*id),
        _ => None,
    });
    let transactions = written(|op| match op {
        Op::Transaction { id, .. } => Some(*id),
        _ => None,
    });
    let orders = written(|op| match op {
        Op::Order { id } => Some(*id),
        _ => None,
    });
    let transfers = written(|op| match op {
        Op::Transfer { id } => Some(*id),
        _ => None,
    });
    not_in("append", &state.appends, appends)
        .chain(not_in("transaction", &state.parts, transactions))
        .chain(not_in("order", &state.orders, orders))
        .chain(not_in("transfer", &state.transfers, transfers))
        .collect()
}

/// Each transaction wrote one more than was there: a counter's values are 1, 2, ... to
/// what it holds, each written by one transaction and told to one client.
fn counters(history: &History, state: &State) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let mut lost = |key: u32, why: String| found.push(Anomaly::LostUpdate { key, why });
    let mut written: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for Part { key, value } in state.parts.values().flatten() {
        written.entry(*key).or_default().push(*value);
    }
    let keys: BTreeSet<_> = written.keys().chain(state.counters.keys()).collect();
    for key in keys {
        let mut values = written.get(key).cloned().unwrap_or_default();
        values.sort_unstable();
        let holds = state.counters.get(key).copied().unwrap_or(0);
        if !values.iter().copied().eq(1..=holds) {
            let (count, last) = (values.len(), values.last().copied().unwrap_or(0));
            let why = format!("holds {holds}; {count} transactions wrote to it, up to {last}");
            lost(*key, why);
        }
    }
    let mut told: BTreeMap<(u32, i64), Id> = BTreeMap::new();
    for record in &history.records {
        let (Op::Transaction { id, keys }, Outcome::Ok(Seen::Counters(values))) =
            (&record.op, &record.outcome)
        else {
            continue;
        };
        for (key, value) in keys.iter().zip(values) {
            if let Some(other) = told.insert((*key, *value), *id) {
                let why = format!("transactions {other} and {id} were both told {value}");
                lost(*key, why);
            }
            let parts = state.parts.get(id).into_iter().flatten();
            let mut of_key = parts.filter(|part| part.key == *key);
            if of_key.any(|part| part.value != *value) {
                lost(*key, format!("transaction {id} was told {value}"));
            }
        }
    }
    found
}

fn beats(history: &History, state: &State) -> Option<Anomaly> {
    let number = |record: &Record| match record.op {
        Op::Beat { number } => number,
        _ => 0,
    };
    let acknowledged = history.records.iter().filter(|it| it.is_ok());
    let last = acknowledged.max_by_key(|it| number(it))?;
    (number(last) > state.beat).then(|| Anomaly::Lost {
        op: last.op.clone(),
        acknowledged: last.ended,
    })
}

/// What clients read, against what had been acknowledged by then.
fn reads(history: &History, bounds: &Bounds, verdict: &mut Verdict) {
    let mut appends = BTreeMap::new();
    let mut orders = BTreeMap::new();
    let mut beats = BTreeMap::new();
    for record in history.records.iter().filter(|it| it.is_ok()) {
        match record.op {
            Op::Append { id } => drop(appends.insert(id, record.ended)),
            Op::Order { id } => drop(orders.insert(id, record.ended)),
            Op::Beat { number } => drop(beats.insert(number, record.ended)),
            _ => {}
        }
    }
    for record in &history.records {
        let op = || record.op.clone();
        match (&record.op, &record.outcome) {
            (Op::OwnRead { id }, Outcome::Ok(Seen::Rows(rows))) => {
                verdict
                    .anomalies
                    .extend(own_read(record, appends.get(id), *rows));
            }
            (Op::OwnOrderRead { id }, Outcome::Ok(Seen::Rows(rows))) => {
                verdict
                    .anomalies
                    .extend(own_read(record, orders.get(id), *rows));
            }
            (Op::ReplicaOrderRead { id }, Outcome::Ok(Seen::Rows(0))) => {
                let by = behind(record, orders.get(id));
                verdict.staleness(op(), by, bounds);
            }
            (Op::ReplicaRead, Outcome::Ok(Seen::Beat(seen))) => {
                let next = beats.range(seen + 1..).next().map(|(_, ended)| ended);
                verdict.staleness(op(), behind(record, next), bounds);
            }
            _ => {}
        }
    }
}

fn own_read(record: &Record, acknowledged: Option<&Duration>, rows: u64) -> Option<Anomaly> {
    let op = record.op.clone();
    match (acknowledged, rows) {
        (_, 2..) => Some(Anomaly::Doubled { op, times: rows }),
        (Some(acknowledged), 0) if *acknowledged <= record.sent => Some(Anomaly::StaleOwnRead {
            op,
            acknowledged: *acknowledged,
            sent: record.sent,
        }),
        _ => None,
    }
}

/// How long before a read was sent the first write had been acknowledged that it misses.
fn behind(record: &Record, missed: Option<&Duration>) -> Duration {
    missed.map_or(Duration::ZERO, |ended| record.sent.saturating_sub(*ended))
}

impl Verdict {
    fn staleness(&mut self, op: Op, by: Duration, bounds: &Bounds) {
        self.worst_staleness = self.worst_staleness.max(by);
        if by > bounds.staleness {
            self.anomalies.push(Anomaly::TooStale { op, by });
        }
    }
}
