//! Restart: the containers that are there, stopped and started as they are.
//!
//! What changed in scale.yaml waits for `up`. One after another where others can
//! serve on (copies of a service, members of a cluster), what is depended on
//! first, and whoever lives in a restarted container's network with it. Of the
//! services that are named, those that roll get successors of the same
//! definition instead (`rolled.rs`), and hooks run: clients notice nothing.
//! Without the document, or without a name (then all ends anyway), nothing is
//! made or removed.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Compose, Drain, Span, Update};

use crate::create::SETTLE;
use crate::fleet::{Fleet, Seen};
use crate::graph::Graph;
use crate::leaving;
use crate::observed::{Health, Observed, ObservedContainer};
use crate::operation::{Await, Call, Cause, OpId, Plan};
use crate::rolled;
use crate::rules::{Goal, fingerprint};

/// Plans the restart of `services`; without a name, of all that runs. A service
/// that is named is started although it does not run.
pub fn restart(project: &str, observed: &Observed, services: &[String], deadline: Span) -> Plan {
    planned(project, None, observed, services, deadline)
}

/// The same with the document that they were made from, as far as they still fit it.
pub fn restart_as(goal: &Goal<'_>, observed: &Observed, services: &[String]) -> Plan {
    let project = &goal.compose.name;
    let document = Some(goal).filter(|_| !services.is_empty());
    planned(project, document, observed, services, goal.wait_timeout)
}

fn planned(
    project: &str,
    goal: Option<&Goal<'_>>,
    observed: &Observed,
    services: &[String],
    deadline: Span,
) -> Plan {
    let fleet = Fleet::of(observed);
    let rolling = goal.map_or_else(BTreeSet::new, |goal| {
        rolled::those_that_can(goal, observed, &fleet, services)
    });
    let is_named = |service: &String| services.iter().any(|it| it == service);
    let chosen = observed.ours().filter(|(_, it)| match services {
        [] => it.is_alive(),
        _ => is_named(&it.service) && !rolling.contains(it.service.as_str()),
    });
    let chosen: BTreeMap<_, _> = chosen.collect();
    let mut restart = Restart {
        fleet: &fleet,
        compose: goal.map(|goal| goal.compose),
        deadline,
        order: BTreeMap::new(),
        turns: BTreeMap::new(),
        done: BTreeSet::new(),
        graph: Graph::default(),
    };
    for seen in in_order(&fleet, &chosen) {
        restart.one(seen);
    }
    let Restart {
        order, mut graph, ..
    } = restart;
    if let Some(goal) = goal {
        rolled::plan(goal, observed, &fleet, &rolling, &order, &mut graph);
    }
    Plan {
        project: project.to_owned(),
        operations: graph.into_operations(),
        keeps: Vec::new(),
        fingerprint: fingerprint(observed),
    }
}

struct Restart<'f, 'a> {
    fleet: &'f Fleet<'a>,
    /// Says which hooks there are; without it none.
    compose: Option<&'f Compose>,
    deadline: Span,
    /// For each service, the operations after which its containers are well again.
    order: BTreeMap<&'a str, Vec<OpId>>,
    /// The last operation of each cluster: its members take turns.
    turns: BTreeMap<&'a str, OpId>,
    done: BTreeSet<&'a String>,
    graph: Graph,
}

