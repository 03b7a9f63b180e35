//! A run in words and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::figures::ms;
use super::scenario::Run;
use super::verdict::Verdict;

/// How many anomalies are named; all are counted.
const NAMED: usize = 20;

impl Run {
    pub fn json(&self) -> Value {
        let anomalies = self.verdict.anomalies.iter().map(ToString::to_string);
        json!({
            "name": self.name,
            "operations": self.verdict.operations,
            "anomalies": anomalies.take(NAMED).collect::<Vec<_>>(),
            "kinds": self.verdict.kinds().iter().map(|(kind, count)| json!({"kind": kind, "count": count})).collect::<Vec<_>>(),
            "worst_staleness_ms": ms(self.verdict.worst_staleness),
            "latest_start_ms": ms(self.latest_start),
            "figures": self.figures.json(),
        })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.verdict)?;
        writeln!(f, "  {}", self.figures.to_string().replace('\n', "\n  "))?;
        write!(
            f,
            "  replicas were {} ms behind at most; a client began {} ms late at most",
            ms(self.verdict.worst_staleness),
            ms(self.latest_start)
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = self
            .operations
            .values()
            .fold([0; 3], |sum, it| [0, 1, 2].map(|at| sum[at] + it[at]));
        let [ok, failed, unknown] = sums;
        write!(
            f,
            "{ok} operations ok, {failed} failed, {unknown} unknown; "
        )?;
        if self.is_sound() {
            return f.write_str("nothing is wrong");
        }
        let kinds = self.kinds();
        let kinds = kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind:?}"));
        write!(f, "wrong: {}", kinds.collect::<Vec<_>>().join(", "))?;
        for anomaly in self.anomalies.iter().take(NAMED) {
            write!(f, "\n  {anomaly}")?;
        }
        Ok(())
    }
}
