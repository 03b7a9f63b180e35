//! Lineage: which of a stack's database clusters are there.
//!
//! A cluster has a generation: 1 is the one that a stack is founded with, and each move of
//! the database makes another. Observed on the target, never guessed, and never more than
//! two at once. Which of two takes writes is not said here: the clusters know.

use std::collections::BTreeSet;

/// The generation that a stack is founded with.
pub const FIRST: u32 = 1;

/// The database clusters of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage {
    /// The one that the stack has, or the older one while it moves.
    pub generation: u32,
    /// The one that follows it or that it moved to.
    pub beside: Option<u32>,
}

impl Default for Lineage {
    fn default() -> Self {
        Self {
            generation: FIRST,
            beside: None,
        }
    }
}

impl Lineage {
    pub fn only(generation: u32) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    /// From the generations whose data are there; a stack without data is founded anew.
    pub fn of(generations: &BTreeSet<u32>) -> Self {
        let mut all = generations.iter().copied();
        let generation = all.next().unwrap_or(FIRST);
        Self {
            generation,
            beside: all.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_that_are_there_say_which_clusters_a_stack_has() {
        let of = |found: &[u32]| Lineage::of(&found.iter().copied().collect());
        assert_eq!(of(&[]), Lineage::only(1), "nothing is there yet");
        assert_eq!(of(&[3]), Lineage::only(3), "the others are gone for good");
        let both = of(&[2, 1]);
        assert_eq!((both.generation, both.beside), (1, Some(2)));
    }
}
