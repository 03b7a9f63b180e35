//! What a failed call means: the engine's status and message become an error.
//!
//! By status code first; by message only where the engine says nothing better
//! (ports, address pools, disk: all answered with status 500). A call that
//! changes something and got no answer is `Unknown`, never a failure.
//! Next: `scalectl_engine::EngineError` (the errors and their hints).

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use scalectl_engine::EngineError;

use crate::context::{Kind, Origin, Place};
use crate::transport::WireError;

/// How one request ended other than well.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The engine answered with an error.
    Answered { status: u16, message: String },
    /// The request never left: nothing changed.
    Unsent(io::Error),
    /// It was sent, and no answer that can be understood came.
    Lost(Box<dyn std::error::Error + Send + Sync>),
}

/// Whether a request can change something when its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Changes,
}

impl From<bollard::errors::Error> for Fault {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as Bollard;
        match error {
            Bollard::DockerResponseServerError {
                status_code,
                message,
            } => Self::Answered {
                status: status_code,
                message: message.trim().to_owned(),
            },
            // Sent in the middle of a stream that began well (pull, build).
            Bollard::DockerStreamError { error } => Self::Answered {
                status: 500,
                message: error.trim().to_owned(),
            },
            Bollard::IOError { err } => match err.downcast::<WireError>() {
                Ok(error) => error.into(),
                Err(error) => Self::Lost(Box::new(error)),
            },
            other => Self::Lost(Box::new(other)),
        }
    }
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Unsent(error) => Self::Unsent(error),
            lost @ WireError::Lost(_) => Self::Lost(Box::new(lost)),
        }
    }
}

impl Fault {
    /// No answer within a limit of ours.
    pub fn late(seconds: u64) -> Self {
        let text = format!("no answer within {seconds} s");
        Self::Lost(Box::new(io::Error::new(io::ErrorKind::TimedOut, text)))
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The error where the call itself has no better one.
    pub fn into_error(self, place: &Place, action: &str, effect: Effect) -> EngineError {
        match self {
            Self::Answered { message, .. } if is_disk_full(&message) => EngineError::DiskFull { action: action.to_owned() },
            Self::Answered { message, .. } => EngineError::Refused { action: action.to_owned(), message },
            Self::Unsent(error) => unreachable(place, error),
            Self::Lost(source) if effect == Effect::Changes => {
                EngineError::Unknown { action: action.to_owned(), source: Some(source) }
            }
            Self::Lost(source) => EngineError::Unreachable {
                address: place.shown(),
                hint: "the connection broke: is the engine being restarted? Run the same command again".to_owned(),
                source: Some(source),
            },
        }
    }
}

/// No connection: why, and what to do about it.
fn unreachable(place: &Place, error: io::Error) -> EngineError {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return EngineError::NoPermission {
            address: place.shown(),
        };
    }
    EngineError::Unreachable {
        address: place.shown(),
        hint: hint(place, &error),
        source: Some(Box::new(error)),
    }
}

fn hint(place: &Place, error: &io::Error) -> String {
    let start = "start it: `sudo systemctl start docker`, or `sudo service docker start`";
    match (&place.origin, &place.kind) {
        (Origin::Context(name), _) => format!(
            "the docker context `{name}` points there: is that engine running? `docker context ls` lists others, \
             `DOCKER_CONTEXT=NAME` chooses one"
        ),
        (Origin::Variable, Kind::Tcp { tls: None, port: 2376, .. }) => {
            "DOCKER_HOST points there; port 2376 is usually TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH".to_owned()
        }
        (Origin::Variable, _) => "DOCKER_HOST points there: is that engine running, and is that its address?".to_owned(),
        (Origin::Default, _) if error.kind() != io::ErrorKind::NotFound => format!("the engine is not running; {start}"),
        (Origin::Default, _) if is_installed() => format!("Docker is installed but not running; {start}"),
        (Origin::Default, _) => "Docker is not installed here: `./scripts/quickstart` installs it on Debian, \
             or set DOCKER_HOST to an engine elsewhere"
            .to_owned(),
    }
}

fn is_installed() -> bool {
    [
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/snap/bin",
    ]
    .iter()
    .any(|folder| Path::new(folder).join("dockerd").exists())
}

pub(crate) fn is_disk_full(message: &str) -> bool {
    message.contains("no space left on device")
}

/// Docker 20.10 to 23 name address pools, later ones subnets.
pub(crate) fn is_addresses_exhausted(message: &str) -> bool {
    message.contains("non-overlapping IPv4 address pool")
        || message.contains("predefined address pools have been fully subnetted")
}

/// The address and port that a start failed on, from any of the engine's texts:
/// `Bind for 0.0.0.0:80 failed: port is already allocated`,
/// `listen tcp4 0.0.0.0:80: bind: address already in use`,
/// `failed to bind host port 0.0.0.0:80/tcp: address already in use`.
pub(crate) fn taken_port(message: &str) -> Option<(String, u16)> {
    let taken = ["port is already allocated", "address already in use"];
    if !taken.iter().any(|text| message.contains(text)) {
        return None;
    }
    message.split_whitespace().find_map(leading_address)
}

/// `0.0.0.0:80`, `[::1]:80/tcp:` or `0.0.0.0:80:172.18.0.2:80/tcp:` (Docker 25).
fn leading_address(word: &str) -> Option<(String, u16)> {
    let after_ip = if word.starts_with('[') {
        word.find("]:")? + 1
    } else {
        word.find(':')?
    };
    let digits = word[after_ip + 1..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    let address: SocketAddr = word[..=after_ip + digits].parse().ok()?;
    Some((address.ip().to_string(), address.port()))
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
