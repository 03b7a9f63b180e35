//! `scalectl db restore`: a dump replaces what it has, in one transaction.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use scalectl_engine_docker::{DockerEngine, ExecRequest};
use scalectl_ui::{Answer, Transfer, confirm, seconds};

use super::{DATABASE, program, refuse_failure};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::lock::LockArgs;

/// How a file of pg_dump's custom format begins. Source: PostgreSQL, pg_backup_archiver.c.
const DUMP: &[u8] = b"PGDMP";
/// A restore waits that long for a table that the app uses, then gives up.
const LOCK_TIMEOUT: &str = "60s";

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

/// Asks before anything is lost.
pub fn ask(args: &RestoreArgs, context: &Context, project: &str) -> Result<(), CommandError> {
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

pub async fn restore(
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
