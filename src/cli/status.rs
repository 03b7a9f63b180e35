//! `scalectl status`: what is there, from one look at the engine.
//!
//! Needs no scale.yaml but for `--exit-code`, which asks whether what runs is
//! all that should. Next: `plan/stranded.rs`, `ui/watch.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use scalectl_documents::Compose;
use scalectl_engine_docker::DockerEngine;
use scalectl_plan::{ContainerState, Health, Observed, ObservedContainer};
use scalectl_ui::{Format, Screen, table};
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::exit::Exit;

/// One start is several events: they are shown as one.
const TOGETHER: Duration = Duration::from_millis(50);

/// Show every container of the stack and how it is
#[derive(clap::Args, Debug)]
pub struct StatusArgs {
    /// Show it again whenever something changes, until Ctrl-C
    #[arg(short, long, conflicts_with = "exit_code")]
    watch: bool,
    /// End with 10 unless everything that scale.yaml wants is there and well
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    container: String,
    service: String,
    state: String,
    health: &'static str,
    /// The container whose network it lived in and that is another one now.
    #[serde(skip_serializing_if = "Option::is_none")]
    stranded_from: Option<String>,
    /// Addresses on the engine's machine.
    published: Vec<String>,
}

pub async fn run(args: &StatusArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    if args.watch {
        return watch(context, &engine, &project).await;
    }
    let observed = context.look_at_own(&engine, &project).await?;
    let rows = rows(&observed);
    if rows.is_empty() {
        let all = context.look(&engine, &project).await?;
        context.refuse_composed(&project, &all)?;
    }
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&rows),
        Format::Text if rows.is_empty() => {
            let nothing = format!("{project} is not up; `scalectl up` brings it up");
            context.printer.say(&nothing);
            Ok(())
        }
        Format::Text => context.printer.data(&text(&rows)),
    };
    printed.map_err(|source| CommandError::io("print the status", source))?;
    for hint in hints(&rows) {
        context.printer.say(&hint);
    }
    if let Some(mark) = observed.migrating {
        context.printer.say(&format!(
            "a migration {} is open: `scalectl migrate status` tells more",
            mark.way()
        ));
    }
    if !args.exit_code {
        return Ok(ExitCode::SUCCESS);
    }
    let unwell = unwell(context, &engine, &observed).await;
    for (what, why) in &unwell {
        context.printer.say(&format!("{what}: {why}"));
    }
    match unwell.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(Exit::Unwell.into()),
    }
}

