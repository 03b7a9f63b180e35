//! Restart of services that roll: a successor of the same definition, then the old one goes.
//!
//! Only for containers that the document still describes: what changed waits for
//! `up`, and such a service is restarted in place (`restart.rs`). All other
//! services are left as they are. Next: `changeover.rs`.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::Update;

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
    let is_named = |name: &str| named.iter().any(|it| it == name);
    let services = goal.compose.services.iter();
    let can = services.filter(|(name, service)| {
        let sorted = planner.sort(name, service);
        is_named(name)
            && service.extension.update == Update::Rolling
            && service.healthcheck.is_some()
            && service.ports.is_empty()
            && !service.network_of().is_some_and(is_named)
            && !planner.holders.contains(name.as_str())
            && observed.images.contains_key(&service.image)
            && sorted.replaced.is_empty()
            && sorted.surplus.is_empty()
            && sorted.kept.len() == service.replicas() as usize
            && sorted.kept.iter().all(|(_, it)| *it == Verdict::Right)
    });
    can.map(|(name, _)| name.as_str()).collect()
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
