//! `scalectl-resident`: the hidden subcommands alone, with the same arguments.
//!
//! It exists so that images and tests need not wait for the whole tool.
//! Next: `cli.rs`.

use std::process::ExitCode;

use clap::Parser;
use scalectl_agent::cli::{ResidentCommand, run};

/// The parts of scalectl that run inside a stack
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: ResidentCommand,
}

fn main() -> ExitCode {
    run(Arguments::parse().command)
}
