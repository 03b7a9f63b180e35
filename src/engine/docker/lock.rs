//! The lock of a stack: a container that is created and never started.
//!
//! The engine makes a name once, so of two who create it one wins; and it is
//! removed by id, so that nobody removes the lock of whoever came next. It has
//! no label of the project: it is no part of the stack, neither for a plan nor
//! for `docker compose`. A dead owner is known at once on the same machine, and
//! by its missing heartbeat from any other. Next: `owner.rs` (who holds it).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;
use scalectl_engine::EngineError;
use scalectl_plan::LABELS;
use tokio::time::Instant;

use crate::errors::Fault;
use crate::owner::LockOwner;
use crate::{DockerEngine, time};

const LIMIT: u64 = 120;
const BEAT: Duration = Duration::from_secs(5);
/// Three beats: an owner that is slow is not taken for dead.
const SILENCE: Duration = Duration::from_secs(16);
const BEAT_FILE: &str = "scalectl-beat";
/// Each turn somebody else was quicker; for that long it is something else.
const TURNS: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    #[error("another scalectl works on this stack: {owner}, since {age_seconds} s")]
    #[diagnostic(
        code(scalectl::engine::locked),
        help(
            "wait until it ends, or stop it where it runs, then run the same command again; if it cannot be stopped, `docker rm {name}` takes its lock away, and it ends by itself at its next heartbeat"
        )
    )]
    Held {
        /// The lock itself.
        name: String,
        owner: Box<LockOwner>,
        age_seconds: u64,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
}

/// A held lock. Given back by `release`; of a process that died without it the
/// next one takes it over.
pub struct LockGuard {
    id: String,
    name: String,
    is_lost: Arc<AtomicBool>,
    heart: tokio::task::JoinHandle<()>,
    taken_from: Option<DeadOwner>,
}

/// Whose lock was taken over, because it ended without giving it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadOwner {
    pub owner: LockOwner,
    /// The lock that it had.
    pub(crate) lock: String,
    /// When it took it, in seconds since 1970 by the engine's clock.
    pub(crate) since: u64,
}

/// The lock's name for a project.
pub fn lock_name(project: &str) -> String {
    format!("{project}-scalectl-lock")
}

impl DockerEngine {
    /// Takes the lock of `project`, or says who holds it. `image` is any image
    /// that the engine has: nothing of it is ever run.
    ///
    /// An owner on another machine is listened to for 16 s before it counts as
    /// dead.
    ///
    /// # Errors
    /// `Held` by a living owner; a container of that name that is no lock; what
    /// the engine refuses.
    pub async fn acquire_lock(
        &self,
        project: &str,
        image: &str,
        owner: &LockOwner,
    ) -> Result<LockGuard, LockError> {
        let name = lock_name(project);
        let give_up = Instant::now() + TURNS;
        let mut dead = None;
        while Instant::now() < give_up {
            if let Some(id) = self.create_lock(&name, image, owner).await? {
                return Ok(self.guard(id, name, dead));
            }
            let Some((id, held, created)) = self.holder(&name).await? else {
                // Given back since, or an engine that reserves the name first
                // and shows the container later.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let Some(held) = held else {
                let owner = "a container that is no lock".to_owned();
                return Err(EngineError::NameTaken { name, owner }.into());
            };
            // Our own, made by a call whose answer was lost.
            if held.token == owner.token {
                return Ok(self.guard(id, name, dead));
            }
            let is_alive = match held.is_alive() {
                Some(known) => known,
                None => self.has_heartbeat(&id).await?,
            };
            if is_alive {
                // Both by the engine's clock, whatever the owner's says.
                let age_seconds = self.engine_seconds().saturating_sub(created);
                return Err(LockError::Held {
                    name,
                    owner: Box::new(held),
                    age_seconds,
                });
            }
            self.remove_lock(&name, &id).await?;
            dead = Some(DeadOwner {
                owner: held,
                lock: id,
                since: created,
            });
        }
        let message = "its lock changes hands too quickly; run the same command again".to_owned();
        Err(EngineError::Refused {
            action: format!("lock {project}"),
            message,
        }
        .into())
    }

