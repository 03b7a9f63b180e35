//! What can stop a bootstrap. Texts name files and lines, never a content.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BootstrapError {
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("write {}", path.display())]
    #[diagnostic(help(
        "bootstrap runs as root with CHOWN, DAC_OVERRIDE and FOWNER; is the disk full, or a volume read-only?"
    ))]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not a bootstrap spec of this version", path.display())]
    #[diagnostic(help("render the stack again with the version whose agent image runs here"))]
    Syntax {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} asks for what cannot be:\n  {}", path.display(), mistakes.join("\n  "))]
    Invalid {
        path: PathBuf,
        mistakes: Vec<String>,
    },
    #[error("files that cannot be filled:\n  {}", problems.join("\n  "))]
    Fill { problems: Vec<String> },
    #[error("no value for {}", names.join(", "))]
    #[diagnostic(help(
        "a value of the user's own has to be given at the first start; later starts keep it"
    ))]
    NotGiven { names: Vec<String> },
    #[error("{} is not the state of this version", path.display())]
    #[diagnostic(help(
        "it holds every secret of the stack: keep it, and use the version that wrote it"
    ))]
    State {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} was written by a later version (format {version})", path.display())]
    #[diagnostic(help("use that version again; this one would lose what it does not know"))]
    LaterState { path: PathBuf, version: u32 },
    #[error("make the certificate of {owner}")]
    Certificate { owner: String, source: rcgen::Error },
    #[error("the certificate given for {component}: {problem}")]
    #[diagnostic(help("give a PEM chain, leaf first, and its unencrypted PEM key"))]
    GivenCertificate { component: String, problem: String },
    #[error("no randomness from the operating system")]
    Random,
}

impl BootstrapError {
    pub fn read(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub fn write(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
