//! One compose.yaml from the templates of every component that the phase has.
//!
//! Settings first (their hashes stand in the services' labels), then services,
//! then what they name: volumes and configs. Next: `templates/compose/`.

use std::collections::BTreeSet;

use scalectl_phase::Stack;
use serde::Serialize;

use crate::error::RenderError;
use crate::settings::{Settings, for_member};
use crate::templates::Templates;
use crate::view::{ConfigView, MemberView, View};

/// The order in a compose.yaml: from the door inwards, helpers last.
const ORDER: [&str; 11] = [
    "edge",
    "app",
    "pooler",
    "database",
    "etcd",
    "cache",
    "agent",
    "prometheus",
    "exporters",
    "grafana",
    "bootstrap",
];

/// Components whose template is rendered once a member.
const BY_MEMBER: [&str; 2] = ["etcd", "database"];

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    view: &'a View,
    services: String,
    volumes: Vec<VolumeView>,
    configs: &'a [ConfigView],
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct VolumeView {
    name: String,
    is_member_data: bool,
}

pub(crate) fn compose(
    stack: &Stack,
    mut view: View,
    templates: &Templates,
) -> Result<String, RenderError> {
    let present: Vec<_> = ORDER
        .into_iter()
        .filter(|name| *name == "bootstrap" || stack.has(name))
        .collect();
    let mut settings = Settings::default();
    for component in &present {
        for member in renderings(component, &view) {
            settings.add(component, &for_member(&view, &member), templates)?;
        }
    }
    settings.finish(&mut view);
    let mut services = String::new();
    for component in &present {
        for member in renderings(component, &view) {
            let name = format!("compose/{component}/service.yaml");
            services.push_str(&templates.render(&name, &for_member(&view, &member))?);
        }
    }
    let volumes = volumes(&services);
    let document = Document {
        view: &view,
        services,
        volumes,
        configs: &view.configs,
    };
    // Nothing that scalectl renders is a Compose variable, so every `$` is text.
    Ok(templates
        .render("compose/compose.yaml", &document)?
        .replace('$', "$$"))
}

fn renderings(component: &str, view: &View) -> Vec<MemberView> {
    match BY_MEMBER.contains(&component) {
        true => view.members.get(component).cloned().unwrap_or_default(),
        false => vec![MemberView::default()],
    }
}

/// The volumes that the services name, from their `source:` lines: a template
/// that mounts a volume has said all there is to say of it. A line that only
/// looks like one adds a volume that nothing mounts, which `Compose::parse`
/// and the snapshot would show.
fn volumes(services: &str) -> Vec<VolumeView> {
    let names: BTreeSet<_> = services
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("- {type: volume, source: ")?
                .split([',', '}'])
                .next()
        })
        .map(|name| name.trim().to_owned())
        .collect();
    let is_member_data = |name: &String| name.starts_with("db-") && name.ends_with("-data");
    names
        .into_iter()
        .map(|name| VolumeView {
            is_member_data: is_member_data(&name),
            name,
        })
        .collect()
}
