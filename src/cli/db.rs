//! `scalectl db`: a shell in the database, a dump of it and the way back, and a
//! move of its primary.
//!
//! Everything runs beside the primary, by its local socket: no password is
//! needed, so none can be seen. Next: `exec.rs` (terminals),
//! `engine/docker/session.rs` (streams).

mod switchover;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use scalectl_engine_docker::{DockerEngine, ExecRequest};
use scalectl_plan::Observed;
use scalectl_ui::{Answer, Transfer, confirm, has_terminal, seconds, size, writes_to_terminal};
use tokio::io::AsyncWriteExt;

use crate::cli::context::Context;
use crate::cli::error::{CommandError, Member, Said};
use crate::cli::exec;
use crate::cli::lock::{self, LockArgs, Wanted};
use switchover::SwitchoverArgs;

/// The database of the app, and who may do everything with it; both are made by
/// templates/compose/database/roles.sql.hbs.
const DATABASE: &str = "app";
const OWNER: &str = "app";
const SUPERUSER: &str = "postgres";
const SOCKET: &str = "/run/postgresql";
/// How a file of pg_dump's custom format begins. Source: PostgreSQL, pg_backup_archiver.c.
const DUMP: &[u8] = b"PGDMP";
/// A restore waits that long for a table that the app uses, then gives up.
const LOCK_TIMEOUT: &str = "60s";

/// What was made since the dump (a view, a foreign key) can hold on to a table that
/// the dump has: then PostgreSQL refuses to replace that table.
const RESTORE_FAILED: &str = "nothing was changed. Is it that something made since the dump depends on what the dump has? Drop it with `scalectl db shell` and restore again, or restore into an empty database (`scalectl down --volumes`, then `up`)";

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
    /// Replace what a dump has in the app's database, wholly or not at all; what the
    /// dump does not have stays
    Restore(RestoreArgs),
    /// Move the primary to another member while writes wait for a moment
    Switchover(SwitchoverArgs),
}

