//! Connecting: one round trip tells the API version, and that an engine is there.
//!
//! `GET /_ping` because it is the cheapest answer that carries the version.
//! Must never do more at start-up than that. Next: `context.rs` (where to),
//! `observe.rs` and `apply.rs` (what then happens).

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::Request;
use scalectl_engine::EngineError;

use crate::DockerEngine;
use crate::context::{Place, Settings};
use crate::errors::{Effect, Fault};
use crate::events::Events;
use crate::given;
use crate::transport::{Body, Wire};

/// Docker 20.10, the oldest that is tested.
const OLDEST: (u32, u32) = (1, 41);
const PING_LIMIT: u64 = 20;
/// bollard's own limit is one for all calls, so each call sets its own.
const NO_LIMIT: u64 = 365 * 86_400;

impl DockerEngine {
    /// Connects to the engine that the environment and docker's contexts name.
    ///
    /// # Errors
    /// No such context, no engine there, no permission, or an engine too old.
    pub async fn connect() -> Result<Self, EngineError> {
        Self::connect_to(&Settings::from_env()).await
    }

    /// Connects to the engine that `settings` name.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn connect_to(settings: &Settings) -> Result<Self, EngineError> {
        let wire = Arc::new(Wire::new(settings.place()?));
        let ping = tokio::time::timeout(Duration::from_secs(PING_LIMIT), ping(&wire)).await;
        let (found, clock) = ping
            .unwrap_or_else(|_| Err(Fault::late(PING_LIMIT)))
            .map_err(|fault| not_an_engine(wire.place(), fault))?;
        let newest = (
            API_DEFAULT_VERSION.major_version as u32,
            API_DEFAULT_VERSION.minor_version as u32,
        );
        if found < OLDEST {
            return Err(EngineError::TooOld {
                found: format!("{}.{}", found.0, found.1),
            });
        }
        let api = found.min(newest);
        wire.speak(api);
        let docker = client(&wire, api).map_err(|error| EngineError::Refused {
            action: "be connected to".to_owned(),
            message: error.to_string(),
        })?;
        let events = Arc::new(Events::new(Arc::clone(&wire)));
        let clock_ahead = clock.cast_signed() - own_seconds().cast_signed();
        Ok(Self {
            docker,
            wire,
            api,
            events,
            clock_ahead,
            named: Mutex::default(),
            folder: settings.folder.clone(),
            values: given::from_env(),
        })
    }
}

fn client(wire: &Arc<Wire>, (major, minor): (u32, u32)) -> Result<Docker, bollard::errors::Error> {
    let version = ClientVersion {
        major_version: major as usize,
        minor_version: minor as usize,
    };
    let wire = Arc::clone(wire);
    let send = move |request: BollardRequest| {
        let wire = Arc::clone(&wire);
        async move {
            let answer = wire.send(request).await;
            answer.map_err(|error| bollard::errors::Error::IOError {
                err: io::Error::other(error),
            })
        }
    };
    Docker::connect_with_custom_transport(send, Some("http://docker"), NO_LIMIT, &version)
}

/// The engine's newest API version, and its clock's seconds.
async fn ping(wire: &Arc<Wire>) -> Result<((u32, u32), u64), Fault> {
    let request = Request::get("/_ping")
        .body(empty())
        .map_err(|error| Fault::Lost(Box::new(error)))?;
    let answer = wire.send(request).await?;
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let version = header("Api-Version").and_then(parse_version);
    let clock = header("Date")
        .and_then(http_seconds)
        .unwrap_or_else(own_seconds);
    let status = answer.status().as_u16();
    version
        .map(|version| (version, clock))
        .ok_or_else(|| Fault::Answered {
            status,
            message: format!(
                "what answers there does not speak as an engine does (status {status})"
            ),
        })
}

/// Whatever keeps an engine from being spoken with, its address is in the error.
fn not_an_engine(place: &Place, fault: Fault) -> EngineError {
    match fault {
        Fault::Answered { message, .. } => EngineError::Unreachable {
            address: place.shown(),
            hint: "is that the address of a Docker engine? `docker version` asks it, too"
                .to_owned(),
            source: Some(Box::new(io::Error::other(message))),
        },
        fault => fault.into_error(place, "tell its version", Effect::Reads),
    }
}

pub(crate) fn empty() -> Body {
    Either::Left(Full::new(Bytes::new()))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn http_seconds(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

pub(crate) fn own_seconds() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
