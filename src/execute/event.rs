//! Events: what happens while a plan runs, as data. The ui turns it into words.

use std::time::Duration;

use scalectl_plan::OpId;
use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Started {
        id: OpId,
    },
    Ended {
        id: OpId,
        outcome: Outcome,
        /// How long the operation itself took.
        #[serde(serialize_with = "milliseconds", rename = "elapsed_ms")]
        elapsed: Duration,
    },
    /// No further operation is started; what is under way still ends.
    Stopping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Done,
    Failed,
    /// No reply: the call may have worked. Observe before any retry.
    Unknown,
    /// A wait that was given up because the run ended.
    GivenUp,
}

fn milliseconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(span.as_millis())
}
