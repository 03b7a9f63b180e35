//! The audit: whether a call is right to make now, and whether a stack is whole.
//!
//! It knows documents and the engine, not the rules of planning: it says what a
//! user may expect, in other words than the planner does.

use std::collections::BTreeMap;

use scalectl_documents::{Compose, Condition, Service, Update};
use scalectl_engine_fake::{Container, FakeEngine};
use scalectl_plan::{Call, ContainerState, Health, LABELS, Operation};

use crate::documents::PROJECT;

pub struct Audit<'a> {
    compose: &'a Compose,
    /// How many of each rolling service must serve at every moment.
    floors: BTreeMap<&'a str, usize>,
}

impl<'a> Audit<'a> {
    /// For a run from what `engine` has now to `compose`.
    pub fn new(compose: &'a Compose, engine: &FakeEngine) -> Self {
        let rolling = compose.services.iter().filter(|(name, service)| {
            let mut services = compose.services.values();
            let is_joined = services.any(|it| it.network_of() == Some(name.as_str()));
            service.extension.update == Update::Rolling
                && !service.is_one_shot()
                && service.ports.is_empty()
                && service.network_of().is_none()
                && !is_joined
                && !gives_up(compose, engine, name, service)
        });
        let floors = rolling.map(|(name, service)| {
            let serving = serving(engine, name);
            (name.as_str(), serving.min(service.replicas() as usize))
        });
        Self {
            compose,
            floors: floors.collect(),
        }
    }

    pub fn before(&self, engine: &FakeEngine, operation: &Operation) {
        if let Call::StartContainer { container } = &operation.call {
            let world = engine.world();
            let Some(it) = world.containers.get(container) else {
                return;
            };
            let name = label(it, LABELS.service);
            let service = &self.compose.services[&name];
            let all: Vec<_> = world
                .containers
                .iter()
                .filter(|(other, it)| *other != container && is_ours(it))
                .map(|(_, it)| it)
                .collect();
            self.dependencies_hold(&all, container, service);
            self.nobody_else_writes(&all, container, &name, service);
            for mount in &service.configs {
                assert!(
                    it.files.contains_key(&mount.target),
                    "{container} is started without {}",
                    mount.target
                );
            }
            let alone = service.extension.update != Update::Rolling && service.replicas() == 1;
            let twin = all
                .iter()
                .find(|it| alone && is_alive(it) && label(it, LABELS.service) == name);
            assert_eq!(
                twin.map(|it| &it.spec.name),
                None,
                "{container} is started beside another of a recreated service"
            );
        }
    }

    fn dependencies_hold(&self, all: &[&Container], container: &str, service: &Service) {
        let holder = service.network_of().map(|it| (it, Condition::Started));
        let listed = service.depends_on.iter();
        let listed = listed.map(|(name, it)| (name.as_str(), it.condition));
        for (other, condition) in listed.chain(holder) {
            let dependency = &self.compose.services[other];
            let hash = self.compose.hash_of(dependency).0;
            let right = all.iter().filter(|it| {
                let is_right = label(it, LABELS.service) == other && label(it, LABELS.hash) == hash;
                is_right && holds(it, dependency, condition)
            });
            let (right, wanted) = (right.count(), dependency.replicas() as usize);
            assert!(
                right >= wanted,
                "{container} is started when {right} of {wanted} of {other} are {condition:?}"
            );
        }
    }

    /// A volume that has moved to this service has no writer left elsewhere.
    fn nobody_else_writes(
        &self,
        all: &[&Container],
        container: &str,
        name: &str,
        service: &Service,
    ) {
        for mount in service.volumes.iter().filter(|mount| !mount.read_only) {
            let volume = self.compose.volume_name(&mount.source);
            for it in all.iter().filter(|it| is_alive(it)) {
                let other = label(it, LABELS.service);
                let now = self.compose.services.get(&other);
                let shares = now.is_some_and(|now| writes(self.compose, now, &volume));
                assert!(
                    other == name || shares || !it.writes().any(|own| *own == volume),
                    "{container} is started on {volume}, which {} still has",
                    it.spec.name
                );
            }
        }
    }

