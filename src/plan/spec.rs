//! What a container is made from, with every name resolved to the engine's.
//!
//! The service as the document has it, plus what only planning knows: the
//! container's name and number, its labels, the engine's names of networks and
//! volumes. Next: the engine rooms translate this into their own types.

use std::collections::BTreeMap;

use scalectl_documents::{Compose, Service};
use serde::{Deserialize, Serialize};

use crate::labels;

/// Everything of one create call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    pub service: Service,
    pub labels: BTreeMap<String, String>,
    /// The networks named in the create call. Empty with `network_of`.
    pub networks: Vec<NetworkPlace>,
    /// The container whose network it joins, by name.
    pub network_of: Option<String>,
    /// No network at all.
    pub no_network: bool,
    /// The engine's name of each mount's volume, in the order of `service.volumes`.
    pub volume_names: Vec<String>,
}

/// A place in a network, under these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPlace {
    pub network: String,
    pub aliases: Vec<String>,
}

/// The name of the `number`th container of a service; Compose's form.
pub(crate) fn instance_name(project: &str, service: &str, number: u32) -> String {
    format!("{project}-{service}-{number}")
}

/// The network of services that name none, as in Compose.
pub(crate) const DEFAULT_NETWORK: &str = "default";

/// What only planning knows of a container to be made.
pub(crate) struct Making<'a> {
    pub number: u32,
    pub image_id: &'a str,
    /// The container whose network it joins.
    pub holder: Option<String>,
    /// How many networks a create call of this engine takes.
    pub networks_per_create: usize,
    /// The values of the caller's that it is made with.
    pub values: BTreeMap<String, u32>,
}

/// The spec of one container, and the networks that a separate call must join
/// because the engine takes only one in a create call.
pub(crate) fn container(
    compose: &Compose,
    service_name: &str,
    making: Making<'_>,
) -> (ContainerSpec, Vec<NetworkPlace>) {
    let service = &compose.services[service_name];
    let name = instance_name(&compose.name, service_name, making.number);
    let mut places = places(compose, service_name, service, &name);
    let rest = places.split_off(making.networks_per_create.min(places.len()));
    let hash = compose.hash_of(service);
    let spec = ContainerSpec {
        labels: labels::of_container(
            compose,
            service_name,
            making.number,
            service,
            &hash.0,
            making.image_id,
            &making.values,
        ),
        networks: places,
        network_of: making.holder,
        no_network: service.network_mode.as_deref() == Some("none"),
        volume_names: volume_names(compose, service).collect(),
        service: service.clone(),
        name,
    };
    (spec, rest)
}

/// The engine's name of each mount's volume, in the order of the mounts.
pub(crate) fn volume_names(compose: &Compose, service: &Service) -> impl Iterator<Item = String> {
    let mounts = service.volumes.iter();
    mounts.map(|mount| compose.volume_name(&mount.source))
}

/// The keys of the networks that a service's containers are in.
pub(crate) fn network_keys(service: &Service) -> Vec<&str> {
    match (&service.network_mode, service.networks.is_empty()) {
        (Some(_), _) => Vec::new(),
        (None, true) => vec![DEFAULT_NETWORK],
        (None, false) => service.networks.keys().map(String::as_str).collect(),
    }
}

fn places(
    compose: &Compose,
    service_name: &str,
    service: &Service,
    container: &str,
) -> Vec<NetworkPlace> {
    let keys = network_keys(service).into_iter();
    keys.map(|key| {
        let extra = service.networks.get(key);
        let extra = extra.map_or(&[][..], |attach| attach.aliases.as_slice());
        let mut aliases = vec![service_name.to_owned(), container.to_owned()];
        aliases.extend(extra.iter().cloned());
        aliases.dedup();
        NetworkPlace {
            network: compose.network_name(key),
            aliases,
        }
    })
    .collect()
}
