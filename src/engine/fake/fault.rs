//! Faults: how a call can go wrong on demand.

use scalectl_engine::EngineError;
use scalectl_plan::Call;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The engine says no, and nothing has changed.
    Refused,
    /// No reply; the engine never took the call.
    ReplyLostBefore,
    /// No reply; the engine has done it.
    ReplyLostAfter,
}

impl Fault {
    pub const ALL: [Self; 3] = [Self::Refused, Self::ReplyLostBefore, Self::ReplyLostAfter];
}

fn action(call: &Call) -> String {
    format!("{} {}", call.verb(), call.subject())
}

pub(crate) fn refused(call: &Call) -> EngineError {
    EngineError::Refused {
        action: action(call),
        message: "a fault that was asked for".to_owned(),
    }
}

pub(crate) fn unknown(call: &Call) -> EngineError {
    EngineError::Unknown {
        action: action(call),
        source: None,
    }
}
