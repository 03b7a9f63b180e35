//! `scalectl render`: the documents of a phase, exactly as `up` applies them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use scalectl_model::Source;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::images::ImageArgs;

/// Print the compose.yaml of a phase, or write it into a folder
#[derive(clap::Args, Debug)]
pub struct RenderArgs {
    /// The stage of growth
    #[arg(long, default_value_t = 1, value_name = "N")]
    phase: u8,
    #[command(flatten)]
    images: ImageArgs,
    /// Write DIR/compose.yaml in place of printing it
    #[arg(short = 'o', long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub async fn run(args: &RenderArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let context = &context.with_images(&args.images);
    let app = context.app(args.phase)?;
    let needs_image = app.app.command.is_none();
    let engine = match needs_image {
        true => Some(context.engine().await?),
        // Which database clusters there are, only an engine can tell; without one: the first.
        false => context.engine().await.ok(),
    };
    let rendered = context.render(args.phase, engine.as_ref()).await?;
    match &args.out {
        None => context
            .printer
            .data(&rendered.text)
            .map_err(|source| CommandError::io("print the document", source))?,
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|source| CommandError::io(format!("make {}", folder.display()), source))?;
            let file = folder.join("compose.yaml");
            write_private(&file, &rendered.text)?;
            context.printer.say(&format!("wrote {}", file.display()));
            for (variable, value) in scalectl_render::value_files(&app) {
                context.printer.say(&format!(
                    "for plain compose: export {variable}=\"$(cat '{}')\"",
                    value.path
                ));
            }
            if let Source::Build(build) = &app.app.source {
                context.printer.say(&format!(
                    "its build context `{}` counts from that folder, as Compose has it",
                    build.context
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(file: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |source| CommandError::io(format!("write {}", file.display()), source);
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut handle = options.open(&temporary).map_err(failed)?;
    handle.write_all(text.as_bytes()).map_err(failed)?;
    handle.sync_all().map_err(failed)?;
    std::fs::rename(&temporary, file).map_err(failed)
}