impl<'a> Restart<'_, 'a> {
    /// A container, and those that live in its network: they end before it and
    /// start after it.
    fn one(&mut self, holder: Seen<'a>) {
        let members = self.fleet.members(holder).into_iter();
        let members: Vec<_> = members.filter(|(_, it)| it.is_alive()).collect();
        let all: Vec<_> = [holder].into_iter().chain(members).collect();
        if !self.done.insert(holder.0) {
            return;
        }
        let mut before = Vec::new();
        for (name, it) in &all {
            self.done.insert(name);
            let used = needs(self.fleet, it).into_iter();
            let used = used.filter_map(|service| self.order.get(service));
            before.extend(used.flatten());
            before.extend(self.turns.get(stem(&it.service)));
        }
        let mut ended = before;
        for seen in all.iter().skip(1) {
            ended.push(self.stop(*seen, &stranded(holder), ended.clone()));
        }
        if holder.1.is_alive() {
            ended.extend(self.drain(holder, &ended));
            ended.push(self.stop(holder, &Cause::RestartAsked, ended.clone()));
        }
        let started = self.start(holder, &Cause::RestartAsked, ended);
        for seen in all.iter().skip(1) {
            self.start(*seen, &stranded(holder), vec![started]);
        }
    }

    /// Runs the hook before a stop, where one says how and somebody can. The only
    /// copy of what rolls cannot be taken out: nobody else serves.
    fn drain(&mut self, (name, it): Seen<'a>, after: &[OpId]) -> Option<OpId> {
        let service = self.compose?.services.get(&it.service)?;
        let hook = service.extension.drain.as_ref()?;
        let is_alone = self.fleet.of_service(&it.service).len() < 2;
        if !it.is_running() || (service.extension.update == Update::Rolling && is_alone) {
            return None;
        }
        let command = leaving::words(hook, name, it)?;
        let call = self.exec(hook, command)?;
        let well = self.order.get(hook.service.as_str()).into_iter().flatten();
        let after = well.chain(after).copied().collect::<Vec<_>>();
        Some(self.graph.add(call, &Cause::RestartAsked, after))
    }

    /// Waits until those in front know one that was started, where it says how.
    fn know(&mut self, (name, it): Seen<'a>, well: OpId) -> Option<OpId> {
        let service = self.compose?.services.get(&it.service)?;
        let hook = service.extension.ready.as_ref()?;
        let words = hook.command.iter();
        let command = words.map(|word| word.replace("{name}", name)).collect();
        let call = self.exec(hook, command)?;
        Some(self.graph.add(call, &Cause::RestartAsked, [well]))
    }

    fn exec(&self, hook: &Drain, command: Vec<String>) -> Option<Call> {
        let mut runners = self.fleet.of_service(&hook.service).iter();
        let (container, _) = runners.find(|(_, it)| it.is_running())?;
        Some(Call::Exec {
            container: (*container).clone(),
            command,
            deadline: self.deadline,
        })
    }

    fn stop(&mut self, (name, it): Seen<'a>, cause: &Cause, after: Vec<OpId>) -> OpId {
        let call = Call::StopContainer {
            name: name.clone(),
            id: it.id.clone(),
            grace: None,
        };
        self.graph.add(call, cause, after)
    }

    /// Starts it and waits until it is well; gives the start.
    fn start(&mut self, (name, it): Seen<'a>, cause: &Cause, after: Vec<OpId>) -> OpId {
        let container = name.clone();
        let start = Call::StartContainer {
            container: container.clone(),
        };
        let started = self.graph.add(start, cause, after);
        // Nothing is known of the check of one that does not run, nor of none.
        let wait = match it.health {
            Health::None => Await::Well { settle: SETTLE },
            _ => Await::Healthy,
        };
        let call = Call::Await {
            container,
            wait,
            deadline: self.deadline,
        };
        let well = self.graph.add(call, cause, [started]);
        let well = self.know((name, it), well).unwrap_or(well);
        self.order.entry(&it.service).or_default().push(well);
        self.turns.insert(stem(&it.service), well);
        started
    }
}

fn stranded((holder, _): Seen<'_>) -> Cause {
    Cause::Stranded {
        holder: holder.clone(),
    }
}

/// What members of a cluster have in common: `db` of `db-1`, `db-2`, `db-3`.
fn stem(service: &str) -> &str {
    match service.rsplit_once('-') {
        Some((stem, number)) if number.bytes().all(|it| it.is_ascii_digit()) => stem,
        _ => service,
    }
}

/// The services that a container depends on, directly or through others: those
/// between may have ended long ago.
fn needs<'a>(fleet: &Fleet<'a>, container: &'a ObservedContainer) -> BTreeSet<&'a str> {
    let (mut found, mut left) = (BTreeSet::new(), vec![container]);
    while let Some(it) = left.pop() {
        for service in &it.depends_on {
            if found.insert(service.as_str()) {
                left.extend(fleet.of_service(service).iter().map(|(_, used)| *used));
            }
        }
    }
    found
}

/// The chosen containers, each after those that it depends on. Labels could hold
/// a circle; each is taken once, so this ends all the same.
fn in_order<'a>(
    fleet: &Fleet<'a>,
    chosen: &BTreeMap<&'a String, &'a ObservedContainer>,
) -> Vec<Seen<'a>> {
    let (mut order, mut met) = (Vec::new(), BTreeSet::new());
    for (name, it) in chosen {
        visit(fleet, chosen, (*name, *it), &mut met, &mut order);
    }
    order
}

fn visit<'a>(
    fleet: &Fleet<'a>,
    chosen: &BTreeMap<&'a String, &'a ObservedContainer>,
    seen: Seen<'a>,
    met: &mut BTreeSet<&'a String>,
    order: &mut Vec<Seen<'a>>,
) {
    if !met.insert(seen.0) {
        return;
    }
    let members = fleet.members(seen).into_iter();
    // A holder goes with its members, thus after what they depend on, too.
    let users = members.filter(|(_, it)| it.is_alive()).chain([seen]);
    for user in users.collect::<Vec<_>>() {
        for service in needs(fleet, user.1) {
            for used in fleet.of_service(service) {
                if chosen.contains_key(used.0) {
                    visit(fleet, chosen, *used, met, order);
                }
            }
        }
    }
    let holder = seen.1.network_of.as_ref();
    let mut held = chosen
        .iter()
        .filter(|(name, it)| holder.is_some_and(|holder| *holder == ***name || *holder == it.id));
    if let Some((name, it)) = held.next() {
        visit(fleet, chosen, (*name, *it), met, order);
    }
    order.push(seen);
}
