//! Which of scalectl's own images an engine has, and whether they are current.

use scalectl_engine::ImageEngine;
use serde::Serialize;

use crate::catalogue::reference;
use crate::construction::{Build, ImageError, RECIPE_LABEL, basis};

/// One image of the catalogue on one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageState {
    /// Its name in the catalogue.
    pub name: String,
    pub image: String,
    /// The first phase that uses it.
    pub since_phase: u8,
    pub state: Presence,
    pub size_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    Missing,
    /// It was made from what this scalectl would make it from.
    Current,
    /// Its recipe, its base or this program has changed since.
    Old,
    /// It is there; without the base it stands on no more can be told.
    There,
}

impl Presence {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Current => "current",
            Self::Old => "old",
            Self::There => "there",
        }
    }
}

/// Looks the images of `build` up; builds none.
///
/// # Errors
/// The engine cannot be reached or refuses.
pub async fn check<E: ImageEngine>(
    build: &Build,
    engine: &E,
) -> Result<Vec<ImageState>, ImageError> {
    let base = engine.image_config(&build.base).await?;
    let mut states = Vec::new();
    for recipe in &build.recipes {
        let image = reference(recipe.name, &build.tag);
        let there = engine.image_config(&image).await?;
        let state = match (&there, &base) {
            (None, _) => Presence::Missing,
            (Some(_), None) => Presence::There,
            (Some(there), Some(base)) => {
                let basis = basis(build, recipe, &base.id, engine).await?;
                match there.labels.get(RECIPE_LABEL) == Some(&basis) {
                    true => Presence::Current,
                    false => Presence::Old,
                }
            }
        };
        states.push(ImageState {
            name: recipe.name.to_owned(),
            image,
            since_phase: recipe.since_phase,
            state,
            size_bytes: there.map_or(0, |it| it.size_bytes),
        });
    }
    Ok(states)
}
