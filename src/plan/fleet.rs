//! The project's own containers, found by what they are to others.
//!
//! Built once from what was observed, so that no rule has to search through all
//! containers for each service. Holds nothing that scalectl did not make.

use std::collections::BTreeMap;

use crate::observed::{Observed, ObservedContainer};

/// A container that was observed, with its name.
pub(crate) type Seen<'a> = (&'a String, &'a ObservedContainer);

#[derive(Debug, Default)]
pub(crate) struct Fleet<'a> {
    by_service: BTreeMap<&'a str, Vec<Seen<'a>>>,
    by_holder: BTreeMap<&'a str, Vec<Seen<'a>>>,
    by_volume: BTreeMap<&'a str, Vec<Seen<'a>>>,
    by_port: BTreeMap<u16, Vec<Seen<'a>>>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn of(observed: &'a Observed) -> Self {
        let mut fleet = Self::default();
        for seen in observed.ours() {
            let (_, it) = seen;
            fleet.by_service.entry(&it.service).or_default().push(seen);
            if let Some(holder) = &it.network_of {
                fleet.by_holder.entry(holder).or_default().push(seen);
            }
            for volume in &it.volumes {
                fleet.by_volume.entry(volume).or_default().push(seen);
            }
            for (_, port) in &it.published {
                fleet.by_port.entry(*port).or_default().push(seen);
            }
        }
        for instances in fleet.by_service.values_mut() {
            instances.sort_by_key(|(name, it)| (it.number, *name));
        }
        fleet
    }

    /// The containers of one service, lowest number first.
    pub(crate) fn of_service(&self, service: &str) -> &[Seen<'a>] {
        of(&self.by_service, service)
    }

    /// The containers that live in the network of this one.
    pub(crate) fn members(&self, (name, holder): Seen<'a>) -> Vec<Seen<'a>> {
        let by_name = of(&self.by_holder, name);
        let by_id = of(&self.by_holder, &holder.id);
        let all = by_name.iter().chain(by_id).copied();
        all.filter(|(member, _)| *member != name).collect()
    }

    pub(crate) fn of_volume(&self, volume: &str) -> &[Seen<'a>] {
        of(&self.by_volume, volume)
    }

    pub(crate) fn of_port(&self, port: u16) -> &[Seen<'a>] {
        self.by_port.get(&port).map_or(&[], Vec::as_slice)
    }
}

fn of<'m, 'a>(map: &'m BTreeMap<&'a str, Vec<Seen<'a>>>, key: &str) -> &'m [Seen<'a>] {
    map.get(key).map_or(&[], Vec::as_slice)
}
