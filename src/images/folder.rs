//! A folder of the user's as a build context, less what its .dockerignore names.
//!
//! Written file by file and never held whole. Modes are kept, owners and times
//! are not, as the docker command does it. Next: `ignore.rs`, `app.rs`.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::archive::header;
use crate::ignore::Ignored;

type Builder<'a> = tar::Builder<&'a mut dyn Write>;

/// Writes `folder` as an archive; `dockerfile` and the .dockerignore are always
/// in it.
///
/// # Errors
/// A file that cannot be read: the error names it.
pub(crate) fn write_folder(folder: &Path, dockerfile: &str, to: &mut dyn Write) -> io::Result<()> {
    let ignored = match std::fs::read_to_string(folder.join(".dockerignore")) {
        Ok(text) => Ignored::read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ignored::default(),
        Err(error) => return Err(naming(&folder.join(".dockerignore"), error)),
    };
    let dockerfile = dockerfile.trim_start_matches("./");
    let walk = Walk {
        root: folder,
        ignored,
        always: [PathBuf::from(dockerfile), PathBuf::from(".dockerignore")],
    };
    let mut builder = tar::Builder::new(to);
    walk.folder(&mut builder, Path::new(""))?;
    builder.finish()
}

struct Walk<'a> {
    root: &'a Path,
    ignored: Ignored,
    always: [PathBuf; 2],
}

impl Walk<'_> {
    fn folder(&self, builder: &mut Builder<'_>, below: &Path) -> io::Result<()> {
        let here = self.root.join(below);
        let entries = std::fs::read_dir(&here).and_then(Iterator::collect);
        let mut entries: Vec<_> = entries.map_err(|error| naming(&here, error))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = below.join(entry.file_name());
            let named = |error| naming(&entry.path(), error);
            let kind = entry.file_type().map_err(named)?;
            let is_out = self.ignored.matches(&path) && !self.always.contains(&path);
            if kind.is_dir() {
                if !is_out {
                    let mode = entry.metadata().map_err(named)?.permissions().mode();
                    let mut header = header(tar::EntryType::Directory, mode & 0o7777, 0);
                    builder.append_data(&mut header, &path, io::empty())?;
                }
                let holds_dockerfile = self.always.iter().any(|it| it.starts_with(&path));
                if holds_dockerfile || !self.ignored.may_skip_folder(&path) {
                    self.folder(builder, &path)?;
                }
            } else if !is_out && kind.is_symlink() {
                let target = std::fs::read_link(entry.path()).map_err(named)?;
                let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                builder.append_link(&mut header, &path, target)?;
            } else if !is_out && kind.is_file() {
                self.file(builder, &path, &entry.path())?;
            }
        }
        Ok(())
    }

    fn file(&self, builder: &mut Builder<'_>, path: &Path, whole: &Path) -> io::Result<()> {
        let named = |error| naming(whole, error);
        let file = std::fs::File::open(whole).map_err(named)?;
        let about = file.metadata().map_err(named)?;
        let mode = about.permissions().mode() & 0o7777;
        let mut header = header(tar::EntryType::Regular, mode, about.len());
        // One that grows meanwhile would break the archive: only what was there
        // goes in, and one that shrinks is an error.
        let content = Exact {
            file,
            left: about.len(),
        };
        builder
            .append_data(&mut header, path, content)
            .map_err(named)
    }
}

/// Exactly so many bytes of a file.
struct Exact {
    file: std::fs::File,
    left: u64,
}

impl io::Read for Exact {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        let count = self.file.read(&mut into[..room])?;
        if count == 0 && room > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn naming(path: &Path, error: io::Error) -> io::Error {
    match error.kind() {
        // Of who reads the archive: it has ended, and no file is to blame.
        io::ErrorKind::BrokenPipe => error,
        kind => io::Error::new(kind, format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Path, kind and mode of each entry.
    fn entries(folder: &Path, dockerfile: &str) -> Vec<(String, tar::EntryType, u32)> {
        let mut bytes = Vec::new();
        write_folder(folder, dockerfile, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            (
                path,
                entry.header().entry_type(),
                entry.header().mode().unwrap(),
            )
        });
        entries.collect()
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_ignored_stays_out_and_the_dockerfile_always_goes_along() {
        let folder = folder(&[
            (".dockerignore", "*\n!src\n"),
            ("docker/Dockerfile", "FROM x\n"),
            ("docker/notes", ""),
            ("src/main.py", ""),
            ("secret.env", ""),
        ]);
        let paths: Vec<_> = entries(folder.path(), "./docker/Dockerfile")
            .into_iter()
            .map(|(path, ..)| path)
            .collect();
        assert_eq!(
            paths,
            [".dockerignore", "docker/Dockerfile", "src", "src/main.py"]
        );
    }

    #[test]
    fn modes_empty_folders_and_links_arrive_as_they_are() {
        let folder = folder(&[("run", "#!/bin/sh\n")]);
        fs::create_dir(folder.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("run", folder.path().join("start")).unwrap();
        let found = entries(folder.path(), "Dockerfile");
        let kinds: Vec<_> = found
            .iter()
            .map(|(path, kind, _)| (path.as_str(), *kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("empty", tar::EntryType::Directory),
                ("run", tar::EntryType::Regular),
                ("start", tar::EntryType::Symlink)
            ]
        );
        assert_eq!(found[1].2, 0o640, "a file keeps its mode");
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error_and_one_that_grew_is_cut() {
        let folder = folder(&[("a", "12345")]);
        let read = |left| {
            let file = fs::File::open(folder.path().join("a")).unwrap();
            let mut text = String::new();
            io::Read::read_to_string(&mut Exact { file, left }, &mut text).map(|_| text)
        };
        assert_eq!(read(3).unwrap(), "123");
        assert!(read(9).is_err(), "9 bytes were promised and 5 are there");
    }
}
