//! Looking: the world as an engine room reports it.

use std::collections::BTreeMap;

use scalectl_engine::Scope;
use scalectl_plan::{
    Data, EngineFacts, ImageFacts, LABELS, Observed, ObservedContainer, ObservedNetwork,
    ObservedVolume, Ownership, read_values, used_services,
};

use crate::world::{Container, World};

pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) fn observe(world: &World, scope: &Scope) -> Observed {
    let project = scope.project.as_str();
    let containers: BTreeMap<_, _> = world
        .containers
        .iter()
        .map(|(name, it)| (name.clone(), container(world, scope, it)))
        .collect();
    let networks = world.networks.iter().map(|(name, it)| {
        let ownership = ownership(project, &it.labels);
        let id = it.id.clone();
        (name.clone(), ObservedNetwork { id, ownership })
    });
    let volumes = world.volumes.iter().map(|(name, labels)| {
        let data = Data::of(labels.get(LABELS.data).map(String::as_str));
        let ownership = ownership(project, labels);
        let observed = ObservedVolume { ownership, data };
        (name.clone(), observed)
    });
    let images = scope.images.iter().filter_map(|reference| {
        let id = world.images.get(reference)?.clone();
        Some((reference.clone(), ImageFacts { id }))
    });
    Observed {
        engine: EngineFacts { api: world.api },
        phase: of_ours(project, world, LABELS.stage).or_else(|| newest(project, world)),
        migrating: of_ours(project, world, LABELS.migration),
        phase_of_volumes: phase(project, world.volumes.values()),
        networks: networks.collect(),
        volumes: volumes.collect(),
        images: images.collect(),
        containers,
    }
}

/// What a label of one of the project's containers says, or else one of its volumes.
fn of_ours<T: std::str::FromStr>(project: &str, world: &World, label: &str) -> Option<T> {
    let containers = world.containers.values().map(|it| &it.labels);
    let labels = containers.chain(world.volumes.values());
    let mut ours = labels.filter(|it| ownership(project, it) == Ownership::Ours);
    ours.find_map(|it| it.get(label)?.parse().ok())
}

/// What the container was made for that was made last: ids count.
fn newest(project: &str, world: &World) -> Option<u8> {
    let all = world.containers.values();
    let ours = all.filter(|it| ownership(project, &it.labels) == Ownership::Ours);
    let phases = ours.filter_map(|it| Some((&it.id, it.labels.get(LABELS.phase)?.parse().ok()?)));
    phases.max().map(|(_, phase)| phase)
}

fn phase<'a>(project: &str, labels: impl Iterator<Item = &'a Labels>) -> Option<u8> {
    let ours = labels.filter(|it| ownership(project, it) == Ownership::Ours);
    let phases = ours.filter_map(|it| it.get(LABELS.phase)?.parse().ok());
    phases.max()
}

pub(crate) fn ownership(project: &str, labels: &Labels) -> Ownership {
    let owner = match labels.get(LABELS.project) {
        Some(found) if found == project => return Ownership::Ours,
        Some(other) => format!("scalectl project {other}"),
        None => "a stranger".to_owned(),
    };
    Ownership::Foreign { owner }
}

fn container(world: &World, scope: &Scope, it: &Container) -> ObservedContainer {
    let ownership = ownership(&scope.project, &it.labels);
    let is_ours = ownership == Ownership::Ours;
    let label = |name: &str| {
        let found = it.labels.get(name).filter(|_| is_ours);
        found.cloned().unwrap_or_default()
    };
    let mut others = world.containers.values();
    let is_joined = others.any(|other| other.joins.as_ref() == Some(&it.id));
    let places = it.networks.iter();
    let given = scope.given.iter();
    let outdated = given
        .filter(|file| is_ours && file.service == label(LABELS.service))
        .filter(|file| it.files.get(&file.path) != world.variables.get(&file.variable))
        .map(|file| file.config.clone());
    ObservedContainer {
        id: it.id.clone(),
        ownership,
        service: label(LABELS.service),
        number: label(LABELS.number).parse().unwrap_or_default(),
        hash: label(LABELS.hash),
        image_id: it.image_id.clone(),
        state: it.state.clone(),
        health: it.health,
        depends_on: used_services(label),
        network_of: it.joins.clone(),
        started_at: it.started_at.filter(|_| is_joined || it.joins.is_some()),
        networks: places
            .clone()
            .map(|(name, place)| (name.clone(), place.network_id.clone()))
            .collect(),
        addresses: places
            .filter_map(|(name, place)| Some((name.clone(), place.address.clone()?)))
            .collect(),
        volumes: it.spec.volume_names.iter().cloned().collect(),
        writes: it.writes().cloned().collect(),
        published: it.published(),
        values: read_values(&label(LABELS.values)),
        outdated: outdated.collect(),
    }
}
