//! The Docker engine, through its API.
//!
//! The only room that knows bollard. Performs one call and reports how it ended;
//! must never choose, retry what was sent, or print. One thread is enough: all
//! waiting is on the engine.
//! Next: `connect.rs` (which engine), `observe.rs` (what is there), `apply.rs`
//! (one call), `wait.rs` and `events.rs` (until a container is well or ends).

mod apply;
mod connect;
mod context;
mod create;
mod errors;
mod events;
mod exec;
mod files;
mod logs;
mod observe;
mod pull;
mod status;
mod tls;
mod transport;
mod wait;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use scalectl_engine::{Engine, EngineError, Scope};
use scalectl_plan::{Call, Observed};

pub use context::Settings;
use errors::{Effect, Fault};

/// Told while an image is fetched: the image, and how far it is.
pub type OnProgress = Box<dyn Fn(&str, &Progress) + Send + Sync>;

/// How far the fetching or building of an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The engine's word for what it does now.
    pub text: String,
    /// The layer that it speaks of, where there is one.
    pub layer: Option<String>,
    /// Bytes done and in all, where the engine knows.
    pub bytes: Option<(u64, u64)>,
}

/// A connection to one Docker engine.
pub struct DockerEngine {
    docker: Docker,
    wire: Arc<transport::Wire>,
    /// The negotiated API version.
    api: (u32, u32),
    events: Arc<events::Events>,
    progress: Option<OnProgress>,
}

impl DockerEngine {
    /// The engine's address as a docker user would write it.
    pub fn address(&self) -> String {
        self.wire.place().shown()
    }

    /// The negotiated API version, major and minor.
    pub fn api(&self) -> (u32, u32) {
        self.api
    }

    /// Tells `on_progress` how far images are while they are fetched.
    #[must_use]
    pub fn with_progress(mut self, on_progress: OnProgress) -> Self {
        self.progress = Some(on_progress);
        self
    }

    /// One request with a limit on its answer.
    async fn within<T>(
        &self,
        seconds: u64,
        request: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(Duration::from_secs(seconds), request).await {
            Ok(answer) => answer.map_err(Fault::from),
            Err(_) => Err(Fault::late(seconds)),
        }
    }

    fn reading(&self, action: &str, fault: Fault) -> EngineError {
        fault.into_error(self.wire.place(), action, Effect::Reads)
    }

    fn changing(&self, action: &str, fault: Fault) -> EngineError {
        fault.into_error(self.wire.place(), action, Effect::Changes)
    }
}

impl Engine for DockerEngine {
    async fn observe(&self, scope: &Scope) -> Result<Observed, EngineError> {
        self.look(scope).await
    }

    async fn apply(&self, call: &Call) -> Result<(), EngineError> {
        self.perform(call).await
    }
}
