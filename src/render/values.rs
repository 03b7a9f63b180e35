//! Variables that carry what files of the user's hold.
//!
//! A document names a variable, never a file: a path means nothing on another
//! machine, and plain `docker compose up` needs the values, too.

use std::collections::BTreeMap;

use scalectl_model::{App, SecretSource};

pub(crate) const EDGE_CERTIFICATE: &str = "SCALECTL_EDGE_CERTIFICATE";
pub(crate) const EDGE_KEY: &str = "SCALECTL_EDGE_KEY";

/// A file whose content a variable of a document stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFile {
    /// As scale.yaml has it: relative to its folder, or absolute.
    pub path: String,
    pub kind: ValueKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A text; a line end at its end is the file's, not the secret's.
    Secret,
    /// A certificate or key.
    Pem,
}

/// The files that `app` names, by the variable that stands for each.
pub fn value_files(app: &App) -> BTreeMap<String, ValueFile> {
    let file = |path: &String, kind| ValueFile {
        path: path.clone(),
        kind,
    };
    let secrets = app.app.secrets.iter().filter_map(|(name, source)| {
        let SecretSource::File(path) = source else {
            return None;
        };
        let variable = secret_variable(name.as_str());
        Some((variable, file(path, ValueKind::Secret)))
    });
    let certificate = app.edge.certificate.iter().flat_map(|it| {
        let pair = [(EDGE_CERTIFICATE, &it.file), (EDGE_KEY, &it.key)];
        pair.map(|(variable, path)| (variable.to_owned(), file(path, ValueKind::Pem)))
    });
    secrets.chain(certificate).collect()
}

pub(crate) fn secret_variable(name: &str) -> String {
    format!("SCALECTL_SECRET_{name}")
}
