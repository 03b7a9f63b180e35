//! What is at work on a stack's database, as its agent tells it: for whoever is about to
//! hold or to move it.
//!
//! Statements come without their literals, which may be secret (decision 0035).

use serde::{Deserialize, Serialize};

/// One look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Who was asked: the member that takes writes.
    pub primary: String,
    pub sessions: Vec<Session>,
    pub prepared: Vec<Prepared>,
    pub standbys: Vec<Standby>,
    /// Limits that are set for a role or a database.
    pub timeouts: Vec<Timeout>,
    pub synchronous_standby_names: String,
    /// Patroni is told to have synchronous standbys, so those names are its own.
    pub is_synchronous: bool,
    /// The pooler's, in seconds; none for "without end".
    pub pooler_waits: Vec<PoolerWait>,
    /// Somebody moves, restarts or stops a member now.
    pub is_busy: bool,
    /// Of the machine that the agent runs on.
    pub available_memory_bytes: Option<u64>,
}

/// A client's session on the primary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub pid: u32,
    pub user: Option<String>,
    pub database: Option<String>,
    pub application: Option<String>,
    /// Where it comes from: behind the pooler the client's own address, if that is known.
    pub client: Option<String>,
    /// `active`, `idle in transaction`, ...
    pub state: Option<String>,
    /// How long its transaction is open; none if none is.
    pub open_ms: Option<u64>,
    /// Since when, in UTC.
    pub since: Option<String>,
    /// Its last statement, without its literals, cut.
    pub statement: Option<String>,
    #[serde(default)]
    pub way: Way,
}

/// How a session comes to the primary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By the pooler, a transaction at a time.
    Transactions,
    /// By the pooler's database for sessions.
    Session,
    /// Past the pooler.
    #[default]
    Direct,
    /// A component of the stack itself, which comes back by itself.
    Own,
}

/// A transaction that was prepared for a commit in two phases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    pub gid: String,
    pub user: Option<String>,
    pub database: Option<String>,
    pub open_ms: Option<u64>,
    pub since: Option<String>,
}

/// A standby, as the primary sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    pub name: String,
    pub state: Option<String>,
    /// `async`, `sync`, `quorum` or `potential`.
    pub sync: Option<String>,
    pub lag_bytes: Option<u64>,
    pub lag_ms: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    pub user: Option<String>,
    pub database: Option<String>,
    pub name: String,
    pub value: String,
}

/// How long the pooler lets somebody wait before that is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolerWait {
    pub name: String,
    pub seconds: u64,
}

impl Session {
    /// Who it is, in words.
    pub fn who(&self) -> String {
        let known = |text: &Option<String>| text.clone().filter(|it| !it.is_empty());
        let mut parts = vec![format!("process {}", self.pid)];
        parts.extend(known(&self.user).map(|it| format!("user {it}")));
        parts.extend(known(&self.application).map(|it| format!("application {it}")));
        parts.extend(known(&self.client).map(|it| format!("client {it}")));
        parts.join(", ")
    }

    /// Since when its transaction is open, and what it does, in words.
    pub fn what(&self) -> String {
        let since = self.since.as_deref().unwrap_or("an unknown time");
        let seconds = self.open_ms.unwrap_or_default() / 1000;
        let state = self.state.as_deref().unwrap_or("state unknown");
        let mut text = format!("open since {since} ({seconds} s), {state}");
        if let Some(statement) = self.statement.as_ref().filter(|it| !it.is_empty()) {
            text += &format!(", its last statement: {statement}");
        }
        text
    }
}
