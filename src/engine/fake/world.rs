//! The world: what a fake engine has, and ways to change it by hand.
//!
//! The methods here are what a user can do with `docker`, a crash, or other
//! projects. Next: `calls.rs` (what scalectl's own calls do).

use std::collections::{BTreeMap, BTreeSet};

use scalectl_plan::{ContainerSpec, ContainerState, Health};

/// Everything that an engine has.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub(crate) api: (u32, u32),
    pub containers: BTreeMap<String, Container>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, BTreeMap<String, String>>,
    /// Image references and the content that each stands for.
    pub images: BTreeMap<String, String>,
    /// What can be pulled.
    pub registry: BTreeMap<String, String>,
    /// The caller's environment.
    pub variables: BTreeMap<String, String>,
    /// Services whose containers never become healthy.
    pub never_healthy: BTreeSet<String>,
    /// Services whose containers end with this code instead of doing their work.
    pub ends_with: BTreeMap<String, i64>,
    /// Services in whose containers every command fails.
    pub refuses_commands: BTreeSet<String>,
    /// What stands in for time: grows with everything that happens.
    pub(crate) ticks: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}

/// A container, of anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    pub id: String,
    pub labels: BTreeMap<String, String>,
    pub image_id: String,
    /// What it was made from; of a stranger only what matters to others.
    pub spec: ContainerSpec,
    pub state: ContainerState,
    pub health: Health,
    pub networks: BTreeMap<String, Endpoint>,
    /// The id of the container whose network it joins.
    pub joins: Option<String>,
    pub started_at: Option<u64>,
    pub files: BTreeMap<String, String>,
}

/// A container's place in a network, as it keeps it when it does not run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Empty before its first start.
    pub network_id: String,
    pub address: Option<String>,
}

/// A container of somebody else that runs.
#[derive(Debug, Clone, Default)]
pub struct Stranger {
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<(String, u16)>,
    pub volumes: Vec<String>,
    pub networks: Vec<String>,
}

impl Container {
    pub(crate) fn has_processes(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.has_processes() || self.state == ContainerState::Restarting
    }

    /// The addresses and ports that it holds.
    pub(crate) fn published(&self) -> BTreeSet<(String, u16)> {
        let ports = self.spec.service.ports.iter();
        let all = ports.filter_map(|port| {
            let ip = port.host_ip.clone().unwrap_or_else(|| "0.0.0.0".to_owned());
            Some((ip, port.published.parse().ok()?))
        });
        all.filter(|_| self.has_processes()).collect()
    }

    /// The volumes that it may write.
    pub fn writes(&self) -> impl Iterator<Item = &String> {
        let mounts = self.spec.service.volumes.iter();
        let pairs = mounts.zip(&self.spec.volume_names);
        pairs
            .filter(|(mount, _)| !mount.read_only)
            .map(|(_, volume)| volume)
    }

    pub(crate) fn end(&mut self, code: i64) {
        self.state = ContainerState::Exited { code };
        self.health = Health::None;
        for endpoint in self.networks.values_mut() {
            endpoint.address = None;
        }
    }
}

impl World {
    pub(crate) fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }

    pub(crate) fn new_id(&mut self, kind: &str) -> String {
        format!("{kind}{:06}", self.tick())
    }

    /// The engine has this image; called again, its content is another one.
    pub fn add_image(&mut self, reference: &str) {
        let id = format!("sha256:{}", self.new_id("i"));
        self.images.insert(reference.to_owned(), id);
    }

    pub fn container_by_id(&self, id: &str) -> Option<&Container> {
        self.containers.values().find(|it| it.id == id)
    }

    /// Adds a container that scalectl did not make, and what it needs.
    pub fn add_stranger(&mut self, name: &str, stranger: Stranger) {
        let published = |(ip, port): (String, u16)| scalectl_documents::PublishedPort {
            target: port,
            published: port.to_string(),
            host_ip: Some(ip),
        };
        for volume in &stranger.volumes {
            self.volumes.entry(volume.clone()).or_default();
        }
        let mut networks = BTreeMap::new();
        for network in stranger.networks {
            if !self.networks.contains_key(&network) {
                self.add_network(&network);
            }
            let endpoint = self.endpoint(&network);
            networks.extend(endpoint.map(|endpoint| (network, endpoint)));
        }
        let spec = ContainerSpec {
            name: name.to_owned(),
            service: scalectl_documents::Service {
                ports: stranger.ports.into_iter().map(published).collect(),
                ..Default::default()
            },
            labels: stranger.labels.clone(),
            networks: Vec::new(),
            network_of: None,
            no_network: false,
            volume_names: stranger.volumes,
        };
        let container = Container {
            id: self.new_id("c"),
            labels: stranger.labels,
            image_id: "sha256:strange".to_owned(),
            spec,
            state: ContainerState::Running,
            health: Health::None,
            networks,
            joins: None,
            started_at: Some(self.ticks),
            files: BTreeMap::new(),
        };
        self.containers.insert(name.to_owned(), container);
    }

    /// Adds a network that scalectl did not make.
    pub fn add_network(&mut self, name: &str) {
        let id = self.new_id("n");
        let labels = BTreeMap::new();
        self.networks
            .insert(name.to_owned(), Network { id, labels });
    }

    /// Whether the container of this id has a process, or gets one by itself.
    pub fn lives(&self, id: &str) -> bool {
        let mut all = self.containers.values();
        all.any(|it| it.id == id && it.is_alive())
    }

    /// A new place with an address in a network that is there.
    pub(crate) fn endpoint(&mut self, network: &str) -> Option<Endpoint> {
        let network_id = self.networks.get(network)?.id.clone();
        let tick = self.tick();
        let address = Some(format!("10.0.{}.{}", tick / 250, tick % 250 + 1));
        Some(Endpoint {
            network_id,
            address,
        })
    }

    /// Whether something runs in a network.
    pub(crate) fn has_endpoints(&self, network_id: &str) -> bool {
        self.containers.values().any(|it| {
            let mut places = it.networks.values();
            it.is_alive() && places.any(|place| place.network_id == network_id)
        })
    }
}
