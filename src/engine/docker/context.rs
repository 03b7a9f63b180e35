//! Where the engine is: environment and docker contexts become one `Place`.
//!
//! The same order as the `docker` command's: DOCKER_HOST, DOCKER_CONTEXT, the
//! current context of its config file, the default socket. Only reads files and
//! must never open a connection. Next: `transport.rs` (how a place is dialled).

use std::path::{Path, PathBuf};

use scalectl_engine::EngineError;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const DEFAULT_CONTEXT: &str = "default";

/// What decides which engine is used: the variables and the folder of the
/// `docker` command.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// DOCKER_HOST
    pub host: Option<String>,
    /// DOCKER_CONTEXT
    pub context: Option<String>,
    /// DOCKER_CONFIG, or `~/.docker`.
    pub folder: Option<PathBuf>,
    /// DOCKER_TLS_VERIFY is set: TLS, and the engine must prove who it is.
    pub tls_verify: bool,
    /// DOCKER_TLS is set: TLS without that proof.
    pub tls: bool,
    /// DOCKER_CERT_PATH
    pub certificates: Option<PathBuf>,
}

/// One engine's place and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub kind: Kind,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: Option<TlsFiles>,
    },
    /// The arguments that `ssh` takes to get to the engine's machine.
    Ssh {
        target: Vec<String>,
        shown: String,
    },
}

/// Files of a TLS connection; each may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub authority: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub verify: bool,
}

/// Who said that the engine is there; decides what to advise when it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Variable,
    Context(String),
}

