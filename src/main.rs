//! scalectl: takes an app from one box to a million users.
//!
//! Parses the command line, runs one verb and turns its end into an exit code.
//! Next: `cli/mod.rs` (the verbs), then the rooms in the order of the flow:
//! `model`, `phase`, `render`, `documents`, `plan`, `execute`, `engine`, `ui`.

mod cli;
mod exit;

use std::process::ExitCode;

/// musl's gives memory back to the system at once and asks for it again, which is
/// more than half of the time of rendering.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
