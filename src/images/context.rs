//! Build contexts: folders as tar archives, the same bytes for the same files.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// An archive of named files. A file that starts with `#!`, or is an ELF
/// binary, may be run.
pub(crate) fn archive(files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    for (path, content) in sorted {
        let is_program = content.starts_with(b"#!") || content.starts_with(b"\x7fELF");
        append(
            &mut builder,
            path,
            if is_program { 0o755 } else { 0o644 },
            content,
        )?;
    }
    builder.into_inner()
}

fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    builder.append_data(&mut header, path, content)
}

/// SHA-256 of bytes, in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The folder of the user's app as an archive, less what its .dockerignore names.
///
/// # Errors
/// A file that cannot be read.
pub fn app_context(folder: &Path) -> io::Result<Vec<u8>> {
    let ignored = match std::fs::read_to_string(folder.join(".dockerignore")) {
        Ok(text) => Ignored::read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ignored::default(),
        Err(error) => return Err(error),
    };
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    add_folder(&mut builder, folder, &PathBuf::new(), &ignored)?;
    builder.into_inner()
}

fn add_folder(
    builder: &mut tar::Builder<Vec<u8>>,
    root: &Path,
    below: &Path,
    ignored: &Ignored,
) -> io::Result<()> {
    let mut names: Vec<_> = std::fs::read_dir(root.join(below))?.collect::<Result<Vec<_>, _>>()?;
    names.sort_by_key(std::fs::DirEntry::file_name);
    for entry in names {
        let path = below.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() && !ignored.may_skip_folder(&path) {
            add_folder(builder, root, &path, ignored)?;
        }
        if kind.is_dir() || ignored.matches(&path) {
            continue;
        }
        let mut header = tar::Header::new_gnu();
        if kind.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            builder.append_link(&mut header, &path, std::fs::read_link(entry.path())?)?;
        } else if kind.is_file() {
            let content = std::fs::read(entry.path())?;
            let mode = std::os::unix::fs::PermissionsExt::mode(&entry.metadata()?.permissions());
            header.set_size(content.len() as u64);
            header.set_mode(if mode & 0o111 == 0 { 0o644 } else { 0o755 });
            header.set_mtime(0);
            builder.append_data(&mut header, &path, content.as_slice())?;
        }
    }
    Ok(())
}

/// The patterns of a .dockerignore; the last one that matches decides.
/// Source: Docker's documentation of the .dockerignore file.
#[derive(Debug, Default)]
struct Ignored {
    rules: Vec<(bool, String)>,
}

impl Ignored {
    fn read(text: &str) -> Self {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rule = |line: &str| match line.strip_prefix('!') {
            Some(pattern) => (false, clean(pattern)),
            None => (true, clean(line)),
        };
        Self {
            rules: lines.map(rule).collect(),
        }
    }

    /// Whether `path`, or a folder that it lies in, is left out. The Dockerfile
    /// and the .dockerignore are always sent.
    fn matches(&self, path: &Path) -> bool {
        let text = path.to_string_lossy();
        if text == "Dockerfile" || text == ".dockerignore" {
            return false;
        }
        let holds = |pattern: &str| {
            path.ancestors()
                .any(|part| !part.as_os_str().is_empty() && glob(pattern, &part.to_string_lossy()))
        };
        self.rules
            .iter()
            .rev()
            .find(|(_, pattern)| holds(pattern))
            .is_some_and(|(is_out, _)| *is_out)
    }

    /// A folder can be passed over whole when no exception could lie in it.
    fn may_skip_folder(&self, path: &Path) -> bool {
        self.matches(path) && self.rules.iter().all(|(is_out, _)| *is_out)
    }
}

fn clean(pattern: &str) -> String {
    pattern
        .trim()
        .trim_start_matches("./")
        .trim_matches('/')
        .to_owned()
}

/// `*` and `?` within one name, `**` across folders.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), text.split('/').collect());
    glob_parts(&pattern, &text)
}

fn glob_parts(pattern: &[&str], text: &[&str]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=text.len()).any(|skip| glob_parts(rest, &text[skip..])),
        ([first, rest @ ..], [name, names @ ..]) => {
            glob_name(first.as_bytes(), name.as_bytes()) && glob_parts(rest, names)
        }
        _ => false,
    }
}

fn glob_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skip| glob_name(rest, &name[skip..])),
        ([b'?', rest @ ..], [_, names @ ..]) => glob_name(rest, names),
        ([first, rest @ ..], [letter, names @ ..]) => first == letter && glob_name(rest, names),
        _ => false,
    }
}

/// Whether a program runs without anything of the machine it was built on: an
/// ELF file that names no interpreter. Source: the ELF specification, `PT_INTERP` is 3.
pub fn is_static(program: &[u8]) -> bool {
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = program.get(at..at + length)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | usize::from(*byte)),
        )
    };
    let has_interpreter = || -> Option<bool> {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        Some((0..count).any(|entry| number(table + entry * size, 4) == Some(3)))
    };
    program.starts_with(b"\x7fELF\x02\x01") && has_interpreter() == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerignore_patterns_decide_as_docker_has_it() {
        let ignored = Ignored::read("# note\n*.log\nnode_modules\n**/cache\n!keep.log\n/docs/\n");
        let is_out = |path: &str| ignored.matches(Path::new(path));
        for path in [
            "a.log",
            "node_modules/x/y.js",
            "deep/down/cache/f",
            "docs/a.md",
        ] {
            assert!(is_out(path), "{path} must be left out");
        }
        for path in ["keep.log", "src/a.rs", "sub/a.log", "Dockerfile"] {
            assert!(!is_out(path), "{path} must be sent");
        }
    }

    #[test]
    fn the_same_files_give_the_same_archive_whatever_their_order() {
        let files = [
            ("b".to_owned(), b"2".to_vec()),
            ("a".to_owned(), b"#!/bin/sh".to_vec()),
        ];
        let turned = [files[1].clone(), files[0].clone()];
        assert_eq!(archive(&files).unwrap(), archive(&turned).unwrap());
    }
}
