//! The population: clients that work by the clock, whatever the answers do.
//!
//! 250 writes a second, half of them several statements in a transaction, with 50 reads
//! and 4 new connections beside. Each operation is done once and never repeated, so that
//! an error shows. Runs in a thread of its own until it is told to end.
//! Next: `work.rs` (what is done), `sql.rs` and `edge.rs` (how).

mod edge;
mod sql;
mod work;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, sleep_until};

use super::figures::median;
use super::history::{Id, Outcome, Record};
use edge::Edge;
use sql::Pool;
use work::{MIX, Work};

/// Longer than any hold; a client that waits longer gives up.
const PATIENCE: Duration = Duration::from_secs(20);
const WRITERS: usize = 30;
const READERS: usize = 6;
/// The population whose rate is 1.
pub const FULL_RATE: f64 = 250.0;

/// Where the population works, and as whom.
#[derive(Clone)]
pub struct Target {
    pub edge: SocketAddr,
    pub pooler: SocketAddr,
    /// `DATABASE_URL` and `DATABASE_READ_URL` as the app is told them.
    pub writes: tokio_postgres::Config,
    pub reads: tokio_postgres::Config,
    /// What the ids of orders and transfers begin with.
    pub prefix: String,
}

/// A population at work.
pub struct Running {
    end: Arc<AtomicBool>,
    pulse: Pulse,
    thread: JoinHandle<Worked>,
}

/// What a population did.
pub struct Worked {
    pub records: Vec<Record>,
    pub next_id: Id,
    pub next_beat: u64,
    /// The latest start after its due time: what this machine could not keep up with.
    pub latest_start: Duration,
}

/// How it goes, seen from outside while it goes on.
#[derive(Clone)]
pub struct Pulse {
    zero: Instant,
    /// When the last write was acknowledged, in microseconds.
    last: Arc<AtomicU64>,
    /// How long acknowledged writes took.
    times: Arc<Mutex<Vec<Duration>>>,
}

/// Where a population's numbers begin.
#[derive(Clone, Copy)]
pub struct Start {
    /// The history's beginning.
    pub zero: Instant,
    pub next_id: Id,
    pub next_beat: u64,
    /// Writes a second.
    pub rate: f64,
}

struct Shared {
    start: Start,
    target: Target,
    edge: Edge,
    writers: Pool,
    readers: Pool,
    pulse: Pulse,
    next_id: Cell<Id>,
    next_beat: Cell<u64>,
    records: RefCell<Vec<Record>>,
    latest_start: Cell<Duration>,
    last_append: Cell<Option<Id>>,
    last_order: Cell<Option<Id>>,
    /// One for a replica to show: an order, and when it was acknowledged.
    old_order: Cell<Option<(Id, Duration)>>,
}

/// Returns once all clients are connected and begin.
pub fn start(target: Target, start: Start) -> Running {
    let end = Arc::new(AtomicBool::new(false));
    let pulse = Pulse {
        zero: start.zero,
        last: Arc::new(AtomicU64::new(micros(start.zero.elapsed()))),
        times: Arc::default(),
    };
    let (told, beats) = (Arc::clone(&end), pulse.clone());
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the population's runtime starts");
        LocalSet::new().block_on(&runtime, live(target, start, beats, told, ready))
    });
    is_ready.recv().expect("all clients connect");
    Running { end, pulse, thread }
}

impl Running {
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Nothing new begins; waits for the last answers.
    pub fn finish(self) -> Worked {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().expect("the population ends")
    }
}

impl Pulse {
    /// For how long no write has been acknowledged.
    pub fn silence(&self) -> Duration {
        let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
        self.zero.elapsed().saturating_sub(last)
    }

    /// Waits until no write has been acknowledged for so long, as in a hold that has begun.
    pub fn wait_for_silence(&self, of: Duration, patience: Duration) -> bool {
        let give_up = Instant::now() + patience;
        while Instant::now() < give_up {
            if self.silence() >= of {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Of all writes that were acknowledged so far; nothing before there were some.
    pub fn median(&self) -> Option<Duration> {
        let times = self.times.lock().expect("nobody fails in between");
        (times.len() >= 20).then(|| median(times.clone()))
    }

    fn beat(&self, took: Duration) {
        let now = micros(self.zero.elapsed());
        self.last.fetch_max(now, Ordering::Relaxed);
        let mut times = self.times.lock().expect("nobody fails in between");
        times.push(took);
    }
}

/// Makes the tables, as the app's own role, and waits until replicas show them.
pub fn found(target: &Target) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let founded = async {
        let writer = sql::connect(&sql::at(&target.writes, target)).await?;
        let made = writer.batch_execute(sql::SCHEMA).await;
        made.map_err(|error| sql::surely_not(&error))?;
        let readers = sql::at(&target.reads, target);
        let give_up = Instant::now() + Duration::from_secs(30);
        while let Err(error) = sql::shows_the_tables(&readers).await {
            if Instant::now() > give_up {
                return Err(error);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let founded = LocalSet::new().block_on(&runtime, founded);
    founded.unwrap_or_else(|why: Outcome| panic!("the checker's tables are made: {why:?}"));
}

async fn live(
    target: Target,
    start: Start,
    pulse: Pulse,
    end: Arc<AtomicBool>,
    ready: Sender<()>,
) -> Worked {
    let shared = Rc::new(Shared {
        edge: Edge::new(target.edge),
        writers: Pool::new(&target, &target.writes, WRITERS),
        readers: Pool::new(&target, &target.reads, READERS),
        next_id: Cell::new(start.next_id),
        next_beat: Cell::new(start.next_beat),
        records: RefCell::default(),
        latest_start: Cell::default(),
        last_append: Cell::default(),
        last_order: Cell::default(),
        old_order: Cell::default(),
        start,
        target,
        pulse,
    });
    shared.writers.warm().await;
    shared.readers.warm().await;
    ready.send(()).expect("whoever started it waits");
    let mut tickers = JoinSet::new();
    for (number, (work, per_second)) in MIX.into_iter().enumerate() {
        let gap = Duration::from_secs_f64(FULL_RATE / start.rate / per_second);
        let first = Instant::now() + gap.mul_f64(number as f64 / MIX.len() as f64);
        let (shared, end) = (Rc::clone(&shared), Arc::clone(&end));
        tickers.spawn_local(tick(shared, work, first, gap, end));
    }
    let beats = work::beats(Rc::clone(&shared), Arc::clone(&end));
    tickers.spawn_local(beats);
    while let Some(ended) = tickers.join_next().await {
        ended.expect("a client ends well");
    }
    Worked {
        records: shared.records.take(),
        next_id: shared.next_id.get(),
        next_beat: shared.next_beat.get(),
        latest_start: shared.latest_start.get(),
    }
}

/// Begins a kind of work at each of its times, and waits for all of it at the end.
async fn tick(shared: Rc<Shared>, work: Work, first: Instant, gap: Duration, end: Arc<AtomicBool>) {
    let mut under_way = JoinSet::new();
    for number in 0.. {
        let due = first + gap * number;
        sleep_until(due.into()).await;
        if end.load(Ordering::Relaxed) {
            break;
        }
        let late = shared.latest_start.get().max(due.elapsed());
        shared.latest_start.set(late);
        under_way.spawn_local(work::once(Rc::clone(&shared), work, due));
        while let Some(ended) = under_way.try_join_next() {
            ended.expect("an operation ends well");
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("an operation ends well");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
