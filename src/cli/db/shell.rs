//! `scalectl db shell`: psql beside the primary.

use std::process::ExitCode;

use scalectl_engine_docker::{DockerEngine, ExecRequest};
use scalectl_ui::has_terminal;

use super::{DATABASE, OWNER, psql};
use crate::cli::error::CommandError;
use crate::cli::exec;

#[derive(clap::Args, Debug)]
pub struct ShellArgs {
    /// With the rights of a superuser in place of the app's
    #[arg(long)]
    superuser: bool,
    /// Arguments for psql, behind `--`: `-- -c 'SELECT 1'`
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

pub async fn shell(
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
