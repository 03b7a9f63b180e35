//! Render: a stack becomes documents, by templates.
//!
//! Pure: same input, same bytes. Values enter a template only through the
//! quoting helper `yaml`; the finished text is parsed back, and only what
//! parses goes on to planning, so that what is shown is what is applied.
//! Must never decide what a phase means, nor hold a secret: settings carry
//! placeholders that the stack's own `bootstrap` replaces.
//! Next: `templates.rs`, `settings.rs` (files of components), `assemble.rs`.

mod assemble;
mod components;
mod error;
mod helpers;
mod patroni;
mod settings;
mod templates;
mod values;
mod view;

use scalectl_documents::Compose;
use scalectl_phase::Stack;

pub use error::RenderError;
pub use templates::Templates;
pub use values::{ValueFile, ValueKind, value_files};

/// What rendering must know and neither the app model nor a phase says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The reference of the app's image.
    pub app_image: String,
    /// The command of the app: scale.yaml's, or else the image's own.
    pub app_command: Vec<String>,
    /// The tag of scalectl's own images.
    pub image_tag: String,
}

/// One stack as a Docker engine's documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// compose.yaml, complete.
    pub text: String,
    /// The same, parsed back.
    pub compose: Compose,
}

/// Renders a stack for a Docker engine.
///
/// # Errors
/// A template that does not fit its data, or whose output is not a document.
pub fn compose(
    stack: &Stack,
    facts: &Facts,
    templates: &Templates,
) -> Result<Rendered, RenderError> {
    let components = components::components(templates)?;
    let view = view::View::of(stack, facts, &components);
    let text = assemble::compose(stack, &components, view, templates)?;
    let compose = Compose::parse(&text).map_err(RenderError::Document)?;
    Ok(Rendered { text, compose })
}

#[cfg(test)]
mod tests;
