//! `probe`: a health check for containers, started every few seconds.
//!
//! It costs about a millisecond of CPU: one blocking connection, no runtime, no
//! thread. It answers by its exit code; what it writes when unhealthy goes to
//! the engine's health log, so never put an answer's content there.
//! Next: `checks.rs` (one function a protocol), `stream.rs` (deadline, TLS).

mod checks;
mod http;
mod stream;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::address::Address;

pub use http::{Url, UrlError};

/// Check one thing once; exit code 0 means healthy
#[derive(clap::Args, Debug)]
pub struct ProbeArgs {
    /// Seconds for all of it
    #[arg(long, default_value = "2", value_parser = seconds, global = true)]
    timeout: Duration,
    #[command(subcommand)]
    check: Check,
}

#[derive(clap::Subcommand, Debug)]
enum Check {
    /// GET a URL and expect 2xx (or `--expect`)
    Http {
        url: Url,
        /// Connect here instead of to the URL's host: host:port or unix:/path
        #[arg(long)]
        connect: Option<Address>,
        /// The status to expect instead of 2xx
        #[arg(long)]
        expect: Option<u16>,
        #[command(flatten)]
        tls: TlsFiles,
    },
    /// Connect to host:port
    Tcp { address: Address },
    /// Connect to a unix socket
    Unix { path: PathBuf },
    /// A file is there and not empty
    File { path: PathBuf },
    /// PING a Valkey; "log in first" is an answer too, "loading" is not
    Valkey {
        address: Address,
        #[command(flatten)]
        tls: TlsFiles,
    },
    /// Ask a PgBouncer or PostgreSQL whether it speaks TLS; any answer will do
    Postgres { address: Address },
}

/// How to verify a TLS server, and who to be
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TlsFiles {
    /// The CA that signed the server's certificate
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// The client's certificate
    #[arg(long, requires = "key")]
    pub cert: Option<PathBuf>,
    /// The client's key
    #[arg(long, requires = "cert")]
    pub key: Option<PathBuf>,
    /// The name to verify instead of the host's
    #[arg(long)]
    pub server_name: Option<String>,
}

/// Why something is not healthy.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ProbeError {
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("no certificate and key that can be used in {}", path.display())]
    BadPem { path: PathBuf },
    #[error("an https URL needs --ca")]
    NoAuthority,
    #[error("{name:?} is no name to verify")]
    BadName { name: String },
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{address} answered nothing that a {protocol} server says")]
    Nonsense { address: String, protocol: &'static str },
    #[error("{address} is not ready: {answer}")]
    NotReady { address: String, answer: String },
}

impl ProbeError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Healthy, or why not.
pub fn run(args: &ProbeArgs) -> Result<(), ProbeError> {
    let deadline = Instant::now() + args.timeout;
    match &args.check {
        Check::Http { url, connect, expect, tls } => http::check(url, connect.as_ref(), *expect, tls, deadline),
        Check::Tcp { address } => stream::connect(address, deadline).map(drop),
        Check::Unix { path } => stream::connect(&Address::Unix(path.clone()), deadline).map(drop),
        Check::File { path } => checks::file(path),
        Check::Valkey { address, tls } => checks::valkey(address, tls, deadline),
        Check::Postgres { address } => checks::postgres(address, deadline),
    }
}

/// Seconds, as `2` or `0.5`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let plain = text.strip_suffix('s').unwrap_or(text);
    plain
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is not a number of seconds"))
}
