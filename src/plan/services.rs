//! Services: which containers stay, which are made, and what each waits for.
//!
//! Services are taken in the order of what they wait for, so that an operation
//! can name those it depends on. Next: `instance.rs` (what is wrong with one
//! container), `changeover.rs` (how old give way to new), `create.rs` (how one
//! is made), `leaving.rs` (how one goes).

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Condition, Service};

use crate::create::Made;
use crate::fleet::{Fleet, Seen};
use crate::graph::Graph;
use crate::instance::{Facts, Holder, Verdict};
use crate::observed::Observed;
use crate::operation::{Call, Cause, OpId};
use crate::order;
use crate::removal::Removed;
use crate::resources::Resources;
use crate::rules::Goal;
use crate::spec::instance_name;
use crate::values::Values;

/// Operations after which a condition on a service holds.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub created: Vec<OpId>,
    pub started: Vec<OpId>,
    pub well: Vec<OpId>,
    /// Its containers as they will be.
    pub fleet: Vec<(String, Standing)>,
}

/// What a container of a planned service will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Made by this plan.
    New,
    /// Runs already, or is started as it is.
    Runs,
    /// Has ended, or comes and goes.
    Idle,
}

/// A service under way.
pub(crate) struct Change<'a> {
    pub name: &'a str,
    pub service: &'a Service,
    /// What must have happened before a container of it starts.
    pub before: Vec<OpId>,
    /// How many containers are to be made.
    pub missing: usize,
    pub ready: Ready,
}

/// The containers of one service, by what becomes of them.
#[derive(Default)]
pub(crate) struct Sorted<'a> {
    pub kept: Vec<(Seen<'a>, Verdict)>,
    pub replaced: Vec<(Seen<'a>, Cause)>,
    pub surplus: Vec<Seen<'a>>,
}

pub(crate) struct Planner<'a, 'r> {
    pub goal: &'a Goal<'a>,
    pub observed: &'a Observed,
    pub fleet: &'r Fleet<'a>,
    pub resources: Resources,
    pub graph: &'r mut Graph,
    pub ready: BTreeMap<&'a str, Ready>,
    pub removed: &'r mut Removed,
    /// The services whose network others join.
    pub holders: BTreeSet<&'a str>,
    /// The drain commands that run in a container.
    pub drains: BTreeMap<String, Vec<OpId>>,
    /// The values of the caller's as this plan will have them.
    pub values: Values,
    /// For each cluster what must have happened before its next member is stopped.
    pub turns: BTreeMap<&'a str, Vec<OpId>>,
    /// Services whose containers are made anew although they are right.
    pub again: BTreeSet<&'a str>,
}

pub(crate) fn plan<'a>(
    goal: &'a Goal<'a>,
    observed: &'a Observed,
    fleet: &Fleet<'a>,
    resources: Resources,
    removed: &mut Removed,
    graph: &mut Graph,
) {
    let mut planner = Planner::new(goal, observed, fleet, resources, removed, graph);
    for name in order::in_order(goal.compose) {
        planner.service(name);
    }
}

impl<'a, 'r> Planner<'a, 'r> {
    pub(crate) fn new(
        goal: &'a Goal<'a>,
        observed: &'a Observed,
        fleet: &'r Fleet<'a>,
        resources: Resources,
        removed: &'r mut Removed,
        graph: &'r mut Graph,
    ) -> Self {
        Self {
            goal,
            observed,
            fleet,
            resources,
            graph,
            ready: BTreeMap::new(),
            removed,
            holders: order::holders(goal.compose),
            drains: BTreeMap::new(),
            values: Values::of(goal.compose, observed),
            turns: BTreeMap::new(),
            again: BTreeSet::new(),
        }
    }
}

