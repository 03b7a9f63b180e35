//! Which of scalectl's own images an engine has.

use scalectl_engine::{EngineError, ImageEngine};
use serde::Serialize;

use crate::catalogue::{CATALOGUE, reference};

/// One image of the catalogue on one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageState {
    pub image: String,
    /// The first phase that uses it.
    pub since_phase: u8,
    pub is_there: bool,
    pub size_bytes: u64,
}

/// Looks every image of the catalogue up.
///
/// # Errors
/// The engine cannot be reached or refuses.
pub async fn check<E: ImageEngine>(engine: &E, tag: &str) -> Result<Vec<ImageState>, EngineError> {
    let mut states = Vec::new();
    for recipe in CATALOGUE {
        let image = reference(recipe.name, tag);
        let there = engine.image_config(&image).await?;
        states.push(ImageState {
            image,
            since_phase: recipe.since_phase,
            is_there: there.is_some(),
            size_bytes: there.map_or(0, |it| it.size_bytes),
        });
    }
    Ok(states)
}
