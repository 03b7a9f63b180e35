//! Small blocking exchanges: addresses, sockets with a deadline, TLS, HTTP.
//!
//! For what starts, asks one thing and ends (probes, an edge's drain). What
//! stays is asynchronous and lives in `resident/`; it shares addresses, URLs
//! and the TLS settings. Never logs, never retries: callers decide.

mod address;
pub mod http;
mod socket;
mod tls;
mod url;

use std::io;
use std::path::PathBuf;

pub use address::Address;
pub use socket::connect;
pub use tls::{TlsFiles, client_config, with_tls};
pub use url::Url;

/// Why an exchange did not happen.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WireError {
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("no certificate or key that can be used in {}", path.display())]
    BadPem { path: PathBuf },
    #[error("an https URL needs --ca")]
    NoAuthority,
    #[error("{name:?} is no name to verify")]
    BadName { name: String },
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
}

impl WireError {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
