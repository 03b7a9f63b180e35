//! Services: which containers stay, which are made, and how they change over.
//!
//! Services are taken in the order of what they wait for, so that an operation
//! can name those it depends on. Next: `instance.rs` (what is wrong with one
//! container), `create.rs` (how one is made), `removal.rs` (what is left over).

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Compose, Condition, Service, Update};

use crate::create::{Creator, Made};
use crate::graph::Graph;
use crate::instance::{Facts, Verdict};
use crate::observed::{Observed, ObservedContainer};
use crate::operation::{Await, Call, Cause, OpId};
use crate::removal::remove_container;
use crate::resources::Resources;
use crate::rules::Goal;
use crate::spec::instance_name;

/// Operations after which a condition on a service holds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ready {
    pub started: Vec<OpId>,
    pub well: Vec<OpId>,
}

impl Ready {
    fn add(&mut self, made: &Made) {
        self.started.push(made.start);
        self.well.push(made.well);
    }
}

/// Containers that the services' own rules removed, with the last operation on each.
pub(crate) type Removed = BTreeMap<String, OpId>;

struct Planner<'a> {
    goal: &'a Goal<'a>,
    observed: &'a Observed,
    resources: &'a Resources,
    graph: &'a mut Graph,
    ready: BTreeMap<&'a str, Ready>,
    replaced: BTreeSet<String>,
    removed: Removed,
}

pub(crate) fn plan(
    goal: &Goal<'_>,
    observed: &Observed,
    resources: &Resources,
    graph: &mut Graph,
) -> Removed {
    let (ready, replaced, removed) = Default::default();
    let mut planner = Planner {
        goal,
        observed,
        resources,
        graph,
        ready,
        replaced,
        removed,
    };
    for name in in_order(goal.compose) {
        planner.service(name);
    }
    planner.removed
}

/// Names of services, each after those that it waits for.
fn in_order(compose: &Compose) -> Vec<&str> {
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    for name in compose.services.keys() {
        visit(compose, name, &mut done, &mut order);
    }
    order
}

/// `Compose::parse` refuses circles, so this ends.
fn visit<'a>(
    compose: &'a Compose,
    name: &'a str,
    done: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) {
    if !done.insert(name) {
        return;
    }
    for other in compose.services[name].waits_for() {
        visit(compose, other, done, order);
    }
    order.push(name);
}

/// The containers of one service, by what becomes of them.
#[derive(Default)]
struct Sorted<'a> {
    kept: Vec<(&'a String, &'a ObservedContainer, Verdict)>,
    replaced: Vec<(&'a String, &'a ObservedContainer, Cause)>,
    surplus: Vec<(&'a String, &'a ObservedContainer)>,
}

impl<'a> Planner<'a> {
    fn service(&mut self, name: &'a str) {
        let service = &self.goal.compose.services[name];
        let sorted = self.sort(name, service);
        let mut ready = Ready::default();
        for (container, seen, verdict) in &sorted.kept {
            self.keep(name, service, container, seen, verdict, &mut ready);
        }
        let rolls = service.extension.update == Update::Rolling
            && !sorted
                .replaced
                .iter()
                .any(|(_, _, cause)| matches!(cause, Cause::Stranded { .. }));
        if service.extension.update == Update::Holder && !sorted.replaced.is_empty() {
            self.clear_members(name);
        }
        match rolls {
            true => self.roll(name, service, &sorted, &mut ready),
            false => self.recreate(name, service, &sorted, &mut ready),
        }
        self.fill(name, service, &sorted, &mut ready);
        for (container, seen) in &sorted.surplus {
            self.retire(
                service,
                container,
                seen,
                &Cause::TooMany,
                &ready.well.clone(),
            );
        }
        self.ready.insert(name, ready);
    }

