//! The world as the model asks for it: folders, files, variables.

use std::path::PathBuf;

use scalectl_model::Facts;

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
