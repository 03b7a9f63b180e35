//! References: `${NAME}` in the app's environment.
//!
//! A value may use other entries of `env`, and `${PORT}`; `$${` stands for a
//! literal `${`. Nothing comes from the environment of who runs scalectl, so
//! that the same file renders the same bytes everywhere, and no secret can be
//! used, because values stand readable in what is rendered.
//! Next: `decode_app.rs` (who asks).

use std::collections::BTreeMap;

use crate::cause::Cause;
use crate::fields::{Reader, Spanned};
use crate::node::Entry;
use crate::suggest;
use crate::units::{EnvName, Port};
use crate::values::AnyScalar;

type Env = BTreeMap<EnvName, Spanned<AnyScalar>>;

/// What the file gives a value to, even where the value is wrong: a reference
/// to one of them is no mistake of its own.
pub(crate) struct Said<'n> {
    pub env: &'n [Entry],
    pub secrets: &'n [Entry],
}

/// A piece of a value.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t str),
    Reference(&'t str),
}

/// Every value with its references replaced; mistakes are reported.
pub(crate) fn resolve(
    env: &Env,
    said: &Said<'_>,
    port: Port,
    reader: &mut Reader<'_>,
) -> BTreeMap<EnvName, String> {
    let mut known: BTreeMap<&str, String> = BTreeMap::from([("PORT", port.to_string())]);
    let mut pieces = BTreeMap::new();
    for (name, value) in env {
        match split(&value.value.0) {
            Ok(split) => {
                pieces.insert(name.as_str(), split);
            }
            Err(cause) => reader.report(cause, value.at, "in here"),
        }
    }
    for (name, split) in &pieces {
        for reference in references(split) {
            let cause = fault_of(reference, said);
            if let Some(cause) = cause {
                reader.report(cause, env[*name].at, "in here");
            }
        }
    }
    for cycle in cycles(&pieces) {
        let chain: Vec<String> = cycle.iter().map(|name| format!("`{name}`")).collect();
        let cause = Cause::CyclicReference {
            name: cycle[0].to_owned(),
            chain: chain.join(" -> "),
        };
        reader.report(cause, env[cycle[0]].at, "in here");
    }
    if !reader.mistakes.is_empty() {
        return BTreeMap::new();
    }
    for name in pieces.keys() {
        if let Err(TooLong(name)) = value_of(name, &pieces, &mut known) {
            let cause = Cause::TooLong {
                place: format!("`app.env.{name}`"),
            };
            reader.report(cause, env[name].at, "in here");
            break;
        }
    }
    env.keys()
        .filter_map(|name| Some((name.clone(), known.remove(name.as_str())?)))
        .collect()
}

fn references<'a, 't>(pieces: &'a [Piece<'t>]) -> impl Iterator<Item = &'t str> + use<'a, 't> {
    pieces.iter().filter_map(|piece| match piece {
        Piece::Reference(name) => Some(*name),
        Piece::Literal(_) => None,
    })
}

/// Why a name cannot be referred to.
fn fault_of(name: &str, said: &Said<'_>) -> Option<Cause> {
    let has = |entries: &[Entry]| entries.iter().any(|entry| entry.key == name);
    if name == "PORT" || has(said.env) {
        return None;
    }
    if EnvName::RESERVED.contains(&name) || has(said.secrets) {
        return Some(Cause::SecretReference {
            name: name.to_owned(),
        });
    }
    let known: Vec<&str> = said
        .env
        .iter()
        .map(|entry| entry.key.as_str())
        .chain(["PORT"])
        .collect();
    let hint = match suggest::nearest(name, &known) {
        Some(near) => format!("did you mean `${{{near}}}`?"),
        None => "a value can use other entries of `env` and `${PORT}`, not the environment of who \
                 runs scalectl; `$${` stands for a literal `${`"
            .to_owned(),
    };
    Some(Cause::UnknownReference {
        name: name.to_owned(),
        hint,
    })
}

/// How far the search for cycles is with a name.
enum Visit {
    /// On the way from the start, at this position.
    Open(usize),
    Done,
}

/// Each cycle once, from its first name around to the same name.
fn cycles<'t>(pieces: &BTreeMap<&'t str, Vec<Piece<'t>>>) -> Vec<Vec<&'t str>> {
    let mut visits: BTreeMap<&str, Visit> = BTreeMap::new();
    let mut cycles = Vec::new();
    for start in pieces.keys().copied() {
        // Depth first without recursion: a chain may be as long as the file.
        let mut path = Vec::new();
        let mut next = Some(start).filter(|start| !visits.contains_key(start));
        loop {
            match next.and_then(|name| visits.get(name)) {
                Some(Visit::Open(from)) => {
                    let names = path[*from..].iter().map(|(name, _)| *name);
                    cycles.push(names.chain(next).collect());
                }
                Some(Visit::Done) => {}
                None => {
                    if let Some(name) = next {
                        visits.insert(name, Visit::Open(path.len()));
                        path.push((name, below(name, pieces)));
                    }
                }
            }
            let Some((name, rest)) = path.last_mut() else {
                break;
            };
            next = rest.pop();
            if next.is_none() {
                visits.insert(name, Visit::Done);
                path.pop();
            }
        }
    }
    cycles
}

fn below<'t>(name: &str, pieces: &BTreeMap<&'t str, Vec<Piece<'t>>>) -> Vec<&'t str> {
    pieces
        .get(name)
        .map(|pieces| references(pieces).collect())
        .unwrap_or_default()
}

/// The entry whose value is too long for a process's environment.
struct TooLong<'t>(&'t str);

/// Puts the value of `name`, and of all it needs, into `known`. There are no
/// cycles any more, and no unknown names.
fn value_of<'t>(
    name: &'t str,
    pieces: &BTreeMap<&'t str, Vec<Piece<'t>>>,
    known: &mut BTreeMap<&'t str, String>,
) -> Result<(), TooLong<'t>> {
    let mut path = vec![name];
    while let Some(name) = path.last().copied() {
        let missing: Vec<&str> = below(name, pieces)
            .into_iter()
            .filter(|name| !known.contains_key(name))
            .collect();
        if !missing.is_empty() {
            path.extend(missing);
            continue;
        }
        let mut value = String::new();
        for piece in pieces.get(name).into_iter().flatten() {
            value.push_str(match piece {
                Piece::Literal(text) => text,
                Piece::Reference(name) => known.get(name).map_or("", String::as_str),
            });
            if value.len() > AnyScalar::MAX_LENGTH {
                return Err(TooLong(name));
            }
        }
        known.insert(name, value);
        path.pop();
    }
    Ok(())
}

/// Splits a value at its references.
fn split(text: &str) -> Result<Vec<Piece<'_>>, Cause> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if at > 0 && rest.as_bytes()[at - 1] == b'$' {
            pieces.extend([Piece::Literal(&rest[..at - 1]), Piece::Literal("${")]);
            rest = &rest[at + 2..];
            continue;
        }
        pieces.push(Piece::Literal(&rest[..at]));
        let (name, after) = rest[at + 2..].split_once('}').ok_or(Cause::BadReference)?;
        if !EnvName::is_name(name) {
            return Err(Cause::BadReference);
        }
        pieces.push(Piece::Reference(name));
        rest = after;
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}
