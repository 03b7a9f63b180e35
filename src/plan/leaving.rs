//! How a container of a wanted service goes: cleared of members, drained, ended.
//!
//! Each goes once, however many rules want it gone. Next: `removal.rs` (what
//! the document does not have).

use scalectl_documents::{Compose, Drain, PublishedPort, Service};

use crate::conflicts::overlap;
use crate::fleet::Seen;
use crate::observed::ObservedContainer;
use crate::operation::{Call, Cause, OpId};
use crate::removal::{Gone, remove_container};
use crate::services::{Change, Planner, Standing};

impl<'a> Planner<'a, '_> {
    /// Stops and removes a container, after those that live in its network.
    pub(crate) fn take_away(&mut self, old: Seen<'a>, cause: &Cause, mut after: Vec<OpId>) -> Gone {
        let (name, seen) = old;
        if let Some(gone) = self.removed.get(name) {
            return gone.clone();
        }
        let compose = self.goal.compose;
        for member in self.fleet.members(old) {
            let mut before = after.clone();
            let mut reason = Cause::NotWanted;
            if let Some(service) = compose.services.get(&member.1.service) {
                before.extend(self.prerequisites(service));
                before.extend(self.needs(service));
                let holder = name.clone();
                reason = Cause::Stranded { holder };
            }
            after.extend(self.take_away(member, &reason, before).ended);
        }
        after.extend(self.drains.get(name).into_iter().flatten());
        let service = compose.services.get(&seen.service);
        let grace = service.and_then(|service| service.stop_grace_period);
        let gone = remove_container(self.graph, old, grace, cause, after);
        self.removed.insert(name.clone(), gone.clone());
        gone
    }

    /// Drains a container before it goes.
    pub(crate) fn retire(
        &mut self,
        change: &Change<'a>,
        old: Seen<'a>,
        cause: &Cause,
        after: &[OpId],
    ) -> Gone {
        let mut after = after.to_vec();
        if let Some(drain) = &change.service.extension.drain {
            after.extend(self.drain(change.name, drain, old, cause, &after));
        }
        self.take_away(old, cause, after)
    }

    /// One that does not run serves nobody, and where nothing runs that could
    /// drain it there is nothing to be told: then it just ends.
    fn drain(
        &mut self,
        service: &str,
        drain: &Drain,
        (name, seen): Seen<'a>,
        cause: &Cause,
        after: &[OpId],
    ) -> Option<OpId> {
        if !seen.is_running() || self.removed.contains_key(name) {
            return None;
        }
        let command = words(drain, name, seen)?;
        let (by, well) = match drain.service == service {
            true => (name.clone(), Vec::new()),
            false => self.drainer(&drain.service)?,
        };
        let call = Call::Exec {
            container: by.clone(),
            command,
            deadline: self.goal.wait_timeout,
        };
        let after = after.iter().copied().chain(well);
        let drained = self.graph.add(call, cause, after);
        self.drains.entry(by).or_default().push(drained);
        Some(drained)
    }

    /// The container that runs drain commands, and what to wait for before.
    pub(crate) fn drainer(&self, service: &str) -> Option<(String, Vec<OpId>)> {
        if self.goal.compose.services.get(service)?.is_one_shot() {
            return None;
        }
        let Some(ready) = self.ready.get(service) else {
            // Planned later, for it waits for the very service that it drains.
            let mut instances = self.fleet.of_service(service).iter();
            let (name, _) = instances
                .find(|(name, it)| it.is_running() && !self.removed.contains_key(*name))?;
            return Some(((*name).clone(), Vec::new()));
        };
        let mut fleet = ready.fleet.iter();
        let (name, _) = fleet.find(|(_, standing)| *standing != Standing::Idle)?;
        Some((name.clone(), ready.well.clone()))
    }

    /// Ends what holds a port or a volume that has moved to this service: the
    /// engine gives a port to one container at a time, and two servers that
    /// write one volume destroy it. What the document shares stays shared.
    pub(crate) fn clear_the_way(&mut self, change: &Change<'a>) -> Vec<OpId> {
        let holders = self.losers(change);
        if holders.is_empty() {
            return Vec::new();
        }
        let mut before = change.before.clone();
        if change.missing > 0 {
            before.extend(self.needs(change.service));
        }
        let mut ended = Vec::new();
        for old in holders {
            let cause = match self.goal.compose.services.contains_key(&old.1.service) {
                true => Cause::DefinitionChanged,
                false => Cause::NotWanted,
            };
            ended.extend(self.take_away(old, &cause, before.clone()).ended);
        }
        ended
    }

    fn losers(&self, change: &Change<'a>) -> Vec<Seen<'a>> {
        let compose = self.goal.compose;
        let mut losers: Vec<Seen<'a>> = Vec::new();
        for port in &change.service.ports {
            let number = port.published.parse().unwrap_or(0);
            let address = port.host_ip.as_deref().unwrap_or_default();
            losers.extend(self.fleet.of_port(number).iter().filter(|(_, it)| {
                let mut held = it.published.iter().filter(|(_, held)| *held == number);
                let mut now = ports_of(compose, &it.service);
                held.any(|(ip, _)| overlap(ip, address))
                    && !now.any(|own| own.published == port.published)
            }));
        }
        for volume in written(compose, change.service) {
            losers.extend(self.fleet.of_volume(&volume).iter().filter(|(_, it)| {
                let now = compose.services.get(&it.service);
                let mut now = now.into_iter().flat_map(|it| written(compose, it));
                it.writes.contains(&volume) && !now.any(|own| own == volume)
            }));
        }
        losers.retain(|(_, it)| it.is_alive() && it.service != change.name);
        losers.sort_by_key(|(name, _)| *name);
        losers.dedup_by_key(|(name, _)| *name);
        losers
    }
}

/// A drain command for one container; none if it needs an address and there is none.
pub(crate) fn words(drain: &Drain, name: &str, seen: &ObservedContainer) -> Option<Vec<String>> {
    let needs_address = drain.command.iter().any(|word| word.contains("{address}"));
    let mut addresses = seen.addresses.values();
    let address = match addresses.find(|address| !address.is_empty()) {
        Some(address) => address.as_str(),
        None if needs_address => return None,
        None => "",
    };
    let words = drain.command.iter();
    Some(
        words
            .map(|word| word.replace("{address}", address).replace("{name}", name))
            .collect(),
    )
}

fn ports_of<'c>(compose: &'c Compose, service: &str) -> impl Iterator<Item = &'c PublishedPort> {
    let service = compose.services.get(service).into_iter();
    service.flat_map(|service| &service.ports)
}

/// The volumes that a service's containers may write, by the engine's name.
fn written(compose: &Compose, service: &Service) -> impl Iterator<Item = String> {
    let mounts = service.volumes.iter();
    mounts
        .filter(|mount| !mount.read_only)
        .map(|mount| compose.volume_name(&mount.source))
}
