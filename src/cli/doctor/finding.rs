//! A finding of `doctor`: what was looked at, how it is, what to do.

use serde::Serialize;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    Ok,
    /// It works, and could be better.
    Note,
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) about: &'static str,
    pub(super) state: State,
    pub(super) says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

pub(super) fn ok(about: &'static str, says: impl Into<String>) -> Finding {
    Finding {
        about,
        state: State::Ok,
        says: says.into(),
        fix: None,
    }
}

pub(super) fn note(
    about: &'static str,
    says: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        about,
        state: State::Note,
        says: says.into(),
        fix: Some(fix.into()),
    }
}

pub(super) fn wrong(
    about: &'static str,
    says: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        state: State::Wrong,
        ..note(about, says, fix)
    }
}
