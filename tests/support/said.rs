//! What one run of scalectl says, word for word, without what is another in each run.

use std::path::Path;
use std::process::Command;

use super::{program, run};

/// A folder, and what stands for its names in a message.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub redacted: Vec<(String, &'static str)>,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let place = Self {
            folder,
            redacted: vec![(path, "FOLDER")],
        };
        place.write(
            "scale.yaml",
            "name: shop\napp: {image: 'shop:1', command: run}\n",
        );
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    /// The message, and the exit code on a last line.
    pub fn says(&self, command: &mut Command) -> String {
        let ran = run(command.current_dir(self.path()));
        assert_eq!(ran.out, "", "stdout is for data");
        let mut text = format!("{}exit code {}", ran.err, ran.code);
        for (value, name) in &self.redacted {
            text = text.replace(value, name);
        }
        text
    }

    pub fn says_at(&self, host: &str, args: &[&str]) -> String {
        self.says(scalectl(args).env("DOCKER_HOST", host))
    }
}

pub fn scalectl(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args).env_remove("NO_SUCH_SECRET");
    command
}
