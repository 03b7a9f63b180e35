//! The command line: one file a verb.
//!
//! A verb parses, calls the rooms in order and maps how it ended. It holds no
//! logic of its own: a choice belongs into `plan`, a call into `engine`, a word
//! into `ui`. Next: `context.rs` (what every verb needs), `up.rs`.

mod apply;
mod check;
mod completions;
mod context;
mod db;
#[cfg(test)]
mod docs;
mod doctor;
mod down;
mod error;
mod exec;
mod images;
mod init;
mod lock;
mod logs;
mod migrate;
mod phases;
mod plan;
mod preflight;
mod render;
mod restart;
mod status;
mod up;
mod values;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use scalectl_agent::cli::ResidentCommand;
use scalectl_ui::{Format, Printer};

use context::Context;
use error::CommandError;

/// Takes an app from one box to a million users
#[derive(Parser, Debug)]
#[command(
    name = "scalectl",
    version,
    max_term_width = 100,
    propagate_version = true
)]
#[command(
    after_help = "Start with `scalectl init`, then `scalectl up`. Exit codes: docs/exit-codes.md"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every verb understands.
#[derive(clap::Args, Debug, Clone)]
pub struct Global {
    /// The app model
    #[arg(
        short,
        long,
        global = true,
        default_value = "scale.yaml",
        value_name = "FILE"
    )]
    file: PathBuf,
    /// Name of the stack, in place of the app's name
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "SCALECTL_PROJECT",
        value_parser = project_name
    )]
    project: Option<String>,
    /// Form of what goes to stdout
    #[arg(long, global = true, default_value = "text", value_name = "FORM")]
    output: Output,
    /// A folder whose phases/ and templates/ replace scalectl's own, file by file
    #[arg(long, global = true, value_name = "DIR")]
    overrides: Option<PathBuf>,
    /// A compose.yaml of scalectl's own form in place of what scale.yaml gives: for
    /// measurements and tests, of shapes that no phase has
    #[arg(long, global = true, hide = true, value_name = "FILE")]
    document: Option<PathBuf>,
}

/// The rules of the app's own name: it becomes the beginning of every name on the
/// engine, and stands in the rendered text.
fn project_name(text: &str) -> Result<String, String> {
    text.parse::<scalectl_model::Name>()
        .map(|name| name.to_string())
}

#[derive(clap::ValueEnum, Debug, Clone, Copy)]
enum Output {
    Text,
    Json,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Phases(phases::PhasesArgs),
    Render(render::RenderArgs),
    Plan(plan::PlanArgs),
    Up(up::UpArgs),
    Status(status::StatusArgs),
    Down(down::DownArgs),
    Logs(logs::LogsArgs),
    Exec(exec::ExecArgs),
    Restart(restart::RestartArgs),
    Migrate(migrate::MigrateArgs),
    Db(db::DbArgs),
    Images(images::ImagesArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    #[command(flatten)]
    Resident(Hidden),
}

/// What runs inside a stack.
#[derive(Subcommand, Debug)]
#[command(hide = true)]
enum Hidden {
    #[command(flatten)]
    Resident(ResidentCommand),
}

/// Runs scalectl.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = match cli.global.output {
        Output::Text => Format::Text,
        Output::Json => Format::Json,
    };
    let printer = Printer::new(format);
    if let Command::Resident(Hidden::Resident(command)) = cli.command {
        return scalectl_agent::cli::run(command);
    }
    match run(cli, printer) {
        Ok(code) => code,
        Err(error) => {
            error.print(&printer);
            error.exit().into()
        }
    }
}

fn run(cli: Cli, printer: Printer) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::io("start the runtime", source))?;
    let context = Context::new(cli.global, printer);
    runtime.block_on(async {
        match cli.command {
            Command::Init(args) => init::run(&args, &context),
            Command::Check(args) => check::run(&args, &context),
            Command::Phases(args) => phases::run(&args, &context),
            Command::Render(args) => render::run(&args, &context).await,
            Command::Plan(args) => plan::run(&args, &context).await,
            Command::Up(args) => up::run(&args, &context).await,
            Command::Status(args) => status::run(&args, &context).await,
            Command::Down(args) => down::run(&args, &context).await,
            Command::Logs(args) => logs::run(&args, &context).await,
            Command::Exec(args) => exec::run(&args, &context).await,
            Command::Restart(args) => restart::run(&args, &context).await,
            Command::Migrate(args) => migrate::run(&args, &context).await,
            Command::Db(args) => db::run(&args, &context).await,
            Command::Doctor(args) => doctor::run(&args, &context).await,
            Command::Images(args) => images::run(&args, &context).await,
            Command::Completions(args) => completions::run(&args, &context),
            Command::Resident(Hidden::Resident(command)) => Ok(scalectl_agent::cli::run(command)),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn a_project_s_name_follows_the_rules_of_an_app_s_name() {
        let named = |name: &str| Cli::try_parse_from(["scalectl", "-p", name, "status"]);
        assert!(named("shop-2").is_ok());
        for wrong in [
            "",
            "Shop",
            "shop\nservices: {}",
            "2shop",
            "a_b",
            &"a".repeat(41),
        ] {
            let error = named(wrong).expect_err(wrong).to_string();
            assert!(error.contains("a name has a-z, 0-9 and `-`"), "{error}");
        }
    }

    #[test]
    fn a_wait_for_the_lock_that_no_clock_can_count_is_refused() {
        let waits =
            |seconds: &str| Cli::try_parse_from(["scalectl", "up", "--lock-timeout", seconds]);
        assert!(waits("0").is_ok() && waits("31536000").is_ok());
        assert!(waits("18446744073709551615").is_err());
    }

    #[test]
    fn every_verb_s_arguments_fit_beside_the_global_ones() {
        Cli::command().debug_assert();
        for verb in Cli::command()
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned())
        {
            // Reading a definition against another of the same id panics.
            let _ = Cli::try_parse_from(["scalectl", &verb]);
        }
        let bootstrap = ["scalectl", "bootstrap", "--spec", "/in/bootstrap.json"];
        assert!(
            Cli::try_parse_from(bootstrap).is_ok(),
            "the stack's own one-shot is understood"
        );
    }
}
