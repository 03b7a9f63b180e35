//! What an engine can do with images: look at one, build one.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::EngineError;

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The content's id (`sha256:...`).
    pub id: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    /// Empty is root.
    pub user: String,
    pub labels: BTreeMap<String, String>,
    pub size_bytes: u64,
}

/// The folder of a build as a tar archive, written when it is sent: it can be
/// larger than memory.
#[derive(Clone)]
pub struct BuildContext(Arc<WriteContext>);

type WriteContext = dyn Fn(&mut dyn io::Write) -> io::Result<()> + Send + Sync;

impl BuildContext {
    /// A context that `write` writes, from its first byte on each time.
    pub fn new(
        write: impl Fn(&mut dyn io::Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(write))
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// A file that cannot be read, or `to` that takes no more.
    pub fn write(&self, to: &mut dyn io::Write) -> io::Result<()> {
        (self.0)(to)
    }
}

impl fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BuildContext")
    }
}

/// One build, complete.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The reference that the result gets.
    pub tag: String,
    pub context: BuildContext,
    /// The Dockerfile's path in the archive.
    pub dockerfile: String,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Take no step from an earlier build.
    pub anew: bool,
}

/// What a build tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildTold {
    Step { number: u32, of: u32, text: String },
    Line(String),
}

/// An engine that holds and builds images.
#[expect(
    async_fn_in_trait,
    reason = "one thread; no bound on the futures is wanted"
)]
pub trait ImageEngine {
    /// What the image says of itself; `None` if the engine does not have it.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    async fn image_config(&self, reference: &str) -> Result<Option<ImageConfig>, EngineError>;

    /// Builds an image; what the build writes goes to `tell`.
    ///
    /// # Errors
    /// A step of the build failed (the error holds its last lines), the context
    /// could not be read, or the engine cannot be reached or refuses.
    async fn build_image(
        &self,
        request: &BuildRequest,
        tell: &dyn Fn(BuildTold),
    ) -> Result<(), EngineError>;
}
