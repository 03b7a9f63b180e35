//! `scalectl plan`: `up` that stops before anything is done.

use std::path::PathBuf;
use std::process::ExitCode;

use scalectl_ui::{Format, plan_text};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::images::ImageArgs;
use crate::cli::up;
use crate::exit::Exit;

/// Show what `up` would do, and why
#[derive(clap::Args, Debug)]
pub struct PlanArgs {
    /// The stage of growth; without it the one that runs or ran last, or else 1
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// How long each wait of the plan may take, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    wait_timeout: u64,
    #[command(flatten)]
    images: ImageArgs,
    /// Keep the plan in a file for `scalectl up FILE`
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with 8 when there are changes
    #[arg(long)]
    detailed_exit_code: bool,
    /// Show every single engine call and what it waits for
    #[arg(long)]
    calls: bool,
}

pub async fn run(args: &PlanArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let context = &context.with_images(&args.images);
    let engine = context.engine().await?;
    let (plan, missing) = up::plan(context, engine, args.phase, args.wait_timeout).await?;
    if let Some(file) = &args.out {
        if !missing.is_empty() {
            return Err(CommandError::PlanBeforeImages { images: missing });
        }
        let text = serde_json::to_string_pretty(&plan)
            .map_err(|source| CommandError::io("write the plan", std::io::Error::other(source)))?;
        super::render::write_private(file, &(text + "\n"))?;
    }
    let printed = match (context.printer.format, args.calls) {
        (Format::Json, _) => context.printer.json(&plan),
        (Format::Text, true) => context.printer.data(&plan.to_string()),
        (Format::Text, false) => context.printer.data(&plan_text(&plan)),
    };
    printed.map_err(|source| CommandError::io("print the plan", source))?;
    match args.detailed_exit_code && !plan.is_empty() {
        true => Ok(Exit::Changes.into()),
        false => Ok(ExitCode::SUCCESS),
    }
}
