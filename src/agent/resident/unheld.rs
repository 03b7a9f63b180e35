//! Why transactions could not be held, for whoever reads it: which session kept the
//! hold waiting, since when, with which statement.

use std::fmt;

use scalectl_migrate::Session;

use super::handover::StepError;
use crate::log::chain;

/// Sessions that are named; further ones are counted.
const NAMED: usize = 3;

/// Nothing is held, and nothing was.
#[derive(Clone, Debug, thiserror::Error, miette::Diagnostic)]
pub enum Unheld {
    #[error("this stack has no pooler that could hold transactions")]
    NoPooler,
    #[error("transactions could not be held in {tries} tries: {who}")]
    Kept { tries: u32, who: String },
}

/// Who kept the last try waiting.
pub struct WhoKept(Kept);

enum Kept {
    Sessions(Vec<Session>),
    Refused(String),
    Unknown(String),
}

impl WhoKept {
    pub fn new() -> Self {
        Self(Kept::Sessions(Vec::new()))
    }

    pub fn was_refused(&mut self, why: String) {
        self.0 = Kept::Refused(why);
    }

    /// One that is known stays so where the next look sees nobody.
    pub fn was_kept(&mut self, by: Result<Vec<Session>, StepError>) {
        let is_known = matches!(&self.0, Kept::Sessions(known) if !known.is_empty());
        match by {
            Ok(sessions) if sessions.is_empty() && is_known => {}
            Ok(sessions) => self.0 = Kept::Sessions(sessions),
            Err(_) if is_known => {}
            Err(error) => self.0 = Kept::Unknown(chain(&error).to_string()),
        }
    }

    pub fn unheld(&self, tries: u32) -> Unheld {
        Unheld::Kept {
            tries,
            who: self.to_string(),
        }
    }
}

impl fmt::Display for WhoKept {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kept::Refused(why) => write!(to, "the pooler refused ({why})"),
            Kept::Unknown(why) => write!(
                to,
                "a transaction was open all the time; whose it is could not be asked ({why})"
            ),
            Kept::Sessions(sessions) if sessions.is_empty() => write!(
                to,
                "no single transaction was open for long, yet they did not end together in time"
            ),
            Kept::Sessions(sessions) => {
                for (at, one) in sessions.iter().take(NAMED).enumerate() {
                    let joint = if at == 0 { "" } else { "; " };
                    write!(
                        to,
                        "{joint}a transaction of {} is {}",
                        one.who(),
                        one.what()
                    )?;
                }
                match sessions.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(to, "; and {more} more"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(pid: u32) -> Session {
        Session {
            pid,
            user: Some("app".to_owned()),
            application: Some("shop".to_owned()),
            client: Some("172.18.0.9".to_owned()),
            state: Some("idle in transaction".to_owned()),
            open_ms: Some(34_500),
            since: Some("2026-11-23T19:40:02Z".to_owned()),
            statement: Some("UPDATE orders SET total = ?".to_owned()),
            ..Session::default()
        }
    }

    #[test]
    fn who_kept_a_hold_waiting_is_named_and_stays_so_when_a_look_misses_him() {
        let mut who = WhoKept::new();
        who.was_kept(Ok(vec![session(47)]));
        who.was_kept(Ok(Vec::new()));
        who.was_kept(Err(StepError::Unknown("db-1".to_owned())));
        assert_eq!(
            who.unheld(20).to_string(),
            "transactions could not be held in 20 tries: a transaction of process 47, user app, \
             application shop, client 172.18.0.9 is open since 2026-11-23T19:40:02Z (34 s), \
             idle in transaction, its last statement: UPDATE orders SET total = ?"
        );
        who.was_kept(Ok((1..=5).map(session).collect()));
        let told = who.to_string();
        assert_eq!(told.matches("process").count(), NAMED, "{told}");
        assert!(told.ends_with("; and 2 more"), "{told}");
    }

    #[test]
    fn nobody_is_blamed_where_nobody_was_seen() {
        let mut who = WhoKept::new();
        who.was_kept(Ok(Vec::new()));
        assert!(
            who.to_string().starts_with("no single transaction"),
            "{who}"
        );
        who.was_kept(Err(StepError::Unknown("db-1".to_owned())));
        assert!(who.to_string().contains("there is no member db-1"), "{who}");
    }
}
