//! Up: every container is a task that goes as soon as what it needs holds.

use std::rc::Rc;

use scalectl_documents::{Compose, Condition, Service};
use serde_json::json;
use tokio::task::JoinSet;

use crate::bodies;
use crate::error::FloorError;
use crate::events::Events;
use crate::stack::{self, Stage, Stages};
use crate::width::{Width, place};
use crate::wire::{Request, Wire};

struct Up {
    compose: Compose,
    wire: Rc<Wire>,
    width: Width,
    events: Rc<Events>,
    stages: Stages,
    /// Networks and volumes that are not made yet.
    unmade: tokio::sync::watch::Sender<Vec<String>>,
}

pub async fn up(compose: Compose, wire: Rc<Wire>, width: Width) -> Result<(), FloorError> {
    let events = Events::open(&wire).await?;
    let networks = stack::all_networks(&compose);
    let networks: Vec<_> = networks
        .iter()
        .map(|key| (key.clone(), compose.network_name(key)))
        .collect();
    let volumes: Vec<_> = compose
        .volumes
        .keys()
        .map(|key| compose.volume_name(key))
        .collect();
    let unmade = networks
        .iter()
        .map(|(_, name)| name)
        .chain(&volumes)
        .cloned()
        .collect();
    let up = Rc::new(Up {
        stages: Stages::of(&compose),
        unmade: tokio::sync::watch::channel(unmade).0,
        compose,
        wire,
        width,
        events,
    });
    let mut tasks: JoinSet<Result<(), FloorError>> = JoinSet::new();
    for (key, name) in networks {
        let up = Rc::clone(&up);
        tasks.spawn_local(async move { up.network(&key, &name).await });
    }
    for name in volumes {
        let up = Rc::clone(&up);
        tasks.spawn_local(async move { up.volume(&name).await });
    }
    for (service, number, name) in stack::containers(&up.compose) {
        let up = Rc::clone(&up);
        tasks.spawn_local(async move { up.container(&service, number, &name).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|_| FloorError::Blind)??;
    }
    Ok(())
}

impl Up {
    async fn network(&self, key: &str, name: &str) -> Result<(), FloorError> {
        let network = self.compose.networks.get(key);
        let body = json!({
            "Name": name,
            "Driver": "bridge",
            "Internal": network.is_some_and(|it| it.internal),
            "Labels": {"com.docker.compose.project": self.compose.name, "com.docker.compose.network": key},
        });
        self.wire
            .json("POST", "/networks/create", Some(&body), &[])
            .await?;
        self.made(name);
        Ok(())
    }

    async fn volume(&self, name: &str) -> Result<(), FloorError> {
        let body = json!({"Name": name, "Labels": {"dev.scalectl.project": self.compose.name}});
        self.wire
            .json("POST", "/volumes/create", Some(&body), &[])
            .await?;
        self.made(name);
        Ok(())
    }

    fn made(&self, name: &str) {
        self.unmade
            .send_modify(|unmade| unmade.retain(|it| it != name));
    }

    async fn container(&self, service: &str, number: u32, name: &str) -> Result<(), FloorError> {
        let definition = &self.compose.services[service];
        self.needs(definition).await;
        self.create(service, definition, number, name).await?;
        self.stages.reached(service, Stage::Created);
        self.fill(definition, name).await?;
        self.dependencies(definition).await;
        {
            let _place = place(&self.width.starts).await;
            let path = format!("/containers/{name}/start");
            self.wire.json("POST", &path, None, &[]).await?;
        }
        self.stages.reached(service, Stage::Started);
        if definition.is_one_shot() {
            self.events.until_done(name).await?;
        } else if definition.healthcheck.is_some() {
            self.events.until_healthy(name).await?;
        }
        self.known(definition, name).await?;
        self.stages.reached(service, Stage::Well);
        Ok(())
    }

    /// Until what a create call names is there.
    async fn needs(&self, service: &Service) {
        let networks = stack::networks(service);
        let networks = networks.iter().map(|key| self.compose.network_name(key));
        let volumes = service
            .volumes
            .iter()
            .map(|it| self.compose.volume_name(&it.source));
        let needs: Vec<_> = networks.chain(volumes).collect();
        let mut unmade = self.unmade.subscribe();
        drop(
            unmade
                .wait_for(|unmade| !needs.iter().any(|it| unmade.contains(it)))
                .await,
        );
        if let Some(holder) = service.network_of() {
            self.stages.until(holder, Stage::Created).await;
        }
    }

    async fn create(
        &self,
        service: &str,
        definition: &Service,
        number: u32,
        name: &str,
    ) -> Result<(), FloorError> {
        let at_once = self.width.networks_per_create;
        let body = bodies::container(&self.compose, service, number, at_once);
        {
            let _place = place(&self.width.creates).await;
            let path = format!("/containers/create?name={name}");
            self.wire.json("POST", &path, Some(&body), &[]).await?;
        }
        for key in stack::networks(definition).into_iter().skip(at_once) {
            let body = json!({
                "Container": name,
                "EndpointConfig": bodies::endpoint(&self.compose, service, number, &key),
            });
            let path = format!("/networks/{}/connect", self.compose.network_name(&key));
            self.wire.json("POST", &path, Some(&body), &[]).await?;
        }
        Ok(())
    }

    /// Puts inline configs into a created container.
    async fn fill(&self, service: &Service, name: &str) -> Result<(), FloorError> {
        if service.configs.is_empty() {
            return Ok(());
        }
        let mut archive = tar::Builder::new(Vec::new());
        for mount in &service.configs {
            let config = self.compose.configs.get(&mount.source);
            let text = config
                .and_then(|it| it.content.as_deref())
                .unwrap_or_default();
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o444);
            let path = mount.target.trim_start_matches('/');
            archive
                .append_data(&mut header, path, text.as_bytes())
                .map_err(FloorError::Wire)?;
        }
        let body = archive.into_inner().map_err(FloorError::Wire)?;
        let request = Request {
            method: "PUT",
            path: &format!("/containers/{name}/archive?path=/"),
            content_type: "application/x-tar",
            body: &body,
        };
        self.wire.send(&request, &[]).await.map(drop)
    }

    async fn dependencies(&self, service: &Service) {
        for (other, dependency) in &service.depends_on {
            let stage = match dependency.condition {
                Condition::Started => Stage::Started,
                Condition::Healthy | Condition::Completed => Stage::Well,
            };
            self.stages.until(other, stage).await;
        }
        if let Some(holder) = service.network_of() {
            self.stages.until(holder, Stage::Started).await;
        }
    }

    /// Until those in front of a container know it, where it says how.
    async fn known(&self, service: &Service, name: &str) -> Result<(), FloorError> {
        let Some(hook) = &service.extension.ready else {
            return Ok(());
        };
        self.stages.until(&hook.service, Stage::Well).await;
        let command: Vec<_> = hook
            .command
            .iter()
            .map(|word| word.replace("{name}", name))
            .collect();
        let by = stack::container(&self.compose, &hook.service, 1);
        let body = json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true});
        let made = self
            .wire
            .json("POST", &format!("/containers/{by}/exec"), Some(&body), &[])
            .await?;
        let made: serde_json::Value = serde_json::from_slice(&made).unwrap_or_default();
        let id = made["Id"].as_str().unwrap_or_default();
        // Attached: the answer ends with the command.
        self.wire
            .until_closed(&format!("/exec/{id}/start"), b"{}")
            .await
            .map_err(FloorError::Wire)
    }
}
