//! Execute: carries a plan out and tells what happens.
//!
//! Runs the graph as wide as its dependencies allow. Must never decide
//! anything: no retry, no fallback, no order of its own; the first failure ends
//! the run after what is under way has replied. Next: `run.rs`, `width.rs`, `report.rs`.

mod event;
mod report;
mod run;
mod width;

pub use event::{Event, Outcome};
pub use report::{PathStep, Report};
pub use run::{ExecuteError, Failure, Stop, run};
pub use width::Width;
