//! Waiting until a container is healthy or has ended, by events.
//!
//! The stream tells; an inspect is made only where it cannot have told all: the
//! start was before the stream, the stream broke, a container with a restart
//! policy ended, or nothing came for a while. Ends within its deadline whatever
//! the engine does. Next: `events.rs` (the stream), `logs.rs` (the last lines).

use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, RestartPolicyNameEnum,
};
use bollard::query_parameters::InspectContainerOptions;
use scalectl_documents::Span;
use scalectl_engine::{EngineError, LogTail};
use scalectl_plan::{Await, LABELS};
use tokio::time::Instant;

use crate::DockerEngine;
use crate::errors::Fault;

/// Events can be lost (an engine drops them for a slow reader, and answers a
/// moment before it has subscribed): look anyway, soon once and then seldom.
const FIRST_LOOK: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// A container that its restart policy brings back may come right, for what it
/// needs may come later; the engine doubles the pause from 100 ms each time, so
/// this many ends take at least three seconds.
const ENDS_UNTIL_HOPELESS: i64 = 5;
pub(crate) const TAIL: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);
const LOOK_LIMIT: u64 = 30;

/// What one look at a container means for a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Reached,
    NotYet,
    Ended {
        code: i64,
        out_of_memory: bool,
    },
    Gone,
    NoHealthCheck,
    /// The stream does not tell enough: inspect.
    Look,
}

pub(crate) fn word(wait: Await) -> &'static str {
    match wait {
        Await::Healthy => "healthy",
        Await::Completed => "done",
        Await::Well { .. } => "well",
    }
}

impl DockerEngine {
    pub(crate) async fn wait(
        &self,
        container: &str,
        wait: Await,
        deadline: Span,
    ) -> Result<(), EngineError> {
        let waits = async {
            match wait {
                Await::Well { settle } => self.until_well(container, settle).await,
                _ => self.wait_without_end(container, wait).await,
            }
        };
        match tokio::time::timeout(deadline.0, waits).await {
            Ok(ended) => ended,
            Err(_) => Err(self.too_late(container, wait, deadline).await),
        }
    }

    async fn wait_without_end(&self, container: &str, wait: Await) -> Result<(), EngineError> {
        let mut next_look = Instant::now() + FIRST_LOOK;
        loop {
            let changed = self.events.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let generation = self
                .events
                .ensure_open()
                .await
                .map_err(|fault| self.blind(container, fault))?;
            let mut verdict = match self.events.seen(container) {
                Some(_) if Instant::now() >= next_look => Verdict::Look,
                Some(track) => from_events(&track, wait),
                None => {
                    self.events.watch(container, generation);
                    Verdict::Look
                }
            };
            if verdict == Verdict::Look {
                next_look = Instant::now() + LOOK_AGAIN;
                verdict = self.look_at(container, wait, generation).await?;
            }
            match verdict {
                Verdict::Reached => return Ok(()),
                // Late or told: both lead to the next turn.
                Verdict::NotYet => drop(tokio::time::timeout_at(next_look, changed).await),
                Verdict::Look => tokio::time::sleep(PAUSE).await,
                bad => return Err(self.explain(container, wait, bad).await),
            }
        }
    }

