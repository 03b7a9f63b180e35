//! What a migration tells: while it works, of one that is open, of those that were.

use scalectl_migrate::{Drive, DriveError, Ending, Journal, Migration, Told};
use scalectl_ui::{Format, Live, seconds, step_text, table};
use serde::Serialize;
use std::time::Duration;

use super::site::DockerSite;
use super::watch::watch;
use super::{MigrateError, journal};
use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Takes the steps that are left, each with a line.
pub async fn drive(
    context: &Context,
    mut drive: Drive<'_, DockerSite<'_>>,
) -> Result<(), CommandError> {
    let printer = context.printer;
    let live = Live::new(printer);
    let mut waits = String::new();
    let (engine, project) = (drive.site.engine, drive.site.project);
    let samples = watch(context, engine, project, |sample| live.show(sample));
    let ended = drive.run(|told| {
        live.tell(&told);
        match told {
            Told::Started { number, of, step } => {
                live.say(&printer.bold(&format!("step {number} of {of}: {}", step_text(&step))));
            }
            Told::Waits { why } if why != waits => {
                live.say(&format!("  waiting: {why}"));
                waits = why;
            }
            Told::Waits { .. } => {}
            Told::Done { took_ms, held_ms } => {
                let held = held_ms.map(|ms| format!("; writes waited {ms} ms"));
                let took = seconds(Duration::from_millis(took_ms));
                live.say(&format!("  done in {took}{}", held.unwrap_or_default()));
            }
        }
    });
    let ended = tokio::select! {
        ended = ended => ended,
        never = samples => match never {},
    };
    drop(live);
    let migration = &drive.migration;
    match ended.map_err(|source| stopped(migration, source))? {
        Ending::Ended => report(context, migration),
        Ending::Rests => rests(context, migration),
    }
}

/// A move of the database that is done as far as clients see.
fn rests(context: &Context, migration: &Migration) -> Result<(), CommandError> {
    if context.printer.format == Format::Json {
        let printed = context.printer.json(migration);
        return printed.map_err(|source| CommandError::io("print the report", source));
    }
    let held = migration.held_ms.map_or(0, |ms| ms);
    context.printer.say(&format!(
        "the database has moved; writes waited {held} ms. The old cluster follows it"
    ));
    context.printer.say(
        "`scalectl migrate undo` goes back at once; `scalectl migrate resume` gives the old cluster up, with its data",
    );
    Ok(())
}

/// The error of the step that is under way.
pub fn stopped(migration: &Migration, source: DriveError<CommandError>) -> CommandError {
    let step = migration.next + 1;
    let source = Box::new(source);
    MigrateError::Step { step, source }.into()
}

fn report(context: &Context, migration: &Migration) -> Result<(), CommandError> {
    if context.printer.format == Format::Json {
        let printed = context.printer.json(migration);
        return printed.map_err(|source| CommandError::io("print the report", source));
    }
    let took = migration.last_at_ms.saturating_sub(migration.begun_at_ms);
    let held = match migration.held_ms {
        None => "writes did not wait for it".to_owned(),
        Some(ms) => format!("writes waited {ms} ms"),
    };
    let phase = migration.leads_to();
    let took = seconds(Duration::from_millis(took));
    let done = match (migration.generations, migration.is_turned_back) {
        (None, _) => format!("phase {phase} after {took}; {held}"),
        (Some(_), false) => format!("a fresh database cluster after {took}; {held}"),
        (Some(_), true) => format!("the database is where it was, after {took}; {held}"),
    };
    context.printer.say(&done);
    context.printer.say(
        "`scalectl migrate report` tells how the stack did meanwhile (`--html FILE` draws it)",
    );
    if !migration.is_turned_back && migration.generations.is_none() {
        context.printer.say("`scalectl migrate undo` goes back");
    }
    Ok(())
}

