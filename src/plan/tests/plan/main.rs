//! What planning promises, read as plans: documents in, plan text out.
//!
//! Every scene is what applying earlier documents to the fake engine left, so
//! that no test rests on a state that an engine would never be in.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod change;
mod cluster;
mod conflicts;
mod down;
mod holder;
mod migrating;
mod moves;
mod restart;
mod resume;
mod roll;
mod saved;
mod scene;
mod stack;
mod up;
mod values;
