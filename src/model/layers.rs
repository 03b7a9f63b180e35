//! Layers: the file as written, and what each phase lays over it.
//!
//! Overrides are laid over the tree of nodes before anything is decoded: a
//! phase's app goes through the same checks as any other, and every node keeps
//! the place where it was written. Must never know what a key means, but for
//! the pairs of which one excludes the other.
//! Next: `lib.rs` (decodes one layer a phase).

use std::collections::BTreeMap;
use std::ops::Range;

use crate::cause::Cause;
use crate::facts::Facts;
use crate::fields::way_out;
use crate::mistakes::Mistake;
use crate::node::{Entry, Kind, Node, Value};
use crate::suggest;

/// The file, taken apart.
pub(crate) struct Layers {
    base: Node,
    overrides: BTreeMap<u8, Node>,
    /// Bytes of the file that the overrides stand in.
    pub overridden: Range<usize>,
}

impl Layers {
    /// Takes the overrides out of the file; wrong ones become mistakes.
    pub fn of(root: Node, facts: &dyn Facts, mistakes: &mut Vec<Mistake>) -> Self {
        let mut layers = Self {
            base: root,
            overrides: BTreeMap::new(),
            overridden: 0..0,
        };
        let Value::Map(entries) = &mut layers.base.value else {
            return layers;
        };
        let Some(at) = entries.iter().position(|entry| entry.key == "phases") else {
            return layers;
        };
        let phases = entries.remove(at);
        let end = entries
            .get(at)
            .map_or(usize::MAX, |next| next.key_at.offset());
        layers.overridden = phases.key_at.offset()..end;
        match phases.node.value {
            Value::Map(phases) => {
                for phase in phases {
                    layers.add(phase, facts, mistakes);
                }
            }
            _ if phases.node.kind() == Kind::Nothing => {}
            _ => mistakes.push(not_a_mapping("`phases`".to_owned(), &phases)),
        }
        layers
    }

    fn add(&mut self, mut phase: Entry, facts: &dyn Facts, mistakes: &mut Vec<Mistake>) {
        let known = facts.phases();
        let Some(number) = known.iter().find(|number| number.to_string() == phase.key) else {
            let known: Vec<String> = known.iter().map(u8::to_string).collect();
            let hint = format!("there are phases {}", suggest::and(&known));
            let cause = Cause::UnknownPhase {
                phase: phase.key,
                hint,
            };
            mistakes.push(Mistake::new(cause, phase.key_at, "no such phase"));
            return;
        };
        let is_empty = phase.node.kind() == Kind::Nothing;
        match &mut phase.node.value {
            Value::Map(entries) => entries.retain(|entry| {
                let allowed = !matches!(entry.key.as_str(), "name" | "phases");
                if !allowed {
                    let cause = Cause::KeyOfAllPhases {
                        key: entry.key.clone(),
                    };
                    mistakes.push(Mistake::new(cause, entry.key_at, "in one phase only"));
                }
                allowed
            }),
            _ if is_empty => return,
            _ => {
                mistakes.push(not_a_mapping(format!("`phases.{number}`"), &phase));
                return;
            }
        }
        self.overrides.insert(*number, phase.node);
    }

    /// The file as one phase sees it.
    pub fn for_phase(&self, phase: u8) -> Node {
        match self.overrides.get(&phase) {
            Some(over) => lay_over(&self.base, over, &mut Vec::new()),
            None => self.base.clone(),
        }
    }
}

fn not_a_mapping(place: String, entry: &Entry) -> Mistake {
    let cause = Cause::WrongType {
        place,
        expected: "a mapping of keys".to_owned(),
        found: entry.node.kind().words(),
        hint: way_out(entry.node.kind(), "a mapping of keys"),
    };
    Mistake::new(cause, entry.node.at, "must be a mapping of keys")
}

/// `over` laid over `base`: mappings are merged key by key, all else replaced.
fn lay_over(base: &Node, over: &Node, path: &mut Vec<String>) -> Node {
    let (Value::Map(below), Value::Map(above)) = (&base.value, &over.value) else {
        let keeps = over.kind() == Kind::Nothing && base.kind() == Kind::Map;
        return if keeps { base.clone() } else { over.clone() };
    };
    let mut merged: Vec<Entry> = below
        .iter()
        .filter(|entry| {
            above
                .iter()
                .all(|other| !excludes(path, &other.key, &entry.key))
        })
        .cloned()
        .collect();
    for entry in above {
        match merged.iter_mut().find(|other| other.key == entry.key) {
            Some(other) => {
                path.push(entry.key.clone());
                other.node = lay_over(&other.node, &entry.node, path);
                other.key_at = entry.key_at;
                path.pop();
            }
            None => merged.push(entry.clone()),
        }
    }
    Node {
        at: over.at,
        end: over.end,
        value: Value::Map(merged),
    }
}

/// Whether `key` in an override takes away `other` in what lies below.
fn excludes(path: &[String], key: &str, other: &str) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let pair = match path.as_slice() {
        ["app"] => ["build", "image"],
        ["app", "secrets", _] => ["env", "file"],
        _ => return false,
    };
    key != other && pair.contains(&key) && pair.contains(&other)
}