/// `migrate status`.
pub async fn status(context: &Context) -> Result<(), CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look_at_own(&engine, &project).await?;
    let journal = match (
        journal::read(&engine, &project, &observed).await,
        observed.migrating,
    ) {
        (Err(CommandError::Migrate(MigrateError::NoAgent { .. })), Some(mark)) => Journal {
            migrations: vec![Migration::of_mark(mark)],
        },
        (read, _) => read?,
    };
    // Without a container for the journal a mark stands for it.
    let open = journal.open_on(observed.migrating);
    if context.printer.format == Format::Json {
        let printed = context.printer.json(&open);
        return printed.map_err(|source| CommandError::io("print the status", source));
    }
    let text = match open {
        None => format!("no migration of {project} is open\n"),
        Some(open) => open_text(open),
    };
    let printed = context.printer.data(&text);
    printed.map_err(|source| CommandError::io("print the status", source))
}

fn open_text(open: &Migration) -> String {
    let Migration { id, from, .. } = open;
    let mut text = format!("migration {id}, {}, is open\n", open.way());
    if open.is_turned_back && open.generations.is_some() {
        text += "it was turned back and leads to the old cluster\n";
    } else if open.is_turned_back {
        text += &format!("it was turned back and leads to phase {from}\n");
    }
    text += &match &open.under_way {
        Some(step) => format!("step {}: {}\n", open.next + 1, step_text(step)),
        None => format!("{} steps of its way are done\n", open.next),
    };
    if let Some(trouble) = &open.trouble {
        text += &format!("that did not come to its end: {trouble}\n");
    }
    text += &format!("owner: {}\n", open.owner);
    let last = if open.is_past_return {
        "past its point of no return: `scalectl migrate resume` finishes it\n"
    } else {
        "`scalectl migrate resume` goes on, `scalectl migrate abort` takes it back\n"
    };
    text + last
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    migration: &'a Migration,
    took_ms: u64,
}

/// `migrate history`.
pub async fn history(context: &Context) -> Result<(), CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look_at_own(&engine, &project).await?;
    let journal = journal::read(&engine, &project, &observed).await?;
    let rows: Vec<_> = journal.migrations.iter().map(row).collect();
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&rows),
        Format::Text if rows.is_empty() => {
            context
                .printer
                .say(&format!("{project} was never migrated"));
            Ok(())
        }
        Format::Text => context.printer.data(&history_text(&rows)),
    };
    printed.map_err(|source| CommandError::io("print the history", source))
}

fn row(migration: &Migration) -> Row<'_> {
    let took_ms = migration.last_at_ms.saturating_sub(migration.begun_at_ms);
    Row { migration, took_ms }
}

fn history_text(rows: &[Row<'_>]) -> String {
    let cells = |row: &Row<'_>| {
        let Row { migration, took_ms } = row;
        let ended = match migration.ended {
            None if migration.is_untouched() => "not begun".to_owned(),
            None => "open".to_owned(),
            Some(_) if migration.generations.is_some() && migration.is_turned_back => {
                "taken back".to_owned()
            }
            Some(_) if migration.generations.is_some() => "done".to_owned(),
            Some(end) if end.phase == migration.from => "taken back".to_owned(),
            Some(_) => "done".to_owned(),
        };
        let held = migration.held_ms.map(|ms| format!("{ms} ms"));
        vec![
            migration.id.to_string(),
            match migration.generations {
                None => format!("{} to {}", migration.from, migration.to),
                Some((old, new)) => format!("database {old} to {new}"),
            },
            ended,
            seconds(Duration::from_millis(*took_ms)),
            held.unwrap_or_else(|| "-".to_owned()),
            migration.owner.clone(),
        ]
    };
    table(
        &[
            "NUMBER",
            "PHASES",
            "STATE",
            "TOOK",
            "WRITES WAITED",
            "LAST OWNER",
        ],
        &rows.iter().map(cells).collect::<Vec<_>>(),
    )
}
