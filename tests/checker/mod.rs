//! The checker: whether a running stack kept what it promised its clients.
//!
//! A population of clients works through edge and pooler, by the clock, and keeps a
//! history of every operation: ok, failed or unknown. Afterwards the history is
//! compared with what the primary holds. Judging is pure (`verdict.rs`); only
//! `scenario.rs`, `relay.rs`, `reading.rs` and `population/` touch a stack, and send load to nothing
//! but ports that the test itself has published on this machine.
//! Read `scenario.rs` first; docs/checking.md says what is checked and what is not.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "shared by test programs that each use a part; a test may panic and speak"
)]

pub mod anomaly;
pub mod by_hand;
pub mod figures;
pub mod handovers;
pub mod history;
pub mod pgbench;
pub mod population;
pub mod reading;
pub mod recorded;
pub mod relay;
mod report;
pub mod scenario;
pub mod soak;
pub mod state;
pub mod strike;
pub mod struck;
pub mod verdict;
