//! Facts: what the model must know about the world, handed in by its caller.
//!
//! The model reads no disk and no environment itself, so that a test, an
//! editor or a remote caller can answer for them. Must never answer with a
//! secret's value: whether there is one is enough.
//! Next: `lib.rs` (`load` asks these questions).

use std::collections::{BTreeMap, BTreeSet};

/// Answers about the place where a `scale.yaml` stands. Paths are as written
/// in the file: relative to the file's folder, or absolute.
pub trait Facts {
    /// Whether `path` is a folder.
    fn folder_exists(&self, path: &str) -> bool;
    /// Whether `path` is a file that can be read.
    fn file_exists(&self, path: &str) -> bool;
    /// Whether that file has anything in it.
    fn file_has_content(&self, path: &str) -> bool;
    /// What is wrong with a certificate and its key, two PEM files that are there;
    /// must not tell anything of the key.
    fn certificate_problem(&self, file: &str, key: &str) -> Option<String>;
    /// Whether the environment of who runs scalectl has a non-empty `name`.
    fn env_is_set(&self, name: &str) -> bool;
    /// Phases that exist, in order.
    fn phases(&self) -> &[u8];
    /// Major versions of PostgreSQL that an image exists for, oldest first.
    fn database_versions(&self) -> &[String];
}

/// Facts that are simply listed.
#[derive(Debug, Clone, Default)]
pub struct ListedFacts {
    /// Folders that exist.
    pub folders: BTreeSet<String>,
    /// Files that exist.
    pub files: BTreeSet<String>,
    /// Those of them that are empty.
    pub empty_files: BTreeSet<String>,
    /// Certificates that are no good: file and problem.
    pub bad_certificates: BTreeMap<String, String>,
    /// Names of variables that are set.
    pub env: BTreeSet<String>,
    /// Phases that exist.
    pub phases: Vec<u8>,
    /// Versions of PostgreSQL that have an image.
    pub database_versions: Vec<String>,
}

impl Facts for ListedFacts {
    fn folder_exists(&self, path: &str) -> bool {
        self.folders.contains(path)
    }
    fn file_exists(&self, path: &str) -> bool {
        self.files.contains(path)
    }
    fn file_has_content(&self, path: &str) -> bool {
        self.file_exists(path) && !self.empty_files.contains(path)
    }
    fn certificate_problem(&self, file: &str, _key: &str) -> Option<String> {
        self.bad_certificates.get(file).cloned()
    }
    fn env_is_set(&self, name: &str) -> bool {
        self.env.contains(name)
    }
    fn phases(&self) -> &[u8] {
        &self.phases
    }
    fn database_versions(&self) -> &[String] {
        &self.database_versions
    }
}