async fn watch(
    context: &Context,
    engine: &DockerEngine,
    project: &str,
) -> Result<ExitCode, CommandError> {
    // Before the first look, so that nothing is missed between the two.
    let mut changes = Box::pin(engine.changes(project).await?);
    let mut screen = Screen::new();
    loop {
        let rows = rows(&context.look_at_own(engine, project).await?);
        let drawn = match context.printer.format {
            Format::Json => context.printer.json(&rows),
            Format::Text => {
                let lines = [text(&rows), hints(&rows).join("\n")];
                screen.draw(&lines.join(""))
            }
        };
        match drawn {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            drawn => drawn.map_err(|source| CommandError::io("print the status", source))?,
        }
        if changes.next().await.is_none() {
            return Err(CommandError::EngineEnded);
        }
        while tokio::time::timeout(TOGETHER, changes.next())
            .await
            .is_ok_and(|it| it.is_some())
        {}
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(observed: &Observed) -> Vec<Row> {
    let stranded = scalectl_plan::stranded(observed);
    let row = |(name, container): (&String, &ObservedContainer)| Row {
        container: name.clone(),
        service: container.service.clone(),
        state: container.state.word(),
        health: health(container),
        stranded_from: stranded.get(name.as_str()).map(|it| (*it).to_owned()),
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
            match row.stranded_from {
                Some(_) => format!("{}, stranded", row.state),
                None => row.state.clone(),
            },
            row.health.to_owned(),
            row.published.join(", "),
        ]
    };
    table(
        &["CONTAINER", "SERVICE", "STATE", "HEALTH", "PUBLISHED"],
        &rows.iter().map(cells).collect::<Vec<_>>(),
    )
}

fn hints(rows: &[Row]) -> Vec<String> {
    let stranded = rows.iter().filter_map(|row| {
        let holder = row.stranded_from.as_ref()?;
        Some(format!(
            "{} is stranded: the network of {holder} that it lives in is gone; `scalectl up` mends it",
            row.container
        ))
    });
    stranded.collect()
}

/// What is not as it should be: held against the documents. Where scale.yaml cannot
/// be rendered nobody knows whether all is there, and that is not well.
async fn unwell(
    context: &Context,
    engine: &DockerEngine,
    observed: &Observed,
) -> BTreeMap<String, String> {
    let phase = observed.last_phase().unwrap_or(1);
    match context.render(phase, Some(engine)).await {
        Ok(wanted) => judge(observed, Some(&wanted.compose)),
        Err(error) => {
            let mut unwell = judge(observed, None);
            let why = format!("it does not tell what is wanted: {error}");
            unwell.insert(context.global.file.display().to_string(), why);
            unwell
        }
    }
}

fn judge(observed: &Observed, wanted: Option<&Compose>) -> BTreeMap<String, String> {
    let mut unwell = BTreeMap::new();
    let services = wanted.map(|compose| &compose.services);
    let services = services.into_iter().flatten();
    let once: BTreeSet<_> = services
        .clone()
        .filter(|(_, service)| service.is_one_shot())
        .map(|(name, _)| name.as_str())
        .collect();
    for (name, container) in observed.ours() {
        // Without documents nobody knows what was meant to end.
        let may_end = wanted.is_none() || once.contains(container.service.as_str());
        let why = match (&container.state, container.health) {
            (ContainerState::Running, Health::Healthy | Health::None) => continue,
            (ContainerState::Running, _) => health(container).to_owned(),
            (ContainerState::Exited { code: 0 }, _) if may_end => continue,
            (state, _) => state.word(),
        };
        unwell.insert(name.clone(), why);
    }
    for (name, holder) in scalectl_plan::stranded(observed) {
        unwell.insert(name.to_owned(), format!("stranded, without {holder}"));
    }
    for (name, service) in services {
        let there = observed.instances(name).len();
        if there < service.replicas() as usize {
            let why = format!("{there} of {} are there", service.replicas());
            unwell.insert(name.clone(), why);
        }
    }
    if observed.ours().next().is_none() {
        unwell.insert("the stack".to_owned(), "not up".to_owned());
    }
    unwell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(containers: &[(&str, ContainerState, Health)]) -> Observed {
        let container = |(service, state, health): &(&str, ContainerState, Health)| {
            let container = ObservedContainer {
                id: format!("id-{service}"),
                ownership: scalectl_plan::Ownership::Ours,
                service: (*service).to_owned(),
                number: 1,
                hash: String::new(),
                image_id: String::new(),
                state: state.clone(),
                health: *health,
                depends_on: BTreeSet::new(),
                network_of: None,
                started_at: None,
                networks: BTreeMap::new(),
                addresses: BTreeMap::new(),
                volumes: BTreeSet::new(),
                writes: BTreeSet::new(),
                published: BTreeSet::new(),
                values: BTreeMap::new(),
                outdated: BTreeSet::new(),
            };
            (format!("shop-{service}-1"), container)
        };
        Observed {
            containers: containers.iter().map(container).collect(),
            ..Observed::default()
        }
    }

    const STACK: &str = "
name: shop
services:
  release: {image: a}
  app: {image: a, restart: always, scale: 2}
";

    #[test]
    fn a_service_that_ended_is_unwell_and_a_one_shot_that_ended_is_done() {
        let ended = ContainerState::Exited { code: 0 };
        let seen = observed(&[
            ("release", ended.clone(), Health::None),
            ("app", ended, Health::None),
        ]);
        let compose = Compose::parse(STACK).unwrap();
        let found: Vec<_> = judge(&seen, Some(&compose)).into_iter().collect();
        let expected = [("app", "1 of 2 are there"), ("shop-app-1", "exited with 0")];
        let expected = expected.map(|(what, why)| (what.to_owned(), why.to_owned()));
        assert_eq!(found, expected);
        assert!(judge(&seen, None).is_empty(), "nobody knows better");
    }

    #[test]
    fn what_starts_or_is_ill_or_is_not_there_at_all_is_unwell() {
        for (state, health, why) in [
            (ContainerState::Running, Health::Starting, Some("starting")),
            (
                ContainerState::Running,
                Health::Unhealthy,
                Some("unhealthy"),
            ),
            (ContainerState::Restarting, Health::None, Some("restarting")),
            (ContainerState::Running, Health::None, None),
            (ContainerState::Running, Health::Healthy, None),
        ] {
            let found = judge(&observed(&[("app", state, health)]), None);
            assert_eq!(found.get("shop-app-1").map(String::as_str), why);
        }
        assert!(judge(&Observed::default(), None).contains_key("the stack"));
    }
}
