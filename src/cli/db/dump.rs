//! `scalectl db dump`: pg_dump beside the primary, into a file that is there whole
//! or not at all.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use scalectl_engine_docker::{DockerEngine, ExecRequest};
use scalectl_ui::{Transfer, seconds, size, writes_to_terminal};
use tokio::io::AsyncWriteExt;

use super::{DATABASE, program, refuse_failure};
use crate::cli::context::Context;
use crate::cli::error::CommandError;

#[derive(clap::Args, Debug)]
pub struct DumpArgs {
    /// The file, readable to you alone, written whole or not at all; stdout without it
    #[arg(short = 'o', long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn dump(
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
}
