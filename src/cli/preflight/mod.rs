//! What is looked at before the primary moves or a stack migrates: everything at once,
//! each with what is and what to do. Changes nothing.
//!
//! A check is a function from facts to a finding; the facts come from one look at the
//! engine and from the agent. Next: `database.rs`, `machine.rs` (the checks).

mod database;
mod machine;
mod sessions;
mod timeouts;

use std::collections::BTreeMap;

use miette::Diagnostic;
use scalectl_engine_docker::DockerEngine;
use scalectl_migrate::Facts;
use scalectl_plan::Observed;
use scalectl_ui::{Mark, Printer, finding_text};
use serde::Serialize;

use crate::cli::db::switchover::AGENT;
use crate::cli::error::CommandError;

pub use database::database;
pub use machine::{components, engine, memory};

const ANSWER_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Ok,
    /// It is in nobody's way, and worth knowing.
    Note,
    /// Nothing is begun.
    Refused,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub state: State,
    pub says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Check {
    pub fn ok(name: &'static str, says: impl Into<String>) -> Self {
        let (says, fix) = (says.into(), None);
        Self {
            name,
            state: State::Ok,
            says,
            fix,
        }
    }

    pub fn note(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            state: State::Note,
            fix: Some(fix.into()),
            ..Self::ok(name, says)
        }
    }

    /// The same, and no reason to begin nothing.
    pub fn noted(self) -> Self {
        let state = match self.state {
            State::Refused => State::Note,
            state => state,
        };
        Self { state, ..self }
    }

    pub fn refused(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            state: State::Refused,
            ..Self::note(name, says, fix)
        }
    }

    /// Any error as one; its causes are told with it.
    pub fn of_error(name: &'static str, error: &dyn Diagnostic) -> Self {
        let mut says = error.to_string();
        let mut cause = error.source();
        while let Some(one) = cause {
            says += &format!(": {one}");
            cause = one.source();
        }
        Self {
            fix: error.help().map(|help| help.to_string()),
            ..Self::refused(name, says, "")
        }
    }
}

/// What is about to be done to the database's clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Transactions are held, and every connection to the primary ends.
    pub moves_primary: bool,
    /// Its clients' connections end, between two transactions where they can.
    pub replaces_pooler: bool,
    /// How long writes may wait at most, in milliseconds.
    pub hold_ms: u64,
    /// Somebody has accepted that sessions are ended.
    pub end_sessions: bool,
}

/// Why nothing is begun: all of it at once.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("nothing was changed: {} in the way", count(reasons.len()))]
#[diagnostic(code(scalectl::preflight::refused))]
pub struct NotReady {
    #[related]
    pub reasons: Vec<Reason>,
}

/// One of them.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{says}")]
pub struct Reason {
    says: String,
    #[help]
    fix: Option<String>,
}

fn count(number: usize) -> String {
    match number {
        1 => "one thing stands".to_owned(),
        _ => format!("{number} things stand"),
    }
}

/// # Errors
/// A check that refuses; all that do.
pub fn refuse(checks: &[Check]) -> Result<(), CommandError> {
    let refused = checks.iter().filter(|it| it.state == State::Refused);
    let reasons = refused.map(|it| Reason {
        says: it.says.clone(),
        fix: it.fix.clone(),
    });
    let reasons: Vec<_> = reasons.collect();
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(NotReady { reasons }.into()),
    }
}

/// A line for each, and one more with what to do.
pub fn text(printer: &Printer, checks: &[Check]) -> String {
    let line = |it: &Check| {
        let mark = match it.state {
            State::Ok => Mark::Ok,
            State::Note => Mark::Note,
            State::Refused => Mark::Wrong,
        };
        finding_text(printer, mark, it.name, &it.says, it.fix.as_deref())
    };
    checks.iter().map(line).collect()
}

/// Asks the agent what is at work on the primary; what it says if it cannot tell.
pub async fn facts(
    engine: &DockerEngine,
    agent: &str,
) -> Result<Result<Facts, String>, CommandError> {
    let words = [AGENT, "agent", "facts"].map(str::to_owned);
    let answer = engine.collect(agent, &words, ANSWER_BYTES).await?;
    let told = || String::from_utf8_lossy(&answer.stderr).trim().to_owned();
    Ok(match answer.code {
        0 => serde_json::from_slice(&answer.stdout).map_err(|error| error.to_string()),
        _ => Err(told()),
    })
}

/// The stack's containers by their addresses: whose a session is.
pub fn names(observed: &Observed) -> BTreeMap<String, String> {
    let all = observed.ours().flat_map(|(name, it)| {
        let addresses = it.addresses.values().filter(|address| !address.is_empty());
        addresses.map(|address| (address.clone(), name.clone()))
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_refuses_is_told_at_once_and_what_does_not_is_left_out() {
        let checks = [
            Check::ok("disk", "enough"),
            Check::note("memory", "little", "more"),
        ];
        assert!(refuse(&checks).is_ok());
        let checks = [
            Check::refused("disk", "no disk", "make room"),
            Check::ok("memory", "enough"),
            Check::refused("sessions", "one is open", "end it"),
        ];
        let error = refuse(&checks).unwrap_err();
        assert_eq!(error.exit(), crate::exit::Exit::Refused);
        assert_eq!(
            error.to_string(),
            "nothing was changed: 2 things stand in the way"
        );
        let related: Vec<_> = error.related().into_iter().flatten().collect();
        let told = related
            .iter()
            .map(|it| (it.to_string(), it.help().map(|it| it.to_string())));
        let told: Vec<_> = told.collect();
        assert_eq!(
            told[0],
            ("no disk".to_owned(), Some("make room".to_owned()))
        );
        assert_eq!(told.len(), 2);
    }
}
