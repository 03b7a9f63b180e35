//! `scalectl db`: a shell in the database, a dump of it and the way back, and a
//! move of its primary.
//!
//! Everything runs beside the primary, by its local socket: no password is
//! needed, so none can be seen. Next: `exec.rs` (terminals),
//! `engine/docker/session.rs` (streams).

mod dump;
mod lost;
mod restore;
mod shell;
pub mod switchover;

use std::process::ExitCode;

use scalectl_engine_docker::DockerEngine;
use scalectl_plan::Observed;

use crate::cli::context::Context;
use crate::cli::error::{CommandError, Member, Said};
use crate::cli::lock::{self, Wanted};
use crate::cli::migrate::{MoveArgs, move_database};
use dump::{DumpArgs, dump};
use restore::{RestoreArgs, ask, restore};
use shell::{ShellArgs, shell};
use switchover::SwitchoverArgs;

/// The database of the app, and who may do everything with it; both are made by
/// templates/compose/database/roles.sql.hbs.
const DATABASE: &str = "app";
const OWNER: &str = "app";
const SUPERUSER: &str = "postgres";
const SOCKET: &str = "/run/postgresql";
const RESTORE_FAILED: &str = "nothing was changed. A table that the app held for longer than 60 s, or a deadlock with it: restore again when the app has less to do. A dump that is damaged or incomplete: take another one";

/// Look into the database, dump it, restore a dump, move its primary
#[derive(clap::Args, Debug)]
pub struct DbArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Open psql in the app's database, on the primary
    Shell(ShellArgs),
    /// Write a dump of the app's database (pg_dump's custom format)
    Dump(DumpArgs),
    /// Make the app's database what a dump has, wholly or not at all; what the dump lacks is
    /// lost: names it and asks
    Restore(RestoreArgs),
    /// Move the primary to another member while writes wait for a moment
    Switchover(SwitchoverArgs),
    /// Move the whole database to a fresh cluster, with fresh volumes, while it serves
    Move(MoveArgs),
}

pub async fn run(args: &DbArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look(&engine, &project).await?;
    let wanted = |command| Wanted {
        project: &project,
        command,
        observed: &observed,
    };
    let primary = async || primary(&engine, &project, &observed).await;
    match &args.verb {
        Verb::Shell(args) => shell(args, &engine, primary().await?).await,
        Verb::Dump(args) => dump(args, context, &engine, primary().await?).await,
        Verb::Restore(args) => {
            let primary = primary().await?;
            ask(args, context, &engine, &primary, &project).await?;
            let work = async |_| restore(args, context, &engine, primary).await;
            lock::held(args.lock, context, &engine, wanted("db restore"), work).await
        }
        Verb::Switchover(args) => {
            let work = async |_| switchover::run(args, context, &engine, &project).await;
            lock::held(args.lock, context, &engine, wanted("db switchover"), work).await?;
            Ok(ExitCode::SUCCESS)
        }
        // It looks by itself: a migration like any other.
        Verb::Move(args) => move_database(args, context)
            .await
            .map(|()| ExitCode::SUCCESS),
    }
}

/// The container of the member that takes writes now.
async fn primary(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<String, CommandError> {
    // `db-1`, or `db2-1` of a cluster that came later.
    let is_member = |service: &str| {
        let is_number = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        let rest = service.strip_prefix("db").unwrap_or_default();
        let parts = rest.split_once('-');
        parts.is_some_and(|(of, number)| is_number(of) && is_number(number) && !number.is_empty())
    };
    let mut members = Vec::new();
    for (name, container) in observed.ours().filter(|(_, it)| is_member(&it.service)) {
        let why = match container.is_running() {
            false => container.state.word(),
            true => match takes_writes(engine, name).await? {
                Ok(()) => return Ok(name.clone()),
                Err(why) => why,
            },
        };
        let container = name.clone();
        members.push(Member { container, why });
    }
    Err(match observed.ours().next() {
        None => CommandError::NotUp {
            project: project.to_owned(),
        },
        Some(_) => CommandError::NoPrimary {
            project: project.to_owned(),
            members,
        },
    })
}

/// Whether a member takes writes, and if not, why.
async fn takes_writes(
    engine: &DockerEngine,
    container: &str,
) -> Result<Result<(), String>, CommandError> {
    let query = "SELECT pg_is_in_recovery()";
    let command = psql("postgres", &["-AtXqc".to_owned(), query.to_owned()]);
    let answer = engine.collect(container, &command, 4096).await?;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    Ok(match (answer.code, text.as_str()) {
        (0, "f") => Ok(()),
        (0, _) => Err("a standby".to_owned()),
        _ => Err(last_lines(&answer.stderr)),
    })
}

fn psql(database: &str, arguments: &[String]) -> Vec<String> {
    program("psql", database, arguments)
}

fn program(name: &str, database: &str, arguments: &[String]) -> Vec<String> {
    let to = ["-d".to_owned(), database.to_owned()];
    let all = local(name).into_iter().chain(to);
    all.chain(arguments.iter().cloned()).collect()
}

/// A program that connects by the local socket, without a database.
fn local(name: &str) -> Vec<String> {
    [name, "-h", SOCKET, "-U", SUPERUSER]
        .map(str::to_owned)
        .to_vec()
}

fn refuse_failure(program: &'static str, code: i64, said: &[u8]) -> Result<(), CommandError> {
    match code {
        0 => Ok(()),
        code => Err(CommandError::DatabaseProgram {
            program,
            code,
            hint: match program {
                "pg_restore" => RESTORE_FAILED,
                _ => "the database was only read",
            },
            said: Said(last_lines(said)),
        }),
    }
}

fn last_lines(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<_> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_and_no_host_name_is_on_a_command_line() {
        let command = program("pg_dump", DATABASE, &["--format=custom".to_owned()]);
        assert_eq!(
            command.join(" "),
            "pg_dump -h /run/postgresql -U postgres -d app --format=custom"
        );
    }
}
