//! What can be wrong with a template.

use scalectl_documents::DocumentError;

/// A stack that could not be rendered. With scalectl's own templates this is a
/// mistake of scalectl's; with an overridden one it names the file.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RenderError {
    #[error("the template {name} does not parse")]
    #[diagnostic(
        code(scalectl::render::template),
        help("correct the template, or leave it out to use scalectl's own")
    )]
    Template {
        name: String,
        #[source]
        source: Box<handlebars::TemplateError>,
    },
    #[error("the template {name} does not fit its data")]
    #[diagnostic(
        code(scalectl::render::data),
        help(
            "templates are strict: a name that is not in the data is an error (docs/templates.md lists the data)"
        )
    )]
    Data {
        name: String,
        #[source]
        source: Box<handlebars::RenderError>,
    },
    #[error("the output of {name} is not what bootstrap reads")]
    #[diagnostic(code(scalectl::render::bootstrap))]
    Bootstrap {
        name: String,
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    #[error("read {name}")]
    #[diagnostic(
        code(scalectl::render::components),
        help("correct the file, or leave it out to use scalectl's own")
    )]
    Components {
        name: String,
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    #[error("the component {component} has no template {name}")]
    #[diagnostic(code(scalectl::render::missing))]
    Missing { component: String, name: String },
    #[error("the rendered compose.yaml is not a document of scalectl's")]
    #[diagnostic(
        code(scalectl::render::document),
        help("an overridden template is the likely cause")
    )]
    Document(#[source] DocumentError),
}
