//! `migrate report`: what a migration did and how the stack did meanwhile, from what is
//! kept with the stack.

use std::path::PathBuf;

use scalectl_engine_docker::DockerEngine;
use scalectl_migrate::{Journal, Report, Taken, samples_file, taken};
use scalectl_plan::Observed;
use scalectl_ui::{Format, report_html, report_text};

use super::MigrateError;
use super::journal::{self, FILE};
use crate::cli::context::Context;
use crate::cli::error::CommandError;

const HANDOVERS: &str = "handovers.jsonl";

#[derive(clap::Args, Debug)]
pub struct ReportArgs {
    /// Its number in `migrate history`; without it the last one
    #[arg(value_name = "NUMBER")]
    id: Option<u64>,
    /// Write a page with a picture of the time to this file, `-` for stdout
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// `migrate report`.
pub async fn report(context: &Context, args: &ReportArgs) -> Result<(), CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look_at_own(&engine, &project).await?;
    let text = journal::text(&engine, &project, &observed, FILE).await?;
    let journal = Journal::read(&text);
    let mut all = journal.migrations.iter().rev();
    let found = all.find(|it| args.id.is_none_or(|id| id == it.id));
    let Some(migration) = found else {
        return Err(MigrateError::NoSuch {
            project,
            id: args.id,
        }
        .into());
    };
    let handovers = journal::text(&engine, &project, &observed, HANDOVERS).await?;
    let samples = samples_file(migration.id);
    let samples = journal::text(&engine, &project, &observed, &samples).await?;
    let report = Report::of(migration, &text, &handovers, &samples);
    let printed = match (&args.html, context.printer.format) {
        (Some(file), _) if file.as_os_str() == "-" => context.printer.data(&report_html(&report)),
        (Some(file), _) => std::fs::write(file, report_html(&report)),
        (None, Format::Json) => context.printer.json(&report),
        (None, Format::Text) => context.printer.data(&report_text(&report)),
    };
    printed.map_err(|source| CommandError::io("write the report", source))
}

/// The steps of every migration of this stack before: what an estimate goes by.
pub async fn history(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<Vec<Taken>, CommandError> {
    let text = journal::text(engine, project, observed, FILE).await?;
    let all = Journal::read(&text).migrations.into_iter();
    Ok(all.flat_map(|it| taken(&text, it.id)).collect())
}
