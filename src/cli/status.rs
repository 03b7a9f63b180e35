//! `scalectl status`: what is there, from one look at the engine.

use std::process::ExitCode;

use scalectl_engine::{Engine, Scope};
use scalectl_plan::{ContainerState, Health, Observed, ObservedContainer};
use scalectl_ui::{Format, table};
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Show every container of the stack and how it is
#[derive(clap::Args, Debug)]
pub struct StatusArgs {}

#[derive(Debug, Serialize)]
struct Row {
    container: String,
    service: String,
    state: String,
    health: &'static str,
    /// Addresses on the engine's machine.
    published: Vec<String>,
}

pub async fn run(_args: &StatusArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let scope = Scope {
        project: context.project()?,
        images: Vec::new(),
    };
    let observed = engine.observe(&scope).await?;
    let rows = rows(&observed);
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&rows),
        Format::Text if rows.is_empty() => {
            context.printer.say(&format!(
                "{} is not up; `scalectl up` brings it up",
                scope.project
            ));
            Ok(())
        }
        Format::Text => context.printer.data(&text(&rows)),
    };
    printed.map_err(|source| CommandError::io("print the status", source))?;
    Ok(ExitCode::SUCCESS)
}

fn rows(observed: &Observed) -> Vec<Row> {
    let row = |(name, container): (&String, &ObservedContainer)| Row {
        container: name.clone(),
        service: container.service.clone(),
        state: container.state.word(),
        health: health(container),
        published: container
            .published
            .iter()
            .map(|(address, port)| format!("{address}:{port}"))
            .collect(),
    };
    observed.ours().map(row).collect()
}

fn health(container: &ObservedContainer) -> &'static str {
    match (&container.state, container.health) {
        (ContainerState::Running, Health::Healthy) => "healthy",
        (ContainerState::Running, Health::Starting) => "starting",
        (ContainerState::Running, Health::Unhealthy) => "unhealthy",
        _ => "-",
    }
}

fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        vec![
            row.container.clone(),
            row.service.clone(),
            row.state.clone(),
            row.health.to_owned(),
            row.published.join(", "),
        ]
    };
    table(
        &["CONTAINER", "SERVICE", "STATE", "HEALTH", "PUBLISHED"],
        &rows.iter().map(cells).collect::<Vec<_>>(),
    )
}
