//! The graph under construction: operations get their numbers here.
//!
//! Operations are added in an order in which they could run one by one, so an
//! operation can only wait for earlier ones and a circle cannot arise. What is
//! already waited for through another operation is left out of its list, so that
//! a plan's text shows each wait once.

use crate::operation::{Call, Cause, OpId, Operation};

#[derive(Debug, Default)]
pub(crate) struct Graph {
    operations: Vec<Operation>,
    /// For each operation, one bit for every earlier one that it waits for,
    /// directly or through others.
    behind: Vec<Vec<u64>>,
    /// Whether nothing waits for the operation.
    is_last: Vec<bool>,
}

impl Graph {
    /// Adds an operation that waits for all of `after`.
    pub(crate) fn add(
        &mut self,
        call: Call,
        cause: &Cause,
        after: impl IntoIterator<Item = OpId>,
    ) -> OpId {
        let id = OpId(self.operations.len() as u32 + 1);
        let mut after: Vec<_> = after.into_iter().collect();
        after.sort();
        after.dedup();
        let mut implied = vec![0; self.operations.len() / 64 + 1];
        for before in after.iter().map(|it| it.0 as usize - 1) {
            for (word, more) in implied.iter_mut().zip(&self.behind[before]) {
                *word |= more;
            }
        }
        after.retain(|it| !has(&implied, it.0 as usize - 1));
        for before in after.iter().map(|it| it.0 as usize - 1) {
            implied[before / 64] |= 1 << (before % 64);
            self.is_last[before] = false;
        }
        self.behind.push(implied);
        self.is_last.push(true);
        self.operations.push(Operation {
            id,
            call,
            cause: cause.clone(),
            after,
        });
        id
    }

    /// The operations that nothing waits for: after them, all is done.
    pub(crate) fn last(&self) -> Vec<OpId> {
        let all = self.operations.iter().zip(&self.is_last);
        all.filter(|(_, is_last)| **is_last)
            .map(|(operation, _)| operation.id)
            .collect()
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}

fn has(bits: &[u64], index: usize) -> bool {
    bits[index / 64] & (1 << (index % 64)) != 0
}
