//! The calls about containers.
//!
//! Docker's own rules, with where it was seen: a member joins the holder that
//! has the name when it is created, and keeps its id; a network is looked up by
//! name at the first start and by id at every later one; a stopped container
//! keeps its place in a network without an address (engine 2.0 and 20.10).

use std::collections::BTreeMap;

use scalectl_engine::{EngineError, LogTail};
use scalectl_plan::{
    Await, ContainerSpec, ContainerState, FileContent, Health, InjectedFile, LABELS, NetworkPlace,
};

use crate::calls::{Ended, refused};
use crate::look::ownership;
use crate::world::{Container, Endpoint, World};

/// Engines below this API version take one network in a create call.
const MANY_NETWORKS_PER_CREATE: (u32, u32) = (1, 44);

impl World {
    pub(crate) fn create(&mut self, spec: &ContainerSpec) -> Ended {
        let action = format!("create {}", spec.name);
        if let Some(there) = self.containers.get(&spec.name) {
            let project = spec.labels.get(LABELS.project).cloned();
            return match ownership(&project.unwrap_or_default(), &there.labels) {
                scalectl_plan::Ownership::Ours => refused(&action, "the name is in use"),
                scalectl_plan::Ownership::Foreign { owner } => Err(EngineError::NameTaken {
                    name: spec.name.clone(),
                    owner,
                }),
            };
        }
        let Some(image_id) = self.images.get(&spec.service.image).cloned() else {
            return Err(EngineError::ImageMissing {
                reference: spec.service.image.clone(),
                hint: String::new(),
            });
        };
        if spec.networks.len() > 1 && self.api < MANY_NETWORKS_PER_CREATE {
            return refused(&action, "more than one network in a create call");
        }
        let mut places = spec.networks.iter();
        if !places.all(|place| self.networks.contains_key(&place.network)) {
            return refused(&action, "network not found");
        }
        let mut volumes = spec.volume_names.iter();
        if !volumes.all(|volume| self.volumes.contains_key(volume)) {
            return refused(&action, "volume not found");
        }
        let joins = match &spec.network_of {
            None => None,
            Some(holder) => match self.containers.get(holder) {
                Some(holder) => Some(holder.id.clone()),
                None => return refused(&action, "the container to join is not there"),
            },
        };
        let places = spec.networks.iter();
        let container = Container {
            id: self.new_id("c"),
            labels: spec.labels.clone(),
            image_id,
            spec: spec.clone(),
            state: ContainerState::Created,
            health: Health::None,
            networks: places
                .map(|place| (place.network.clone(), Endpoint::default()))
                .collect(),
            joins,
            started_at: None,
            files: BTreeMap::new(),
        };
        self.containers.insert(spec.name.clone(), container);
        Ok(())
    }

    pub(crate) fn connect(&mut self, container: &str, place: &NetworkPlace) -> Ended {
        if !self.networks.contains_key(&place.network) {
            return gone(&place.network);
        }
        let endpoint = self.endpoint(&place.network);
        let it = self.get(container)?;
        if it.joins.is_some() {
            let action = format!("connect {container}");
            return refused(&action, "it lives in another container's network");
        }
        let endpoint = endpoint.filter(|_| it.has_processes()).unwrap_or_default();
        it.networks.entry(place.network.clone()).or_insert(endpoint);
        Ok(())
    }

    pub(crate) fn upload(&mut self, container: &str, files: &[InjectedFile]) -> Ended {
        let mut given = Vec::new();
        for file in files {
            let text = match &file.content {
                FileContent::Text(text) => text.clone(),
                FileContent::Environment(name) => match self.variables.get(name) {
                    Some(value) => value.clone(),
                    None => return Err(EngineError::SecretMissing { name: name.clone() }),
                },
            };
            given.push((file.path.clone(), text));
        }
        let it = self.get(container)?;
        if it.spec.service.read_only {
            return refused(
                &format!("put files into {container}"),
                "its root is read-only",
            );
        }
        it.files.extend(given);
        Ok(())
    }

