//! Removal: what the document does not have goes, users before what they use.
//!
//! Stops follow the order of dependencies; removing a container that has
//! stopped waits for nothing else. Volumes stay unless their removal was asked.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::Span;

use crate::graph::Graph;
use crate::observed::{ContainerState, Observed, ObservedContainer, Ownership};
use crate::operation::{Call, Cause, OpId};
use crate::rules::{Goal, Volumes};
use crate::services::Removed;

/// The operations on a container that goes.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    /// After these it no longer runs.
    pub ended: Vec<OpId>,
    pub removed: OpId,
}

pub(crate) fn remove_container(
    graph: &mut Graph,
    name: &str,
    seen: &ObservedContainer,
    grace: Option<Span>,
    cause: &Cause,
    after: Vec<OpId>,
) -> Gone {
    let (name, id) = (name.to_owned(), seen.id.clone());
    let runs = !matches!(
        seen.state,
        ContainerState::Created | ContainerState::Exited { .. } | ContainerState::Dead
    );
    let ended = match runs {
        true => vec![graph.add(
            Call::StopContainer {
                name: name.clone(),
                id: id.clone(),
                grace,
            },
            cause,
            after,
        )],
        false => after,
    };
    let removed = graph.add(Call::RemoveContainer { name, id }, cause, ended.clone());
    Gone { ended, removed }
}

/// Removes what is not wanted; returns the volumes that stay unused.
pub(crate) fn plan(
    goal: &Goal<'_>,
    observed: &Observed,
    removed: &Removed,
    graph: &mut Graph,
) -> Vec<String> {
    let mut removed = removed.clone();
    containers(goal, observed, &mut removed, graph);
    let last: Vec<_> = removed.values().copied().collect();
    networks(goal, observed, &last, graph);
    volumes(goal, observed, &last, graph)
}

fn containers(goal: &Goal<'_>, observed: &Observed, removed: &mut Removed, graph: &mut Graph) {
    let unwanted: BTreeMap<_, _> = observed
        .ours()
        .filter(|(name, it)| {
            !goal.compose.services.contains_key(&it.service) && !removed.contains_key(*name)
        })
        .collect();
    let mut ended: BTreeMap<&str, Vec<OpId>> = BTreeMap::new();
    for name in users_first(&unwanted) {
        let seen = unwanted[name];
        let users = unwanted.iter().filter(|(_, user)| uses(user, name, seen));
        let after = users
            .flat_map(|(user, _)| ended.get(user.as_str()).cloned().unwrap_or_default())
            .collect();
        let gone = remove_container(graph, name, seen, None, &Cause::NotWanted, after);
        ended.insert(name, gone.ended);
        removed.insert(name.clone(), gone.removed);
    }
}

fn uses(user: &ObservedContainer, name: &str, used: &ObservedContainer) -> bool {
    let joined = user.network_of.as_deref();
    user.depends_on.contains(&used.service)
        || joined == Some(name)
        || joined == Some(used.id.as_str())
}

/// Names in an order in which every user comes before what it uses. Labels
/// could hold a circle (they are text that anybody can write): each name is
/// taken once, so this ends all the same.
fn users_first<'a>(containers: &BTreeMap<&'a String, &'a ObservedContainer>) -> Vec<&'a String> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for name in containers.keys() {
        visit(containers, name, &mut seen, &mut order);
    }
    order
}

fn visit<'a>(
    containers: &BTreeMap<&'a String, &'a ObservedContainer>,
    name: &'a String,
    seen: &mut BTreeSet<&'a String>,
    order: &mut Vec<&'a String>,
) {
    if !seen.insert(name) {
        return;
    }
    for (user, _) in containers
        .iter()
        .filter(|(_, user)| uses(user, name, containers[name]))
    {
        visit(containers, user, seen, order);
    }
    order.push(name);
}

fn networks(goal: &Goal<'_>, observed: &Observed, after: &[OpId], graph: &mut Graph) {
    let wanted: BTreeSet<_> = goal
        .compose
        .networks
        .keys()
        .map(|key| goal.compose.network_name(key))
        .collect();
    for (name, network) in &observed.networks {
        if network.ownership == Ownership::Ours && !wanted.contains(name) {
            let call = Call::RemoveNetwork {
                name: name.clone(),
                id: network.id.clone(),
            };
            graph.add(call, &Cause::NotWanted, after.iter().copied());
        }
    }
}

fn volumes(goal: &Goal<'_>, observed: &Observed, after: &[OpId], graph: &mut Graph) -> Vec<String> {
    let wanted: BTreeSet<_> = goal
        .compose
        .volumes
        .keys()
        .map(|key| goal.compose.volume_name(key))
        .collect();
    let ours = observed
        .volumes
        .iter()
        .filter(|(_, volume)| volume.ownership == Ownership::Ours);
    let unused: Vec<_> = ours
        .map(|(name, _)| name.clone())
        .filter(|name| !wanted.contains(name))
        .collect();
    if goal.volumes == Volumes::Keep {
        return unused;
    }
    for name in unused {
        graph.add(
            Call::RemoveVolume { name },
            &Cause::DataRemovalAsked,
            after.iter().copied(),
        );
    }
    Vec::new()
}