impl Settings {
    /// What the environment of this process says.
    pub fn from_env() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || text("HOME").map(|home| Path::new(&home).join(".docker"));
        Self {
            host: text("DOCKER_HOST"),
            context: text("DOCKER_CONTEXT"),
            folder: text("DOCKER_CONFIG").map(PathBuf::from).or_else(home),
            tls_verify: text("DOCKER_TLS_VERIFY").is_some(),
            tls: text("DOCKER_TLS").is_some(),
            certificates: text("DOCKER_CERT_PATH").map(PathBuf::from),
        }
    }

    /// The engine that these settings choose.
    pub(crate) fn place(&self) -> Result<Place, EngineError> {
        if let Some(host) = &self.host {
            let kind =
                parse(host, self.tls_files()).map_err(|problem| bad("DOCKER_HOST", &problem))?;
            return Ok(Place {
                kind,
                origin: Origin::Variable,
            });
        }
        match self.context_name() {
            Some(name) if name != DEFAULT_CONTEXT => self.context_place(&name),
            _ => Ok(Place {
                kind: Kind::Unix(DEFAULT_SOCKET.into()),
                origin: Origin::Default,
            }),
        }
    }

    fn tls_files(&self) -> Option<TlsFiles> {
        let folder = self.certificates.clone().or_else(|| self.folder.clone());
        (self.tls_verify || self.tls).then(|| TlsFiles::within(folder.as_deref(), self.tls_verify))
    }

    fn context_name(&self) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Config {
            current_context: Option<String>,
        }
        let current = || {
            let text = std::fs::read(self.folder.as_ref()?.join("config.json")).ok()?;
            serde_json::from_slice::<Config>(&text)
                .ok()?
                .current_context
        };
        self.context
            .clone()
            .or_else(current)
            .filter(|name| !name.is_empty())
    }

    fn context_place(&self, name: &str) -> Result<Place, EngineError> {
        let who = format!("the docker context `{name}`");
        let missing = || bad(&who, "it does not exist (`docker context ls` lists them)");
        let folder = self.folder.as_ref().ok_or_else(missing)?.join("contexts");
        let id = hex(&Sha256::digest(name.as_bytes()));
        let text = std::fs::read(folder.join("meta").join(&id).join("meta.json"))
            .map_err(|_| missing())?;
        let meta: ContextMeta =
            serde_json::from_slice(&text).map_err(|error| bad(&who, &error.to_string()))?;
        let docker = meta
            .endpoints
            .docker
            .ok_or_else(|| bad(&who, "it names no Docker engine"))?;
        let tls = TlsFiles::within(
            Some(&folder.join("tls").join(&id).join("docker")),
            !docker.skip_tls_verify,
        );
        let kind =
            parse(&docker.host, tls.any().then_some(tls)).map_err(|problem| bad(&who, &problem))?;
        Ok(Place {
            kind,
            origin: Origin::Context(name.to_owned()),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextMeta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

impl TlsFiles {
    fn within(folder: Option<&Path>, verify: bool) -> Self {
        let file = |name: &str| {
            folder
                .map(|folder| folder.join(name))
                .filter(|path| path.exists())
        };
        Self {
            authority: file("ca.pem"),
            certificate: file("cert.pem"),
            key: file("key.pem"),
            verify,
        }
    }

    fn any(&self) -> bool {
        self.authority.is_some() || self.certificate.is_some() || !self.verify
    }
}

impl Place {
    /// The address as a docker user would write it.
    pub fn shown(&self) -> String {
        match &self.kind {
            Kind::Unix(path) => format!("unix://{}", path.display()),
            Kind::Tcp { host, port, .. } if host.contains(':') => format!("tcp://[{host}]:{port}"),
            Kind::Tcp { host, port, .. } => format!("tcp://{host}:{port}"),
            Kind::Ssh { shown, .. } => shown.clone(),
        }
    }
}

/// One address in Docker's forms; `tls` where TLS is asked for.
fn parse(host: &str, tls: Option<TlsFiles>) -> Result<Kind, String> {
    let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
    match scheme {
        "unix" if rest.is_empty() => Ok(Kind::Unix(DEFAULT_SOCKET.into())),
        "unix" => Ok(Kind::Unix(rest.into())),
        "tcp" | "http" => tcp(rest, tls),
        "https" => tcp(
            rest,
            Some(tls.unwrap_or_else(|| TlsFiles::within(None, true))),
        ),
        "ssh" => ssh(rest),
        other => Err(format!(
            "`{other}://` is not spoken here: use unix://, tcp:// or ssh://"
        )),
    }
}

fn tcp(rest: &str, tls: Option<TlsFiles>) -> Result<Kind, String> {
    let port = if tls.is_some() { 2376 } else { 2375 };
    let (host, port) = host_and_port(rest.trim_end_matches('/'), port)?;
    Ok(Kind::Tcp { host, port, tls })
}

fn ssh(rest: &str) -> Result<Kind, String> {
    let rest = rest.trim_end_matches('/');
    let (user, place) = rest
        .rsplit_once('@')
        .map_or((None, rest), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password in an ssh:// address is refused: use a key".to_owned());
    }
    let (host, port) = host_and_port(place, 22)?;
    // A leading dash would be taken as an option of `ssh`.
    if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
        return Err(format!("`{rest}` is not a host"));
    }
    let mut target = Vec::new();
    if let Some(user) = user {
        target.extend(["-l".to_owned(), user.to_owned()]);
    }
    if port != 22 {
        target.extend(["-p".to_owned(), port.to_string()]);
    }
    target.extend(["--".to_owned(), host]);
    Ok(Kind::Ssh {
        target,
        shown: format!("ssh://{rest}"),
    })
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_and_port(text: &str, default: u16) -> Result<(String, u16), String> {
    let wrong = || format!("`{text}` is not host:port");
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (
            host,
            rest.strip_prefix(':').or((!rest.is_empty()).then_some("x")),
        ),
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| wrong()))?;
    if host.is_empty() {
        Err(wrong())
    } else {
        Ok((host.to_owned(), port))
    }
}

fn bad(origin: &str, problem: &str) -> EngineError {
    EngineError::Address {
        origin: origin.to_owned(),
        problem: problem.to_owned(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
