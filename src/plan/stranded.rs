//! Containers without the network that they live in, found by looking alone.
//!
//! A container that joins another's network lives in it as it was at its own
//! start: a holder that is gone, or was started later, has another one. `up`
//! mends it (`instance.rs` has the same rule for one held against a document).

use std::collections::BTreeMap;

use crate::observed::{ContainerState, Observed, ObservedContainer, Ownership};

/// The project's stranded containers, each with the container whose network it
/// lost (its name, or its id if that is all there is).
pub fn stranded(observed: &Observed) -> BTreeMap<&str, &str> {
    let ours = observed.ours();
    ours.filter_map(|(name, it)| Some((name.as_str(), lost(observed, it)?)))
        .collect()
}

fn lost<'a>(observed: &'a Observed, container: &'a ObservedContainer) -> Option<&'a str> {
    let joined = container.network_of.as_deref()?;
    let mut all = observed.containers.iter();
    let holder = all.find(|(name, it)| *name == joined || it.id == joined);
    let Some((name, holder)) = holder else {
        return Some(joined);
    };
    if !container.is_alive() || holder.ownership != Ownership::Ours {
        return None;
    }
    let has_network = holder.is_running() || holder.state == ContainerState::Paused;
    let both_known = container.started_at.is_some() && holder.started_at.is_some();
    let is_older = both_known && container.started_at < holder.started_at;
    (!has_network || is_older).then_some(name)
}
