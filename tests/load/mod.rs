//! Open-loop HTTP load: requests start by the clock, whatever the answers do.
//!
//! Counts every request once, as done or as one failure with its reason. Never
//! repeats one, so that a reset or a refused connection shows. Runs in a thread
//! of its own until it is told to end. Only against what a test has started.
//! Next: `exchange.rs` (one request), `report.rs` (what is told at the end).

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "shared by test programs that each use a part; a test may panic"
)]

pub mod exchange;
mod report;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;
use tokio::time::{sleep_until, timeout};

use exchange::{Connection, Connector, Fault};
pub use report::Report;

/// What is asked for, in equal turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    GetKept,
    PostKept,
    GetNew,
    PostNew,
}

pub const ALL: [Kind; 4] = [Kind::GetKept, Kind::PostKept, Kind::GetNew, Kind::PostNew];
pub const WRITES: [Kind; 2] = [Kind::PostKept, Kind::PostNew];

/// A load; `{id}` in the body becomes each request's own id.
#[derive(Clone, Debug)]
pub struct Load {
    pub to: SocketAddr,
    pub rate: u32,
    pub kinds: Vec<Kind>,
    pub get: String,
    pub post: String,
    pub body: String,
    pub timeout: Duration,
    /// Ends by itself after this long; a test that forgets it must not run on.
    pub at_most: Duration,
    /// What every id begins with.
    pub run: String,
}

/// A load under way.
pub struct Running {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Report>,
    started: Instant,
}

impl Load {
    /// 250 requests a second against an edge on this machine.
    pub fn on(port: u16, run: &str) -> Self {
        Self {
            to: SocketAddr::from(([127, 0, 0, 1], port)),
            rate: 250,
            kinds: ALL.to_vec(),
            get: "/products".to_owned(),
            post: "/orders".to_owned(),
            body: r#"{"id":"{id}","customer":"load","lines":[{"sku":"bag-blue","quantity":1}]}"#
                .to_owned(),
            timeout: Duration::from_secs(15),
            at_most: Duration::from_secs(600),
            run: run.to_owned(),
        }
    }

    pub fn start(self) -> Running {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the load's runtime starts");
            LocalSet::new().block_on(&runtime, drive(self, told))
        });
        Running {
            end,
            thread,
            started: Instant::now(),
        }
    }
}

impl Running {
    /// Lets it go on until it has run for `whole`, ends it, and waits for the
    /// last answers.
    pub fn finish_after(self, whole: Duration) -> Report {
        let rest = whole.saturating_sub(self.started.elapsed());
        std::thread::sleep(rest);
        self.finish()
    }

    pub fn finish(self) -> Report {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load ends")
    }

    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }
}

struct Shared {
    load: Load,
    connector: Connector,
    idle: RefCell<VecDeque<Connection>>,
    report: RefCell<Report>,
}

async fn drive(load: Load, end: Arc<AtomicBool>) -> Report {
    let begin = Instant::now();
    let shared = Rc::new(Shared {
        connector: Connector::new(load.to),
        idle: RefCell::default(),
        report: RefCell::default(),
        load,
    });
    let mut under_way = Vec::new();
    let gap = Duration::from_secs(1) / shared.load.rate;
    for number in 0.. {
        let due = begin + gap * number;
        sleep_until(due.into()).await;
        if end.load(Ordering::Relaxed) || begin.elapsed() > shared.load.at_most {
            break;
        }
        shared.report.borrow_mut().started_late(due.elapsed());
        let kinds = &shared.load.kinds;
        let kind = kinds[number as usize % kinds.len()];
        under_way.push(tokio::task::spawn_local(one(
            Rc::clone(&shared),
            number,
            kind,
        )));
        if under_way.len() > 4096 {
            under_way.retain(|task| !task.is_finished());
        }
    }
    for task in under_way {
        task.await.expect("a request's task ends");
    }
    let mut report = shared.report.take();
    report.close(begin.elapsed());
    report
}

async fn one(shared: Rc<Shared>, number: u32, kind: Kind) {
    let id = format!("{}-{number}", shared.load.run);
    let begin = Instant::now();
    let done = timeout(shared.load.timeout, attempt(&shared, kind, &id)).await;
    let done = done.unwrap_or_else(|_| Err(Fault::new("time-out", String::new())));
    let mut report = shared.report.borrow_mut();
    match done {
        Ok(()) => report.done(kind, id, begin.elapsed()),
        Err(fault) => report.failed(kind, id, fault, begin.elapsed()),
    }
}

async fn attempt(shared: &Shared, kind: Kind, id: &str) -> Result<(), Fault> {
    let load = &shared.load;
    let keeps = matches!(kind, Kind::GetKept | Kind::PostKept);
    let mut connection = match kept(shared).filter(|_| keeps) {
        Some(connection) => connection,
        None => shared.connector.connect().await?,
    };
    let head = if keeps { "" } else { "Connection: close\r\n" };
    let text = match kind {
        Kind::GetKept | Kind::GetNew => {
            format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n", load.get)
        }
        Kind::PostKept | Kind::PostNew => {
            let body = load.body.replace("{id}", id);
            let length = body.len();
            format!(
                "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{head}\r\n{body}",
                load.post
            )
        }
    };
    let may_go_on = connection.exchange(&text).await?;
    if keeps && may_go_on {
        shared.idle.borrow_mut().push_back(connection);
    }
    Ok(())
}

/// An idle connection that the other side has not ended.
fn kept(shared: &Shared) -> Option<Connection> {
    let mut idle = shared.idle.borrow_mut();
    while let Some(mut connection) = idle.pop_back() {
        if connection.is_open() {
            return Some(connection);
        }
    }
    None
}
