//! Applying: one call of a plan becomes one call of the engine.
//!
//! A call whose goal is already reached (started, stopped, gone) is a success.
//! More than one request is made only where the engine's answer cannot be told
//! apart otherwise (who holds a name), or where an old engine needs it.
//! Must never retry what may have happened. Next: `places.rs`
//! (networks and volumes), `create.rs`, `errors.rs`.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptions, UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use scalectl_documents::Span;
use scalectl_engine::EngineError;
use scalectl_plan::{Call, ContainerSpec, InjectedFile, LABELS, Ownership};

use crate::context::Kind;
use crate::errors::{Fault, taken_port};
use crate::listener::process_on;
use crate::observe::{own_name, ownership};
use crate::{DockerEngine, create, files};

/// The first create from an image unpacks it, which takes a slow disk a while.
pub(crate) const SLOW: u64 = 600;
pub(crate) const QUICK: u64 = 120;
/// Without a grace of ours the container's own counts, which is not known here.
pub(crate) const LONGEST_GRACE: u64 = 86_400;
/// Beyond its grace a container is killed, which can take an engine a while.
const AFTER_GRACE: u64 = 120;

impl DockerEngine {
    pub(crate) async fn perform(&self, call: &Call) -> Result<(), EngineError> {
        match call {
            Call::PullImage { reference } => self.pull(reference).await,
            Call::CreateNetwork {
                name,
                internal,
                labels,
            } => self.create_network(name, *internal, labels).await,
            Call::RemoveNetwork { name, id } => self.remove_network(name, id).await,
            Call::CreateVolume { name, labels } => self.create_volume(name, labels).await,
            Call::RemoveVolume { name } => self.remove_volume(name).await,
            Call::CreateContainer { spec } => self.create(spec).await,
            Call::ConnectNetwork { container, place } => {
                self.connect_network(container, place).await
            }
            Call::UploadFiles { container, files } => self.upload(container, files).await,
            Call::StartContainer { container } => self.start(container).await,
            Call::UnpauseContainer { container } => self.unpause(container).await,
            Call::StopContainer { name, id, grace } => self.stop(name, id, *grace).await,
            Call::RemoveContainer { name, id } => self.remove(name, id).await,
            Call::Exec {
                container,
                command,
                deadline,
            } => self.exec(container, command, *deadline).await,
            Call::AwaitEnd { name, id } => self.until_ended(name, id).await,
            Call::Await {
                container,
                wait,
                deadline,
            } => self.wait(container, *wait, *deadline).await,
        }
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<(), EngineError> {
        let options = CreateContainerOptionsBuilder::new()
            .name(&spec.name)
            .build();
        let body = create::body(spec, self.image_for(spec), self.api);
        let Err(fault) = self
            .within(SLOW, self.docker.create_container(Some(options), body))
            .await
        else {
            return Ok(());
        };
        let action = format!("create {}", spec.name);
        match &fault {
            Fault::Answered {
                status: 404,
                message,
            } if is_about_image(message) => Err(image_missing(&spec.service.image, String::new())),
            Fault::Answered {
                status: 409,
                message,
            } if message.contains("already in use") => Err(self
                .container_name_taken(&spec.name, spec.labels.get(LABELS.project), action)
                .await),
            _ => Err(self.changing(&action, fault)),
        }
    }

    /// The first container of an image is made by the image's name, as people
    /// see it in `docker ps`; the others by its id. At each list the engine looks
    /// every name up again (2 ms on the containerd store), and no id: with 20
    /// containers of one image a list takes 2 ms and not 40.
    fn image_for<'a>(&self, spec: &'a ContainerSpec) -> &'a str {
        let name = spec.service.image.as_str();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let id = spec
            .labels
            .get(LABELS.compose_image)
            .filter(|id| !id.is_empty());
        match id {
            Some(id) if !named.insert(name.to_owned()) => id,
            _ => name,
        }
    }

    async fn container_name_taken(
        &self,
        name: &str,
        project: Option<&String>,
        action: String,
    ) -> EngineError {
        let pattern = format!("^/{name}$");
        let found = self
            .containers(HashMap::from([("name", vec![pattern.as_str()])]))
            .await
            .unwrap_or_default();
        let holder = found
            .into_iter()
            .find(|summary| own_name(summary) == Some(name));
        let image = holder
            .as_ref()
            .and_then(|summary| summary.image.clone())
            .unwrap_or_default();
        let labels = holder
            .and_then(|summary| summary.labels)
            .unwrap_or_default();
        let project = project.map(String::as_str).unwrap_or_default();
        match ownership(project, &labels, || format!("image {image}")) {
            Ownership::Foreign { owner } => EngineError::NameTaken {
                name: name.to_owned(),
                owner,
            },
            Ownership::Ours => appeared(action),
        }
    }

    async fn upload(&self, container: &str, files: &[InjectedFile]) -> Result<(), EngineError> {
        let archive = files::archive(files, &self.values)?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let body = bollard::body_full(archive.into());
        let ended = self
            .within(
                QUICK,
                self.docker
                    .upload_to_container(container, Some(options), body),
            )
            .await;
        ended.map_err(|fault| {
            self.lost_or_gone(container, &format!("put files into {container}"), fault)
        })
    }

    async fn start(&self, container: &str) -> Result<(), EngineError> {
        let action = format!("start {container}");
        let generation = self
            .events
            .ensure_open()
            .await
            .map_err(|fault| self.reading(&action, fault))?;
        self.events.expect_start(container, generation);
        let ended = self
            .within(
                SLOW,
                self.docker
                    .start_container(container, None::<StartContainerOptions>),
            )
            .await;
        let Err(fault) = ended else { return Ok(()) };
        self.events.forget(container);
        let port = match &fault {
            Fault::Answered { message, .. } => taken_port(message),
            _ => None,
        };
        match port {
            Some((address, port)) => {
                let by = self.holder_of(&address, port, container).await;
                Err(EngineError::PortTaken { address, port, by })
            }
            None => Err(self.lost_or_gone(container, &action, fault)),
        }
    }

    /// Who has a port: a container that publishes it, or a process of this machine,
    /// where the engine is here.
    async fn holder_of(&self, address: &str, port: u16, but: &str) -> Option<String> {
        let container = self.publisher_of(address, port, but).await;
        container.or_else(|| match self.wire.place().kind {
            Kind::Unix(_) => process_on(address, port),
            _ => None,
        })
    }

    async fn publisher_of(&self, address: &str, port: u16, but: &str) -> Option<String> {
        let found = self.containers(HashMap::new()).await.ok()?;
        let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0" || ip == "::";
        let holder = found.iter().find(|summary| {
            let mut ports = summary.ports.iter().flatten();
            let same = |ip: &str| any(ip) || any(address) || ip == address;
            own_name(summary) != Some(but)
                && ports.any(|held| {
                    held.public_port == Some(port) && same(held.ip.as_deref().unwrap_or_default())
                })
        })?;
        own_name(holder).map(|name| format!("the container {name}"))
    }

    async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        match self
            .within(QUICK, self.docker.unpause_container(container))
            .await
        {
            Err(Fault::Answered { message, .. }) if message.contains("is not paused") => Ok(()),
            ended => ended.map_err(|fault| {
                self.lost_or_gone(container, &format!("unpause {container}"), fault)
            }),
        }
    }

    async fn stop(&self, name: &str, id: &str, grace: Option<Span>) -> Result<(), EngineError> {
        let t =
            grace.map(|grace| i32::try_from(create::whole_seconds(grace.0)).unwrap_or(i32::MAX));
        let limit = t.map_or(LONGEST_GRACE, |t| u64::from(t.unsigned_abs()) + AFTER_GRACE);
        let options = StopContainerOptions { signal: None, t };
        match self
            .within(limit, self.docker.stop_container(id, Some(options)))
            .await
        {
            Err(fault) if fault.status() == Some(404) => Ok(()),
            ended => ended.map_err(|fault| self.changing(&format!("stop {name}"), fault)),
        }
    }

    async fn remove(&self, name: &str, id: &str) -> Result<(), EngineError> {
        let action = format!("remove {name}");
        let options = RemoveContainerOptionsBuilder::new().v(true).build();
        match self
            .within(SLOW, self.docker.remove_container(id, Some(options)))
            .await
        {
            Err(fault) if fault.status() == Some(404) => Ok(()),
            Err(Fault::Answered {
                status: 409,
                message,
            }) if message.contains("in progress") => {
                let ended =
                    tokio::time::timeout(Duration::from_secs(QUICK), self.until_removed(id)).await;
                ended
                    .unwrap_or_else(|_| Err(Fault::late(QUICK)))
                    .map_err(|fault| self.changing(&action, fault))
            }
            ended => ended.map_err(|fault| self.changing(&action, fault)),
        }
    }

    async fn until_removed(&self, id: &str) -> Result<(), Fault> {
        let options = WaitContainerOptionsBuilder::new()
            .condition("removed")
            .build();
        let mut ends = std::pin::pin!(self.docker.wait_container(id, Some(options)));
        match ends.next().await.transpose() {
            // An exit code other than 0 comes as an error of bollard's own.
            Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. }) => Ok(()),
            Err(error) => match Fault::from(error) {
                fault if fault.status() == Some(404) => Ok(()),
                fault => Err(fault),
            },
        }
    }

    /// For a call on a container that may have been removed meanwhile. What it needs
    /// (a network, the holder of one, a path in it) is answered with 404, too.
    fn lost_or_gone(&self, container: &str, action: &str, fault: Fault) -> EngineError {
        match &fault {
            Fault::Answered {
                status: 404,
                message,
            } if is_about(message, container) => EngineError::Gone {
                subject: container.to_owned(),
            },
            _ => self.changing(action, fault),
        }
    }
}

