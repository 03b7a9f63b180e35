//! The verbs of members (`/handover` beside Patroni's own API), and the switch of
//! automatic failover. Never decides anything. Next: images/postgres/handover.py.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::cluster::View;
use super::super::config::{Database, Member};
use super::super::database::{PATIENCE, at};
use super::super::http::{CallError, Client, Opened};
use super::super::unheld::Unheld;

/// Added to what a verb may take, for the way there and back.
const WAY: Duration = Duration::from_secs(1);

/// The status of a refusal that stays one. Its other home: images/postgres/handover.py.
const DECLINED: u16 = 409;
/// A verb that its image does not have.
const NOT_UNDERSTOOD: u16 = 400;

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StepError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Call(#[from] CallError),
    #[error("{member} did not {verb}: {why}")]
    Refused {
        member: String,
        verb: &'static str,
        why: String,
    },
    /// For good: asking again changes nothing.
    #[error("{member} refused to {verb}: {why}")]
    Declined {
        member: String,
        verb: &'static str,
        why: String,
    },
    /// Its image is of another version than the agent's.
    #[error(
        "{member} does not know the verb `{verb}`, for its image is older than the agent's: `scalectl images build`, then `scalectl up` replaces the members, one after the other; then try again"
    )]
    Older { member: String, verb: &'static str },
    /// Nothing was asked of anybody: what was found does not fit.
    #[error("{0}")]
    Unfit(String),
    #[error("there is no member {0}")]
    Unknown(String),
    #[error("write the journal")]
    Journal(#[from] std::io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unheld(Unheld),
}

/// Where a member stands, as far as it tells.
#[derive(Debug, Deserialize)]
pub struct Stand {
    /// The state in its control data: `in production`, `shut down`, ...
    pub control: String,
    /// Where its last checkpoint begins: after a shutdown, where its log ends.
    #[serde(default)]
    pub checkpoint_lsn: Option<String>,
}

pub struct Members {
    pub config: Arc<Database>,
    pub client: Arc<Client>,
}

/// A way to one member that is open already, for one question.
pub struct Way {
    member: Member,
    opened: Opened,
}

impl Members {
    /// The names of all in that member's cluster.
    pub fn beside(&self, name: &str) -> impl Iterator<Item = &str> {
        let members = self.config.beside(name);
        members.map(|member| member.name.as_str())
    }

    /// Opens a way, so that the question itself waits for no handshake.
    pub async fn open(&self, name: &str) -> Result<Way, StepError> {
        let member = self.find(name)?;
        let url = at(&member, "/handover");
        let opened = self.client.open("POST", &url, PATIENCE).await?;
        Ok(Way { member, opened })
    }

    /// Asks over a way of its own.
    pub async fn ask(
        &self,
        name: &str,
        verb: &'static str,
        limit: Duration,
        more: Value,
    ) -> Result<Value, StepError> {
        self.open(name).await?.ask(verb, limit, more).await
    }

    /// Has automatic failover switched off or on in the store; members take it in
    /// a moment later (the verb `paused` waits for that).
    pub async fn pause(&self, name: &str, paused: bool) -> Result<(), StepError> {
        let value = if paused { json!(true) } else { Value::Null };
        let way = self.open(name).await?;
        way.configure(&json!({ "pause": value })).await
    }

    /// The cluster as that member sees it.
    pub async fn view(&self, name: &str) -> Result<View, StepError> {
        let url = at(&self.find(name)?, "/cluster");
        let heard = self.client.ask("GET", &url, None, PATIENCE).await?;
        let read = View::parse(&heard.answer.body).map_err(|source| CallError::Json {
            url: url.to_string(),
            source,
        })?;
        Ok(read)
    }

    pub fn find(&self, name: &str) -> Result<Member, StepError> {
        let found = self.config.member(name).cloned();
        found.ok_or_else(|| StepError::Unknown(name.to_owned()))
    }
}

impl Way {
    /// Changes the configuration of the member's cluster, as a merge patch.
    pub async fn configure(self, patch: &Value) -> Result<(), StepError> {
        let url = at(&self.member, "/config");
        let body = patch.to_string();
        let heard = self
            .opened
            .ask("PATCH", &url, Some(&body), PATIENCE)
            .await?;
        match heard.answer.status {
            200 => Ok(()),
            status => Err(CallError::Status {
                method: "PATCH",
                url: url.to_string(),
                status,
            }
            .into()),
        }
    }

    /// Asks for one verb; `limit` is what the member itself may take for it.
    pub async fn ask(
        self,
        verb: &'static str,
        limit: Duration,
        more: Value,
    ) -> Result<Value, StepError> {
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let mut body = json!({ "verb": verb, "limit_ms": limit_ms });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let url = at(&self.member, "/handover");
        let heard = self
            .opened
            .ask("POST", &url, Some(&body.to_string()), limit + WAY)
            .await?;
        let told: Value =
            serde_json::from_slice(&heard.answer.body).map_err(|source| CallError::Json {
                url: url.to_string(),
                source,
            })?;
        if heard.answer.status == 200 {
            return Ok(told);
        }
        let why = told.get("error").and_then(Value::as_str);
        let why = why.unwrap_or("it does not say why").to_owned();
        let member = self.member.name;
        Err(match heard.answer.status {
            DECLINED => StepError::Declined { member, verb, why },
            NOT_UNDERSTOOD => StepError::Older { member, verb },
            _ => StepError::Refused { member, verb, why },
        })
    }
}
