//! Init: a first, commented `scale.yaml` for the folder of an app.
//!
//! Says what the Dockerfile says and comments out what has a good default, so
//! that the file is short to read and complete to edit. Must never write a
//! file, and never write one that `load` refuses.
//! Next: `dockerfile.rs` (what is found), docs/scale-yaml.md.

use crate::dockerfile::Dockerfile;
use crate::suggest;
use crate::units::{Name, Text};

/// What `init` knows of the folder it stands in.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// The folder's own name, from which the app's is made.
    pub name: String,
    /// The text of its Dockerfile, if it has one.
    pub dockerfile: Option<String>,
}

/// The text of a `scale.yaml` for `folder`.
pub fn init(folder: &Folder) -> String {
    let found = folder.dockerfile.as_deref().map(Dockerfile::read);
    let name = suggest::name(&folder.name).filter(|name| Name::parse(name).is_ok());
    let name = name.as_deref().unwrap_or("app");
    let mut text = format!(
        "# What scalectl must know about this app. Every key: docs/scale-yaml.md.\n\
         # `scalectl check` reads this file, `scalectl up --phase 1` starts it.\n\
         name: {name}\n\n\
         app:\n"
    );
    text.push_str(&source(found.is_some(), name));
    text.push_str(&command(found.as_ref()));
    text.push_str(&port(found.as_ref()));
    text.push_str(REST);
    text
}

fn source(has_dockerfile: bool, name: &str) -> String {
    if has_dockerfile {
        return "  build: .                  # this folder has a Dockerfile\n".to_owned();
    }
    format!(
        "  image: {name}:latest\n  \
         # This folder has no Dockerfile. With one, say this instead of `image`:\n  \
         # build: .\n"
    )
}

fn command(found: Option<&Dockerfile>) -> String {
    match found.and_then(|found| found.command.as_ref()) {
        Some(words) => {
            let words: Vec<String> = words.iter().map(|word| json(word)).collect();
            format!(
                "  # command: [{}]  # what the Dockerfile says\n",
                words.join(", ")
            )
        }
        None => "  # command: [python, -m, shop]  # without it the image's own\n".to_owned(),
    }
}

/// A text in double quotes: JSON's rules are YAML's too, on one line.
fn json(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' => quoted.push(c),
            // YAML knows the eight-digit form, which needs no surrogates.
            c => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted + "\""
}

fn port(found: Option<&Dockerfile>) -> String {
    match found.and_then(|found| found.port) {
        Some(port) => format!("  port: {port}                # the Dockerfile exposes it\n"),
        None => {
            "  port: 8000                # where the app listens; it is told in PORT\n".to_owned()
        }
    }
}

const REST: &str = r#"  health: /                 # must answer 2xx or 3xx when the app is healthy
  # metrics: /metrics       # Prometheus metrics of the app's own
  # env: {LOG_LEVEL: info}
  # secrets:                # values never stand in this file
  #   STRIPE_KEY: {env: STRIPE_KEY}
  # resources: {memory: 256Mi, cpus: 0.5}
  # release: [python, -m, shop.release]  # runs once before new code serves
  # workers:
  #   packer: {command: [python, -m, shop.packer]}

# edge: {http: 8080, https: 8443}

database:
  version: "17"             # stays what it is until you change it
  size: 10Gi                # disk space the data is expected to need
  # settings: {work_mem: 8MB}

# cache: {memory: 64Mi, policy: allkeys-lru}
# monitoring: {grafana: false, retention: 7d}

# phases:
#   "2": {app: {replicas: 2}}
"#;
