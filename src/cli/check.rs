//! `scalectl check`: every mistake in scale.yaml, without an engine.

use std::process::ExitCode;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Find every mistake in scale.yaml; touches nothing and needs no engine
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    /// Print the JSON Schema of scale.yaml in place of checking
    #[arg(long)]
    schema: bool,
}

pub fn run(args: &CheckArgs, context: &Context) -> Result<ExitCode, CommandError> {
    if args.schema {
        let printed = context.printer.data(&scalectl_model::json_schema());
        printed.map_err(|source| CommandError::io("print the schema", source))?;
        return Ok(ExitCode::SUCCESS);
    }
    for phase in context.phases()?.keys() {
        context.app(*phase)?;
    }
    context.printer.say(&format!(
        "{} is right for every phase",
        context.global.file.display()
    ));
    Ok(ExitCode::SUCCESS)
}
