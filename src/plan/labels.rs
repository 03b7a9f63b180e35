//! Labels: how scalectl knows its own, and how `docker compose` sees it too.
//!
//! Compose's `ps`, `ls` and `logs` show only what carries its labels, the
//! config hash among them. Data volumes carry none of Compose's: `docker
//! compose down -v` would delete them, and a hash that differs makes compose
//! offer to recreate them. Source: Compose 5's own label set, by inspection.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Compose, Condition, Service};

use crate::values;

/// The names of every label that scalectl sets or reads.
pub struct Labels {
    pub project: &'static str,
    pub service: &'static str,
    pub number: &'static str,
    pub hash: &'static str,
    pub lock: &'static str,
    /// On a container: which values of the caller's it was made with.
    pub values: &'static str,
    /// On every container and volume: the phase that it was made for.
    pub phase: &'static str,
    /// On the stack's one-shot: the phase of the whole stack, as it was last brought up.
    pub stage: &'static str,
    /// As long as a migration is open, its mark: on a volume, and beside the stage.
    pub migration: &'static str,
    /// On a container: the services that it needs until it has ended, though it can
    /// start before them. Comma separated.
    pub uses: &'static str,
    /// On a volume: `member` for a database member's data, `store` for that of
    /// the members' store.
    pub data: &'static str,
    /// On a database member's volume: the generation of its cluster, if not the first.
    pub generation: &'static str,
    pub compose_project: &'static str,
    pub compose_service: &'static str,
    pub compose_number: &'static str,
    pub compose_hash: &'static str,
    pub compose_depends_on: &'static str,
    pub compose_oneoff: &'static str,
    pub compose_network: &'static str,
    pub compose_image: &'static str,
    pub compose_files: &'static str,
}

pub const LABELS: Labels = Labels {
    project: "dev.scalectl.project",
    service: "dev.scalectl.service",
    number: "dev.scalectl.number",
    hash: "dev.scalectl.hash",
    lock: "dev.scalectl.lock",
    values: "dev.scalectl.values",
    phase: "dev.scalectl.phase",
    stage: "dev.scalectl.stage",
    migration: "dev.scalectl.migration",
    uses: "dev.scalectl.uses",
    data: "dev.scalectl.data",
    generation: "dev.scalectl.generation",
    compose_project: "com.docker.compose.project",
    compose_service: "com.docker.compose.service",
    compose_number: "com.docker.compose.container-number",
    compose_hash: "com.docker.compose.config-hash",
    compose_depends_on: "com.docker.compose.depends_on",
    compose_oneoff: "com.docker.compose.oneoff",
    compose_network: "com.docker.compose.network",
    compose_image: "com.docker.compose.image",
    compose_files: "com.docker.compose.project.config_files",
};

/// What `docker compose ls` shows as a stack's file; without any it warns.
const RENDERED: &str = "scalectl-render";

type Map = BTreeMap<String, String>;

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Map {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

pub(crate) fn of_container(
    compose: &Compose,
    name: &str,
    number: u32,
    service: &Service,
    hash: &str,
    image_id: &str,
    values: &BTreeMap<String, u32>,
) -> Map {
    let project = &compose.name;
    let mut labels = service.labels.clone();
    labels.extend(of_phase(compose));
    labels.extend(pairs([
        (LABELS.project, project.to_owned()),
        (LABELS.service, name.to_owned()),
        (LABELS.number, number.to_string()),
        (LABELS.hash, hash.to_owned()),
        (LABELS.compose_project, project.to_owned()),
        (LABELS.compose_service, name.to_owned()),
        (LABELS.compose_number, number.to_string()),
        (LABELS.compose_hash, hash.to_owned()),
        (LABELS.compose_depends_on, depends_on(service)),
        (LABELS.compose_oneoff, "False".to_owned()),
        (LABELS.compose_image, image_id.to_owned()),
        (LABELS.compose_files, RENDERED.to_owned()),
    ]));
    if !values.is_empty() {
        labels.insert(LABELS.values.to_owned(), values::label(values));
    }
    labels
}

pub(crate) fn of_network(project: &str, key: &str, given: &Map) -> Map {
    let mut labels = given.clone();
    labels.extend(pairs([
        (LABELS.project, project.to_owned()),
        (LABELS.compose_project, project.to_owned()),
        (LABELS.compose_network, key.to_owned()),
    ]));
    labels
}

pub(crate) fn of_volume(compose: &Compose, given: &Map) -> Map {
    let mut labels = given.clone();
    labels.extend(of_phase(compose));
    labels.extend(pairs([(LABELS.project, compose.name.clone())]));
    labels
}

/// Outside of the hash, so that a container may stay when the phase is another.
fn of_phase(compose: &Compose) -> Option<(String, String)> {
    let about = compose.about.as_ref()?;
    Some((LABELS.phase.to_owned(), about.phase.to_string()))
}

/// The services that a container must not outlive, from its labels.
pub fn used_services(label: impl Fn(&str) -> String) -> BTreeSet<String> {
    let lists = [LABELS.compose_depends_on, LABELS.uses].map(label);
    let entries = lists.iter().flat_map(|list| list.split(','));
    let names = entries.filter_map(|entry| entry.split(':').next());
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// Compose's own form: `name:condition:restart`, comma separated.
fn depends_on(service: &Service) -> String {
    let word = |condition| match condition {
        Condition::Started => "service_started",
        Condition::Healthy => "service_healthy",
        Condition::Completed => "service_completed_successfully",
    };
    let listed = service
        .depends_on
        .iter()
        .map(|(name, dependency)| (name.as_str(), dependency.condition));
    let holder = service
        .network_of()
        .filter(|holder| !service.depends_on.contains_key(*holder));
    let all = listed.chain(holder.map(|holder| (holder, Condition::Started)));
    all.map(|(name, condition)| format!("{name}:{}:false", word(condition)))
        .collect::<Vec<_>>()
        .join(",")
}
