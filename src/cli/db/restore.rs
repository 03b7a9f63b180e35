//! `scalectl db restore`: the database becomes what a dump has, in one transaction.
//!
//! What is there is taken out first (`empty.sql`), or what was made since the dump would
//! stay, or hold on to what the dump replaces. Nobody sees the empty database: until the
//! last statement is committed, all that was there is there. Next: `lost.rs` (what goes).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use scalectl_engine_docker::{DockerEngine, ExecRequest};
use scalectl_ui::{Answer, Transfer, confirm, seconds};

use super::lost;
use super::{DATABASE, refuse_failure};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::LockArgs;

/// How a file of pg_dump's custom format begins. Source: PostgreSQL, pg_backup_archiver.c.
const DUMP: &[u8] = b"PGDMP";
/// psql reads what empties the database, and then the dump's statements up to its COMMIT.
/// pg_restore writes that one only after all others: a dump that is damaged or ends early
/// commits nothing. psql itself ends well then, so the last line tells.
const SCRIPT: &str = r#"db=$1 empty=$2
shift 2
{
    printf '%s\n' "$empty" &&
        pg_restore --single-transaction --exit-on-error --file=- &&
        printf '%s\n' '\echo restored'
} | "$@" --dbname="$db" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --output=/dev/null
"#;
const RESTORED: &[u8] = b"restored\n";
const EMPTY: &str = include_str!("empty.sql");

#[derive(clap::Args, Debug)]
pub struct RestoreArgs {
    /// A dump that you trust: it runs with every right in the database
    dump: PathBuf,
    /// Answer the question with yes
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Says what would be lost, and asks before it is.
pub async fn ask(
    args: &RestoreArgs,
    context: &Context,
    engine: &DockerEngine,
    container: &str,
    project: &str,
) -> Result<(), CommandError> {
    let file = &args.dump;
    refuse_other_files(file)?;
    let lost = lost::by_restoring(engine, container, file).await?;
    let warning = format!(
        "This makes the database of {project} what {} has. {}",
        file.display(),
        lost::told(&lost)
    );
    if args.yes {
        context.printer.say(&warning);
        return Ok(());
    }
    match confirm(&context.printer, &warning) {
        Answer::Yes => Ok(()),
        Answer::No => Err(CommandError::Declined),
        Answer::Nobody => Err(CommandError::NeedsYes { question: warning }),
    }
}

fn refuse_other_files(file: &Path) -> Result<(), CommandError> {
    let mut start = [0; DUMP.len()];
    let read = File::open(file).and_then(|mut dump| match dump.read_exact(&mut start) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        read => read,
    });
    read.map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
    match start == DUMP {
        true => Ok(()),
        false => Err(CommandError::NoDump {
            file: file.to_owned(),
        }),
    }
}

pub async fn restore(
    args: &RestoreArgs,
    context: &Context,
    engine: &DockerEngine,
    container: String,
) -> Result<ExitCode, CommandError> {
    let file = &args.dump;
    let failed = |source| CommandError::io(format!("read {}", file.display()), source);
    let request = ExecRequest {
        container,
        command: command(),
        stdin: true,
        ..ExecRequest::default()
    };
    let dump = tokio::fs::File::open(file).await.map_err(failed)?;
    let length = dump.metadata().await.map_err(failed)?.len();
    let began = Instant::now();
    let transfer = Transfer::new(context.printer, "restoring the database", Some(length));
    let mut from = transfer.counting(dump);
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let ended = engine.pipe(&request, &mut from, &mut out, &mut said).await;
    transfer.finish();
    let code = match ended? {
        0 if !out.ends_with(RESTORED) => 1,
        code => code,
    };
    refuse_failure("pg_restore", code, &said)?;
    context.printer.say(&format!(
        "restored {} in {}",
        file.display(),
        seconds(began.elapsed())
    ));
    Ok(ExitCode::SUCCESS)
}

fn command() -> Vec<String> {
    let psql = super::local("psql");
    let shell = ["sh", "-c", SCRIPT, "restore", DATABASE, EMPTY].map(str::to_owned);
    shell.into_iter().chain(psql).collect()
}