    pub fn after(&self, engine: &FakeEngine, operation: &Operation) {
        for (name, floor) in &self.floors {
            let serving = serving(engine, name);
            assert!(
                serving >= *floor,
                "{serving} of {name} serve, {floor} must, after {operation:?}"
            );
        }
    }
}

/// Whether a rolling service holds what the document gives to others (a port, a
/// volume that it writes), or lives in a network that may be replaced: then it
/// has to end first. Of one that comes and goes nothing can be said.
fn gives_up(compose: &Compose, engine: &FakeEngine, name: &str, service: &Service) -> bool {
    let world = engine.world();
    let mut own = world
        .containers
        .values()
        .filter(|it| label(it, LABELS.service) == name);
    own.any(|it| {
        let has_port = !it.spec.service.ports.is_empty();
        let comes_and_goes = it.state == ContainerState::Restarting;
        let mut written = it.writes();
        has_port
            || comes_and_goes
            || it.joins.is_some()
            || written.any(|volume| !writes(compose, service, volume))
    })
}

fn writes(compose: &Compose, service: &Service, volume: &str) -> bool {
    let mut mounts = service.volumes.iter();
    mounts.any(|mount| !mount.read_only && compose.volume_name(&mount.source) == volume)
}

fn serving(engine: &FakeEngine, service: &str) -> usize {
    let world = engine.world();
    let all = world.containers.iter();
    all.filter(|(name, it)| {
        is_ours(it)
            && label(it, LABELS.service) == service
            && it.state == ContainerState::Running
            && matches!(it.health, Health::Healthy | Health::None)
            && !world.is_stranded(name)
    })
    .count()
}

fn holds(it: &Container, service: &Service, condition: Condition) -> bool {
    let ended_well = it.state == ContainerState::Exited { code: 0 };
    match condition {
        Condition::Started => is_alive(it) || (service.is_one_shot() && ended_well),
        Condition::Completed => ended_well,
        Condition::Healthy => {
            it.state == ContainerState::Running
                && (service.healthcheck.is_none() || it.health == Health::Healthy)
        }
    }
}

pub fn is_ours(it: &Container) -> bool {
    label(it, LABELS.project) == PROJECT
}

fn is_alive(it: &Container) -> bool {
    matches!(
        it.state,
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
    )
}

pub fn label(it: &Container, name: &str) -> String {
    it.labels.get(name).cloned().unwrap_or_default()
}

/// The engine has what the document says, all of it and nothing else.
pub fn assert_whole(compose: &Compose, engine: &FakeEngine) {
    let world = engine.world();
    let ours: Vec<_> = world
        .containers
        .iter()
        .filter(|(_, it)| is_ours(it))
        .collect();
    for (name, service) in &compose.services {
        let own: Vec<_> = ours
            .iter()
            .filter(|(_, it)| label(it, LABELS.service) == *name)
            .collect();
        assert_eq!(
            own.len(),
            service.replicas() as usize,
            "containers of {name}"
        );
        let wanted = match (service.is_one_shot(), &service.healthcheck) {
            (true, _) => Condition::Completed,
            (false, Some(_)) => Condition::Healthy,
            (false, None) => Condition::Started,
        };
        for (container, it) in own {
            assert!(
                holds(it, service, wanted),
                "{container} is not {wanted:?}: {:?} {:?}",
                it.state,
                it.health
            );
            if service.is_one_shot() {
                continue;
            }
            assert!(
                !world.is_stranded(container),
                "{container} has lost its network"
            );
            let networks: Vec<_> = match (&service.network_mode, service.networks.is_empty()) {
                (Some(_), _) => vec![],
                (None, true) => vec![compose.network_name("default")],
                (None, false) => service
                    .networks
                    .keys()
                    .map(|key| compose.network_name(key))
                    .collect(),
            };
            let joined: Vec<_> = it.networks.keys().cloned().collect();
            let mut networks = networks;
            networks.sort();
            assert_eq!(joined, networks, "networks of {container}");
            for (network, endpoint) in &it.networks {
                assert_eq!(
                    endpoint.network_id, world.networks[network].id,
                    "the network {network} of {container}"
                );
            }
        }
    }
    let unwanted = ours
        .iter()
        .filter(|(_, it)| !compose.services.contains_key(&label(it, LABELS.service)));
    assert_eq!(unwanted.count(), 0, "containers that the document lacks");
}
