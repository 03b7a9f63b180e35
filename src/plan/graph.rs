//! The graph under construction: operations get their numbers here.
//!
//! Operations are added in an order in which they could run one by one, so an
//! operation can only wait for earlier ones and a circle cannot arise.

use crate::operation::{Call, Cause, OpId, Operation};

#[derive(Debug, Default)]
pub(crate) struct Graph {
    operations: Vec<Operation>,
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
        self.operations.push(Operation {
            id,
            call,
            cause: cause.clone(),
            after,
        });
        id
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}
