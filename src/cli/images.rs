//! `scalectl images`: the images of components: which are there, built, current.
//!
//! Also what `up` does with images before it plans: the user's app is built when
//! its folder has changed (`app.rs`), and images of ours that are missing are built.
//! Must never decide what an image is made from: that is the room `images`.
//! Next: `images/construction.rs`.

mod app;
mod choice;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use scalectl_documents::Compose;
use scalectl_engine_docker::DockerEngine;
use scalectl_images::{Build, CATALOGUE, ImageState, Presence};
use scalectl_plan::Observed;
use scalectl_ui::{Builds, Format, size, table};

use crate::cli::context::{Context, IMAGE_TAG};
use crate::cli::error::CommandError;
use crate::exit::Exit;

pub use app::{AppBuilds, app_image, app_is_to_be_made, app_state, prepare_app};
pub use choice::{ImageArgs, ImageChoice};

/// List, build or check the images of components
#[derive(clap::Args, Debug)]
pub struct ImagesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Show every image of scalectl's own and whether the engine has it
    List(LookArgs),
    /// Build what is missing or whose recipe has changed
    Build(BuildArgs),
    /// End with 10 when an image is missing or not current
    Check(LookArgs),
}

#[derive(clap::Args, Debug)]
struct LookArgs {
    /// Only what this phase uses
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// The program that images were built with, if it is not this one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
struct BuildArgs {
    /// Only these; all without a name (`scalectl images list` has the names)
    #[arg(value_name = "NAME", conflicts_with = "phase")]
    names: Vec<String>,
    /// Only what this phase uses
    #[arg(long, value_name = "N")]
    phase: Option<u8>,
    /// Build although nothing has changed, and every step anew: for newer packages
    #[arg(long)]
    again: bool,
    /// Authorities (PEM) that builds trust beside Debian's, where a network re-signs TLS
    /// [default: the file that SSL_CERT_FILE or CURL_CA_BUNDLE names]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The static scalectl that goes into images, in place of this program: for an
    /// engine of another architecture
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

pub async fn run(args: &ImagesArgs, context: &Context) -> Result<ExitCode, CommandError> {
    match &args.verb {
        Verb::List(args) => {
            print(context, &states(context, args).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Check(args) => {
            let states = states(context, args).await?;
            print(context, &states)?;
            let is_well = |it: &ImageState| matches!(it.state, Presence::Current | Presence::There);
            match states.iter().all(is_well) {
                true => Ok(ExitCode::SUCCESS),
                false => {
                    context
                        .printer
                        .say("`scalectl images build` makes what is missing or old");
                    Ok(Exit::Unwell.into())
                }
            }
        }
        Verb::Build(args) => {
            let engine = context.engine().await?;
            let program = program(args.program.as_deref())?;
            let mut build = match args.names.is_empty() {
                true => Build::of_phase(args.phase.unwrap_or(u8::MAX), IMAGE_TAG, program),
                false => Build::of_names(&args.names, IMAGE_TAG, program)?,
            };
            build.extra_authorities = authorities(context, args.ca_file.as_deref())?;
            build.again = args.again;
            run_build(context, &engine, &build).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn states(context: &Context, args: &LookArgs) -> Result<Vec<ImageState>, CommandError> {
    let engine = context.engine().await?;
    let program = program(args.program.as_deref())?;
    let build = Build::of_phase(args.phase.unwrap_or(u8::MAX), IMAGE_TAG, program);
    Ok(scalectl_images::check(&build, &engine).await?)
}

fn print(context: &Context, states: &[ImageState]) -> Result<(), CommandError> {
    let row = |it: &ImageState| {
        let bytes = match it.state {
            Presence::Missing => "-".to_owned(),
            _ => size(it.size_bytes),
        };
        vec![
            it.name.clone(),
            it.image.clone(),
            it.since_phase.to_string(),
            it.state.word().to_owned(),
            bytes,
        ]
    };
    let rows: Vec<_> = states.iter().map(row).collect();
    let printed = match context.printer.format {
        Format::Json => context.printer.json(&states),
        Format::Text => context.printer.data(&table(
            &["NAME", "IMAGE", "SINCE PHASE", "STATE", "SIZE"],
            &rows,
        )),
    };
    printed.map_err(|source| CommandError::io("print the images", source))
}

/// The program that goes into images: this one, or the one that is named.
fn program(named: Option<&Path>) -> Result<Arc<[u8]>, CommandError> {
    let own = || std::env::current_exe();
    let file = named.map_or_else(own, |file| Ok(file.to_owned()));
    let file = file.map_err(|source| CommandError::io("find this program's file", source))?;
    let bytes = std::fs::read(&file)
        .map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
    Ok(bytes.into())
}

/// The authorities of the option, or those that the environment names.
fn authorities(context: &Context, named: Option<&Path>) -> Result<Option<String>, CommandError> {
    if let Some(file) = named {
        let text = std::fs::read_to_string(file);
        let text =
            text.map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
        return Ok(Some(text));
    }
    for variable in ["SSL_CERT_FILE", "CURL_CA_BUNDLE"] {
        let Some(file) = std::env::var_os(variable).filter(|file| !file.is_empty()) else {
            continue;
        };
        let file = PathBuf::from(file);
        match std::fs::read_to_string(&file) {
            Ok(text) => return Ok(Some(text)),
            // It was not asked for here, and most builds need none.
            Err(error) => context.printer.say(&format!(
                "builds do without the authorities in {} ({variable}): {error}",
                file.display()
            )),
        }
    }
    Ok(None)
}

async fn run_build(
    context: &Context,
    engine: &DockerEngine,
    build: &Build,
) -> Result<(), CommandError> {
    let builds = Builds::new(context.printer);
    let outcome = scalectl_images::build(build, engine, &|event| builds.show(event)).await;
    builds.finish();
    Ok(outcome?)
}

/// Those images of ours that the documents name and the engine has not, by their
/// names in the catalogue.
pub fn missing(compose: &Compose, observed: &Observed) -> Vec<String> {
    let is_missing = |name: &str| {
        let image = scalectl_images::reference(name, IMAGE_TAG);
        let mut wanted = compose.services.values().map(|service| &service.image);
        wanted.any(|it| *it == image) && !observed.images.contains_key(&image)
    };
    let all = CATALOGUE.iter().map(|recipe| recipe.name.to_owned());
    all.filter(|name| is_missing(name)).collect()
}

/// Builds those images of ours that the documents name and the engine has not.
/// Gives whether there were any.
pub async fn build_missing(
    context: &Context,
    engine: &DockerEngine,
    compose: &Compose,
    observed: &Observed,
) -> Result<bool, CommandError> {
    let missing = missing(compose, observed);
    if missing.is_empty() {
        return Ok(false);
    }
    context.printer.say(&format!(
        "the engine lacks {} of scalectl's images: building {} (minutes, the first time)",
        missing.len(),
        missing.join(", ")
    ));
    let mut build = Build::of_names(&missing, IMAGE_TAG, program(None)?)?;
    build.extra_authorities = authorities(context, None)?;
    // One that is there may be in use as it is: only what is missing is made.
    build
        .recipes
        .retain(|recipe| missing.iter().any(|it| it == recipe.name));
    run_build(context, engine, &build).await?;
    Ok(true)
}
