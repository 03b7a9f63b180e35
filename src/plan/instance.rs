//! One container held against its definition: is it right, and if not, why?
//!
//! Only reasons, no operations. Next: `services.rs` (what follows from them).

use scalectl_documents::{Compose, Service, Update};

use crate::fleet::Seen;
use crate::observed::{ContainerState, Health, Observed, ObservedContainer};
use crate::operation::Cause;
use crate::removal::Removed;
use crate::spec;
use crate::values::Values;

/// What is to be done with a container that is there. Ordered: of more
/// containers than are wanted, those with the least to do are kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// As it should be.
    Right,
    /// Runs, and is not well yet.
    Await(Cause),
    Unpause(Cause),
    /// Is right but does not run.
    Start(Cause),
    /// Must be made anew.
    Replace(Cause),
}

impl Verdict {
    pub(crate) fn effort(&self) -> u8 {
        match self {
            Self::Right => 0,
            Self::Await(_) => 1,
            Self::Unpause(_) => 2,
            Self::Start(_) => 3,
            Self::Replace(_) => 4,
        }
    }
}

/// What a verdict rests on.
pub(crate) struct Facts<'a> {
    pub compose: &'a Compose,
    pub observed: &'a Observed,
    pub removed: &'a Removed,
    /// The values of the caller's as they will be.
    pub values: &'a Values,
    /// The container whose network this service joins, as it will be.
    pub holder: Option<Holder<'a>>,
    /// Whether others join the network of this service.
    pub is_joined: bool,
}

pub(crate) struct Holder<'a> {
    pub name: String,
    /// As it was observed; none if this plan makes it.
    pub seen: Option<&'a ObservedContainer>,
}

impl Facts<'_> {
    pub(crate) fn verdict(&self, service: &Service, seen: Seen<'_>) -> Verdict {
        match self.reason_to_replace(service, seen) {
            Some(cause) => Verdict::Replace(cause),
            None => by_state(service, seen.1),
        }
    }

    fn reason_to_replace(&self, service: &Service, (name, container): Seen<'_>) -> Option<Cause> {
        if let Some(gone) = self.removed.get(name) {
            return Some(gone.cause.clone());
        }
        if container.hash != self.compose.hash_of(service).0 {
            return Some(Cause::DefinitionChanged);
        }
        let image = self.observed.images.get(&service.image);
        let is_other = image.is_some_and(|image| image.id != container.image_id);
        if is_other && service.extension.update != Update::Holder {
            return Some(Cause::ImageChanged);
        }
        if let Some(variables) = self.values.changed(service, container) {
            return Some(Cause::ValueChanged { variables });
        }
        if is_done(service, container) {
            return None;
        }
        self.reason_unusable(service, container)
            .or_else(|| self.reason_stranded(container))
            .or_else(|| self.reason_misplaced(service, container))
    }

    /// One that never started may lack files or networks, and the next start of
    /// a one-shot that failed should find the files as they are now: both are
    /// made anew, which costs less than to find out what is missing. Nobody can
    /// join a holder that comes and goes.
    fn reason_unusable(&self, service: &Service, container: &ObservedContainer) -> Option<Cause> {
        let is_unusable = match container.state {
            ContainerState::Created | ContainerState::Dead | ContainerState::Removing => true,
            ContainerState::Exited { .. } => service.is_one_shot(),
            ContainerState::Restarting => self.is_joined,
            _ => false,
        };
        is_unusable.then(|| not_running(container))
    }

    /// A container lives in its holder's network as it was at the holder's
    /// start: a holder that is gone, replaced or started later has another one.
    fn reason_stranded(&self, container: &ObservedContainer) -> Option<Cause> {
        let holder = self.holder.as_ref()?;
        let stranded = Cause::Stranded {
            holder: holder.name.clone(),
        };
        let Some(there) = holder.seen else {
            return Some(stranded);
        };
        let joined = container.network_of.as_deref();
        if joined != Some(holder.name.as_str()) && joined != Some(there.id.as_str()) {
            return Some(stranded);
        }
        let has_network = there.is_running() || there.state == ContainerState::Paused;
        let is_older = container.started_at < there.started_at;
        let both_known = container.started_at.is_some() && there.started_at.is_some();
        (container.is_alive() && (!has_network || (both_known && is_older))).then_some(stranded)
    }

    /// A container keeps the id of a network and is started in that one only:
    /// a network that was made anew under the same name is another one to it.
    fn reason_misplaced(&self, service: &Service, container: &ObservedContainer) -> Option<Cause> {
        let is_in = |network: &String| match container.networks.get(network).map(String::as_str) {
            // Never started: the name is looked up at its start.
            Some("") => true,
            Some(id) => self
                .observed
                .networks
                .get(network)
                .is_some_and(|it| it.id == id),
            None => false,
        };
        let keys = spec::network_keys(service).into_iter();
        let mut networks = keys.map(|key| self.compose.network_name(key));
        if let Some(network) = networks.find(|network| !is_in(network)) {
            return Some(Cause::NetworkIsNew { network });
        }
        spec::volume_names(self.compose, service)
            .find(|volume| !container.volumes.contains(volume))
            .map(|volume| Cause::VolumeIsNew { volume })
    }
}

/// A one-shot that has ended well has nothing more to do, wherever it is.
fn is_done(service: &Service, container: &ObservedContainer) -> bool {
    service.is_one_shot() && container.state == ContainerState::Exited { code: 0 }
}

fn not_running(container: &ObservedContainer) -> Cause {
    Cause::NotRunning {
        state: container.state.word(),
    }
}

/// For one that is right by its definition.
fn by_state(service: &Service, container: &ObservedContainer) -> Verdict {
    match &container.state {
        ContainerState::Running if service.is_one_shot() => Verdict::Await(Cause::NotDone),
        ContainerState::Running => match (container.health, &service.healthcheck) {
            (Health::Healthy, _) | (_, None) => Verdict::Right,
            _ => Verdict::Await(Cause::NotHealthy),
        },
        ContainerState::Restarting => Verdict::Await(not_running(container)),
        ContainerState::Paused => Verdict::Unpause(not_running(container)),
        _ if is_done(service, container) => Verdict::Right,
        _ => Verdict::Start(not_running(container)),
    }
}
