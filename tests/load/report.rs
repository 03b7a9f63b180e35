//! What a load has met: counts, times, failures, and what the load itself cost.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::exchange::Fault;
use super::{Kind, WRITES};

#[derive(Clone, Debug)]
pub struct Failure {
    /// Seconds since 1970.
    pub when: f64,
    pub kind: Kind,
    pub id: String,
    pub reason: String,
    pub detail: String,
    pub took: Duration,
}

#[derive(Debug, Default)]
pub struct Report {
    pub requests: usize,
    pub failures: Vec<Failure>,
    /// The ids of writes that were answered well.
    pub acknowledged: Vec<String>,
    /// The latest start after its due time: what the machine could not keep up with.
    pub latest_start: Duration,
    pub whole: Duration,
    pub cpu: Duration,
    times: Vec<Duration>,
    longest_write: Duration,
}

impl Report {
    pub(super) fn started_late(&mut self, by: Duration) {
        self.requests += 1;
        self.latest_start = self.latest_start.max(by);
    }

    pub(super) fn done(&mut self, kind: Kind, id: String, took: Duration) {
        self.times.push(took);
        if WRITES.contains(&kind) {
            self.acknowledged.push(id);
            self.longest_write = self.longest_write.max(took);
        }
    }

    pub(super) fn failed(&mut self, kind: Kind, id: String, fault: Fault, took: Duration) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        self.failures.push(Failure {
            when: since_1970.unwrap_or_default().as_secs_f64(),
            kind,
            id,
            reason: fault.kind,
            detail: fault.detail,
            took,
        });
    }

    pub(super) fn close(&mut self, whole: Duration) {
        self.times.sort();
        self.whole = whole;
        self.cpu = thread_cpu();
    }

    /// The time that this share of the requests took at most.
    pub fn at(&self, share: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        let at = (self.times.len() as f64 * share) as usize;
        self.times.get(at.min(last)).copied().unwrap_or_default()
    }

    pub fn longest(&self) -> Duration {
        self.at(1.0)
    }

    pub fn longest_write(&self) -> Duration {
        self.longest_write
    }

    /// From the first to the last failure.
    pub fn outage(&self) -> Duration {
        let times = || self.failures.iter().map(|failure| failure.when);
        let (first, last) = (
            times().fold(f64::MAX, f64::min),
            times().fold(0.0, f64::max),
        );
        Duration::from_secs_f64((last - first).max(0.0))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_millis();
        writeln!(
            f,
            "{} requests in {:.1} s, {} failed; p50 {} ms, p99 {} ms, p99.9 {} ms, longest {} ms (write {} ms); \
             started at most {} ms late; the load took {:.0} % of a core",
            self.requests,
            self.whole.as_secs_f64(),
            self.failures.len(),
            ms(self.at(0.5)),
            ms(self.at(0.99)),
            ms(self.at(0.999)),
            ms(self.longest()),
            ms(self.longest_write),
            ms(self.latest_start),
            100.0 * self.cpu.as_secs_f64() / self.whole.as_secs_f64().max(0.001),
        )?;
        let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
        for failure in &self.failures {
            *counts
                .entry((&failure.reason, format!("{:?}", failure.kind)))
                .or_default() += 1;
        }
        for ((reason, kind), count) in counts {
            writeln!(f, "  {count} x {kind}: {reason}")?;
        }
        for failure in self.failures.iter().take(12) {
            let Failure {
                when,
                kind,
                id,
                reason,
                detail,
                took,
            } = failure;
            writeln!(
                f,
                "  at {when:.3} {kind:?} {id} after {} ms: {reason} {detail}",
                ms(*took)
            )?;
        }
        Ok(())
    }
}

/// What this thread has used of a processor. Source: proc(5), fields 14 and 15
/// of a stat file, in ticks of 10 ms.
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
