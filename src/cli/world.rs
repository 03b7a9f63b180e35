//! The world as the model asks for it: folders, files, variables.

use std::path::PathBuf;

use scalectl_model::Facts;
use time::OffsetDateTime;

use crate::cli::values;

/// Answers from the disk and the environment of this process.
pub struct World {
    /// The folder of scale.yaml: what relative paths in it start from.
    pub folder: PathBuf,
    pub phases: Vec<u8>,
    pub database_versions: Vec<String>,
}

impl Facts for World {
    fn folder_exists(&self, path: &str) -> bool {
        self.folder.join(path).is_dir()
    }

    fn file_exists(&self, path: &str) -> bool {
        std::fs::File::open(self.folder.join(path))
            .is_ok_and(|file| file.metadata().is_ok_and(|it| it.is_file()))
    }

    fn file_has_content(&self, path: &str) -> bool {
        values::secret(&self.folder.join(path)).is_some_and(|value| !value.is_empty())
    }

    fn certificate_problem(&self, file: &str, key: &str) -> Option<String> {
        let read = |path: &str| std::fs::read(self.folder.join(path));
        match (read(file), read(key)) {
            (Ok(chain), Ok(key)) => {
                scalectl_agent::certificate_problem(&chain, &key, OffsetDateTime::now_utc())
            }
            // That a file cannot be read is a mistake of its own.
            _ => None,
        }
    }

    fn env_is_set(&self, name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| !value.is_empty())
    }

    fn phases(&self) -> &[u8] {
        &self.phases
    }

    fn database_versions(&self) -> &[String] {
        &self.database_versions
    }
}
