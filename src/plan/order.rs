//! The order in which services are planned: each after those it waits for.
//!
//! An operation can only wait for earlier ones, so what may be waited for comes
//! first: dependencies always; where it can be, the service that runs another's hooks;
//! and holders as late as possible, for what their members wait for should be
//! done before members are stopped for a holder's sake.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::{Compose, Service};

struct Order<'a> {
    compose: &'a Compose,
    /// How many dependencies of each service are not in the order yet.
    left: BTreeMap<&'a str, usize>,
    users: BTreeMap<&'a str, Vec<&'a str>>,
    /// Those whose hooks a service runs.
    hooked: BTreeMap<&'a str, Vec<&'a str>>,
    holders: BTreeSet<&'a str>,
    taken: BTreeSet<&'a str>,
    order: Vec<&'a str>,
}

/// Names of all services, each after those that it waits for.
pub(crate) fn in_order(compose: &Compose) -> Vec<&str> {
    let mut order = Order {
        compose,
        left: BTreeMap::new(),
        users: BTreeMap::new(),
        hooked: BTreeMap::new(),
        holders: holders(compose),
        taken: BTreeSet::new(),
        order: Vec::new(),
    };
    order.count();
    order.take_all();
    // `Compose::parse` refuses circles; without it they come last, by name.
    let rest = compose.services.keys().map(String::as_str);
    let rest: Vec<_> = rest.filter(|name| !order.taken.contains(name)).collect();
    order.order.extend(rest);
    order.order
}

/// The services whose network others join.
pub(crate) fn holders(compose: &Compose) -> BTreeSet<&str> {
    let services = compose.services.values();
    services
        .filter_map(|service| service.network_of())
        .collect()
}

impl<'a> Order<'a> {
    fn count(&mut self) {
        for (name, service) in &self.compose.services {
            let known = service
                .waits_for()
                .filter(|other| self.compose.services.contains_key(*other));
            let known: Vec<_> = known.collect();
            self.left.insert(name, known.len());
            for other in known {
                self.users.entry(other).or_default().push(name);
            }
            for runner in runners(service) {
                self.hooked.entry(runner).or_default().push(name);
            }
        }
    }

    fn take_all(&mut self) {
        let free = self.left.iter().filter(|(_, left)| **left == 0);
        let mut next: BTreeSet<_> = free.map(|(name, _)| (self.rank(name), *name)).collect();
        while let Some((_, name)) = next.pop_first() {
            self.taken.insert(name);
            self.order.push(name);
            for user in self.users.remove(name).unwrap_or_default() {
                let left = self.left.entry(user).or_default();
                *left -= 1;
                if *left == 0 {
                    next.insert((self.rank(user), user));
                }
            }
            for user in self.hooked.remove(name).unwrap_or_default() {
                if next.remove(&(LATER, user)) {
                    next.insert((self.rank(user), user));
                }
            }
        }
    }

    fn rank(&self, name: &str) -> u8 {
        let mut runners = runners(&self.compose.services[name]);
        let is_early = runners.any(|runner| runner != name && !self.taken.contains(runner));
        match (is_early, self.holders.contains(name)) {
            (true, _) => LATER,
            (false, true) => HOLDER,
            (false, false) => ANY,
        }
    }
}

/// The services in whose containers a service's hooks run.
fn runners(service: &Service) -> impl Iterator<Item = &str> {
    let extension = &service.extension;
    let hooks = extension.ready.iter().chain(&extension.drain);
    hooks.map(|hook| hook.service.as_str())
}

const ANY: u8 = 0;
const HOLDER: u8 = 1;
/// A service that runs its hooks is not in the order yet.
const LATER: u8 = 2;