    fn sort(&self, name: &str, service: &Service) -> Sorted<'a> {
        let facts = Facts {
            compose: self.goal.compose,
            observed: self.observed,
            resources: self.resources,
            replaced: &self.replaced,
        };
        let wanted = service.replicas() as usize;
        let mut sorted = Sorted::default();
        for (container, seen) in self.observed.instances(name) {
            match facts.verdict(service, seen) {
                Verdict::Replace(cause) => sorted.replaced.push((container, seen, cause)),
                _ if sorted.kept.len() == wanted => sorted.surplus.push((container, seen)),
                verdict => sorted.kept.push((container, seen, verdict)),
            }
        }
        sorted
    }

    /// What must have happened before a container of `service` starts.
    fn prerequisites(&self, service: &Service) -> Vec<OpId> {
        let mut after = Vec::new();
        for (other, dependency) in &service.depends_on {
            let Some(ready) = self.ready.get(other.as_str()) else {
                continue;
            };
            match dependency.condition {
                Condition::Started => after.extend(&ready.started),
                Condition::Healthy | Condition::Completed => after.extend(&ready.well),
            }
        }
        if let Some(ready) = service
            .network_of()
            .and_then(|holder| self.ready.get(holder))
        {
            after.extend(&ready.started);
        }
        after
    }

    fn keep(
        &mut self,
        name: &'a str,
        service: &Service,
        container: &str,
        seen: &ObservedContainer,
        verdict: &Verdict,
        ready: &mut Ready,
    ) {
        let after = self.prerequisites(service);
        let mut creator = self.creator();
        match verdict {
            Verdict::Right | Verdict::Replace(_) => {}
            Verdict::Await(cause) => {
                let well = creator.await_well(service, container, cause, after);
                ready.well.extend(well);
            }
            Verdict::Start(cause) => {
                ready.add(&creator.start(name, service, container, seen, cause, after))
            }
            Verdict::Unpause(cause) => {
                let call = Call::UnpauseContainer {
                    container: container.to_owned(),
                };
                let start = creator.graph.add(call, cause, after);
                let well = creator
                    .await_well(service, container, cause, vec![start])
                    .unwrap_or(start);
                ready.add(&Made { start, well });
            }
        }
    }

    /// Stops each old container, then makes its successor under the same number.
    fn recreate(
        &mut self,
        name: &'a str,
        service: &Service,
        sorted: &Sorted<'_>,
        ready: &mut Ready,
    ) {
        let room = (service.replicas() as usize).saturating_sub(sorted.kept.len());
        let mut turn = Vec::new();
        for (index, (container, seen, cause)) in sorted.replaced.iter().enumerate() {
            if index >= room {
                self.retire(service, container, seen, cause, &turn);
                continue;
            }
            let gone = match self.removed.get(*container) {
                Some(gone) => *gone,
                None => {
                    let mut after = self.prerequisites(service);
                    after.extend(&turn);
                    self.remove(container, seen, cause, after)
                }
            };
            let made = self.make(name, service, seen.number, cause, &[gone]);
            turn = vec![made.well];
            ready.add(&made);
        }
        if !sorted.replaced.is_empty() {
            self.replaced.insert(name.to_owned());
        }
    }

    /// Makes a successor, waits until it is well, then takes the old one out,
    /// one after the other.
    fn roll(&mut self, name: &'a str, service: &Service, sorted: &Sorted<'_>, ready: &mut Ready) {
        let mut taken = self.numbers(name);
        let room = (service.replicas() as usize).saturating_sub(sorted.kept.len());
        let mut turn: Vec<OpId> = ready.well.clone();
        for (index, (container, seen, cause)) in sorted.replaced.iter().enumerate() {
            let mut successor = cause.clone();
            if index < room {
                let number = lowest_free(&mut taken);
                let made = self.make(name, service, number, cause, &turn);
                ready.add(&made);
                turn = vec![made.well];
                successor = Cause::Superseded {
                    successor: instance_name(&self.goal.compose.name, name, number),
                };
            }
            turn = vec![self.retire(service, container, seen, &successor, &turn)];
        }
    }

    /// Makes what is missing in number.
    fn fill(&mut self, name: &'a str, service: &Service, sorted: &Sorted<'_>, ready: &mut Ready) {
        let mut taken = self.numbers(name);
        let there = sorted.kept.len() + sorted.replaced.len();
        for _ in there..service.replicas() as usize {
            let number = lowest_free(&mut taken);
            let made = self.make(name, service, number, &Cause::Missing, &[]);
            ready.add(&made);
        }
    }

    fn numbers(&self, name: &str) -> BTreeSet<u32> {
        self.observed
            .instances(name)
            .iter()
            .map(|(_, container)| container.number)
            .collect()
    }

    /// The members of a holder's network end before the holder does.
    fn clear_members(&mut self, holder: &str) {
        let members = self
            .goal
            .compose
            .services
            .iter()
            .filter(|(_, it)| it.network_of() == Some(holder));
        let cause = Cause::Stranded {
            holder: instance_name(&self.goal.compose.name, holder, 1),
        };
        let after = self.prerequisites(&self.goal.compose.services[holder]);
        for (member, _) in members {
            for (container, seen) in self.observed.instances(member) {
                // The holder's own removal waits for its members: see `remove`.
                self.remove(container, seen, &cause, after.clone());
            }
        }
    }

    fn make(
        &mut self,
        name: &str,
        service: &Service,
        number: u32,
        cause: &Cause,
        after: &[OpId],
    ) -> Made {
        let prerequisites = self.prerequisites(service);
        let holder = service
            .network_of()
            .and_then(|holder| self.ready.get(holder));
        let holder_made = holder
            .map(|ready| ready.started.clone())
            .unwrap_or_default();
        let before_create: Vec<_> = after.iter().copied().chain(holder_made).collect();
        self.creator()
            .make(name, service, number, cause, before_create, prerequisites)
    }

    fn remove(
        &mut self,
        container: &str,
        seen: &ObservedContainer,
        cause: &Cause,
        mut after: Vec<OpId>,
    ) -> OpId {
        let members = self
            .observed
            .ours()
            .filter(|(_, it)| it.network_of.as_deref() == Some(container));
        after.extend(members.filter_map(|(member, _)| self.removed.get(member)));
        let gone = remove_container(self.graph, container, seen, None, cause, after);
        self.removed.insert(container.to_owned(), gone.removed);
        gone.removed
    }

    /// Drains, stops and removes a container that has no successor of its name.
    fn retire(
        &mut self,
        service: &Service,
        container: &str,
        seen: &ObservedContainer,
        cause: &Cause,
        after: &[OpId],
    ) -> OpId {
        let mut after = after.to_vec();
        after.extend(self.drain(service, seen, cause, &after));
        let gone = remove_container(
            self.graph,
            container,
            seen,
            service.stop_grace_period,
            cause,
            after,
        );
        self.removed.insert(container.to_owned(), gone.removed);
        gone.removed
    }

    fn drain(
        &mut self,
        service: &Service,
        seen: &ObservedContainer,
        cause: &Cause,
        after: &[OpId],
    ) -> Option<OpId> {
        let drain = service
            .extension
            .drain
            .as_ref()
            .filter(|_| seen.is_running())?;
        let address = seen.addresses.values().next()?;
        let container = instance_name(&self.goal.compose.name, &drain.service, 1);
        let command = drain
            .command
            .iter()
            .map(|word| word.replace("{address}", address))
            .collect();
        let by = self
            .ready
            .get(drain.service.as_str())
            .map(|ready| ready.well.clone());
        let call = Call::Exec {
            container,
            command,
            deadline: self.goal.wait_timeout,
        };
        Some(self.graph.add(
            call,
            cause,
            after.iter().copied().chain(by.unwrap_or_default()),
        ))
    }

    fn creator(&mut self) -> Creator<'_> {
        Creator {
            compose: self.goal.compose,
            observed: self.observed,
            resources: self.resources,
            deadline: self.goal.wait_timeout,
            graph: self.graph,
        }
    }
}

/// The lowest number from 1 that is not taken; takes it.
fn lowest_free(taken: &mut BTreeSet<u32>) -> u32 {
    let number = (1..)
        .find(|number| !taken.contains(number))
        .unwrap_or(u32::MAX);
    taken.insert(number);
    number
}

/// How a wait for a service's containers ends well; `None` for one without a check.
pub(crate) fn wait_of(service: &Service) -> Option<Await> {
    match (service.is_one_shot(), &service.healthcheck) {
        (true, _) => Some(Await::Completed),
        (false, Some(_)) => Some(Await::Healthy),
        (false, None) => None,
    }
}
