//! Values of the caller's: which of them a container was made with.
//!
//! A secret or a certificate of the user's comes from outside the document, and
//! nothing that follows from it, not even a hash, may stand where a label can be
//! read. So each value has a number, counted from 1, in the label of whoever took
//! it in: the engine's room tells whether a file still is what the caller gives
//! now, and a value that is another gets the next number. A container that was
//! made with an older number is replaced, also when scalectl was killed between
//! the one that got the value (bootstrap) and the one that reads it (the app).

use std::collections::BTreeMap;

use scalectl_documents::{Compose, Service};

use crate::observed::{Observed, ObservedContainer};

/// Every value of the caller's in a document, as it will be.
pub(crate) struct Values {
    /// By the config's key: its number, and the variable that carries it.
    all: BTreeMap<String, (u32, String)>,
}

impl Values {
    pub(crate) fn of(compose: &Compose, observed: &Observed) -> Self {
        let configs = compose.configs.iter();
        let carried = configs.filter_map(|(key, config)| Some((key, config.environment.as_ref()?)));
        let all = carried
            .map(|(key, variable)| {
                let number = number(key, compose, observed);
                (key.clone(), (number, variable.clone()))
            })
            .collect();
        Self { all }
    }

    fn taken_by<'a>(
        &'a self,
        service: &'a Service,
    ) -> impl Iterator<Item = (&'a String, &'a (u32, String))> {
        let mounted = service.configs.iter().map(|mount| &mount.source);
        let keys = mounted.chain(&service.extension.takes);
        keys.filter_map(|key| self.all.get_key_value(key))
    }

    /// What a container of `service` is made with.
    pub(crate) fn numbers(&self, service: &Service) -> BTreeMap<String, u32> {
        self.taken_by(service)
            .map(|(key, (number, _))| (key.clone(), *number))
            .collect()
    }

    /// The variables whose value is another than `container` was made with.
    pub(crate) fn changed(
        &self,
        service: &Service,
        container: &ObservedContainer,
    ) -> Option<String> {
        let made_with = |key: &String| container.values.get(key).copied().unwrap_or(0);
        let changed: Vec<_> = self
            .taken_by(service)
            .filter(|(key, (number, _))| made_with(key) != *number)
            .map(|(_, (_, variable))| variable.as_str())
            .collect();
        (!changed.is_empty()).then(|| changed.join(", "))
    }
}

/// The number that whoever holds the value has; a new one where the value is
/// another, or where nobody is left who could tell.
fn number(key: &str, compose: &Compose, observed: &Observed) -> u32 {
    let is_held_by = |container: &ObservedContainer| {
        let service = compose.services.get(&container.service);
        service.is_some_and(|it| it.configs.iter().any(|mount| mount.source == key))
    };
    let number = |container: &ObservedContainer| container.values.get(key).copied().unwrap_or(0);
    let ours = || observed.ours().map(|(_, container)| container);
    let holders = ours().filter(|it| is_held_by(it));
    let current = holders.filter(|it| !it.outdated.contains(key)).map(number);
    let next = ours().map(number).max().unwrap_or(0) + 1;
    current.max().unwrap_or(next)
}

/// `key=number`, space separated.
pub(crate) fn label(values: &BTreeMap<String, u32>) -> String {
    let pairs = values.iter().map(|(key, number)| format!("{key}={number}"));
    pairs.collect::<Vec<_>>().join(" ")
}

/// What `label` wrote; what is not of its form counts as not there.
pub fn read_label(label: &str) -> BTreeMap<String, u32> {
    let pairs = label.split(' ').filter_map(|pair| pair.split_once('='));
    pairs
        .filter_map(|(key, number)| Some((key.to_owned(), number.parse().ok()?)))
        .collect()
}
