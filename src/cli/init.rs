//! `scalectl init`: a commented scale.yaml for the folder it stands in.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use scalectl_model::Folder;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Write a commented scale.yaml for this folder (reads its Dockerfile)
#[derive(clap::Args, Debug)]
pub struct InitArgs {
    /// Print it in place of writing it
    #[arg(long)]
    print: bool,
}

pub fn run(args: &InitArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let folder = context.folder();
    let whole = std::fs::canonicalize(&folder)
        .map_err(|source| CommandError::io(format!("look at {}", folder.display()), source))?;
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let dockerfile = match std::fs::read_to_string(folder.join("Dockerfile")) {
        Ok(text) => Some(text),
        Err(source) if source.kind() == ErrorKind::NotFound => None,
        Err(source) => return Err(CommandError::io("read the Dockerfile", source)),
    };
    let text = scalectl_model::init(&Folder { name, dockerfile });
    if args.print {
        let printed = context.printer.data(&text);
        printed.map_err(|source| CommandError::io("print scale.yaml", source))?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = &context.global.file;
    let mut options = std::fs::OpenOptions::new();
    let mut handle =
        options
            .write(true)
            .create_new(true)
            .open(file)
            .map_err(|source| match source.kind() {
                ErrorKind::AlreadyExists => CommandError::ModelExists { file: file.clone() },
                _ => CommandError::io(format!("write {}", file.display()), source),
            })?;
    handle
        .write_all(text.as_bytes())
        .map_err(|source| CommandError::io(format!("write {}", file.display()), source))?;
    context.printer.say(&format!(
        "wrote {}; read it, then `scalectl up --phase 1`",
        file.display()
    ));
    Ok(ExitCode::SUCCESS)
}
