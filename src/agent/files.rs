//! Files that others read while we write them.
//!
//! A file is put in place whole by a rename or not at all, gets its owner and
//! mode before it is seen, and is left alone (its mtime too) when it already
//! says the same: watchers wake only for a change. Symbolic links are replaced,
//! never followed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What unfinished files begin with; whoever finds one may remove it.
pub const UNFINISHED: &str = ".unfinished-";

/// Who owns a file and who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl Access {
    /// The caller's own file, for nobody else.
    pub fn private() -> Self {
        Self {
            uid: process_uid(),
            gid: process_gid(),
            mode: 0o600,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Written,
    Unchanged,
}

/// Whether a change waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

/// Makes `path` hold `content`, readable as `access` says, safe on disk.
pub fn put(path: &Path, content: &[u8], access: Access) -> io::Result<Change> {
    put_with(path, content, access, Durable::Yes)
}

/// The same without waiting for the disk: whole for every reader, but an older
/// or empty file may be there after a power cut.
pub fn put_unsynced(path: &Path, content: &[u8], access: Access) -> io::Result<Change> {
    put_with(path, content, access, Durable::No)
}

fn put_with(path: &Path, content: &[u8], access: Access, durable: Durable) -> io::Result<Change> {
    if holds(path, content)? {
        settle_access(path, access)?;
        return Ok(Change::Unchanged);
    }
    if fs::symlink_metadata(path).is_ok_and(|old| old.is_dir()) {
        fs::remove_dir_all(path)?;
    }
    let unfinished = unfinished_beside(path);
    let written = write_new(&unfinished, content, access, durable)
        .and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    if let (Durable::Yes, Some(folder)) = (durable, path.parent()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(Change::Written)
}

/// Makes `path` a folder with that owner and mode, and nothing but a folder.
pub fn put_folder(path: &Path, access: Access) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            fs::remove_file(path)?;
            fs::create_dir(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::create_dir(path) {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made?,
        },
        Err(error) => return Err(error),
    }
    settle_access(path, access)
}

/// Removes a file, a link or a whole folder.
pub fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

fn holds(path: &Path, content: &[u8]) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() == content.len() as u64 => {
            Ok(fs::read(path)? == content)
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn settle_access(path: &Path, access: Access) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if (found.uid(), found.gid()) != (access.uid, access.gid) {
        lchown(path, Some(access.uid), Some(access.gid))?;
    }
    if found.permissions().mode() & 0o7777 != access.mode {
        fs::set_permissions(path, Permissions::from_mode(access.mode))?;
    }
    Ok(())
}

fn write_new(path: &Path, content: &[u8], access: Access, durable: Durable) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    if (process_uid(), process_gid()) != (access.uid, access.gid) {
        fchown(&file, Some(access.uid), Some(access.gid))?;
    }
    file.set_permissions(Permissions::from_mode(access.mode))?;
    if durable == Durable::Yes {
        file.sync_all()
    } else {
        Ok(())
    }
}

fn unfinished_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!("{UNFINISHED}{}-{count}-{name}", std::process::id()))
}

fn process_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn process_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_that_says_the_same_keeps_its_mtime_and_gets_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        put(&path, b"same", Access::private()).unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();

        let change = put(
            &path,
            b"same",
            Access {
                mode: 0o644,
                ..Access::private()
            },
        )
        .unwrap();

        let after = fs::metadata(&path).unwrap();
        assert_eq!(change, Change::Unchanged);
        assert_eq!(
            after.modified().unwrap(),
            before,
            "an unchanged file was touched"
        );
        assert_eq!(after.permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_replaced_and_its_goal_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (goal, path) = (folder.path().join("goal"), folder.path().join("a"));
        fs::write(&goal, "untouched").unwrap();
        symlink(&goal, &path).unwrap();

        put(&path, b"new", Access::private()).unwrap();

        assert_eq!(fs::read_to_string(&goal).unwrap(), "untouched");
        assert!(
            fs::symlink_metadata(&path).unwrap().is_file(),
            "the link is still there"
        );
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_link_to_a_file_with_the_same_content_is_still_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (goal, path) = (folder.path().join("goal"), folder.path().join("a"));
        fs::write(&goal, "same").unwrap();
        symlink(&goal, &path).unwrap();
        assert_eq!(
            put(&path, b"same", Access::private()).unwrap(),
            Change::Written
        );
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_and_a_file_in_the_place_of_a_folder_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::create_dir_all(path.join("deep")).unwrap();
        put(&path, b"file", Access::private()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"file");
        put_folder(
            &path,
            Access {
                mode: 0o700,
                ..Access::private()
            },
        )
        .unwrap();
        assert!(path.is_dir());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn nothing_unfinished_stays_beside_a_written_file() {
        let folder = tempfile::tempdir().unwrap();
        put(&folder.path().join("a"), b"1", Access::private()).unwrap();
        put(&folder.path().join("a"), b"2", Access::private()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
