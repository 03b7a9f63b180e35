//! What an engine can do with images: look at one, build one.

use std::collections::BTreeMap;

use crate::EngineError;

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The content's id (`sha256:...`).
    pub id: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub size_bytes: u64,
}

/// One build, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The reference that the result gets.
    pub tag: String,
    /// A tar archive of the build's folder.
    pub context: Vec<u8>,
    /// The Dockerfile's path in the archive.
    pub dockerfile: String,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
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

    /// Builds an image; each line that the build writes goes to `tell`.
    ///
    /// # Errors
    /// A step of the build failed (the error holds its last lines), or the
    /// engine cannot be reached or refuses.
    async fn build_image(
        &self,
        request: &BuildRequest,
        tell: &dyn Fn(&str),
    ) -> Result<(), EngineError>;
}
