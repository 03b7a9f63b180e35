//! A document as the floor needs it: its containers, and what has become of each service.

use std::collections::BTreeMap;

use scalectl_documents::{Compose, Service};
use tokio::sync::watch;

/// How far a service is: all of its containers are that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Created,
    Started,
    Well,
}

/// How many containers of a service have come to each stage.
type Counts = BTreeMap<Stage, u32>;

/// What others may wait for, by service.
pub struct Stages(BTreeMap<String, (u32, watch::Sender<Counts>)>);

impl Stages {
    pub fn of(compose: &Compose) -> Self {
        let services = compose.services.iter();
        let stage = |(name, service): (&String, &Service)| {
            let (sender, _) = watch::channel(Counts::new());
            (name.clone(), (service.replicas(), sender))
        };
        Self(services.map(stage).collect())
    }

    /// One more container of `service` has come so far.
    pub fn reached(&self, service: &str, stage: Stage) {
        if let Some((_, counts)) = self.0.get(service) {
            counts.send_modify(|counts| *counts.entry(stage).or_default() += 1);
        }
    }

    pub async fn until(&self, service: &str, stage: Stage) {
        if let Some((wanted, counts)) = self.0.get(service) {
            let mut counts = counts.subscribe();
            let all_there =
                |counts: &Counts| counts.get(&stage).copied().unwrap_or_default() >= *wanted;
            // The sender lives as long as this does.
            drop(counts.wait_for(all_there).await);
        }
    }
}

/// The engine's name of each container: service, number, name.
pub fn containers(compose: &Compose) -> Vec<(String, u32, String)> {
    let services = compose.services.iter();
    let names = services.flat_map(|(service, it)| {
        (1..=it.replicas()).map(move |number| {
            let name = container(compose, service, number);
            (service.clone(), number, name)
        })
    });
    names.collect()
}

pub fn container(compose: &Compose, service: &str, number: u32) -> String {
    format!("{}-{service}-{number}", compose.name)
}

/// The keys of a service's networks.
pub fn networks(service: &Service) -> Vec<String> {
    match (&service.network_mode, service.networks.is_empty()) {
        (Some(_), _) => Vec::new(),
        (None, true) => vec!["default".to_owned()],
        (None, false) => service.networks.keys().cloned().collect(),
    }
}

/// Every network's key that the document asks for.
pub fn all_networks(compose: &Compose) -> Vec<String> {
    let mut keys: Vec<_> = compose.networks.keys().cloned().collect();
    keys.extend(compose.services.values().flat_map(networks));
    keys.sort();
    keys.dedup();
    keys
}
