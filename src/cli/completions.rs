//! `scalectl completions`: completion scripts for shells.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    shell: Shell,
}

pub fn run(args: &CompletionsArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "scalectl", &mut script);
    let printed = context.printer.data(&String::from_utf8_lossy(&script));
    match printed {
        // Whoever read has seen enough: that is no failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        printed => printed
            .map(|()| ExitCode::SUCCESS)
            .map_err(|source| CommandError::io("print the script", source)),
    }
}
