//! `bootstrap`: the one-shot that prepares secrets, certificates and settings.
//!
//! It alone holds the stack's CA key and all secrets (`/state`), has no network,
//! and writes to each component's volume what that component may know. Killed
//! at any moment and run again it converges: the state is one file, replaced
//! whole, and all else follows from it.
//! Next: `spec.rs` (what is asked), `run.rs` (what is done), `state.rs` (what is
//! kept), `renew.rs` (certificates of a stack that nobody touches).

mod authority;
mod check;
mod contents;
mod error;
mod given;
mod placeholders;
mod renew;
mod run;
mod scram;
mod spec;
mod state;
mod stay;
mod volume;

use std::fmt::Write as _;

pub use error::BootstrapError;
pub use given::certificate_problem;
pub use renew::renew;
pub use run::{BootstrapArgs, Report, run};
pub use stay::{StayError, stay};

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
