//! Settings: what `bootstrap` prepares for each member of each component.
//!
//! A component's `bootstrap.yaml.hbs` lists its volumes, files, secrets and
//! certificates; its other templates are those files. All of it goes into the
//! one-shot service `bootstrap` as files under /in, and no secret is among
//! them: only placeholders. Next: `assemble.rs`.

use std::collections::{BTreeMap, BTreeSet};

use scalectl_documents::settings_hash;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::RenderError;
use crate::templates::Templates;
use crate::view::{ConfigView, MemberView, PreparedView, View};

/// What a `bootstrap.yaml.hbs` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Piece {
    components: Vec<Prepared>,
    directories: Vec<Prepared>,
    given: Vec<Given>,
}

/// A volume, its files, and everything else as bootstrap's spec has it.
#[derive(Debug, Deserialize)]
struct Prepared {
    name: String,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    seed: Vec<File>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    mode: Option<String>,
    /// The template beside this one that is the file's text.
    #[serde(default)]
    template: Option<String>,
    /// Or the text itself.
    #[serde(default)]
    content: Option<String>,
    /// A change of it reaches the running component, which is not replaced.
    #[serde(default)]
    live: bool,
}

/// A value of the user's own, from a variable of the caller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    variable: String,
}

/// Bootstrap's whole input, in the making.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    components: Vec<Value>,
    directories: Vec<Value>,
    given: Vec<Value>,
    given_names: BTreeSet<String>,
    secrets: BTreeSet<String>,
    prepared: Vec<PreparedView>,
    configs: Vec<ConfigView>,
    hashes: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Spec<'a> {
    project: &'a str,
    secrets: Vec<Value>,
    given: &'a [Value],
    components: &'a [Value],
    directories: &'a [Value],
}

impl Settings {
    /// Renders what one component (one member of it) needs prepared.
    pub(crate) fn add(
        &mut self,
        component: &str,
        view: &View,
        templates: &Templates,
    ) -> Result<(), RenderError> {
        let name = format!("compose/{component}/bootstrap.yaml");
        if !templates.has(&name) {
            return Ok(());
        }
        let text = templates.render(&name, view)?;
        let piece: Piece =
            serde_saphyr::from_str(&text).map_err(|source| RenderError::Bootstrap {
                name: name.clone(),
                source: Box::new(source),
            })?;
        for given in piece.given {
            self.give(given);
        }
        for prepared in piece.components {
            let value = self.prepare(component, prepared, false, view, templates)?;
            self.components.push(value);
        }
        for prepared in piece.directories {
            let value = self.prepare(component, prepared, true, view, templates)?;
            self.directories.push(value);
        }
        Ok(())
    }

    fn give(&mut self, given: Given) {
        let target = format!("/in/given/{}", given.name);
        self.given.push(json!({"name": given.name, "file": target}));
        let name = format!("given.{}", given.name);
        self.given_names.insert(given.name);
        self.configs.push(ConfigView {
            name,
            target,
            content: String::new(),
            variable: given.variable,
        });
    }

    fn prepare(
        &mut self,
        component: &str,
        prepared: Prepared,
        is_directory: bool,
        view: &View,
        templates: &Templates,
    ) -> Result<Value, RenderError> {
        let Prepared {
            name,
            files,
            seed,
            secrets,
            rest,
        } = prepared;
        let mut value: Map<String, Value> = rest.into_iter().collect();
        value.insert("name".to_owned(), json!(name));
        let mut hashed = Vec::new();
        for (key, list) in [("files", files), ("seed", seed)] {
            let mut entries = Vec::new();
            for file in list {
                let content = file_text(component, &file, view, templates)?;
                if !file.live && key == "files" {
                    hashed.push((file.name.clone(), content.clone()));
                }
                entries.push(self.entry(&name, file, content));
            }
            if !entries.is_empty() {
                value.insert(key.to_owned(), Value::Array(entries));
            }
        }
        if !secrets.is_empty() {
            value.insert("secrets".to_owned(), json!(secrets));
            self.secrets.extend(secrets);
        }
        let certificate = value.get("certificate");
        let mut volume = name.clone();
        if !is_directory {
            let text = certificate.map(Value::to_string).unwrap_or_default();
            hashed.push(("certificate".to_owned(), text));
            let pairs = hashed
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()));
            self.hashes.insert(name.clone(), settings_hash(pairs));
            volume += "-conf";
        }
        let is_renewed = certificate.is_some_and(|it| it.get("given").is_none());
        self.prepared.push(PreparedView {
            name,
            volume,
            is_renewed,
        });
        Ok(Value::Object(value))
    }

    /// A file of a volume: its content travels as a config.
    fn entry(&mut self, volume: &str, file: File, content: String) -> Value {
        self.secrets.extend(placeholders(&content));
        let mut entry = json!({"name": file.name});
        if let Some(mode) = &file.mode {
            entry["mode"] = json!(mode);
        }
        self.configs.push(config(volume, &file.name, content));
        entry
    }

    /// Puts everything into the view that the services' templates get.
    pub(crate) fn finish(self, view: &mut View) {
        let secrets = self
            .secrets
            .difference(&self.given_names)
            .map(|name| json!({"name": name}))
            .collect();
        let spec = Spec {
            project: &view.project,
            secrets,
            given: &self.given,
            components: &self.components,
            directories: &self.directories,
        };
        // A tree of text and numbers always serialises.
        let text = serde_json::to_string_pretty(&spec).unwrap_or_default() + "\n";
        view.configs = self.configs;
        view.configs.push(ConfigView {
            name: "bootstrap.json".to_owned(),
            target: "/in/bootstrap.json".to_owned(),
            content: text,
            variable: String::new(),
        });
        view.settings = self.hashes;
        view.prepared = self.prepared;
    }
}

fn config(volume: &str, file: &str, content: String) -> ConfigView {
    let name = format!("{volume}.{}", file.replace('/', "."));
    ConfigView {
        name,
        target: format!("/in/{volume}/{file}"),
        content,
        variable: String::new(),
    }
}

fn file_text(
    component: &str,
    file: &File,
    view: &View,
    templates: &Templates,
) -> Result<String, RenderError> {
    match (&file.template, &file.content) {
        (Some(template), _) => templates.render(&format!("compose/{component}/{template}"), view),
        (None, Some(content)) => Ok(content.clone()),
        (None, None) => templates.render(&format!("compose/{component}/{}", file.name), view),
    }
}

/// Names of the secrets that a text has placeholders for.
fn placeholders(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in text.split("${").skip(1) {
        let Some((inside, _)) = part.split_once('}') else {
            continue;
        };
        if let Some(("secret" | "secret-url" | "scram" | "sha256", name)) = inside.split_once(':') {
            names.push(name.to_owned());
        }
    }
    names
}

/// A view as one member of a component sees it.
pub(crate) fn for_member(view: &View, member: &MemberView) -> View {
    View {
        member: member.clone(),
        ..view.clone()
    }
}
