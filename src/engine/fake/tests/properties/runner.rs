//! A runner for tests: one call at a time, in any order that a plan allows.
//!
//! What a wide execution could do, some seed of this one does. Before each call
//! `audit.rs` looks whether the call is a right one to make now.

use std::collections::BTreeSet;

use scalectl_engine::EngineError;
use scalectl_engine_fake::FakeEngine;
use scalectl_plan::{Call, OpId, Operation, Plan};

use crate::audit::Audit;

/// Small, seeded, and good enough to shuffle (xorshift).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// How a run ends before its plan does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// Not at all.
    TheEnd,
    /// Killed when so many operations are done.
    Killed(usize),
    /// At the first failure, nothing more.
    Failure,
    /// At the first failure nothing that needs it; all else is done.
    FailureAndItsFollowers,
}

/// Runs operations in a random order that respects what each waits for.
#[expect(clippy::result_large_err, reason = "a test looks at the whole failure")]
pub fn run(
    plan: &Plan,
    engine: &FakeEngine,
    dice: &mut Dice,
    until: Until,
    audit: &mut Audit<'_>,
) -> Result<(), (Operation, EngineError)> {
    let mut done: BTreeSet<OpId> = BTreeSet::new();
    let mut left: Vec<&Operation> = plan.operations.iter().collect();
    let mut failed = None;
    loop {
        if until == Until::Killed(done.len()) {
            return Ok(());
        }
        let ready: Vec<usize> = (0..left.len())
            .filter(|index| left[*index].after.iter().all(|it| done.contains(it)))
            .filter(|index| !waits_for_an_end(engine, left[*index]))
            .collect();
        if ready.is_empty() {
            break;
        }
        let operation = left.remove(ready[dice.below(ready.len())]);
        audit.before(engine, operation);
        match engine.call(&operation.call) {
            Ok(()) => {
                done.insert(operation.id);
                audit.after(engine, operation);
            }
            Err(error) => {
                failed.get_or_insert((operation.clone(), error));
                if until != Until::FailureAndItsFollowers {
                    break;
                }
            }
        }
    }
    match failed {
        Some(failed) => Err(failed),
        None => {
            assert!(
                left.is_empty(),
                "operations that nothing lets run: {left:?}"
            );
            Ok(())
        }
    }
}

/// Whether another operation has to stop its container first.
fn waits_for_an_end(engine: &FakeEngine, operation: &Operation) -> bool {
    match &operation.call {
        Call::AwaitEnd { id, .. } => engine.world().lives(id),
        _ => false,
    }
}