    /// The new lock's id; none if the name is taken.
    async fn create_lock(
        &self,
        name: &str,
        image: &str,
        owner: &LockOwner,
    ) -> Result<Option<String>, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(vec!["/scalectl-lock-is-never-started".to_owned()]),
            labels: Some(HashMap::from([(LABELS.lock.to_owned(), owner.to_label())])),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        match self
            .within(LIMIT, self.docker.create_container(Some(options), body))
            .await
        {
            Ok(made) => Ok(Some(made.id)),
            Err(fault) if fault.status() == Some(409) => Ok(None),
            // It may be made: a look at the name tells.
            Err(Fault::Lost(_)) => Ok(None),
            Err(fault) if fault.status() == Some(404) => {
                Err(crate::apply::image_missing(image, String::new()))
            }
            Err(fault) => Err(self.changing(&format!("create {name}"), fault)),
        }
    }

    /// Who holds the name: id, owner (none if it is no lock) and since when.
    async fn holder(
        &self,
        name: &str,
    ) -> Result<Option<(String, Option<LockOwner>, u64)>, EngineError> {
        let found = match self.inspect(name).await {
            Ok(found) => found,
            Err(fault) if fault.status() == Some(404) => return Ok(None),
            Err(fault) => return Err(self.reading("tell who holds the lock", fault)),
        };
        let label = found
            .config
            .and_then(|config| config.labels)
            .and_then(|mut labels| labels.remove(LABELS.lock));
        let owner = label.map(|label| LockOwner::from_label(&label));
        let created = found
            .created
            .as_deref()
            .and_then(time::nanos)
            .map_or(0, |nanos| nanos / 1_000_000_000);
        Ok(found.id.map(|id| (id, owner, created)))
    }

    async fn remove_lock(&self, name: &str, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new()
            .v(true)
            .force(true)
            .build();
        match self
            .within(LIMIT, self.docker.remove_container(id, Some(options)))
            .await
        {
            // Gone, or about to be: the next create tells.
            Err(fault) if matches!(fault.status(), Some(404 | 409)) => Ok(()),
            ended => ended.map_err(|fault| self.changing(&format!("remove {name}"), fault)),
        }
    }

    fn guard(&self, id: String, name: String, taken_from: Option<DeadOwner>) -> LockGuard {
        let is_lost = Arc::new(AtomicBool::new(false));
        let heart = tokio::spawn(beat(self.docker.clone(), id.clone(), Arc::clone(&is_lost)));
        LockGuard {
            id,
            name,
            is_lost,
            heart,
            taken_from,
        }
    }

    async fn has_heartbeat(&self, id: &str) -> Result<bool, EngineError> {
        let first = self.last_beat(id).await?;
        tokio::time::sleep(SILENCE).await;
        Ok(self.last_beat(id).await? != first)
    }

    /// The heartbeat's file as it is now; none before the first beat.
    async fn last_beat(&self, id: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(&format!("/{BEAT_FILE}"))
            .build();
        let read = async {
            let mut bytes = Vec::new();
            let mut parts = std::pin::pin!(self.docker.download_from_container(id, Some(options)));
            while let Some(part) = parts.next().await {
                bytes.extend_from_slice(&part?);
            }
            Ok(bytes)
        };
        match self.within(LIMIT, read).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(fault) if fault.status() == Some(404) => Ok(None),
            Err(fault) => Err(self.reading("tell whether the lock's owner lives", fault)),
        }
    }
}

impl LockGuard {
    /// Whether somebody took the lock away: work must stop then.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Whose lock this was, if that one ended without giving it back: what it had
    /// asked for may still be under way (`DockerEngine::settle`).
    pub fn taken_from(&self) -> Option<&DeadOwner> {
        self.taken_from.as_ref()
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// The engine does not answer; the lock of a dead process does not stay.
    pub async fn release(self, engine: &DockerEngine) -> Result<(), EngineError> {
        self.heart.abort();
        engine.remove_lock(&self.name, &self.id).await
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

/// Writes the count of its beats into the lock until it is stopped or the lock
/// is gone. An engine that does not answer is tried again.
async fn beat(docker: bollard::Docker, id: String, is_lost: Arc<AtomicBool>) {
    for count in 1_u64.. {
        tokio::time::sleep(BEAT).await;
        let Ok(archive) = beat_archive(count) else {
            return;
        };
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let sent =
            docker.upload_to_container(&id, Some(options), bollard::body_full(archive.into()));
        if let Ok(Err(error)) = tokio::time::timeout(BEAT, sent).await
            && Fault::from(error).status() == Some(404)
        {
            is_lost.store(true, Ordering::Relaxed);
            return;
        }
    }
}

fn beat_archive(count: u64) -> std::io::Result<Vec<u8>> {
    let text = count.to_string();
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o444);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, BEAT_FILE, text.as_bytes())?;
    archive.into_inner()
}
