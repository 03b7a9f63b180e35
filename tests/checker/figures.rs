//! What clients felt: latencies before, during and after, and the stalls. Pure.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::history::{History, Record};

/// A write that takes longer belongs to a stall. Without one they take some 5 to 20 ms.
pub const STALLED: Duration = Duration::from_millis(100);

/// Writes that were slow one beside the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    pub begun: Duration,
    pub ended: Duration,
    /// The longest that one client waited.
    pub longest: Duration,
    pub writes: usize,
}

/// How long requests took: of writes and reads together, in the order median, 99th of a
/// hundred, longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    pub requests: usize,
    pub median: Duration,
    pub p99: Duration,
    pub longest: Duration,
}

/// One action under load, as clients felt it.
#[derive(Clone, Debug)]
pub struct Figures {
    pub before: Latency,
    pub during: Latency,
    pub after: Latency,
    pub longest_write: Duration,
    /// The longest time in which no write was acknowledged.
    pub longest_silence: Duration,
    pub stalls: Vec<Stall>,
}

/// When an action began and ended, and the load around it.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub load_begun: Duration,
    pub begun: Duration,
    pub ended: Duration,
    pub load_ended: Duration,
}

impl Figures {
    pub fn of(history: &History, span: &Span) -> Self {
        let all = |from: Duration, to: Duration| {
            let records = history.records.iter();
            Latency::of(records.filter(move |it| it.due >= from && it.due < to))
        };
        let writes: Vec<_> = history
            .writes_within(span.begun, span.load_ended)
            .filter(|it| it.due >= span.load_begun)
            .collect();
        Self {
            before: all(span.load_begun, span.begun),
            during: all(span.begun, span.ended),
            after: all(span.ended, span.load_ended),
            longest_write: longest(writes.iter().copied()),
            longest_silence: longest_silence(&writes, span),
            stalls: stalls(&writes),
        }
    }

    pub fn median_stall(&self) -> Duration {
        let longest = self.stalls.iter().map(|stall| stall.longest);
        median(longest.collect())
    }

    pub fn json(&self) -> Value {
        let stalls = self.stalls.iter().map(|it| ms(it.longest));
        json!({
            "before": self.before.json(),
            "during": self.during.json(),
            "after": self.after.json(),
            "longest_write_ms": ms(self.longest_write),
            "longest_silence_ms": ms(self.longest_silence),
            "stalls_ms": stalls.collect::<Vec<_>>(),
        })
    }
}

impl Latency {
    fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut times: Vec<_> = records.map(Record::took).collect();
        times.sort_unstable();
        let at = |share: f64| {
            let last = times.len().saturating_sub(1);
            let at = (times.len() as f64 * share) as usize;
            times.get(at.min(last)).copied().unwrap_or_default()
        };
        Self {
            requests: times.len(),
            median: at(0.5),
            p99: at(0.99),
            longest: at(1.0),
        }
    }

    fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "median_ms": ms(self.median),
            "p99_ms": ms(self.p99),
            "longest_ms": ms(self.longest),
        })
    }
}

fn longest<'a>(records: impl Iterator<Item = &'a Record>) -> Duration {
    records.map(Record::took).max().unwrap_or_default()
}

fn longest_silence(writes: &[&Record], span: &Span) -> Duration {
    let good = writes.iter().filter(|it| it.is_ok());
    let mut ends: Vec<_> = good.map(|it| it.ended.max(span.begun)).collect();
    ends.extend([span.begun, span.load_ended]);
    ends.sort_unstable();
    let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

/// Slow writes whose times touch are one stall.
fn stalls(writes: &[&Record]) -> Vec<Stall> {
    let mut slow: Vec<_> = writes.iter().filter(|it| it.took() >= STALLED).collect();
    slow.sort_by_key(|it| it.due);
    let mut stalls: Vec<Stall> = Vec::new();
    for write in slow {
        match stalls.last_mut() {
            Some(last) if write.due <= last.ended => {
                last.ended = last.ended.max(write.ended);
                last.longest = last.longest.max(write.took());
                last.writes += 1;
            }
            _ => stalls.push(Stall {
                begun: write.due,
                ended: write.ended,
                longest: write.took(),
                writes: 1,
            }),
        }
    }
    stalls
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let middle = times.len() / 2;
    match times.len() {
        0 => Duration::ZERO,
        odd if odd % 2 == 1 => times[middle],
        _ => (times[middle - 1] + times[middle]) / 2,
    }
}

/// Milliseconds with one digit.
pub fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99, longest) = (ms(self.median), ms(self.p99), ms(self.longest));
        write!(f, "{median} / {p99} / {longest} ms")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "requests took (median / p99 / longest) before {}, during {}, after {}",
            self.before, self.during, self.after
        )?;
        write!(
            f,
            "a write waited {} ms at most; no write was acknowledged for {} ms; {} stalls, median {} ms",
            ms(self.longest_write),
            ms(self.longest_silence),
            self.stalls.len(),
            ms(self.median_stall())
        )
    }
}
