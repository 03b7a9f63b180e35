//! Taking everything off a member that is about to be stopped.
//!
//! A standby's reads go to the others. The primary moves to a standby behind a
//! hold (`handover/`). One that nobody can take over from is
//! held for, until it is back. Whoever asked stops the member only after that;
//! if he never does, all goes on as before.
//! Every hold ends here, at a limit at the latest: beyond it clients see errors,
//! but nothing waits for ever. Next: `hold.rs`, `handover/`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::cluster::Own;
use super::config::{Database, Member};
use super::database::{Known, PATIENCE, at};
use super::handover::{Handover, HandoverError};
use super::hold::Traffic;
use super::http::{CallError, Client};
use super::pooler::Follow;
use super::sessions::Witness;
use crate::log::{Log, chain};

const LOG: Log = Log::new("vacate");
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long writes may wait for a move: ten times what one takes.
const HOLD_BUDGET: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// Whoever asked stops the member at once, or has died.
const STOPS_WITHIN: Duration = Duration::from_secs(5);
/// Below the pooler's query_wait_timeout and client_login_timeout.
const RESTART_LIMIT: Duration = Duration::from_secs(20);
/// A standby that was vacated and not stopped answers reads again after this.
const ASIDE_AT_MOST: Duration = Duration::from_secs(120);

pub struct Vacator {
    pub config: Arc<Database>,
    pub client: Arc<Client>,
    pub known: watch::Receiver<Known>,
    pub traffic: Arc<Traffic>,
    pub haste: Arc<Notify>,
    pub handover: Arc<Handover>,
    pub witness: Arc<Witness>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum VacateError {
    #[error("no database member is called {0}")]
    Unknown(String),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Handover(#[from] HandoverError),
}

impl Vacator {
    /// Makes a member ready to be stopped; what was done, in words.
    pub async fn vacate(
        self: &Arc<Self>,
        name: &str,
        patience: Duration,
    ) -> Result<String, VacateError> {
        let member = self.member(name)?;
        let turn = self.traffic.turn().await;
        match self.own(member).await {
            Err(error) => Ok(format!("{name} does not answer: {}", chain(&error))),
            Ok(own) if own.is_primary() => {
                match self.candidate(name, patience).await {
                    Some(to) => self.move_primary(member, &to, patience).await?,
                    None => return Ok(self.hold_for_return(member.clone(), turn).await),
                }
                self.aside(name).await;
                Ok(format!("{name} is no longer the primary"))
            }
            Ok(_) => {
                self.aside(name).await;
                Ok(format!("{name} answers no reads"))
            }
        }
    }

    fn member(&self, name: &str) -> Result<&Member, VacateError> {
        let mut members = self.config.members.iter();
        let found = members.find(|member| member.name == name);
        found.ok_or_else(|| VacateError::Unknown(name.to_owned()))
    }

    async fn own(&self, member: &Member) -> Result<Own, CallError> {
        let own = self
            .client
            .ask_json(&at(member, "/patroni"), PATIENCE)
            .await;
        own.map(|(own, _)| own)
    }

    async fn is_primary(&self, member: &Member) -> bool {
        self.own(member).await.is_ok_and(|own| own.is_primary())
    }

    /// No reads for a member until it was stopped and is back, which the
    /// cluster tells; or for a while.
    async fn aside(self: &Arc<Self>, name: &str) {
        self.traffic.put_aside(name).await;
        let (vacator, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            let is_running = |known: &Known| {
                let mut members = known.view.members.iter();
                members.any(|member| member.name == name && member.is_running)
            };
            let mut known = vacator.known.clone();
            let back = async {
                // Closed only when the agent ends.
                let _ = known.wait_for(|known| !is_running(known)).await;
                let _ = known.wait_for(is_running).await;
            };
            let _ = timeout(ASIDE_AT_MOST, back).await;
            vacator.traffic.bring_back(&name);
        });
    }

    /// Who takes over: of those that follow closely the one that was started
    /// last, for it is the one that has been replaced already.
    async fn candidate(&self, leaving: &str, patience: Duration) -> Option<Member> {
        if self.config.beside(leaving).count() < 2 {
            return None;
        }
        let deadline = Instant::now() + patience;
        loop {
            let view = self.known.borrow().view.clone();
            let mut found = Vec::new();
            for name in view.candidates(self.config.max_read_lag_bytes) {
                if let Ok(member) = self.member(name)
                    && name != leaving
                    && let Ok(own) = self.own(member).await
                {
                    found.push((own.postmaster_start_time, member));
                }
            }
            let last = found
                .into_iter()
                .max_by(|(one, _), (other, _)| one.cmp(other));
            if last.is_some() || Instant::now() >= deadline {
                return last.map(|(_, member)| member.clone());
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    /// Whoever calls has the turn.
    async fn move_primary(
        &self,
        from: &Member,
        to: &Member,
        patience: Duration,
    ) -> Result<(), VacateError> {
        let deadline = Instant::now() + patience;
        loop {
            let moved = self.handover.hand_over(&from.name, &to.name, HOLD_BUDGET);
            match moved.await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                // Told where it happened.
                Err(_) => sleep(BETWEEN_TRIES).await,
            }
            if !self.is_primary(from).await {
                // Failover was quicker.
                return Ok(());
            }
        }
    }

    /// Until that member takes writes, this agent knows it, and the pooler
    /// points at it.
    async fn followed(&self, primary: &Member) {
        loop {
            if self.is_primary(primary).await {
                self.haste.notify_one();
                let is_known = |known: &Known| known.primary.as_ref() == Some(&primary.name);
                let mut known = self.known.clone();
                if timeout(PATIENCE, known.wait_for(is_known)).await.is_ok() {
                    return self.traffic.follow(Follow::Known).await;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Holds transactions until a member that nobody can take over from was
    /// stopped and is back; answers as soon as they are held.
    async fn hold_for_return(
        self: &Arc<Self>,
        member: Member,
        turn: tokio::sync::OwnedMutexGuard<()>,
    ) -> String {
        let known = self.known.borrow().clone();
        let held = match self.traffic.hold(&known).await {
            Ok(held) => held,
            Err(error) => {
                return format!("clients will see that {} is away: {error}", member.name);
            }
        };
        let told = format!("transactions wait until {} is back", member.name);
        let vacator = Arc::clone(self);
        tokio::spawn(async move {
            if timeout(RESTART_LIMIT, vacator.returned(&member))
                .await
                .is_err()
            {
                LOG.warn(format_args!(
                    "{} is not back after {RESTART_LIMIT:?}: released all the same",
                    member.name
                ));
            }
            held.release().await;
            drop(turn);
        });
        told
    }

    /// Until a member was away and takes writes again; at once if it stays.
    async fn returned(&self, member: &Member) {
        let away = async {
            while self.is_primary(member).await {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(STOPS_WITHIN, away).await.is_err() {
            LOG.warn(format_args!("{} was not stopped", member.name));
            return;
        }
        self.followed(member).await;
    }
}
