//! Removal: what the document does not have goes, users before what they use.
//!
//! Nothing of it ends before all that is new is well. Stops follow the order of
//! dependencies; removing a container waits for no other removal. Volumes stay
//! unless their removal was asked.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::Span;

use crate::fleet::Seen;
use crate::graph::Graph;
use crate::observed::{Data, Observed, ObservedContainer, ObservedVolume, Ownership};
use crate::operation::{Call, Cause, OpId};
use crate::resources::wanted_networks;
use crate::rules::{Goal, Volumes};

/// The operations on a container that goes.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    /// After these it no longer runs.
    pub ended: Vec<OpId>,
    pub removed: OpId,
    pub cause: Cause,
}

/// The containers that a plan removes, by name.
pub(crate) type Removed = BTreeMap<String, Gone>;

pub(crate) fn remove_container(
    graph: &mut Graph,
    (name, seen): Seen<'_>,
    grace: Option<Span>,
    cause: &Cause,
    after: impl IntoIterator<Item = OpId>,
) -> Gone {
    let (name, id) = (name.clone(), seen.id.clone());
    let mut ended: Vec<_> = after.into_iter().collect();
    if seen.is_alive() {
        let call = Call::StopContainer {
            name: name.clone(),
            id: id.clone(),
            grace,
        };
        ended = vec![graph.add(call, cause, ended)];
    }
    let removed = graph.add(Call::RemoveContainer { name, id }, cause, ended.clone());
    Gone {
        ended,
        removed,
        cause: cause.clone(),
    }
}

/// Removes what is not wanted; returns the volumes that stay unused.
pub(crate) fn plan(
    goal: &Goal<'_>,
    observed: &Observed,
    removed: &mut Removed,
    graph: &mut Graph,
) -> Vec<String> {
    containers(goal, observed, removed, graph);
    networks(goal, observed, removed, graph);
    volumes(goal, observed, removed, graph)
}

fn containers(goal: &Goal<'_>, observed: &Observed, removed: &mut Removed, graph: &mut Graph) {
    let unwanted = Unwanted::of(observed.ours().filter(|(name, it)| {
        !goal.compose.services.contains_key(&it.service) && !removed.contains_key(*name)
    }));
    let all_well = graph.last();
    let mut ended: BTreeMap<&String, Vec<OpId>> = BTreeMap::new();
    let (order, waited_for) = unwanted.users_first();
    for name in order {
        let users = unwanted.users.get(name).into_iter().flatten();
        let ends = users.filter_map(|user| ended.get(user)).flatten();
        let mut after: Vec<_> = ends.copied().collect();
        if after.is_empty() {
            after.clone_from(&all_well);
        }
        let seen = (name, unwanted.containers[name]);
        let gone = remove_container(graph, seen, None, &Cause::NotWanted, after.clone());
        // Of one that is between two lives only its stop tells that no other comes.
        let last = match seen.1.is_running() && waited_for.contains(name) {
            true => vec![await_end(graph, seen, after)],
            false => gone.ended.clone(),
        };
        ended.insert(name, last);
        removed.insert(name.clone(), gone);
    }
}

/// Waits until a container has ended that is being stopped beside this. Those that
/// it uses may end then; its stop takes longer, for the engine clears up after it.
fn await_end(graph: &mut Graph, (name, seen): Seen<'_>, after: Vec<OpId>) -> OpId {
    let (name, id) = (name.clone(), seen.id.clone());
    graph.add(Call::AwaitEnd { name, id }, &Cause::NotWanted, after)
}

struct Unwanted<'a> {
    containers: BTreeMap<&'a String, &'a ObservedContainer>,
    /// For each container those that depend on its service or live in its network.
    users: BTreeMap<&'a String, Vec<&'a String>>,
}

impl<'a> Unwanted<'a> {
    fn of(all: impl Iterator<Item = Seen<'a>>) -> Self {
        let containers: BTreeMap<_, _> = all.collect();
        let mut by_key: BTreeMap<&str, Vec<&'a String>> = BTreeMap::new();
        for (name, it) in &containers {
            // Services and names and ids cannot be taken for each other: an
            // engine's name of a container holds its service and more.
            for key in [it.service.as_str(), name.as_str(), it.id.as_str()] {
                by_key.entry(key).or_default().push(name);
            }
        }
        let mut users: BTreeMap<_, Vec<&'a String>> = BTreeMap::new();
        for (user, it) in &containers {
            let keys = it.depends_on.iter().chain(&it.network_of);
            for used in keys.filter_map(|key| by_key.get(key.as_str())).flatten() {
                users.entry(*used).or_default().push(user);
            }
        }
        Self { containers, users }
    }

