//! `scalectl completions`: completion scripts for shells.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::cli::error::CommandError;

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<ExitCode, CommandError> {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "scalectl",
        &mut std::io::stdout(),
    );
    Ok(ExitCode::SUCCESS)
}
