//! The Docker engine, through its API.
//!
//! The only room that knows bollard. Performs one call and reports how it ended;
//! must never choose, retry what was sent, or print. One thread is enough: all
//! waiting is on the engine.
//! Next: `connect.rs` (which engine), `observe.rs` (what is there), `apply.rs`
//! (one call), `wait.rs`, `events.rs` and `ended.rs` (until a container is well or ends).

mod apply;
mod changes;
mod connect;
mod context;
mod create;
mod ended;
mod errors;
mod events;
mod exec;
mod facts;
mod files;
mod given;
mod image_build;
mod image_engine;
mod images;
mod lines;
mod listener;
mod lock;
mod logs;
mod observe;
mod owner;
mod places;
mod pull;
mod registry;
mod session;
mod settle;
mod status;
mod stream;
mod time;
mod tls;
mod transport;
mod wait;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use scalectl_engine::{Engine, EngineError, Scope};
use scalectl_plan::{Call, Observed};

pub use changes::Change;
pub use context::Settings;
pub use exec::Collected;
pub use facts::EngineReport;
pub use given::Values;
pub use image_build::{BuildProgress, BuildRequest};
pub use images::ImageConfig;
pub use lock::{DeadOwner, LockError, LockGuard, lock_name};
pub use logs::{LogLine, LogRequest, LogSource};
pub use owner::LockOwner;
pub use session::{ExecId, ExecRequest, ExecSession};

use errors::{Effect, Fault};

/// A connection to one Docker engine.
pub struct DockerEngine {
    docker: Docker,
    wire: Arc<transport::Wire>,
    /// The negotiated API version.
    api: (u32, u32),
    events: Arc<events::Events>,
    /// Seconds by which the engine's clock is before this machine's.
    clock_ahead: i64,
    /// The images that a container was made of by name.
    named: Mutex<BTreeSet<String>>,
    /// The docker command's folder: who one is to registries.
    folder: Option<std::path::PathBuf>,
    /// What the caller gives for a variable.
    values: Values,
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

    /// Seconds by which the engine's clock is ahead of this machine's; as exact
    /// as the second that the engine tells.
    pub fn clock_ahead_seconds(&self) -> i64 {
        self.clock_ahead
    }

    /// The engine's time now, in seconds since 1970.
    fn engine_seconds(&self) -> u64 {
        connect::own_seconds().saturating_add_signed(self.clock_ahead)
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
