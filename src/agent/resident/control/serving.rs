//! Who serves: instances are taken out and back, and waited for at every edge.
//!
//! Next: `endpoints.rs` (the files that edges read), `edges.rs` (what they find healthy).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep;

use super::{Control, LOG, LOOK_EVERY, Reply, Told};
use crate::resident::edges::healthy_at_all;

impl Control {
    pub(super) async fn drain(
        &self,
        address: Ipv4Addr,
        until: SystemTime,
        even_last: bool,
        patience: Duration,
    ) -> Reply {
        let knowing = self.knowing(address);
        if knowing.is_empty() {
            return Reply::Done(format!("{address} is no instance: it gets nothing"));
        }
        if !even_last {
            let is_another = |healthy: &[Ipv4Addr]| healthy.iter().any(|other| *other != address);
            if let Err(problem) = self.wait(&knowing, patience, is_another).await {
                return Reply::Refused(format!("no other instance serves: {problem}"));
            }
        }
        for service in &knowing {
            let Some(mut watched) = self.services.lock(service) else {
                continue;
            };
            if let Err(refused) = watched.endpoints.drain(address, until, even_last) {
                return Reply::Refused(refused.to_string());
            }
            if let Err(error) = watched.write() {
                watched.endpoints.undrain(address);
                return Reply::Refused(format!("write the endpoints of {service}: {error}"));
            }
        }
        LOG.info(format_args!("{address} drains"));
        Reply::Done(format!("{address} gets no new request"))
    }

    pub(super) fn undrain(&self, address: Ipv4Addr) -> Reply {
        let mut was_drained = false;
        for service in self.knowing(address) {
            let Some(mut watched) = self.services.lock(&service) else {
                continue;
            };
            was_drained |= watched.endpoints.undrain(address);
            if let Err(error) = watched.write() {
                // The discovery loop writes it with its next look.
                LOG.warn(format_args!("write the endpoints of {service}: {error}"));
            }
        }
        Reply::Done(format!(
            "{address} {}",
            if was_drained {
                "serves again"
            } else {
                "was not drained"
            }
        ))
    }

    /// Waits until that many-sided condition holds for the instances that serve
    /// in one of these services: in the file, and healthy at every edge.
    pub(super) async fn wait(
        &self,
        services: &[String],
        patience: Duration,
        holds: impl Fn(&[Ipv4Addr]) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            let mut problem = "not in time".to_owned();
            for service in services {
                match self.healthy(service).await {
                    Ok(healthy) if holds(&healthy) => return Ok(()),
                    Ok(healthy) => problem = format!("{} of {service} healthy", healthy.len()),
                    Err(why) => problem = why,
                }
            }
            if Instant::now() >= deadline {
                return Err(problem);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn healthy(&self, service: &str) -> Result<Vec<Ipv4Addr>, String> {
        let healthy = if self.edges.is_empty() {
            None
        } else {
            Some(healthy_at_all(&self.client, &self.edges, service).await?)
        };
        let Some(watched) = self.services.lock(service) else {
            return Ok(Vec::new());
        };
        let serving = watched.endpoints.serving();
        Ok(serving
            .filter(|address| {
                healthy
                    .as_ref()
                    .is_none_or(|healthy| healthy.contains(address))
            })
            .collect())
    }

    fn knowing(&self, address: Ipv4Addr) -> Vec<String> {
        let knows = |service: &&str| {
            self.services.lock(service).is_some_and(|watched| {
                watched
                    .endpoints
                    .serving()
                    .chain(watched.endpoints.drained())
                    .any(|known| known == address)
            })
        };
        self.services
            .names()
            .filter(knows)
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn endpoints(&self) -> BTreeMap<String, Told> {
        let told = |name: &str| {
            let watched = self.services.lock(name)?;
            let endpoints = &watched.endpoints;
            let told = Told {
                serving: endpoints.serving().collect(),
                drained: endpoints.drained().collect(),
            };
            Some((name.to_owned(), told))
        };
        self.services.names().filter_map(told).collect()
    }
}
