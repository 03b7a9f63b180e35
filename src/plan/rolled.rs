//! Restart of services that roll: a successor of the same definition, then the old one goes.
//!
//! Only for containers that the document still describes: what changed waits for
//! `up`, and such a service is restarted in place (`restart.rs`). All other
//! services are left as they are. Next: `changeover.rs`.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Service, Update};

use crate::fleet::Fleet;
use crate::graph::Graph;
use crate::instance::Verdict;
use crate::observed::Observed;
use crate::operation::OpId;
use crate::order;
use crate::removal::Removed;
use crate::resources::Resources;
use crate::rules::Goal;
use crate::services::{Planner, Ready, Standing};

/// Of the named services those that roll and are as the document says.
pub(crate) fn those_that_can<'a>(
    goal: &'a Goal<'a>,
    observed: &'a Observed,
    fleet: &Fleet<'a>,
    named: &[String],
) -> BTreeSet<&'a str> {
    let all = obstacles(goal, observed, fleet, named).into_iter();
    let can = all.filter(|(_, obstacle)| obstacle.is_none());
    can.map(|(name, _)| name).collect()
}

/// The named services that roll in general and are restarted in place, each with what was
/// observed that leaves no other way.
pub fn in_place(
    goal: &Goal<'_>,
    observed: &Observed,
    named: &[String],
) -> BTreeMap<String, String> {
    let fleet = Fleet::of(observed);
    let all = obstacles(goal, observed, &fleet, named).into_iter();
    all.filter_map(|(name, obstacle)| Some((name.to_owned(), obstacle?)))
        .collect()
}

/// For each named service that rolls what keeps it from that, if anything.
fn obstacles<'a>(
    goal: &'a Goal<'a>,
    observed: &'a Observed,
    fleet: &Fleet<'a>,
    named: &[String],
) -> BTreeMap<&'a str, Option<String>> {
    let (mut removed, mut graph) = (Removed::new(), Graph::default());
    let mut planner = Planner::new(
        goal,
        observed,
        fleet,
        Resources::default(),
        &mut removed,
        &mut graph,
    );
    for name in goal.compose.services.keys() {
        planner.stays(name, &[]);
    }
    let services = goal.compose.services.iter();
    let rolling = services.filter(|(name, service)| {
        named.contains(name) && service.extension.update == Update::Rolling
    });
    rolling
        .map(|(name, service)| (name.as_str(), planner.obstacle(name, service, named)))
        .collect()
}

/// Adds what replaces those services; `order` is after what other services that
/// are restarted are well again.
pub(crate) fn plan<'a>(
    goal: &'a Goal<'a>,
    observed: &'a Observed,
    fleet: &Fleet<'a>,
    rolling: &BTreeSet<&'a str>,
    order: &BTreeMap<&str, Vec<OpId>>,
    graph: &mut Graph,
) {
    let mut removed = Removed::new();
    let mut planner = Planner::new(
        goal,
        observed,
        fleet,
        Resources::default(),
        &mut removed,
        graph,
    );
    planner.again.clone_from(rolling);
    let services = goal.compose.services.keys();
    for name in services.filter(|name| !rolling.contains(name.as_str())) {
        let well = order.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        planner.stays(name, well);
    }
    for name in order::in_order(goal.compose) {
        planner.service(name);
    }
}

impl<'a> Planner<'a, '_> {
    /// What keeps a service from being replaced by one like it.
    fn obstacle(&self, name: &'a str, service: &'a Service, named: &[String]) -> Option<String> {
        let is_named = |holder: &&str| named.iter().any(|it| it == holder);
        if service.healthcheck.is_none() {
            return Some("it has no health check".to_owned());
        }
        if !service.ports.is_empty() {
            return Some("it holds a port of this machine".to_owned());
        }
        if let Some(holder) = service.network_of().filter(is_named) {
            return Some(format!(
                "it lives in the network of {holder}, which is named, too"
            ));
        }
        if self.holders.contains(name) {
            return Some("others live in its network".to_owned());
        }
        if !self.observed.images.contains_key(&service.image) {
            return Some(format!("the image {} is missing", service.image));
        }
        let sorted = self.sort(name, service);
        if let Some(((container, _), cause)) = sorted.replaced.first() {
            return Some(format!("{container} is to be replaced by `up` ({cause})"));
        }
        let wanted = service.replicas() as usize;
        let there = sorted.kept.len() + sorted.surplus.len();
        if there != wanted {
            return Some(format!("{there} of them are there, not {wanted}"));
        }
        sorted.kept.iter().find_map(|((container, _), verdict)| {
            let (Verdict::Await(cause)
            | Verdict::Unpause(cause)
            | Verdict::Start(cause)
            | Verdict::Replace(cause)) = verdict
            else {
                return None;
            };
            Some(format!("{container} is {cause}"))
        })
    }

    /// A service that this plan leaves as it is.
    fn stays(&mut self, name: &'a str, well: &[OpId]) {
        let instances = self.fleet.of_service(name).iter();
        let fleet = instances.map(|(container, it)| {
            let standing = match it.is_running() {
                true => Standing::Runs,
                false => Standing::Idle,
            };
            ((*container).clone(), standing)
        });
        let ready = Ready {
            started: well.to_vec(),
            well: well.to_vec(),
            fleet: fleet.collect(),
            ..Ready::default()
        };
        self.ready.insert(name, ready);
    }
}
