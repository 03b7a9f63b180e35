//! One container held against its definition: is it right, and if not, why?
//!
//! Only reasons, no operations. Next: `services.rs` (what follows from them).

use std::collections::BTreeSet;

use scalectl_documents::{Compose, Service, Update};

use crate::observed::{ContainerState, Health, Observed, ObservedContainer};
use crate::operation::Cause;
use crate::resources::Resources;
use crate::spec::instance_name;

/// What is to be done with a container that is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// As it should be.
    Right,
    /// Runs, and is not well yet.
    Await(Cause),
    /// Is right but does not run.
    Start(Cause),
    Unpause(Cause),
    /// Must be made anew.
    Replace(Cause),
}

/// What a verdict rests on.
pub(crate) struct Facts<'a> {
    pub compose: &'a Compose,
    pub observed: &'a Observed,
    pub resources: &'a Resources,
    /// Services whose containers are replaced by this plan.
    pub replaced: &'a BTreeSet<String>,
}

impl Facts<'_> {
    pub(crate) fn verdict(&self, service: &Service, container: &ObservedContainer) -> Verdict {
        match self.reason_to_replace(service, container) {
            Some(cause) => Verdict::Replace(cause),
            None => self.by_state(service, container),
        }
    }

    fn reason_to_replace(&self, service: &Service, container: &ObservedContainer) -> Option<Cause> {
        if container.hash != self.compose.hash_of(service).0 {
            return Some(Cause::DefinitionChanged);
        }
        if matches!(
            container.state,
            ContainerState::Dead | ContainerState::Removing
        ) {
            return Some(Cause::NotRunning {
                state: container.state.word(),
            });
        }
        let image = self.observed.images.get(&service.image);
        let is_other = image.is_some_and(|image| image.id != container.image_id);
        if is_other && service.extension.update != Update::Holder {
            return Some(Cause::ImageChanged);
        }
        self.reason_stranded(service, container)
    }

    /// A container lives in its holder's network as it was at the holder's
    /// start: a holder that is gone, replaced or started later has another one.
    fn reason_stranded(&self, service: &Service, container: &ObservedContainer) -> Option<Cause> {
        let holder = service.network_of()?;
        let name = instance_name(&self.compose.name, holder, 1);
        let stranded = Cause::Stranded {
            holder: name.clone(),
        };
        if self.replaced.contains(holder) {
            return Some(stranded);
        }
        let Some(there) = self.observed.containers.get(&name) else {
            return Some(stranded);
        };
        let joined = container.network_of.as_deref();
        if joined != Some(name.as_str()) && joined != Some(there.id.as_str()) {
            return Some(stranded);
        }
        let is_older = container.started_at < there.started_at;
        let both_known = container.started_at.is_some() && there.started_at.is_some();
        (container.is_running() && (!there.is_running() || (both_known && is_older)))
            .then_some(stranded)
    }

    fn by_state(&self, service: &Service, container: &ObservedContainer) -> Verdict {
        let not_running = || Cause::NotRunning {
            state: container.state.word(),
        };
        match &container.state {
            ContainerState::Exited { code: 0 } if service.is_one_shot() => {
                match self.new_volume(service) {
                    Some(volume) => Verdict::Start(Cause::VolumeIsNew { volume }),
                    None => Verdict::Right,
                }
            }
            ContainerState::Running if service.is_one_shot() => Verdict::Await(not_running()),
            ContainerState::Running => match (container.health, &service.healthcheck) {
                (Health::Healthy, _) | (_, None) => Verdict::Right,
                _ => Verdict::Await(Cause::NotHealthy),
            },
            ContainerState::Restarting => match service.healthcheck {
                Some(_) => Verdict::Await(not_running()),
                None => Verdict::Right,
            },
            ContainerState::Paused => Verdict::Unpause(not_running()),
            _ => Verdict::Start(not_running()),
        }
    }

    /// A volume that this service fills and that this plan creates.
    fn new_volume(&self, service: &Service) -> Option<String> {
        let filled = service.volumes.iter().filter(|mount| !mount.read_only);
        let names = filled.map(|mount| self.compose.volume_name(&mount.source));
        names
            .into_iter()
            .find(|name| self.resources.volumes.contains_key(name))
    }
}
