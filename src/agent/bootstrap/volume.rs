//! One component's volume: exactly the files that it should hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::BootstrapError;
use crate::files::{self, Access, Change, UNFINISHED};

/// What a volume is to hold, all content in memory.
pub struct Volume {
    pub path: PathBuf,
    pub access: Access,
    pub files: BTreeMap<String, OutFile>,
    /// Files that belong to a component once they are there.
    pub keeps_others: bool,
    /// It is written after the others.
    pub last: bool,
}

pub struct OutFile {
    pub content: Vec<u8>,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub written: usize,
    pub unchanged: usize,
    pub removed: usize,
}

impl Counts {
    pub fn add(&mut self, more: Self) {
        self.written += more.written;
        self.unchanged += more.unchanged;
        self.removed += more.removed;
    }
}

impl Volume {
    /// Writes those of its files that differ and leaves all others alone.
    pub fn refresh(&self) -> Result<Counts, BootstrapError> {
        let mut counts = Counts::default();
        for (name, file) in &self.files {
            self.put(name, file, &mut counts)?;
        }
        Ok(counts)
    }

    /// Writes what differs, removes what does not belong.
    pub fn write(&self) -> Result<Counts, BootstrapError> {
        let mut counts = Counts::default();
        self.put_folder(&self.path)?;
        self.remove_others(&self.path, "", &mut counts)?;
        for (name, file) in &self.files {
            let path = self.path.join(name);
            if self.keeps_others && path.symlink_metadata().is_ok() {
                counts.unchanged += 1;
                continue;
            }
            self.put(name, file, &mut counts)?;
        }
        Ok(counts)
    }

    fn put(&self, name: &str, file: &OutFile, counts: &mut Counts) -> Result<(), BootstrapError> {
        let path = self.path.join(name);
        self.put_folders_of(name)?;
        match files::put(&path, &file.content, file.access).map_err(BootstrapError::write(&path))? {
            Change::Written => counts.written += 1,
            Change::Unchanged => counts.unchanged += 1,
        }
        Ok(())
    }

    fn put_folders_of(&self, name: &str) -> Result<(), BootstrapError> {
        let mut folder = self.path.clone();
        let mut parts = name.split('/').peekable();
        while let (Some(part), Some(_)) = (parts.next(), parts.peek()) {
            folder.push(part);
            self.put_folder(&folder)?;
        }
        Ok(())
    }

    fn put_folder(&self, path: &Path) -> Result<(), BootstrapError> {
        files::put_folder(path, self.access).map_err(BootstrapError::write(path))
    }

    fn remove_others(
        &self,
        folder: &Path,
        prefix: &str,
        counts: &mut Counts,
    ) -> Result<(), BootstrapError> {
        let entries = folder.read_dir().map_err(BootstrapError::read(folder))?;
        for entry in entries {
            let entry = entry.map_err(BootstrapError::read(folder))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let is_folder = entry
                .file_type()
                .map_err(BootstrapError::read(&entry.path()))?
                .is_dir();
            let within = format!("{name}/");
            // One that a component writes at this very moment is written again
            // by its next attempt.
            let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            if self.keeps_others && !is_folder && !is_unfinished {
                continue;
            }
            if is_folder && self.files.keys().any(|file| file.starts_with(&within)) {
                self.remove_others(&entry.path(), &within, counts)?;
            } else if is_unfinished
                || !(self.keeps_others || self.files.contains_key(&name) || name == "lost+found")
            {
                files::remove(&entry.path()).map_err(BootstrapError::write(&entry.path()))?;
                counts.removed += 1;
            }
        }
        Ok(())
    }
}
