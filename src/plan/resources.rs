//! What containers need before they can be made: images, networks, volumes.

use std::collections::BTreeMap;

use scalectl_documents::Compose;

use crate::graph::Graph;
use crate::labels;
use crate::observed::Observed;
use crate::operation::{Call, Cause, OpId};

/// The operations that make what is missing, by the engine's name.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    pub images: BTreeMap<String, OpId>,
    pub networks: BTreeMap<String, OpId>,
    pub volumes: BTreeMap<String, OpId>,
}

pub(crate) fn plan(compose: &Compose, observed: &Observed, graph: &mut Graph) -> Resources {
    Resources {
        images: images(compose, observed, graph),
        networks: networks(compose, observed, graph),
        volumes: volumes(compose, observed, graph),
    }
}

fn images(compose: &Compose, observed: &Observed, graph: &mut Graph) -> BTreeMap<String, OpId> {
    let mut made = BTreeMap::new();
    for service in compose.services.values() {
        let reference = &service.image;
        if observed.images.contains_key(reference) || made.contains_key(reference) {
            continue;
        }
        let call = Call::PullImage {
            reference: reference.clone(),
        };
        made.insert(reference.clone(), graph.add(call, &Cause::Missing, []));
    }
    made
}

fn networks(compose: &Compose, observed: &Observed, graph: &mut Graph) -> BTreeMap<String, OpId> {
    let mut made = BTreeMap::new();
    for (key, network) in &compose.networks {
        let name = compose.network_name(key);
        if !observed.networks.contains_key(&name) {
            let labels = labels::of_network(&compose.name, key, &network.labels);
            let call = Call::CreateNetwork {
                name: name.clone(),
                internal: network.internal,
                labels,
            };
            made.insert(name, graph.add(call, &Cause::Missing, []));
        }
    }
    made
}

fn volumes(compose: &Compose, observed: &Observed, graph: &mut Graph) -> BTreeMap<String, OpId> {
    let mut made = BTreeMap::new();
    for (key, volume) in &compose.volumes {
        let name = compose.volume_name(key);
        if !observed.volumes.contains_key(&name) {
            let labels = labels::of_volume(&compose.name, &volume.labels);
            let call = Call::CreateVolume {
                name: name.clone(),
                labels,
            };
            made.insert(name, graph.add(call, &Cause::Missing, []));
        }
    }
    made
}
