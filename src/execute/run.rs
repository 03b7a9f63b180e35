//! The runner: starts every operation whose predecessors are done.
//!
//! One thread, no locks: futures in one set, polled here.
//! Next: `width.rs` (how many at once), `report.rs` (where the time went).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use scalectl_engine::{Engine, EngineError};
use scalectl_plan::{Call, OpId, Operation, Plan};
use tokio::sync::Notify;

use crate::event::{Event, Outcome};
use crate::report::{Report, Timing};
use crate::width::{Lanes, Width};

/// Asks a run to end: nothing new is started, waits are given up.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Rc<Cell<bool>>,
    bell: Rc<Notify>,
}

impl Stop {
    /// Ends the run that holds a clone of this.
    pub fn ask(&self) {
        self.asked.set(true);
        self.bell.notify_waiters();
    }

    async fn asked(&self) {
        let bell = self.bell.notified();
        if !self.asked.get() {
            bell.await;
        }
    }
}

/// One operation that did not succeed.
#[derive(Debug)]
pub struct Failure {
    pub operation: Operation,
    pub error: EngineError,
}

/// A run that did not reach the plan's end.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// Every operation that failed, in the order in which they did.
    #[error("{} of {total} operations failed", failures.len())]
    Failed {
        failures: Vec<Failure>,
        done: usize,
        total: usize,
    },
    #[error("stopped after {done} of {total} operations")]
    Stopped { done: usize, total: usize },
}

type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Ended<'a>> + 'a>>>;

struct Ended<'a> {
    operation: &'a Operation,
    result: Option<Result<(), EngineError>>,
    timing: Timing,
}

struct Run<'a, E> {
    plan: &'a Plan,
    engine: &'a E,
    lanes: Lanes,
    began: Instant,
    /// Operations not started yet, with how many predecessors are left.
    waiting: BTreeMap<OpId, usize>,
    successors: BTreeMap<OpId, Vec<OpId>>,
    ready: BTreeSet<OpId>,
    /// Ends the waits of a run that goes no further.
    give_up: Stop,
    ending: bool,
    timings: BTreeMap<OpId, Timing>,
    failures: Vec<Failure>,
}

/// Carries `plan` out on `engine`; each thing that happens goes to `tell`.
///
/// # Errors
/// `Failed` with every operation that failed: none is started after the first
/// failure. `Stopped` when `stop` was asked.
pub async fn run<E: Engine>(
    plan: &Plan,
    engine: &E,
    width: Width,
    stop: &Stop,
    mut tell: impl FnMut(Event),
) -> Result<Report, ExecuteError> {
    let mut run = Run::new(plan, engine, width);
    let mut running: Running<'_> = FuturesUnordered::new();
    loop {
        run.start_ready(&mut running, &mut tell);
        tokio::select! {
            ended = running.next() => match ended {
                Some(ended) => run.take_in(ended, &mut tell),
                None => break,
            },
            () = stop.asked(), if !run.ending => run.end(&mut tell),
            () = run.lanes.until_one_is_slow() => {}
        }
    }
    run.into_result(stop.asked.get())
}

impl<'a, E: Engine> Run<'a, E> {
    fn new(plan: &'a Plan, engine: &'a E, width: Width) -> Self {
        let mut successors: BTreeMap<OpId, Vec<OpId>> = BTreeMap::new();
        for operation in &plan.operations {
            for before in &operation.after {
                successors.entry(*before).or_default().push(operation.id);
            }
        }
        let waiting: BTreeMap<_, _> = plan
            .operations
            .iter()
            .map(|it| (it.id, it.after.len()))
            .collect();
        let ready = waiting
            .iter()
            .filter(|(_, left)| **left == 0)
            .map(|(id, _)| *id)
            .collect();
        Self {
            plan,
            engine,
            lanes: Lanes::new(width),
            began: Instant::now(),
            waiting,
            successors,
            ready,
            give_up: Stop::default(),
            ending: false,
            timings: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    fn start_ready(&mut self, running: &mut Running<'a>, tell: &mut impl FnMut(Event)) {
        if self.ending {
            return;
        }
        for id in self.ready.clone() {
            let operation = &self.plan.operations[id.0 as usize - 1];
            if !self.lanes.enter(id, &operation.call) {
                continue;
            }
            self.ready.remove(&id);
            self.waiting.remove(&id);
            tell(Event::Started { id });
            running.push(Box::pin(perform(
                self.engine,
                operation,
                self.began,
                self.give_up.clone(),
            )));
        }
    }

    fn take_in(&mut self, ended: Ended<'a>, tell: &mut impl FnMut(Event)) {
        let operation = ended.operation;
        self.lanes.leave(operation.id, &operation.call);
        let elapsed = ended.timing.end.saturating_sub(ended.timing.start);
        let outcome = match &ended.result {
            Some(Ok(())) => Outcome::Done,
            Some(Err(error)) if error.is_unknown() => Outcome::Unknown,
            Some(Err(_)) => Outcome::Failed,
            None => Outcome::GivenUp,
        };
        tell(Event::Ended {
            id: operation.id,
            outcome,
            elapsed,
        });
        match ended.result {
            Some(Ok(())) => self.succeeded(operation.id, ended.timing),
            Some(Err(error)) => {
                self.failures.push(Failure {
                    operation: operation.clone(),
                    error,
                });
                self.end(tell);
            }
            None => {}
        }
    }

    fn succeeded(&mut self, id: OpId, timing: Timing) {
        self.timings.insert(id, timing);
        for next in self.successors.get(&id).into_iter().flatten() {
            if let Some(left) = self.waiting.get_mut(next) {
                *left -= 1;
                if *left == 0 {
                    self.ready.insert(*next);
                }
            }
        }
    }

    fn end(&mut self, tell: &mut impl FnMut(Event)) {
        if !self.ending {
            self.ending = true;
            self.give_up.ask();
            tell(Event::Stopping);
        }
    }

    fn into_result(self, was_asked: bool) -> Result<Report, ExecuteError> {
        let (done, total) = (self.timings.len(), self.plan.operations.len());
        match (self.failures.is_empty(), done == total) {
            (false, _) => Err(ExecuteError::Failed {
                failures: self.failures,
                done,
                total,
            }),
            (true, false) if was_asked => Err(ExecuteError::Stopped { done, total }),
            (true, false) => Err(ExecuteError::Failed {
                failures: Vec::new(),
                done,
                total,
            }),
            (true, true) => Ok(Report::of(self.plan, &self.timings, self.began.elapsed())),
        }
    }
}

/// Performs one operation. Only a wait can be given up: a call that was sent
/// is always waited for, so that its outcome is known.
async fn perform<'a, E: Engine>(
    engine: &'a E,
    operation: &'a Operation,
    began: Instant,
    give_up: Stop,
) -> Ended<'a> {
    let start = began.elapsed();
    let result = match &operation.call {
        Call::Await { .. } | Call::AwaitEnd { .. } => tokio::select! {
            result = engine.apply(&operation.call) => Some(result),
            () = give_up.asked() => None,
        },
        call => Some(engine.apply(call).await),
    };
    Ended {
        operation,
        result,
        timing: Timing {
            start,
            end: began.elapsed().max(start + Duration::from_nanos(1)),
        },
    }
}
