//! What runs inside a stack: the one static binary's hidden subcommands.
//!
//! `bootstrap` prepares secrets, certificates and settings; `launch` starts the
//! user's app with them; `edge` is PID 1 of an Envoy; `probe` is a health
//! check; `agent` stays. None of them may talk to an engine or know a phase:
//! each does what its settings file says.
//! Next: `cli.rs` (argument forms), `bootstrap/spec.rs` (the contract).

pub mod bootstrap;
pub mod cli;
pub mod edge;
mod files;
pub mod journal;
mod launch;
mod log;
pub mod probe;
pub mod resident;
mod wire;

pub use bootstrap::certificate_problem;