    /// Names in an order in which every user comes before what it uses, and those
    /// of them after which something ends that runs. Labels could hold a circle
    /// (they are text that anybody can write): each name is taken once, so this
    /// ends all the same.
    fn users_first(&self) -> (Vec<&'a String>, BTreeSet<&'a String>) {
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        for name in self.containers.keys() {
            self.visit(name, &mut seen, &mut order);
        }
        let mut waited_for = BTreeSet::new();
        for name in order.iter().rev() {
            if self.containers[*name].is_alive() || waited_for.contains(name) {
                waited_for.extend(self.users.get(*name).into_iter().flatten());
            }
        }
        (order, waited_for)
    }

    fn visit(
        &self,
        name: &'a String,
        seen: &mut BTreeSet<&'a String>,
        order: &mut Vec<&'a String>,
    ) {
        if !seen.insert(name) {
            return;
        }
        for user in self.users.get(name).into_iter().flatten() {
            self.visit(user, seen, order);
        }
        order.push(name);
    }
}

/// The operations that free what containers that go have, by each such thing.
fn last_users<'a, I: IntoIterator<Item = &'a String>>(
    observed: &'a Observed,
    removed: &Removed,
    frees: impl Fn(&Gone) -> Vec<OpId>,
    has: impl Fn(&'a ObservedContainer) -> I,
) -> BTreeMap<&'a String, Vec<OpId>> {
    let mut users: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (name, gone) in removed {
        let had = observed.containers.get(name).into_iter().flat_map(&has);
        for thing in had {
            users.entry(thing).or_default().extend(frees(gone));
        }
    }
    users
}

fn networks(goal: &Goal<'_>, observed: &Observed, removed: &Removed, graph: &mut Graph) {
    let wanted: BTreeSet<_> = wanted_networks(goal.compose)
        .keys()
        .map(|key| goal.compose.network_name(key))
        .collect();
    // A container that does not run has no place in its networks any more.
    let frees = |gone: &Gone| gone.ended.clone();
    let mut users = last_users(observed, removed, frees, |it| it.networks.keys());
    for (name, network) in &observed.networks {
        if network.ownership == Ownership::Ours && !wanted.contains(name) {
            let call = Call::RemoveNetwork {
                name: name.clone(),
                id: network.id.clone(),
            };
            let after = users.remove(name).unwrap_or_default();
            graph.add(call, &Cause::NotWanted, after);
        }
    }
}

fn volumes(
    goal: &Goal<'_>,
    observed: &Observed,
    removed: &Removed,
    graph: &mut Graph,
) -> Vec<String> {
    let compose = goal.compose;
    let keys = compose.volumes.keys();
    let wanted: BTreeSet<_> = keys.map(|key| compose.volume_name(key)).collect();
    let unused = observed
        .volumes
        .iter()
        .filter(|(name, volume)| volume.ownership == Ownership::Ours && !wanted.contains(*name));
    let (gone, kept): (Vec<_>, Vec<_>) = unused.partition(|(name, _)| match goal.volumes {
        Volumes::Keep => false,
        Volumes::Remove => true,
        Volumes::Discard(named) => named.contains(*name),
    });
    destroy(gone, observed, removed, graph);
    kept.into_iter().map(|(name, _)| name.clone()).collect()
}

/// So ordered that what is left is a stack that can come up again, wherever this
/// ends: the members' store goes first, for it would wait for members that are
/// gone and knows passwords of before; the members go last, one after the other,
/// and the one that founds a cluster at the very end, for it would found another
/// one beside what the rest still holds.
fn destroy(
    mut unused: Vec<(&String, &ObservedVolume)>,
    observed: &Observed,
    removed: &Removed,
    graph: &mut Graph,
) {
    unused.sort_by_key(|(name, it)| match it.data {
        Data::Member => (it.data, Some(Reverse(*name))),
        data => (data, None),
    });
    let frees = |gone: &Gone| vec![gone.removed];
    let mut users = last_users(observed, removed, frees, |it| &it.volumes);
    let (mut stores, mut others) = (Vec::new(), Vec::new());
    for (name, it) in unused {
        let mut after = users.remove(name).unwrap_or_default();
        after.extend(match it.data {
            Data::Store => &[],
            Data::Other => &stores[..],
            Data::Member => &others[..],
        });
        let name = name.clone();
        let id = graph.add(Call::RemoveVolume { name }, &Cause::DataRemovalAsked, after);
        if it.data == Data::Store {
            stores.push(id);
        }
        others.push(id);
    }
}
