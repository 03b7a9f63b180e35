//! Networks and volumes: where containers meet and where their data is.
//!
//! Both are made once and found again. One that is there under that name is a
//! success if it is the project's own, and else left as it is.
//! Next: `apply.rs` (the other calls), `observe.rs` (whose an object is).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{NetworkConnectRequest, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::RemoveVolumeOptions;
use scalectl_engine::EngineError;
use scalectl_plan::{LABELS, NetworkPlace, Ownership};

use crate::apply::{QUICK, SLOW, appeared};
use crate::errors::{Fault, is_addresses_exhausted};
use crate::observe::ownership;
use crate::{DockerEngine, create};

/// Docker tears the last endpoint of a removed container down a moment later.
const NETWORK_TRIES: u32 = 25;

type Labels = BTreeMap<String, String>;

impl DockerEngine {
    pub(crate) async fn create_network(
        &self,
        name: &str,
        internal: bool,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        let action = format!("create the network {name}");
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(internal),
            labels: Some(
                labels
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            ),
            ..Default::default()
        };
        match self
            .within(QUICK, self.docker.create_network(request))
            .await
        {
            // Before API 1.44 an engine makes a second network of the same name.
            Ok(made) if self.api < (1, 44) => self.only_one(name, &made.id, labels).await,
            Ok(_) => Ok(()),
            Err(Fault::Answered { status: 409, .. }) => {
                self.network_is_ours(name, None, labels).await.map(drop)
            }
            Err(Fault::Answered { message, .. }) if is_addresses_exhausted(&message) => {
                Err(EngineError::AddressesExhausted {
                    network: name.to_owned(),
                })
            }
            Err(fault) => Err(self.changing(&action, fault)),
        }
    }

    /// Of several networks of one name the oldest stays; ours is removed if it
    /// is not that one, so that two who create it at once agree.
    async fn only_one(&self, name: &str, made: &str, labels: &Labels) -> Result<(), EngineError> {
        let first = match self.network_is_ours(name, Some(made), labels).await {
            Ok(first) if first.as_deref() == Some(made) => return Ok(()),
            ended => ended.map(drop),
        };
        self.remove_network(name, made).await?;
        first
    }

    /// The oldest network of that name, which must be this project's.
    async fn network_is_ours(
        &self,
        name: &str,
        made: Option<&str>,
        labels: &Labels,
    ) -> Result<Option<String>, EngineError> {
        let found = self.networks(HashMap::from([("name", vec![name])])).await;
        let found = found.map_err(|fault| self.reading("tell its networks", fault))?;
        let same_name = found
            .into_iter()
            .filter(|network| network.name.as_deref() == Some(name));
        let Some(first) =
            same_name.min_by_key(|network| (network.created.clone(), network.id.clone()))
        else {
            // Removed since: the next look sees what is there.
            return made.map_or(Err(appeared(format!("create the network {name}"))), |_| {
                Ok(None)
            });
        };
        let project = labels
            .get(LABELS.project)
            .map(String::as_str)
            .unwrap_or_default();
        match ownership(project, &first.labels.unwrap_or_default(), || {
            "a network without an owner's label".to_owned()
        }) {
            Ownership::Ours => Ok(first.id),
            Ownership::Foreign { owner } => Err(EngineError::NameTaken {
                name: name.to_owned(),
                owner,
            }),
        }
    }

    pub(crate) async fn remove_network(&self, name: &str, id: &str) -> Result<(), EngineError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.within(QUICK, self.docker.remove_network(id)).await {
                Err(fault) if fault.status() == Some(404) => return Ok(()),
                Err(Fault::Answered { message, .. })
                    if message.contains("active endpoints") && tries < NETWORK_TRIES =>
                {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                ended => {
                    return ended.map_err(|fault| {
                        self.changing(&format!("remove the network {name}"), fault)
                    });
                }
            }
        }
    }

    pub(crate) async fn connect_network(
        &self,
        container: &str,
        place: &NetworkPlace,
    ) -> Result<(), EngineError> {
        let endpoint_config = Some(create::endpoint(place));
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config,
        };
        match self
            .within(QUICK, self.docker.connect_network(&place.network, request))
            .await
        {
            Err(Fault::Answered {
                status: 403,
                message,
            }) if message.contains("already exists in network") => Ok(()),
            Err(fault) if fault.status() == Some(404) => Err(EngineError::Gone {
                subject: format!("{container} or the network {}", place.network),
            }),
            ended => ended.map_err(|fault| {
                self.changing(&format!("connect {container} to {}", place.network), fault)
            }),
        }
    }

    pub(crate) async fn create_volume(
        &self,
        name: &str,
        labels: &Labels,
    ) -> Result<(), EngineError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(
                labels
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            ),
            ..Default::default()
        };
        let made = self.within(QUICK, self.docker.create_volume(request)).await;
        let made =
            made.map_err(|fault| self.changing(&format!("create the volume {name}"), fault))?;
        // The engine gives back a volume that was there, whoever made it.
        let project = labels
            .get(LABELS.project)
            .map(String::as_str)
            .unwrap_or_default();
        match ownership(project, &made.labels, || {
            "a volume without an owner's label".to_owned()
        }) {
            Ownership::Ours => Ok(()),
            Ownership::Foreign { owner } => Err(EngineError::NameTaken {
                name: name.to_owned(),
                owner,
            }),
        }
    }

    pub(crate) async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        match self
            .within(
                SLOW,
                self.docker.remove_volume(name, None::<RemoveVolumeOptions>),
            )
            .await
        {
            Err(fault) if fault.status() == Some(404) => Ok(()),
            ended => {
                ended.map_err(|fault| self.changing(&format!("remove the volume {name}"), fault))
            }
        }
    }
}