    pub(crate) fn start(&mut self, container: &str) -> Ended {
        let action = format!("start {container}");
        let it = self.get(container)?.clone();
        match it.state {
            ContainerState::Running => return Ok(()),
            ContainerState::Created | ContainerState::Exited { .. } => {}
            _ => return refused(&action, &format!("it is {}", it.state.word())),
        }
        if let Some(id) = &it.joins {
            let holder = self.container_by_id(id);
            if !holder.is_some_and(|holder| holder.state == ContainerState::Running) {
                return refused(&action, "the container to join does not run");
            }
        }
        self.port_free(container, &it)?;
        let mut places = BTreeMap::new();
        for (network, place) in &it.networks {
            let there = self.networks.get(network).map(|it| it.id.as_str());
            let is_right = match place.network_id.as_str() {
                "" => there.is_some(),
                id => there == Some(id),
            };
            let endpoint = self.endpoint(network).filter(|_| is_right);
            match endpoint {
                Some(endpoint) => places.insert(network.clone(), endpoint),
                None => return refused(&action, &format!("network {network} not found")),
            };
        }
        let tick = self.tick();
        let it = self.get(container)?;
        it.networks = places;
        it.state = ContainerState::Running;
        it.started_at = Some(tick);
        it.health = match it.spec.service.healthcheck {
            Some(_) => Health::Starting,
            None => Health::None,
        };
        Ok(())
    }

    fn port_free(&self, container: &str, it: &Container) -> Ended {
        let any = |ip: &str| matches!(ip, "0.0.0.0" | "::" | "");
        for port in &it.spec.service.ports {
            let address = port.host_ip.clone();
            let address = address.unwrap_or_else(|| "0.0.0.0".to_owned());
            let number = port.published.parse().unwrap_or_default();
            let holder = self.containers.iter().find(|(name, other)| {
                let published = other.published();
                let mut same = published.iter().filter(|(_, held)| *held == number);
                *name != container && same.any(|(ip, _)| any(ip) || any(&address) || *ip == address)
            });
            if let Some((by, _)) = holder {
                return Err(EngineError::PortTaken {
                    address,
                    port: number,
                    by: Some(format!("the container {by}")),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn unpause(&mut self, container: &str) -> Ended {
        let it = self.get(container)?;
        if it.state != ContainerState::Paused {
            return refused(&format!("unpause {container}"), "it is not paused");
        }
        it.state = ContainerState::Running;
        Ok(())
    }

    pub(crate) fn stop(&mut self, id: &str) -> Ended {
        let mut all = self.containers.values_mut();
        if let Some(it) = all.find(|it| it.id == id && it.is_alive()) {
            it.end(143);
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str, id: &str) -> Ended {
        let found = self.containers.iter().find(|(_, it)| it.id == id);
        let Some((key, it)) = found else {
            return Ok(());
        };
        if it.is_alive() {
            return refused(&format!("remove {name}"), "it runs");
        }
        let key = key.clone();
        self.containers.remove(&key);
        Ok(())
    }

    pub(crate) fn exec(&mut self, container: &str, command: &[String]) -> Ended {
        let it = self.get(container)?;
        if it.state != ContainerState::Running {
            return refused(&format!("run a command in {container}"), "it does not run");
        }
        let service = it.labels.get(LABELS.service).cloned().unwrap_or_default();
        match self.refuses_commands.contains(&service) {
            true => Err(EngineError::ExecFailed {
                container: container.to_owned(),
                command: command.join(" "),
                code: 1,
                output: "no".to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// What would happen in time happens now; what would not is a late wait.
    pub(crate) fn wait(&mut self, container: &str, wait: Await, seconds: u64) -> Ended {
        self.settle_one(container);
        let it = self.get(container)?;
        let service = it.labels.get(LABELS.service).cloned().unwrap_or_default();
        let wanted = match wait {
            Await::Healthy => "healthy",
            Await::Completed => "done",
            Await::Well { .. } => "well",
        };
        let is_one_shot = it.spec.service.is_one_shot();
        let (container, tail) = (container.to_owned(), LogTail::default());
        match (&it.state, wait) {
            (ContainerState::Exited { code: 0 }, Await::Completed) => Ok(()),
            (ContainerState::Exited { code: 0 }, Await::Well { .. }) if is_one_shot => Ok(()),
            (ContainerState::Running, Await::Well { .. })
                if matches!(it.health, Health::Healthy | Health::None) =>
            {
                Ok(())
            }
            (ContainerState::Exited { code }, _) => Err(EngineError::Ended {
                container,
                service,
                wanted,
                code: *code,
                tail,
            }),
            (ContainerState::Running, Await::Healthy) if it.health == Health::Healthy => Ok(()),
            (ContainerState::Running, Await::Healthy) if it.health == Health::None => {
                refused(&format!("wait for {container}"), "it has no health check")
            }
            _ => Err(EngineError::Deadline {
                container,
                service,
                wanted,
                seconds,
                tail,
            }),
        }
    }

    fn get(&mut self, container: &str) -> Result<&mut Container, EngineError> {
        let found = self.containers.get_mut(container);
        found.ok_or_else(|| EngineError::Gone {
            subject: container.to_owned(),
        })
    }
}

fn gone(subject: &str) -> Ended {
    Err(EngineError::Gone {
        subject: subject.to_owned(),
    })
}
