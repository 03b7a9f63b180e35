//! `probe`: a health check for containers, started every few seconds.
//!
//! It costs about a millisecond of CPU: one blocking connection, no runtime, no
//! thread. It answers by its exit code; what it writes when unhealthy goes to
//! the engine's health log, so never put an answer's content there.
//! Next: `checks.rs` (one function a protocol), `wire/` (sockets, TLS, HTTP).

mod checks;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::wire::{Address, TlsFiles, Url, WireError, connect};

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
    /// GET a URL and expect 2xx or 3xx (or `--expect`)
    Http(HttpCheck),
    /// Connect to host:port
    Tcp { address: Address },
    /// Connect to a unix socket, and GET that path of it
    Unix { path: PathBuf, get: Option<String> },
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

#[derive(clap::Args, Debug)]
struct HttpCheck {
    url: Url,
    /// Connect here instead of to the URL's host: host:port or unix:/path
    #[arg(long)]
    connect: Option<Address>,
    /// The status to expect instead of 2xx or 3xx
    #[arg(long)]
    expect: Option<u16>,
    #[command(flatten)]
    tls: TlsFiles,
}

/// Why something is not healthy.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ProbeError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wire(#[from] WireError),
    #[error("read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{address} answered nothing that a {protocol} server says")]
    Nonsense {
        address: Address,
        protocol: &'static str,
    },
    #[error("{address} is not ready: {answer}")]
    NotReady { address: Address, answer: String },
}

/// Healthy, or why not.
pub fn run(args: &ProbeArgs) -> Result<(), ProbeError> {
    let deadline = Instant::now() + args.timeout;
    match &args.check {
        Check::Http(check) => checks::http(check, deadline),
        Check::Tcp { address } => Ok(connect(address, deadline).map(drop)?),
        Check::Unix { path, get } => checks::unix(path, get.as_deref(), deadline),
        Check::File { path } => checks::file(path),
        Check::Valkey { address, tls } => checks::valkey(address, tls, deadline),
        Check::Postgres { address } => checks::postgres(address, deadline),
    }
}

/// Seconds, as `2`, `0.5` or `10s`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let plain = text.strip_suffix('s').unwrap_or(text);
    plain
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is not a number of seconds"))
}
