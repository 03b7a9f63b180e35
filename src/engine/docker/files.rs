//! Files into a created container: one tar archive for all of them.
//!
//! Only files are in it, no folders: a folder entry would change the owner and
//! mode of a folder that is there, and the engine makes those that are not.
//! Content from the environment must never reach an error. Next: `apply.rs`.

use std::time::SystemTime;

use scalectl_engine::EngineError;
use scalectl_plan::{FileContent, InjectedFile};

/// Readable by any user of the container: Compose's mode for a config.
const PLAIN: u32 = 0o444;
/// From the user's environment, thus a secret: for root alone.
const SECRET: u32 = 0o400;

/// The archive of `files`; `variable` looks a variable of the environment up.
pub(crate) fn archive(
    files: &[InjectedFile],
    variable: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, EngineError> {
    let mut archive = tar::Builder::new(Vec::new());
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    for file in files {
        let (content, mode) = match &file.content {
            FileContent::Text(text) => (text.clone().into_bytes(), PLAIN),
            FileContent::Environment(name) => (
                variable(name).ok_or_else(|| EngineError::SecretMissing { name: name.clone() })?,
                SECRET,
            ),
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_mtime(now);
        let path = file.path.trim_start_matches('/');
        archive
            .append_data(&mut header, path, content.as_slice())
            .map_err(|error| refused(&file.path, &error))?;
    }
    archive
        .into_inner()
        .map_err(|error| refused("the archive", &error))
}

fn refused(path: &str, error: &std::io::Error) -> EngineError {
    EngineError::Refused {
        action: format!("take {path}"),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn file(path: &str, content: FileContent) -> InjectedFile {
        InjectedFile {
            path: path.to_owned(),
            content,
        }
    }

    #[test]
    fn an_archive_holds_files_alone_and_keeps_secrets_for_root() {
        let long = format!("/in/{}/settings.yaml", "deep/".repeat(40));
        let files = [
            file(
                "/in/db-1/patroni.yaml",
                FileContent::Text("scope: shop\n".to_owned()),
            ),
            file("/in/key", FileContent::Environment("KEY".to_owned())),
            file(&long, FileContent::Text(String::new())),
        ];
        let bytes = archive(&files, |name| (name == "KEY").then(|| b"hush".to_vec())).unwrap();

        let mut found = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert!(
                entry.header().entry_type().is_file(),
                "only files may be in the archive"
            );
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((
                entry.path().unwrap().display().to_string(),
                entry.header().mode().unwrap(),
                text,
            ));
        }
        assert_eq!(
            found[0],
            (
                "in/db-1/patroni.yaml".to_owned(),
                0o444,
                "scope: shop\n".to_owned()
            )
        );
        assert_eq!(found[1], ("in/key".to_owned(), 0o400, "hush".to_owned()));
        assert_eq!(
            found[2].0,
            long[1..],
            "a path over 100 characters stays whole"
        );
    }

    #[test]
    fn a_secret_without_a_value_is_named_and_nothing_is_sent() {
        let files = [file(
            "/in/key",
            FileContent::Environment("STRIPE_KEY".to_owned()),
        )];
        let error = archive(&files, |_| None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable STRIPE_KEY is not set"
        );
    }
}
