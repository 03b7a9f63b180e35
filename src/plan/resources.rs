//! What containers need before they can be made: images, networks, volumes.
//!
//! Networks and volumes of the document are made whether or not anything needs
//! them now; an image is fetched only for a container that is made from it.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Compose, Network, Service, Volume};

use crate::fleet::Fleet;
use crate::graph::Graph;
use crate::labels::{self, LABELS};
use crate::observed::{Data, Observed};
use crate::operation::{Call, Cause, OpId};
use crate::removal::{Removed, remove_container};
use crate::spec;

/// The operations that make what is missing, by the engine's name.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    images: BTreeMap<String, OpId>,
    networks: BTreeMap<String, OpId>,
    volumes: BTreeMap<String, OpId>,
}

pub(crate) fn plan(
    compose: &Compose,
    observed: &Observed,
    fleet: &Fleet<'_>,
    removed: &mut Removed,
    graph: &mut Graph,
) -> Resources {
    Resources {
        images: BTreeMap::new(),
        networks: networks(compose, observed, graph),
        volumes: volumes(compose, observed, fleet, removed, graph),
    }
}

/// The document's networks by key, with the `default` that Compose adds for
/// services that name none.
pub(crate) fn wanted_networks(compose: &Compose) -> BTreeMap<String, Network> {
    let mut wanted = compose.networks.clone();
    let mut services = compose.services.values();
    if services.any(|service| spec::network_keys(service) == [spec::DEFAULT_NETWORK]) {
        wanted.entry(spec::DEFAULT_NETWORK.to_owned()).or_default();
    }
    wanted
}

fn networks(compose: &Compose, observed: &Observed, graph: &mut Graph) -> BTreeMap<String, OpId> {
    let mut made = BTreeMap::new();
    for (key, network) in wanted_networks(compose) {
        let name = compose.network_name(&key);
        if !observed.networks.contains_key(&name) {
            let labels = labels::of_network(&compose.name, &key, &network.labels);
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

fn volumes(
    compose: &Compose,
    observed: &Observed,
    fleet: &Fleet<'_>,
    removed: &mut Removed,
    graph: &mut Graph,
) -> BTreeMap<String, OpId> {
    let mut made = BTreeMap::new();
    let cluster = ClusterVolumes::of(compose);
    let is_other = |key: &String| cluster.others.contains(&key);
    let mut wanted: Vec<_> = compose.volumes.iter().collect();
    // Interrupted in between, a member's volume without the founder's and the store's
    // would look like one of a cluster that was lost.
    wanted.sort_by_key(|(key, _)| is_other(key));
    let mut founding = Vec::new();
    for (key, volume) in wanted {
        let name = compose.volume_name(key);
        if observed.volumes.contains_key(&name) {
            continue;
        }
        let mut after = forget_fillers(compose, key, &name, fleet, removed, graph);
        if is_other(key) {
            after.extend(&founding);
        }
        let labels = labels::of_volume(compose, &volume.labels);
        let call = Call::CreateVolume {
            name: name.clone(),
            labels,
        };
        let id = graph.add(call, &Cause::Missing, after);
        if cluster.founding.contains(&key) {
            founding.push(id);
        }
        made.insert(name, id);
    }
    made
}

/// The engine's names of the volumes of a document's database members.
pub fn member_volumes(compose: &Compose) -> BTreeSet<String> {
    let ClusterVolumes { founding, others } = ClusterVolumes::of(compose);
    let is_store = |key: &&String| {
        let volume = &compose.volumes[*key];
        Data::of(volume.labels.get(LABELS.data).map(String::as_str)) == Data::Store
    };
    let members = founding.into_iter().filter(|key| !is_store(key));
    let keys = members.chain(others);
    keys.map(|key| compose.volume_name(key)).collect()
}

/// The document's volumes of a database, by key.
pub(crate) struct ClusterVolumes<'a> {
    /// The store's, and that of the first member, which alone may found a cluster.
    pub founding: Vec<&'a String>,
    /// Those of the other members.
    pub others: Vec<&'a String>,
}

impl<'a> ClusterVolumes<'a> {
    pub fn of(compose: &'a Compose) -> Self {
        let with = |wanted: Data| {
            let is_wanted = move |volume: &Volume| {
                Data::of(volume.labels.get(LABELS.data).map(String::as_str)) == wanted
            };
            let volumes = compose.volumes.iter();
            volumes
                .filter(move |(_, volume)| is_wanted(volume))
                .map(|(key, _)| key)
        };
        let mut members = with(Data::Member);
        let founding = members
            .next()
            .into_iter()
            .chain(with(Data::Store))
            .collect();
        Self {
            founding,
            others: members.collect(),
        }
    }
}

/// A one-shot that filled a volume which was lost must run again. Its container
/// goes before the volume is made: if all ends in between, its absence still
/// says what is left to do, as the volume's newness would not.
fn forget_fillers(
    compose: &Compose,
    key: &str,
    volume: &str,
    fleet: &Fleet<'_>,
    removed: &mut Removed,
    graph: &mut Graph,
) -> Vec<OpId> {
    let fills = |service: &Service| {
        let mut mounts = service.volumes.iter();
        service.is_one_shot() && mounts.any(|mount| mount.source == key && !mount.read_only)
    };
    let cause = Cause::VolumeIsNew {
        volume: volume.to_owned(),
    };
    let mut after = Vec::new();
    for (container, seen) in fleet.of_volume(volume) {
        if compose.services.get(&seen.service).is_some_and(fills) {
            let gone = removed
                .entry((*container).clone())
                .or_insert_with(|| remove_container(graph, (container, seen), None, &cause, []));
            after.push(gone.removed);
        }
    }
    after
}

impl Resources {
    /// The operations that make what the containers of `service` are made from.
    pub(crate) fn needs(
        &mut self,
        compose: &Compose,
        observed: &Observed,
        service: &Service,
        graph: &mut Graph,
    ) -> Vec<OpId> {
        let keys = spec::network_keys(service);
        let networks = keys
            .iter()
            .filter_map(|key| self.networks.get(&compose.network_name(key)));
        let mounts = service.volumes.iter();
        let volumes =
            mounts.filter_map(|mount| self.volumes.get(&compose.volume_name(&mount.source)));
        let mut needs: Vec<_> = networks.chain(volumes).copied().collect();
        let reference = &service.image;
        if !observed.images.contains_key(reference) {
            let pull = self.images.entry(reference.clone()).or_insert_with(|| {
                let call = Call::PullImage {
                    reference: reference.clone(),
                };
                graph.add(call, &Cause::Missing, [])
            });
            needs.push(*pull);
        }
        needs
    }
}
