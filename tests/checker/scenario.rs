//! A stack under the population while something is done to it, and the verdict.
//!
//! `Checker::new(&stack)`, then `during("a switchover", |pulse| ...)` as often as wanted:
//! every verdict is about all writes since the beginning. Any closure will do.
//! Next: `population/` (who works), `verdict.rs` (what must hold).

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::figures::{Figures, Span};
use super::history::{History, Id};
use super::population::{self, FULL_RATE, Pulse, Running, Start, Target};
use super::reading;
use super::relay::{Relay, told_to_the_app};
use super::verdict::{Bounds, Verdict, judge};
use crate::support::Stack;

const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(3);
/// A median above this without any change means that this machine is too slow.
const CALM: Duration = Duration::from_millis(60);
/// What a replica may be behind: followers of a primary that moved follow it within this.
pub const STALENESS: Duration = Duration::from_secs(10);

pub struct Checker<'a> {
    stack: &'a Stack,
    // Its container must be gone before the stack's network can go.
    _relay: Relay,
    target: Target,
    bounds: Bounds,
    /// Writes a second.
    rate: f64,
    zero: Instant,
    history: History,
    next_id: Id,
    next_beat: u64,
}

/// What one action did to clients.
pub struct Run {
    pub name: String,
    pub verdict: Verdict,
    pub figures: Figures,
    pub latest_start: Duration,
}

impl<'a> Checker<'a> {
    /// The stack must be up; what an earlier checker has left there is forgotten.
    pub fn new(stack: &'a Stack) -> Self {
        let relay = Relay::start(stack);
        let login = |name| {
            let url = told_to_the_app(stack, name);
            let login = tokio_postgres::Config::from_str(&url).ok();
            // Not the parser's words: they may hold the address.
            login.unwrap_or_else(|| panic!("{name} is an address of PostgreSQL"))
        };
        let target = Target {
            edge: SocketAddr::from(([127, 0, 0, 1], stack.https)),
            pooler: relay.to_pooler,
            writes: login("DATABASE_URL"),
            reads: login("DATABASE_READ_URL"),
            prefix: format!("c{}", unique()),
        };
        let checker = Self {
            stack,
            _relay: relay,
            target,
            bounds: Bounds {
                staleness: STALENESS,
            },
            rate: FULL_RATE,
            zero: Instant::now(),
            history: History::default(),
            next_id: 1,
            next_beat: 1,
        };
        population::found(&checker.target);
        checker
    }

    /// Fewer writes a second, where it is not the load that is tested.
    pub fn at_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Does that in the middle of the load, waits a little, and judges.
    pub fn during(&mut self, name: &str, action: impl FnOnce(&Pulse)) -> Run {
        self.during_and_then(name, action, || {})
    }

    /// The same, with something to be done between the load's end and the judging.
    pub fn during_and_then(
        &mut self,
        name: &str,
        action: impl FnOnce(&Pulse),
        then: impl FnOnce(),
    ) -> Run {
        let (running, load_begun) = self.start_calmly();
        let begun = self.zero.elapsed();
        action(running.pulse());
        let ended = self.zero.elapsed();
        std::thread::sleep(AFTER);
        let load_ended = self.zero.elapsed();
        let latest_start = self.take(running);
        then();
        let span = Span {
            load_begun,
            begun,
            ended,
            load_ended,
        };
        Run {
            name: name.to_owned(),
            verdict: self.judge(),
            figures: Figures::of(&self.history, &span),
            latest_start,
        }
    }

    /// All writes since the beginning, against what the primary holds now.
    pub fn judge(&self) -> Verdict {
        let primary = reading::primary(self.stack);
        let state = reading::read(&primary, &self.target.prefix);
        judge(&self.history, &state, &self.bounds)
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    /// An overloaded machine is slow without any change: that is not what is asked.
    fn start_calmly(&mut self) -> (Running, Duration) {
        for _ in 0..20 {
            let running = self.start();
            let load_begun = self.zero.elapsed();
            std::thread::sleep(BEFORE);
            let median = running.pulse().median();
            if median.is_some_and(|median| median < CALM) {
                return (running, load_begun);
            }
            eprintln!("not calm yet: a write takes {median:?}");
            self.take(running);
        }
        panic!(
            "with nothing changed this machine is too slow for the population; \
             SCALECTL_TEST_RATE asks for fewer writes a second"
        );
    }

    fn start(&self) -> Running {
        let rate = std::env::var("SCALECTL_TEST_RATE").ok();
        let start = Start {
            zero: self.zero,
            next_id: self.next_id,
            next_beat: self.next_beat,
            rate: rate.and_then(|it| it.parse().ok()).unwrap_or(self.rate),
        };
        population::start(self.target.clone(), start)
    }

    fn take(&mut self, running: Running) -> Duration {
        let worked = running.finish();
        self.history.records.extend(worked.records);
        (self.next_id, self.next_beat) = (worked.next_id, worked.next_beat);
        worked.latest_start
    }
}

/// No other checker's on the same stack.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{:x}x{number}", std::process::id())
}

impl Run {
    /// Nothing was lost, doubled, torn or refused.
    pub fn must_be_sound(&self) {
        eprintln!("{self}");
        assert!(self.verdict.is_sound(), "{self}");
    }
}
