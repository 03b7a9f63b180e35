//! What runs inside a stack, tried as its containers start it: the binary
//! itself, real folders, real sockets on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail a test by panicking, as tests themselves do"
)]

mod agent;
mod bootstrap;
mod edge;
mod fakes;
mod launch;
mod probe;
mod renewal;
mod stack;
