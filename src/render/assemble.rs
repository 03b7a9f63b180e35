//! One compose.yaml from the templates of every component that the phase has.
//!
//! Settings first (their hashes stand in the services' labels), then services,
//! then what they name: volumes and configs. Next: `templates/compose/`.

use std::collections::BTreeSet;

use scalectl_phase::Stack;
use serde::Serialize;

use crate::components::{ComponentLine, Rendering};
use crate::error::RenderError;
use crate::settings::{Settings, for_member};
use crate::templates::Templates;
use crate::view::{ConfigView, MemberView, View};

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
    /// The label `dev.scalectl.data`, if it has one.
    data: Option<&'static str>,
    /// The label `dev.scalectl.generation`: of a cluster that came after the first.
    generation: Option<u32>,
}

pub(crate) fn compose(
    stack: &Stack,
    components: &[ComponentLine],
    mut view: View,
    templates: &Templates,
) -> Result<String, RenderError> {
    let is_present = |line: &&ComponentLine| line.always || stack.has(&line.component);
    let present: Vec<_> = components.iter().filter(is_present).collect();
    let mut settings = Settings::default();
    for line in &present {
        for member in renderings(line, &view) {
            settings.add(&line.component, &for_member(&view, &member), templates)?;
        }
    }
    settings.finish(&mut view);
    let mut services = String::new();
    for line in &present {
        for member in renderings(line, &view) {
            let name = format!("compose/{}/service.yaml", line.component);
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

fn renderings(line: &ComponentLine, view: &View) -> Vec<MemberView> {
    let members = [&view.members, &view.beside].map(|all| all.get(&line.component));
    match line.members {
        Rendering::Each => members.into_iter().flatten().flatten().cloned().collect(),
        Rendering::Once => vec![MemberView::default()],
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
    names
        .into_iter()
        .map(|name| VolumeView {
            data: data(&name).map(|(data, _)| data),
            generation: data(&name).and_then(|(_, generation)| generation),
            name,
        })
        .collect()
}

/// What a volume holds, and of which generation's cluster if not the first.
fn data(volume: &str) -> Option<(&'static str, Option<u32>)> {
    match volume.strip_suffix("-data")?.split_once('-')?.0 {
        "etcd" => Some(("store", None)),
        "db" => Some(("member", None)),
        cluster => {
            let generation = cluster.strip_prefix("db")?.parse().ok()?;
            Some(("member", Some(generation)))
        }
    }
}
