//! Values that the user keeps in files: secrets, the edge's own certificate.
//!
//! They go from the file into a container of the stack, and nowhere else: they
//! stand in no variable of this process, no document and no plan.

use std::path::{Path, PathBuf};

use scalectl_engine_docker::Values;
use scalectl_model::App;
use scalectl_render::ValueKind;

/// The value of each variable that a document names: from the user's files, else
/// from the environment.
pub fn of(app: &App, folder: PathBuf) -> Values {
    let files = scalectl_render::value_files(app);
    Box::new(move |variable| match files.get(variable) {
        Some(file) => {
            let path = folder.join(&file.path);
            match file.kind {
                ValueKind::Secret => secret(&path),
                ValueKind::Pem => std::fs::read(path).ok(),
            }
        }
        None => std::env::var_os(variable).map(std::os::unix::ffi::OsStringExt::into_vec),
    })
}

/// A secret in a file: the line end that editors put at its end is not part of it.
pub fn secret(path: &Path) -> Option<Vec<u8>> {
    let mut value = std::fs::read(path).ok()?;
    if value.ends_with(b"\n") {
        value.pop();
        if value.ends_with(b"\r") {
            value.pop();
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_at_the_end_of_a_secret_does_not_count_and_all_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (text, value) in [
            ("hush\n", "hush"),
            ("hush\r\n", "hush"),
            ("hush\n\n", "hush\n"),
            (" hush ", " hush "),
            ("\n", ""),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(secret(&path), Some(value.as_bytes().to_vec()), "{text:?}");
        }
        assert_eq!(secret(&folder.path().join("none")), None);
    }
}
