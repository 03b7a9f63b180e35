//! The components that templates know, from `templates/compose/components.yaml`.
//!
//! Data, so that a new component is a line there and no code here.

use serde::Deserialize;

use crate::error::RenderError;
use crate::templates::Templates;

const FILE: &str = "compose/components.yaml";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentLine {
    pub component: String,
    #[serde(default)]
    pub members: Rendering,
    /// What members are called before their number; the component's name if not said.
    #[serde(default)]
    names: Option<String>,
    /// Its members are a cluster, of which there may be a second one while data move.
    #[serde(default)]
    pub generations: bool,
    /// It is there in every phase.
    #[serde(default)]
    pub always: bool,
}

/// How often a component's templates are rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rendering {
    #[default]
    Once,
    /// Once a member.
    Each,
}

impl ComponentLine {
    pub(crate) fn stem(&self) -> &str {
        self.names.as_deref().unwrap_or(&self.component)
    }
}

/// Every component, in the order of a compose.yaml.
pub(crate) fn components(templates: &Templates) -> Result<Vec<ComponentLine>, RenderError> {
    let lines = serde_saphyr::from_str(templates.text(FILE));
    lines.map_err(|source| RenderError::Components {
        name: format!("templates/{FILE}"),
        source: Box::new(source),
    })
}