impl<'a> Planner<'a, '_> {
    pub(crate) fn service(&mut self, name: &'a str) {
        if self.ready.contains_key(name) {
            return;
        }
        let service = &self.goal.compose.services[name];
        let sorted = self.sort(name, service);
        if !sorted.replaced.is_empty() {
            self.others_of_the_cluster_first(name, service);
        }
        let missing = (service.replicas() as usize).saturating_sub(sorted.kept.len());
        let mut change = Change {
            name,
            service,
            before: self.prerequisites(service),
            missing,
            ready: Ready::default(),
        };
        if change.starts_any(&sorted) {
            let cleared = self.clear_the_way(&change);
            change.before.extend(cleared);
        }
        match self.rolls(&change, &sorted) {
            true => self.roll(&mut change, sorted),
            false => self.recreate(&mut change, sorted),
        }
        if let Some(cluster) = &service.extension.turn {
            let turn = self.turns.entry(cluster).or_default();
            turn.extend(&change.ready.well);
        }
        self.ready.insert(name, change.ready);
    }

    /// A member that is not well yet but stays must be well before another is
    /// stopped, so it is planned before those that are replaced.
    fn others_of_the_cluster_first(&mut self, name: &str, service: &Service) {
        let Some(cluster) = &service.extension.turn else {
            return;
        };
        let all = self.goal.compose.services.iter();
        let others = all.filter(|(other, it)| {
            *other != name
                && it.extension.turn.as_ref() == Some(cluster)
                && it.waits_for().all(|it| self.ready.contains_key(it))
                && self.sort(other, it).replaced.is_empty()
        });
        let others: Vec<_> = others.map(|(other, _)| other.as_str()).collect();
        for other in others {
            self.service(other);
        }
    }

    pub(crate) fn sort(&self, name: &str, service: &Service) -> Sorted<'a> {
        let facts = Facts {
            compose: self.goal.compose,
            observed: self.observed,
            removed: self.removed,
            values: &self.values,
            holder: self.holder_of(service),
            is_joined: self.holders.contains(name),
        };
        let mut sorted = Sorted::default();
        for seen in self.fleet.of_service(name) {
            match facts.verdict(service, *seen) {
                Verdict::Replace(cause) => sorted.replaced.push((*seen, cause)),
                Verdict::Right if self.again.contains(name) => {
                    sorted.replaced.push((*seen, Cause::RestartAsked));
                }
                verdict => sorted.kept.push((*seen, verdict)),
            }
        }
        sorted.kept.sort_by_key(|(_, verdict)| verdict.effort());
        let wanted = sorted.kept.len().min(service.replicas() as usize);
        let surplus = sorted.kept.split_off(wanted);
        sorted.surplus = surplus.into_iter().map(|(seen, _)| seen).collect();
        sorted
    }

    /// The container whose network a service joins, as it will be.
    fn holder_of(&self, service: &Service) -> Option<Holder<'a>> {
        let holder = service.network_of()?;
        let will_be = self.ready.get(holder).and_then(|ready| ready.fleet.first());
        let name = match will_be {
            Some((name, _)) => name.clone(),
            None => instance_name(&self.goal.compose.name, holder, 1),
        };
        let is_kept = will_be.is_some_and(|(_, standing)| *standing != Standing::New);
        let seen = self.observed.containers.get(&name).filter(|_| is_kept);
        Some(Holder { name, seen })
    }

    pub(crate) fn holder_name(&self, service: &Service) -> Option<String> {
        self.holder_of(service).map(|holder| holder.name)
    }

    /// What must have happened before a container of `service` starts.
    pub(crate) fn prerequisites(&self, service: &Service) -> Vec<OpId> {
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

    /// What its containers are made from.
    pub(crate) fn needs(&mut self, service: &Service) -> Vec<OpId> {
        let (compose, observed) = (self.goal.compose, self.observed);
        self.resources.needs(compose, observed, service, self.graph)
    }

    pub(crate) fn keep(&mut self, change: &mut Change<'a>, seen: Seen<'a>, verdict: &Verdict) {
        let (container, it) = seen;
        let mut standing = Standing::Runs;
        match verdict {
            Verdict::Right if !it.is_running() => standing = Standing::Idle,
            Verdict::Right | Verdict::Replace(_) => {}
            Verdict::Await(cause) => {
                let after = change.before.clone();
                let well = self.await_settled(change.service, container, cause, after);
                change.ready.well.extend(well);
            }
            Verdict::Start(cause) => {
                let made = self.start(change, container, cause);
                change.ready.add(&made);
            }
            Verdict::Unpause(cause) => {
                let call = Call::UnpauseContainer {
                    container: container.clone(),
                };
                let start = self.graph.add(call, cause, change.before.clone());
                let well = self
                    .await_well(change.service, container, cause, vec![start])
                    .unwrap_or(start);
                change.ready.started.push(start);
                change.ready.well.push(well);
            }
        }
        change.ready.fleet.push((container.clone(), standing));
    }
}

impl Change<'_> {
    fn starts_any(&self, sorted: &Sorted<'_>) -> bool {
        let mut kept = sorted.kept.iter();
        self.missing > 0 || kept.any(|(_, verdict)| matches!(verdict, Verdict::Start(_)))
    }
}

impl Ready {
    pub(crate) fn add(&mut self, made: &Made) {
        self.created.extend(made.created);
        self.started.push(made.start);
        self.well.push(made.well);
    }
}
