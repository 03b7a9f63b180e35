//! How many calls run at once: a limit for each kind, for wider is not always quicker.
//!
//! The engine does much of its work under locks of its own, and all of it on the
//! cores that it has. The figures and where they are from:
//! docs/decisions/0015-how-wide-calls-run.md. Must never decide an order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use scalectl_plan::{Call, OpId};

/// How many calls of a kind are under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    pub creates: usize,
    pub starts: usize,
    /// Not counted are those that have lasted for `patience`: by then it is the
    /// container that takes its time, not the engine.
    pub stops: usize,
    pub patience: Duration,
    /// Each is a process in the agent's container until what it waits for is so.
    pub execs: usize,
    /// Removals and everything else but waits.
    pub others: usize,
}

impl Default for Width {
    fn default() -> Self {
        Self {
            creates: 8,
            starts: 8,
            stops: 4,
            patience: Duration::from_millis(250),
            execs: 8,
            others: 4,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Free,
    Create,
    Start,
    Stop,
    Exec,
    Other,
}

/// The calls under way that count.
pub(crate) struct Lanes {
    width: Width,
    taken: BTreeMap<Kind, usize>,
    /// Stops that count, with when they began.
    stops: BTreeMap<OpId, Instant>,
}

impl Lanes {
    pub fn new(width: Width) -> Self {
        Self {
            width,
            taken: BTreeMap::new(),
            stops: BTreeMap::new(),
        }
    }

    /// Takes a place for a call, if there is one.
    pub fn enter(&mut self, id: OpId, call: &Call) -> bool {
        let kind = kind(call);
        let taken = self.taken.entry(kind).or_default();
        if *taken >= limit(self.width, kind) {
            return false;
        }
        *taken += 1;
        if kind == Kind::Stop {
            self.stops.insert(id, Instant::now());
        }
        true
    }

    /// The call has ended.
    pub fn leave(&mut self, id: OpId, call: &Call) {
        match kind(call) {
            Kind::Stop => self.give_place(id),
            kind => self.free(kind),
        }
    }

    /// Until another stop has lasted so long that it gives its place away.
    pub async fn until_one_is_slow(&mut self) {
        let oldest = self.stops.iter().map(|(id, began)| (*began, *id)).min();
        let Some((began, id)) = oldest else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until((began + self.width.patience).into()).await;
        self.give_place(id);
    }

    fn give_place(&mut self, stop: OpId) {
        if self.stops.remove(&stop).is_some() {
            self.free(Kind::Stop);
        }
    }

    fn free(&mut self, kind: Kind) {
        if let Some(taken) = self.taken.get_mut(&kind) {
            *taken = taken.saturating_sub(1);
        }
    }
}

fn kind(call: &Call) -> Kind {
    match call {
        // The engine does nothing for them but tell.
        Call::Await { .. } | Call::AwaitEnd { .. } => Kind::Free,
        Call::Exec { .. } => Kind::Exec,
        Call::CreateContainer { .. } => Kind::Create,
        Call::StartContainer { .. } => Kind::Start,
        Call::StopContainer { .. } => Kind::Stop,
        _ => Kind::Other,
    }
}

fn limit(width: Width, kind: Kind) -> usize {
    match kind {
        Kind::Free => usize::MAX,
        Kind::Create => width.creates,
        Kind::Start => width.starts,
        Kind::Stop => width.stops,
        Kind::Exec => width.execs,
        Kind::Other => width.others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scalectl_documents::Span;

    fn stop(name: &str) -> Call {
        Call::StopContainer {
            name: name.to_owned(),
            id: name.to_owned(),
            grace: None,
        }
    }

    #[test]
    fn no_more_processes_wait_in_a_container_than_fit_in_it() {
        let exec = |id| Call::Exec {
            container: "agent".to_owned(),
            command: vec![format!("ready {id}")],
            deadline: Span(Duration::from_secs(1)),
        };
        let mut lanes = Lanes::new(Width::default());
        let entered = (0..100).filter(|id| lanes.enter(OpId(*id), &exec(*id)));
        assert_eq!(entered.count(), Width::default().execs);
    }

    /// However long a container takes to end, the others are asked to end as well.
    #[tokio::test(start_paused = true)]
    async fn a_stop_that_lasts_gives_its_place_to_the_next_one() {
        let mut lanes = Lanes::new(Width {
            stops: 2,
            patience: Duration::ZERO,
            ..Width::default()
        });
        assert!(lanes.enter(OpId(1), &stop("a")) && lanes.enter(OpId(2), &stop("b")));
        assert!(!lanes.enter(OpId(3), &stop("c")), "two are under way");
        lanes.until_one_is_slow().await;
        assert!(lanes.enter(OpId(3), &stop("c")), "one is only waited for");
        assert!(!lanes.enter(OpId(4), &stop("d")));
        lanes.leave(OpId(1), &stop("a"));
        assert!(
            !lanes.enter(OpId(4), &stop("d")),
            "its place was given away already"
        );
        lanes.leave(OpId(2), &stop("b"));
        assert!(lanes.enter(OpId(4), &stop("d")));
    }
}
