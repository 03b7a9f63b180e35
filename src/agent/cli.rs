//! The hidden subcommands' arguments, and what their errors become.
//!
//! Must hold no logic: each verb is its own module. Errors end here as lines on
//! stderr and an exit code.

use std::process::ExitCode;

use clap::Subcommand;
use time::OffsetDateTime;

use crate::bootstrap::{self, BootstrapArgs};
use crate::edge::{self, EdgeArgs};
use crate::launch::{self, LaunchArgs};
use crate::log::Log;
use crate::probe::{self, ProbeArgs};
use crate::resident::{self, AgentArgs};

/// What runs inside a stack; not for people's daily use.
#[derive(Debug, Subcommand)]
pub enum ResidentCommand {
    #[command(hide = true)]
    Bootstrap(BootstrapArgs),
    #[command(hide = true)]
    Launch(LaunchArgs),
    #[command(hide = true)]
    Edge(EdgeArgs),
    #[command(hide = true)]
    Agent(AgentArgs),
    #[command(hide = true)]
    Probe(ProbeArgs),
}

/// Runs one of them to its end.
pub fn run(command: ResidentCommand) -> ExitCode {
    match command {
        ResidentCommand::Bootstrap(args) => run_bootstrap(args),
        ResidentCommand::Launch(args) => {
            let error = launch::run(&args);
            Log::new("launch").error(&error);
            ExitCode::from(error.exit_code())
        }
        ResidentCommand::Edge(args) => match edge::run(&args) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                Log::new("edge").error(&error);
                ExitCode::FAILURE
            }
        },
        ResidentCommand::Agent(args) => match resident::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                Log::new("agent").error(&error);
                ExitCode::from(error.exit_code())
            }
        },
        ResidentCommand::Probe(args) => match probe::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                Log::new("probe").error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

fn run_bootstrap(args: BootstrapArgs) -> ExitCode {
    let first = bootstrap_once(&args);
    match args.every.filter(|_| first == ExitCode::SUCCESS) {
        None => first,
        Some(every) => match bootstrap::stay(every, move || {
            bootstrap_once(&args);
        }) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                Log::new("bootstrap").error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

fn bootstrap_once(args: &BootstrapArgs) -> ExitCode {
    let log = Log::new("bootstrap");
    let now = OffsetDateTime::now_utc();
    let outcome = match args.renew {
        true => bootstrap::renew(args, now),
        false => bootstrap::run(args, now),
    };
    match outcome {
        // Four times a day: only news.
        Ok(report) if args.renew && report.certificates_made + report.files.written == 0 => {
            ExitCode::SUCCESS
        }
        Ok(report) => {
            log.info(format_args!(
                "made {} secrets and {} certificates; wrote {} files, left {}, removed {}",
                report.secrets_made,
                report.certificates_made,
                report.files.written,
                report.files.unchanged,
                report.files.removed,
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            log.error(&error);
            ExitCode::FAILURE
        }
    }
}
