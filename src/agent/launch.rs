//! `launch`: starts the app's own command with the stack's values.
//!
//! It runs in an image that we know nothing of, from a shared volume, reads each
//! file of a folder into a variable and becomes the command (same process id,
//! so signals and the exit code are the app's). Values never stand in rendered
//! text or in what `inspect` shows; none is ever printed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::UNFINISHED;

/// Start a command with variables read from files
#[derive(clap::Args, Debug)]
pub struct LaunchArgs {
    /// A file NAME in it becomes the variable NAME
    #[arg(long, default_value = "/etc/scalectl/env")]
    pub env_dir: PathBuf,
    /// Set NAME_FILE to the file's path instead of NAME to its content
    #[arg(long)]
    pub files: bool,
    /// The command and its arguments
    #[arg(required = true, last = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LaunchError {
    #[error("read {}", path.display())]
    #[diagnostic(help("is the settings volume mounted, and may this container's user read it?"))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be a variable: {problem}", path.display())]
    NotAVariable {
        path: PathBuf,
        problem: &'static str,
    },
    #[error("start {}", command.display())]
    #[diagnostic(help(
        "the app's `command` (or its image's) names a program that the image does not have or may not run"
    ))]
    Start {
        command: OsString,
        source: io::Error,
    },
}

impl LaunchError {
    /// As shells have it: 127 not found, 126 not startable.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Start { .. } => 126,
            Self::Read { .. } | Self::NotAVariable { .. } => 1,
        }
    }
}

/// Becomes the command; returns only when that cannot be.
pub fn run(args: &LaunchArgs) -> LaunchError {
    let variables = match variables(&args.env_dir, args.files) {
        Ok(variables) => variables,
        Err(error) => return error,
    };
    let Some((program, arguments)) = args.command.split_first() else {
        return LaunchError::Start {
            command: OsString::new(),
            source: io::ErrorKind::NotFound.into(),
        };
    };
    let source = Command::new(program).args(arguments).envs(variables).exec();
    LaunchError::Start {
        command: program.clone(),
        source,
    }
}

fn variables(folder: &Path, as_files: bool) -> Result<Vec<(OsString, OsString)>, LaunchError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| LaunchError::Read { path, source }
    };
    let mut variables = Vec::new();
    for entry in folder.read_dir().map_err(read(folder))? {
        let entry = entry.map_err(read(folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.as_bytes().starts_with(UNFINISHED.as_bytes()) {
            continue;
        }
        check_name(&name).map_err(|problem| LaunchError::NotAVariable {
            path: path.clone(),
            problem,
        })?;
        if as_files {
            let mut file_name = name;
            file_name.push("_FILE");
            variables.push((file_name, path.into_os_string()));
        } else {
            let value = std::fs::read(&path).map_err(read(&path))?;
            if value.contains(&0) {
                return Err(LaunchError::NotAVariable {
                    path,
                    problem: "it holds a NUL byte",
                });
            }
            variables.push((name, OsString::from_vec(value)));
        }
    }
    Ok(variables)
}

fn check_name(name: &OsStr) -> Result<(), &'static str> {
    let bytes = name.as_bytes();
    let is_good = bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !bytes.first().is_none_or(u8::is_ascii_digit);
    if is_good {
        Ok(())
    } else {
        Err("its name is not one of letters, digits and _")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    #[test]
    fn each_file_is_a_variable_with_exactly_its_bytes() {
        let folder = folder(&[
            ("A", b" x\n"),
            ("B_2", b"\xff$HOME"),
            ("EMPTY", b""),
            (".unfinished-1-0-A", b"half"),
        ]);
        let mut told = variables(folder.path(), false).unwrap();
        told.sort();
        let told: Vec<_> = told
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        assert_eq!(
            told,
            [
                (&b"A"[..], &b" x\n"[..]),
                (b"B_2", b"\xff$HOME"),
                (b"EMPTY", b"")
            ]
        );
    }

    #[test]
    fn with_files_the_path_is_told_and_the_content_is_not_read() {
        let folder = folder(&[("DATABASE_URL", b"\0secret")]);
        let told = variables(folder.path(), true).unwrap();
        assert_eq!(
            told,
            [(
                "DATABASE_URL_FILE".into(),
                folder.path().join("DATABASE_URL").into_os_string()
            )]
        );
    }

    #[test]
    fn what_cannot_be_a_variable_is_refused_without_its_content() {
        for (name, content) in [
            ("BAD-NAME", &b"topsecret"[..]),
            ("1A", b"topsecret"),
            ("NUL", b"topsecret\0"),
        ] {
            let error = variables(folder(&[(name, content)]).path(), false).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("topsecret"),
                "{error:?} tells the value"
            );
        }
    }
}
