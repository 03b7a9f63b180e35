//! The mark of a migration: what says, on the target itself, that one is open.
//!
//! It stands in the label of a volume that is made before anything else changes and goes
//! after it, so that every look finds it, even where nobody can be asked for the journal;
//! and, with the rung, in one of the stack's one-shot. Next: `conflicts.rs` (who obeys it).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A migration that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrating {
    /// Counts the migrations of a stack, from 1.
    pub id: u64,
    pub from: u8,
    pub to: u8,
    /// The rung of its ladder that the stack was last brought towards.
    pub rung: usize,
    /// The database's clusters that it leads from and to, where it moves that; the phase
    /// stays then.
    pub generations: Option<(u32, u32)>,
}

impl Migrating {
    /// Where it leads, in a few words.
    pub fn way(&self) -> String {
        let Self { from, to, .. } = self;
        match self.generations {
            None => format!("from phase {from} to phase {to}"),
            Some(_) => "to a fresh database cluster".to_owned(),
        }
    }
}

/// A label that is no mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the mark of a migration")]
pub struct NoMark(String);

impl fmt::Display for Migrating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id, from, to, rung, ..
        } = self;
        write!(f, "{id} {from}-{to} {rung}")?;
        match self.generations {
            Some((old, new)) => write!(f, " {old}-{new}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Migrating {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let parse = || {
            let mut words = text.split(' ');
            let id = words.next()?.parse().ok()?;
            let (from, to) = words.next()?.split_once('-')?;
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            let rung = words.next()?.parse().ok()?;
            let generations = match words.next().map(|it| it.split_once('-')) {
                None => None,
                Some(pair) => {
                    let (old, new) = pair?;
                    Some((old.parse().ok()?, new.parse().ok()?))
                }
            };
            words.next().is_none().then_some(Self {
                id,
                from,
                to,
                rung,
                generations,
            })
        };
        parse().ok_or_else(|| NoMark(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written_and_nothing_else_is_one() {
        let mut mark = Migrating {
            id: 12,
            from: 2,
            to: 1,
            rung: 3,
            generations: None,
        };
        assert_eq!(mark.to_string(), "12 2-1 3");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        mark.generations = Some((1, 4));
        assert_eq!(mark.to_string(), "12 2-1 3 1-4");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for text in ["", "1", "1 2", "1 2-3", "a 1-2 0", "1 1-2 0 x", "1 1-2 -1"] {
            assert!(text.parse::<Migrating>().is_err(), "{text}");
        }
    }
}
