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

/// The spec of one container, and the networks that a separate call must join
/// because the engine takes only one in a create call.
pub(crate) fn container(
    compose: &Compose,
    service_name: &str,
    number: u32,
    image_id: &str,
    networks_per_create: usize,
) -> (ContainerSpec, Vec<NetworkPlace>) {
    let service = &compose.services[service_name];
    let name = instance_name(&compose.name, service_name, number);
    let mut places = places(compose, service_name, service, &name);
    let rest = places.split_off(networks_per_create.min(places.len()));
    let hash = compose.hash_of(service);
    let spec = ContainerSpec {
        labels: labels::of_container(
            &compose.name,
            service_name,
            number,
            service,
            &hash.0,
            image_id,
        ),
        networks: places,
        network_of: service
            .network_of()
            .map(|holder| instance_name(&compose.name, holder, 1)),
        no_network: service.network_mode.as_deref() == Some("none"),
        volume_names: service
            .volumes
            .iter()
            .map(|mount| compose.volume_name(&mount.source))
            .collect(),
        service: service.clone(),
        name,
    };
    (spec, rest)
}

/// Without `networks` and `network_mode` a service joins `default`, as in Compose.
fn places(
    compose: &Compose,
    service_name: &str,
    service: &Service,
    container: &str,
) -> Vec<NetworkPlace> {
    if service.network_mode.is_some() {
        return Vec::new();
    }
    let names = |extra: &[String]| {
        let mut aliases = vec![service_name.to_owned(), container.to_owned()];
        aliases.extend(extra.iter().cloned());
        aliases.dedup();
        aliases
    };
    let place = |key: &str, extra: &[String]| NetworkPlace {
        network: compose.network_name(key),
        aliases: names(extra),
    };
    match service.networks.is_empty() {
        true => vec![place("default", &[])],
        false => service
            .networks
            .iter()
            .map(|(key, attach)| place(key, &attach.aliases))
            .collect(),
    }
}
