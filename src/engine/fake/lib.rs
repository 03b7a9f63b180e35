//! A Docker engine in memory, with faults on demand.
//!
//! It refuses what Docker refuses and keeps what Docker keeps, as far as a plan
//! can tell; where Docker would quietly make up for a wrong order (a volume made
//! by a create call, a network looked up at the start) it refuses, too. No
//! clock and no randomness: the same calls give the same world. It exists for
//! faults, never in place of tests on a real engine. Next: `world.rs` (what is
//! there), `calls.rs` (what a call does to it), `life.rs` (what happens by itself).

mod calls;
mod containers;
mod fault;
mod life;
mod look;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::Poll;

use scalectl_engine::{Engine, EngineError, Scope};
use scalectl_plan::{Call, Observed};

pub use fault::Fault;
pub use world::{Container, Endpoint, Stranger, World};

/// An engine that lives in this process.
#[derive(Debug, Clone, Default)]
pub struct FakeEngine {
    world: RefCell<World>,
    /// By the number of the call, from 1, counted from the engine's birth.
    faults: RefCell<BTreeMap<usize, Fault>>,
    log: RefCell<Vec<Call>>,
}

impl FakeEngine {
    /// An empty engine of the current API version.
    pub fn new() -> Self {
        Self::of_api((1, 56))
    }

    pub fn of_api(api: (u32, u32)) -> Self {
        let engine = Self::default();
        engine.world.borrow_mut().api = api;
        engine
    }

    /// Lets the `nth` call from now on fail; the next one is the first.
    pub fn fail(&self, nth: usize, fault: Fault) {
        let done = self.log.borrow().len();
        self.faults.borrow_mut().insert(done + nth, fault);
    }

    /// Forgets the faults that have not happened yet.
    pub fn heal(&self) {
        self.faults.borrow_mut().clear();
    }

    /// Every call that was made, whether or not it succeeded.
    pub fn calls(&self) -> Vec<Call> {
        self.log.borrow().clone()
    }

    /// Changes the world behind the back of whoever uses the engine.
    pub fn world(&self) -> std::cell::RefMut<'_, World> {
        self.world.borrow_mut()
    }

    /// What `observe` tells, without waiting for it.
    pub fn look(&self, scope: &Scope) -> Observed {
        look::observe(&self.world.borrow(), scope)
    }

    /// What `apply` does, without waiting for it.
    ///
    /// # Errors
    /// What Docker would refuse, or a fault that was asked for.
    pub fn call(&self, call: &Call) -> Result<(), EngineError> {
        self.log.borrow_mut().push(call.clone());
        let nth = self.log.borrow().len();
        let fault = self.faults.borrow_mut().remove(&nth);
        match fault {
            None => self.world.borrow_mut().perform(call),
            Some(Fault::Refused) => Err(fault::refused(call)),
            Some(Fault::ReplyLostBefore) => Err(fault::unknown(call)),
            Some(Fault::ReplyLostAfter) => {
                // Whatever came of it, nobody is told.
                let _unheard = self.world.borrow_mut().perform(call);
                Err(fault::unknown(call))
            }
        }
    }
}

impl Engine for FakeEngine {
    async fn observe(&self, scope: &Scope) -> Result<Observed, EngineError> {
        Ok(self.look(scope))
    }

    async fn apply(&self, call: &Call) -> Result<(), EngineError> {
        if let Call::AwaitEnd { id, .. } = call {
            // Ended by a call beside this one, which gets its turn meanwhile.
            std::future::poll_fn(|context| match self.world.borrow().lives(id) {
                true => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                false => Poll::Ready(()),
            })
            .await;
        }
        self.call(call)
    }
}
