//! The templates: part of the program, each replaceable by a file of the user's.

use std::cell::RefCell;
use std::collections::BTreeMap;

use handlebars::{Handlebars, no_escape};
use rust_embed::RustEmbed;
use serde::Serialize;

use crate::error::RenderError;
use crate::helpers;

#[derive(RustEmbed)]
#[folder = "../../templates"]
#[include = "*.hbs"]
#[include = "compose/components.yaml"]
struct Embedded;

/// The dashboard that people can also import by hand: settings of Grafana where
/// a stack has one.
const DASHBOARD: (&str, &str) = (
    "compose/grafana/dashboard.json",
    include_str!("../../monitoring/dashboard.json"),
);

/// Every template, by its path below `templates/` without `.hbs`.
pub struct Templates {
    texts: BTreeMap<String, String>,
    /// Those that were used, as they are read: reading costs more than filling in.
    read: RefCell<Handlebars<'static>>,
}

impl Templates {
    /// scalectl's own, replaced by those in `overrides` (path below the user's
    /// folder, with `.hbs`, to text).
    pub fn new(overrides: &BTreeMap<String, String>) -> Self {
        let own = Embedded::iter().filter_map(|name| {
            let file = Embedded::get(&name)?;
            Some((
                name.to_string(),
                String::from_utf8_lossy(&file.data).into_owned(),
            ))
        });
        let (name, text) = DASHBOARD;
        let dashboard = (format!("{name}.hbs"), raw(text));
        let all = own.chain([dashboard]).chain(overrides.clone());
        let texts = all
            .map(|(name, text)| (name.trim_end_matches(".hbs").to_owned(), text))
            .collect();
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        helpers::register(&mut registry);
        Self {
            texts,
            read: RefCell::new(registry),
        }
    }

    /// The text of a file of the folder that is no template.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// Renders one template, strictly: a name that `data` lacks is an error.
    pub(crate) fn render(&self, name: &str, data: &impl Serialize) -> Result<String, RenderError> {
        let Some(text) = self.texts.get(name) else {
            let component = name.rsplit('/').nth(1).unwrap_or_default().to_owned();
            return Err(RenderError::Missing {
                component,
                name: format!("{name}.hbs"),
            });
        };
        let mut registry = self.read.borrow_mut();
        let is_new = |registry: &Handlebars<'_>, name: &str| !registry.has_template(name);
        let partials = self.texts.iter();
        for (partial, text) in partials.filter(|(name, _)| name.contains("/partials/")) {
            let short = partial.rsplit('/').next().unwrap_or(partial);
            if is_new(&registry, short) {
                read(&mut registry, partial, short, text)?;
            }
        }
        if is_new(&registry, name) {
            read(&mut registry, name, name, text)?;
        }
        registry
            .render(name, data)
            .map_err(|source| RenderError::Data {
                name: name.to_owned(),
                source: Box::new(source),
            })
    }
}

/// A template that gives `text` as it is: neither handlebars nor bootstrap reads
/// anything in it.
fn raw(text: &str) -> String {
    let text = text.trim_end().replace("${", "$${");
    format!("{{{{{{{{raw}}}}}}}}{text}\n{{{{{{{{/raw}}}}}}}}")
}

/// Reads the template `file` and keeps it as `name`.
fn read(
    registry: &mut Handlebars<'_>,
    file: &str,
    name: &str,
    text: &str,
) -> Result<(), RenderError> {
    let read = registry.register_template_string(name, text);
    read.map_err(|source| RenderError::Template {
        name: file.to_owned(),
        source: Box::new(source),
    })
}
