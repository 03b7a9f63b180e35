//! How one container is made: create, join, fill, start, wait.
//!
//! Creating waits only for what the call itself needs, so that it happens while
//! dependencies still start; starting waits for the dependencies' conditions.

use scalectl_documents::{Compose, Service, Span};

use crate::graph::Graph;
use crate::observed::{ContainerState, Observed, ObservedContainer};
use crate::operation::{Await, Call, Cause, FileContent, InjectedFile, OpId};
use crate::resources::Resources;
use crate::services::wait_of;
use crate::spec;

/// Engines from this API version on take every network in the create call.
/// Source: Docker Engine API, version history of 1.44.
const MANY_NETWORKS_PER_CREATE: (u32, u32) = (1, 44);

pub(crate) struct Creator<'a> {
    pub compose: &'a Compose,
    pub observed: &'a Observed,
    pub resources: &'a Resources,
    pub deadline: Span,
    pub graph: &'a mut Graph,
}

/// The operations after which a container runs, and after which it is well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub start: OpId,
    pub well: OpId,
}

impl Creator<'_> {
    /// A new container. `before_create` guards its creation, `prerequisites` its start.
    pub(crate) fn make(
        &mut self,
        name: &str,
        service: &Service,
        number: u32,
        cause: &Cause,
        before_create: Vec<OpId>,
        prerequisites: Vec<OpId>,
    ) -> Made {
        let image = self.observed.images.get(&service.image);
        let image_id = image.map_or("", |image| image.id.as_str());
        let many = self.observed.engine.api >= MANY_NETWORKS_PER_CREATE;
        let per_create = if many { usize::MAX } else { 1 };
        let (spec, rest) = spec::container(self.compose, name, number, image_id, per_create);
        let container = spec.name.clone();
        let needs = self.needs(service, &spec).into_iter().chain(before_create);
        let created = self.graph.add(
            Call::CreateContainer {
                spec: Box::new(spec),
            },
            cause,
            needs,
        );
        let mut filled = vec![created];
        for place in rest {
            let network = self.resources.networks.get(&place.network).copied();
            let call = Call::ConnectNetwork {
                container: container.clone(),
                place,
            };
            filled.push(
                self.graph
                    .add(call, cause, [created].into_iter().chain(network)),
            );
        }
        filled.extend(self.upload(service, &container, cause, vec![created]));
        self.run(
            service,
            &container,
            cause,
            prerequisites.into_iter().chain(filled).collect(),
        )
    }

    /// Starts a container that is there. One that was never started may have
    /// been left without its files, so they are put in (again).
    pub(crate) fn start(
        &mut self,
        _name: &str,
        service: &Service,
        container: &str,
        seen: &ObservedContainer,
        cause: &Cause,
        mut after: Vec<OpId>,
    ) -> Made {
        if seen.state == ContainerState::Created {
            after.extend(self.upload(service, container, cause, Vec::new()));
        }
        self.run(service, container, cause, after)
    }

    /// Waits until `container` is well; nothing for one that cannot tell.
    pub(crate) fn await_well(
        &mut self,
        service: &Service,
        container: &str,
        cause: &Cause,
        after: Vec<OpId>,
    ) -> Option<OpId> {
        let wait = wait_of(service)?;
        Some(self.wait(container, wait, cause, after))
    }

    fn run(&mut self, service: &Service, container: &str, cause: &Cause, after: Vec<OpId>) -> Made {
        let start = self.graph.add(
            Call::StartContainer {
                container: container.to_owned(),
            },
            cause,
            after,
        );
        let well = self
            .await_well(service, container, cause, vec![start])
            .unwrap_or(start);
        Made { start, well }
    }

    fn wait(&mut self, container: &str, wait: Await, cause: &Cause, after: Vec<OpId>) -> OpId {
        let call = Call::Await {
            container: container.to_owned(),
            wait,
            deadline: self.deadline,
        };
        self.graph.add(call, cause, after)
    }

    /// What this plan creates and the create call names.
    fn needs(&self, service: &Service, spec: &spec::ContainerSpec) -> Vec<OpId> {
        let networks = spec
            .networks
            .iter()
            .filter_map(|place| self.resources.networks.get(&place.network));
        let volumes = spec
            .volume_names
            .iter()
            .filter_map(|name| self.resources.volumes.get(name));
        networks
            .chain(volumes)
            .chain(self.resources.images.get(&service.image))
            .copied()
            .collect()
    }

    fn upload(
        &mut self,
        service: &Service,
        container: &str,
        cause: &Cause,
        after: Vec<OpId>,
    ) -> Option<OpId> {
        let files: Vec<_> = service
            .configs
            .iter()
            .filter_map(|mount| {
                let config = self.compose.configs.get(&mount.source)?;
                let content = match (&config.content, &config.environment) {
                    (Some(text), _) => FileContent::Text(text.clone()),
                    (None, Some(variable)) => FileContent::Environment(variable.clone()),
                    (None, None) => return None,
                };
                Some(InjectedFile {
                    path: mount.target.clone(),
                    content,
                })
            })
            .collect();
        let call = Call::UploadFiles {
            container: container.to_owned(),
            files,
        };
        (!service.configs.is_empty()).then(|| self.graph.add(call, cause, after))
    }
}
