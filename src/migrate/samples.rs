//! How a stack does while it is moved: a sample a second, kept by its agent beside the
//! journal, one line of JSON each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One look at poolers and standbys. Figures are of the time since the one before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Transactions a second, through all poolers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// What a transaction took at the server, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// What one waited at the pooler before, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<f64>,
    /// Clients that wait now, and how long the first of them does.
    #[serde(default)]
    pub waiting: u64,
    #[serde(default)]
    pub longest_wait_ms: u64,
    /// The agent holds transactions, or tries to.
    #[serde(default)]
    pub is_held: bool,
    /// Each standby that follows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lag: BTreeMap<String, Lag>,
}

/// How far a standby is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// The file of a migration's samples, beside the journal.
pub fn samples_file(id: u64) -> String {
    format!("samples-{id}.jsonl")
}

/// From a file's text; a line that was cut is left out.
pub fn read_samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().map(serde_json::from_str);
    lines.filter_map(Result::ok).collect()
}