/// Whether the engine misses this very container.
fn is_about(message: &str, container: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let missing = message.split_once("no such container:");
    missing.is_some_and(|(_, name)| name.trim() == container.to_ascii_lowercase())
}

fn is_about_image(message: &str) -> bool {
    message.to_ascii_lowercase().contains("no such image")
}

pub(crate) fn appeared(action: String) -> EngineError {
    let message =
        "something else works on this stack at the same moment; run the same command again"
            .to_owned();
    EngineError::Refused { action, message }
}

/// `reason` is what a registry said, where one was asked.
pub(crate) fn image_missing(reference: &str, reason: String) -> EngineError {
    let hint = match (reference.starts_with("scalectl/"), reason.is_empty()) {
        (true, _) => "`scalectl images build` builds it".to_owned(),
        (false, true) => format!("`docker pull {reference}` fetches it; is the name right?"),
        (false, false) => {
            format!("{reason}; is the name right, and may you read it (`docker login`)?")
        }
    };
    EngineError::ImageMissing {
        reference: reference.to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_container_itself_is_said_to_be_gone() {
        let is_about = |message| is_about(message, "shop-app-1");
        assert!(is_about("No such container: shop-app-1"));
        assert!(!is_about("No such container: shop-app-10"));
        assert!(!is_about("No such container: 77ff"), "its network's holder");
        assert!(!is_about("network shop_default not found"));
        assert!(!is_about(
            "Could not find the file /in in container shop-app-1"
        ));
    }
}
