//! The engine trait: observe, apply one call, tell what happens.
//!
//! Everything that talks to an orchestrator implements this, and nothing above
//! knows which one it is. An engine must never choose: it performs one call and
//! reports how that ended. Next: `error.rs`, `docker/` (the real one), `fake/`.

mod error;
mod images;

use scalectl_documents::Compose;
use scalectl_plan::{Call, Observed};

pub use error::{EngineError, LogTail};
pub use images::{BuildContext, BuildRequest, BuildTold, ImageConfig, ImageEngine};

/// What to look at.
#[derive(Debug, Clone)]
pub struct Scope {
    pub project: String,
    /// Image references whose content is to be looked up.
    pub images: Vec<String>,
    /// Files whose content is to be held against what the caller gives now.
    pub given: Vec<GivenFile>,
}

/// A file in the containers of a service that comes from outside the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenFile {
    pub service: String,
    /// The config's key.
    pub config: String,
    /// Absolute path in the container.
    pub path: String,
    /// The caller's variable that carries the content.
    pub variable: String,
}

impl Scope {
    /// What the engine has of a project, and nothing beside it.
    pub fn project(project: &str) -> Self {
        Self {
            project: project.to_owned(),
            images: Vec::new(),
            given: Vec::new(),
        }
    }

    /// All that planning `compose` needs to know.
    pub fn of(compose: &Compose) -> Self {
        let mut images: Vec<_> = compose
            .services
            .values()
            .map(|service| service.image.clone())
            .collect();
        images.sort();
        images.dedup();
        Self {
            project: compose.name.clone(),
            images,
            given: given(compose),
        }
    }
}

fn given(compose: &Compose) -> Vec<GivenFile> {
    let mounts = compose.services.iter().flat_map(|(service, it)| {
        let mounts = it.configs.iter();
        mounts.map(move |mount| (service, mount))
    });
    mounts
        .filter_map(|(service, mount)| {
            let variable = compose.configs.get(&mount.source)?.environment.clone()?;
            Some(GivenFile {
                service: service.clone(),
                config: mount.source.clone(),
                path: mount.target.clone(),
                variable,
            })
        })
        .collect()
}

/// An orchestrator that can be looked at and changed one call at a time.
///
/// Futures need not be `Send`: scalectl runs on one thread.
#[expect(
    async_fn_in_trait,
    reason = "one thread; no bound on the futures is wanted"
)]
pub trait Engine {
    /// Looks at the engine, by as few calls as it allows.
    ///
    /// # Errors
    /// The engine cannot be reached, refuses, or is too old.
    async fn observe(&self, scope: &Scope) -> Result<Observed, EngineError>;

    /// Performs one call, or waits for one state until its deadline.
    ///
    /// # Errors
    /// What the engine refused, or `EngineError::Unknown` where no reply came:
    /// the call may have worked, so look before trying again.
    async fn apply(&self, call: &Call) -> Result<(), EngineError>;
}