    /// What a container has tells what is waited for, so it is inspected first. One
    /// without a check is seen twice, `settle` apart, in one life: its time by the
    /// engine's clock needs no comparison with the one here.
    async fn until_well(&self, container: &str, settle: Span) -> Result<(), EngineError> {
        let mut life = None;
        loop {
            let found = match self.inspect(container).await {
                Ok(found) => found,
                Err(Fault::Unsent(_) | Fault::Lost(_)) => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(fault) if fault.status() == Some(404) => {
                    let subject = container.to_owned();
                    return Err(EngineError::Gone { subject });
                }
                Err(fault) => return Err(self.blind(container, fault)),
            };
            if let Some(wait) = own_wait(&found) {
                return self.wait_without_end(container, wait).await;
            }
            let wait = Await::Well { settle };
            let pause = match from_inspect(&found, wait) {
                Verdict::NotYet => match life_of(&found) {
                    Some(now) if life.as_ref() == Some(&now) => return Ok(()),
                    Some(now) => {
                        life = Some(now);
                        settle.0
                    }
                    None => PAUSE,
                },
                bad => return Err(self.explain(container, wait, bad).await),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One inspect. A lost answer means to look again on a new stream, which
    /// gives an engine that is being restarted its time.
    async fn look_at(
        &self,
        container: &str,
        wait: Await,
        generation: u64,
    ) -> Result<Verdict, EngineError> {
        match self.inspect(container).await {
            Ok(found) => {
                self.events
                    .found(container, found.id.as_deref().unwrap_or_default());
                Ok(from_inspect(&found, wait))
            }
            Err(fault) if fault.status() == Some(404) => Ok(Verdict::Gone),
            Err(Fault::Unsent(_) | Fault::Lost(_)) => {
                self.events.distrust(generation);
                Ok(Verdict::Look)
            }
            Err(fault) => Err(self.blind(container, fault)),
        }
    }

    pub(crate) fn blind(&self, container: &str, fault: Fault) -> EngineError {
        self.reading(&format!("tell how {container} is"), fault)
    }

    async fn too_late(&self, container: &str, wait: Await, deadline: Span) -> EngineError {
        match self.inspect(container).await {
            Err(fault @ (Fault::Unsent(_) | Fault::Lost(_))) => self.blind(container, fault),
            found => EngineError::Deadline {
                container: container.to_owned(),
                service: found
                    .map_or_else(|_| container.to_owned(), |found| service(found, container)),
                wanted: word(wait),
                seconds: deadline.0.as_secs(),
                tail: self.tail(container, TAIL).await,
            },
        }
    }

    pub(crate) async fn inspect(&self, container: &str) -> Result<ContainerInspectResponse, Fault> {
        self.within(
            LOOK_LIMIT,
            self.docker
                .inspect_container(container, None::<InspectContainerOptions>),
        )
        .await
    }

    async fn explain(&self, container: &str, wait: Await, verdict: Verdict) -> EngineError {
        match verdict {
            Verdict::Ended {
                code,
                out_of_memory,
            } => {
                let mut tail = self.tail(container, TAIL).await;
                if out_of_memory {
                    tail.0.push(
                        "(ended by the system: it used more memory than its limit)".to_owned(),
                    );
                }
                let service = self.service_of(container).await;
                EngineError::Ended {
                    container: container.to_owned(),
                    service,
                    wanted: word(wait),
                    code,
                    tail,
                }
            }
            Verdict::NoHealthCheck => EngineError::Refused {
                action: format!("wait for {container}"),
                message: "it has no health check".to_owned(),
            },
            Verdict::Gone | Verdict::Reached | Verdict::NotYet | Verdict::Look => {
                EngineError::Gone {
                    subject: container.to_owned(),
                }
            }
        }
    }

    /// The service that a container was made for; its own name if it has none.
    pub(crate) async fn service_of(&self, container: &str) -> String {
        self.inspect(container)
            .await
            .map_or_else(|_| container.to_owned(), |found| service(found, container))
    }

    pub(crate) async fn tail(&self, container: &str, lines: usize) -> LogTail {
        LogTail(self.last_lines(container, lines).await.unwrap_or_default())
    }
}

fn service(found: ContainerInspectResponse, container: &str) -> String {
    let labels = found.config.and_then(|config| config.labels);
    labels
        .and_then(|mut labels| labels.remove(LABELS.service))
        .unwrap_or_else(|| container.to_owned())
}

fn from_events(track: &crate::events::Track, wait: Await) -> Verdict {
    match (track.gone, track.ended, wait) {
        (true, ..) => Verdict::Gone,
        (_, Some(0), Await::Completed) => Verdict::Reached,
        // A restart policy may bring it back: only an inspect tells.
        (_, Some(_), _) => Verdict::Look,
        (_, None, Await::Healthy) if track.healthy => Verdict::Reached,
        (_, None, _) => Verdict::NotYet,
    }
}

fn from_inspect(found: &ContainerInspectResponse, wait: Await) -> Verdict {
    use ContainerStateStatusEnum as Status;
    let Some(state) = &found.state else {
        return Verdict::NotYet;
    };
    let code = state.exit_code.unwrap_or(-1);
    let ended = Verdict::Ended {
        code,
        out_of_memory: state.oom_killed == Some(true),
    };
    match state.status {
        Some(Status::EXITED | Status::DEAD) if wait == Await::Completed && code == 0 => {
            Verdict::Reached
        }
        Some(Status::EXITED | Status::DEAD) => ended,
        Some(Status::RESTARTING) if is_hopeless(found) => ended,
        Some(Status::REMOVING) => Verdict::Gone,
        Some(Status::RUNNING) if wait == Await::Healthy => {
            match state.health.as_ref().and_then(|health| health.status) {
                Some(HealthStatusEnum::HEALTHY) => Verdict::Reached,
                Some(HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY) => Verdict::NotYet,
                Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => {
                    Verdict::NoHealthCheck
                }
            }
        }
        _ => Verdict::NotYet,
    }
}

/// The wait that fits what a container has; none for one that only has to run.
fn own_wait(found: &ContainerInspectResponse) -> Option<Await> {
    let state = found.state.as_ref();
    let health = state.and_then(|state| state.health.as_ref()?.status);
    let policy = found.host_config.as_ref();
    let policy = policy.and_then(|it| it.restart_policy.as_ref()?.name);
    use RestartPolicyNameEnum as Name;
    match (health, policy) {
        (None | Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY), policy) => {
            let is_one_shot = matches!(policy, None | Some(Name::NO | Name::EMPTY));
            is_one_shot.then_some(Await::Completed)
        }
        (Some(_), _) => Some(Await::Healthy),
    }
}

/// When the life began that a container has now; none if it does not run.
fn life_of(found: &ContainerInspectResponse) -> Option<String> {
    let state = found.state.as_ref()?;
    let is_running = state.status == Some(ContainerStateStatusEnum::RUNNING);
    state.started_at.clone().filter(|_| is_running)
}

fn is_hopeless(found: &ContainerInspectResponse) -> bool {
    found.restart_count.unwrap_or_default() >= ENDS_UNTIL_HOPELESS
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
