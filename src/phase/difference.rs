//! What changes between two phases, for `scalectl phases`.

use crate::Phase;

/// One component that two phases treat differently.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    pub component: String,
    /// Members before; 0 if it is new.
    pub from: u32,
    /// Members after; 0 if it goes.
    pub to: u32,
    pub what: String,
}

/// Components whose number of members differs, by name.
pub fn difference(from: &Phase, to: &Phase) -> Vec<Change> {
    let mut names: Vec<_> = from.components.keys().chain(to.components.keys()).collect();
    names.sort();
    names.dedup();
    let count = |phase: &Phase, name: &str| phase.components.get(name).map_or(0, |it| it.members);
    let what = |name: &String| {
        to.components
            .get(name)
            .or(from.components.get(name))
            .map(|it| it.what.clone())
    };
    names
        .into_iter()
        .map(|name| Change {
            component: name.clone(),
            from: count(from, name),
            to: count(to, name),
            what: what(name).unwrap_or_default(),
        })
        .filter(|change| change.from != change.to)
        .collect()
}