#[derive(clap::Args, Debug)]
struct ShellArgs {
    /// With the rights of a superuser in place of the app's
    #[arg(long)]
    superuser: bool,
    /// Arguments for psql, behind `--`: `-- -c 'SELECT 1'`
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

#[derive(clap::Args, Debug)]
struct DumpArgs {
    /// The file, readable to you alone, written whole or not at all; stdout without it
    #[arg(short = 'o', long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct RestoreArgs {
    /// A dump that you trust: it runs with every right in the database
    dump: PathBuf,
    /// Answer the question with yes
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArgs,
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
            ask(args, context, &project)?;
            let work = async |_| restore(args, context, &engine, primary).await;
            lock::held(args.lock, context, &engine, wanted("db restore"), work).await
        }
        Verb::Switchover(args) => {
            let work = async |_| switchover::run(args, context, &engine, &project, &observed).await;
            lock::held(args.lock, context, &engine, wanted("db switchover"), work).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The container of the member that takes writes now.
async fn primary(
    engine: &DockerEngine,
    project: &str,
    observed: &Observed,
) -> Result<String, CommandError> {
    let is_member = |service: &str| {
        let number = service.strip_prefix("db-").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit())
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
    let common = [name, "-h", SOCKET, "-U", SUPERUSER, "-d", database];
    let common = common.into_iter().map(str::to_owned);
    common.chain(arguments.iter().cloned()).collect()
}

async fn shell(
    args: &ShellArgs,
    engine: &DockerEngine,
    container: String,
) -> Result<ExitCode, CommandError> {
    // Its root file system cannot be written, and queries may hold secrets.
    let mut environment = vec!["PSQL_HISTORY=/dev/null".to_owned()];
    if !args.superuser {
        environment.push(format!("PGOPTIONS=-c role={OWNER}"));
    }
    if let Ok(term) = std::env::var("TERM") {
        environment.push(format!("TERM={term}"));
    }
    let request = ExecRequest {
        container,
        command: psql(DATABASE, &args.arguments),
        tty: has_terminal(),
        stdin: true,
        user: None,
        environment,
    };
    exec::attach(engine, &request).await
}

async fn dump(
    args: &DumpArgs,
    context: &Context,
    engine: &DockerEngine,
    container: String,
) -> Result<ExitCode, CommandError> {
    let request = ExecRequest {
        container,
        command: program("pg_dump", DATABASE, &["--format=custom".to_owned()]),
        ..ExecRequest::default()
    };
    let Some(file) = &args.out else {
        if writes_to_terminal() {
            return Err(CommandError::DumpToTerminal);
        }
        let stdout = std::io::stdout().as_fd().try_clone_to_owned();
        let stdout = stdout.map_err(|source| CommandError::io("write to stdout", source))?;
        pg_dump(context, engine, &request, File::from(stdout)).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let failed = |source| CommandError::io(format!("write {}", file.display()), source);
    let part = Part::new(file).map_err(failed)?;
    let began = Instant::now();
    let bytes = pg_dump(context, engine, &request, part.handle().map_err(failed)?).await?;
    part.keep(file).map_err(failed)?;
    context.printer.say(&format!(
        "wrote {}, {} in {}",
        file.display(),
        size(bytes),
        seconds(began.elapsed())
    ));
    Ok(ExitCode::SUCCESS)
}

/// Gives the number of bytes.
async fn pg_dump(
    context: &Context,
    engine: &DockerEngine,
    request: &ExecRequest,
    to: File,
) -> Result<u64, CommandError> {
    let transfer = Transfer::new(context.printer, "dumping the database", None);
    let mut out = transfer.counting(tokio::fs::File::from_std(to));
    let mut said = Vec::new();
    let ended = engine
        .pipe(request, &mut tokio::io::empty(), &mut out, &mut said)
        .await;
    transfer.finish();
    refuse_failure("pg_dump", ended?, &said)?;
    let flushed = out.flush().await;
    flushed.map_err(|source| CommandError::io("write the dump", source))?;
    Ok(transfer.bytes())
}

fn ask(args: &RestoreArgs, context: &Context, project: &str) -> Result<(), CommandError> {
    let file = &args.dump;
    let mut start = [0; DUMP.len()];
    let read = File::open(file).and_then(|mut dump| match dump.read_exact(&mut start) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        read => read,
    });
    read.map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
    if start != DUMP {
        return Err(CommandError::NoDump { file: file.clone() });
    }
    if args.yes {
        return Ok(());
    }
    let question = format!(
        "This replaces what {} has in the database of {project}: what was written to it since that dump is lost.",
        file.display(),
    );
    match confirm(&context.printer, &question) {
        Answer::Yes => Ok(()),
        Answer::No => Err(CommandError::Declined),
        Answer::Nobody => Err(CommandError::NeedsYes { question }),
    }
}

async fn restore(
    args: &RestoreArgs,
    context: &Context,
    engine: &DockerEngine,
    container: String,
) -> Result<ExitCode, CommandError> {
    let file = &args.dump;
    let failed = |source| CommandError::io(format!("read {}", file.display()), source);
    // In one transaction: whatever happens, the data is all old or all new.
    let arguments = [
        "--clean",
        "--if-exists",
        "--single-transaction",
        "--exit-on-error",
    ];
    let request = ExecRequest {
        container,
        command: program("pg_restore", DATABASE, &arguments.map(str::to_owned)),
        stdin: true,
        environment: vec![format!("PGOPTIONS=-c lock_timeout={LOCK_TIMEOUT}")],
        ..ExecRequest::default()
    };
    let dump = tokio::fs::File::open(file).await.map_err(failed)?;
    let length = dump.metadata().await.map_err(failed)?.len();
    let began = Instant::now();
    let transfer = Transfer::new(context.printer, "restoring the database", Some(length));
    let mut from = transfer.counting(dump);
    let (mut out, mut said) = (tokio::io::sink(), Vec::new());
    let ended = engine.pipe(&request, &mut from, &mut out, &mut said).await;
    transfer.finish();
    refuse_failure("pg_restore", ended?, &said)?;
    context.printer.say(&format!(
        "restored {} in {}",
        file.display(),
        seconds(began.elapsed())
    ));
    Ok(ExitCode::SUCCESS)
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

/// A file beside the one that is wanted, for its owner alone; gone unless kept.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn new(wanted: &Path) -> std::io::Result<Self> {
        let mut path = wanted.as_os_str().to_owned();
        path.push(format!(".{}.part", std::process::id()));
        let path = PathBuf::from(path);
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.write(true).create_new(true).open(&path)?;
        Ok(Self { path, file })
    }

    fn handle(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Gives it the wanted name, once it is on the disk.
    fn keep(self, wanted: &Path) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, wanted)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Missing, if it was kept.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_dump_that_is_not_kept_leaves_the_old_one_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("shop.dump");
        std::fs::write(&wanted, "old").unwrap();
        drop(Part::new(&wanted).unwrap());
        assert_eq!(std::fs::read_to_string(&wanted).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        Part::new(&wanted).unwrap().keep(&wanted).unwrap();
        assert_eq!(std::fs::read_to_string(&wanted).unwrap(), "");
        let mode = std::fs::metadata(&wanted).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a dump is for its owner alone");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_password_and_no_host_name_is_on_a_command_line() {
        let command = program("pg_dump", DATABASE, &["--format=custom".to_owned()]);
        assert_eq!(
            command.join(" "),
            "pg_dump -h /run/postgresql -U postgres -d app --format=custom"
        );
    }
}
