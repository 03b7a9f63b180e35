use std::collections::BTreeMap;

use scalectl_model::ListedFacts;
use scalectl_phase::{Lineage, Stack};

use crate::{Facts, Rendered, Templates, compose};

fn there() -> ListedFacts {
    ListedFacts {
        phases: vec![1, 2],
        database_versions: vec!["17".to_owned()],
        folders: [".".to_owned()].into(),
        files: ["Dockerfile".to_owned(), "./Dockerfile".to_owned()].into(),
        ..ListedFacts::default()
    }
}

fn render(phase: u8, yaml: &str) -> Rendered {
    render_with(phase, yaml, Lineage::default())
}

fn render_with(phase: u8, yaml: &str, lineage: Lineage) -> Rendered {
    let app = scalectl_model::load(yaml, "scale.yaml", &there(), phase)
        .unwrap_or_else(|mistakes| panic!("the test's scale.yaml is right: {mistakes:?}"));
    let phases = scalectl_phase::phases(&BTreeMap::new()).unwrap();
    let stack = Stack::of(app, &phases[&phase], None)
        .with_lineage(lineage)
        .copying(lineage.beside.is_some());
    let facts = Facts {
        app_image: "shop-app:latest".to_owned(),
        app_command: vec!["run".to_owned()],
        image_tag: "1".to_owned(),
    };
    compose(&stack, &facts, &Templates::new(&BTreeMap::new()))
        .unwrap_or_else(|error| panic!("{error:?}"))
}

const SMALL: &str = "name: shop\napp: {build: ., command: [run], release: [migrate], workers: {packer: {command: [pack]}}}\n";

#[test]
fn phase_2_renders_and_reads_back() {
    let rendered = render(2, SMALL);
    if let Ok(path) = std::env::var("SHOW") {
        std::fs::write(path + ".2", &rendered.text).unwrap();
    }
    assert!(
        rendered.compose.services.contains_key("db-3"),
        "phase 2 has three database members"
    );
    assert!(
        rendered.compose.services.contains_key("cache"),
        "phase 2 has a cache"
    );
}

#[test]
fn phase_1_renders_and_reads_back() {
    let rendered = render(1, SMALL);
    if let Ok(path) = std::env::var("SHOW") {
        std::fs::write(path, &rendered.text).unwrap();
    }
    assert!(
        rendered.compose.services.contains_key("db-1"),
        "phase 1 has one database member"
    );
}

#[test]
fn while_the_database_moves_both_clusters_are_there_and_the_first_is_as_it_was() {
    let of = |generation, beside| Lineage { generation, beside };
    let [first, both, later] =
        [of(1, None), of(1, Some(2)), of(2, None)].map(|it| render_with(1, SMALL, it).compose);
    assert_eq!(both.services["db-1"], first.services["db-1"]);
    assert_eq!(both.services["db2-1"], later.services["db2-1"]);
    assert_eq!(
        first.services["app"].depends_on,
        both.services["app"].depends_on
    );
    for (compose, members) in [
        (&first, &["db-1"][..]),
        (&both, &["db-1", "db2-1"]),
        (&later, &["db2-1"]),
    ] {
        let there = compose.services.keys().filter(|it| it.starts_with("db"));
        assert_eq!(there.collect::<Vec<_>>(), members);
    }
    let labels = &both.volumes["db2-1-data"].labels;
    assert_eq!(labels["dev.scalectl.generation"], "2");
    let settings = |compose: &scalectl_documents::Compose, member: &str| {
        compose.configs[&format!("{member}.patroni.yaml")]
            .content
            .clone()
            .unwrap_or_default()
    };
    assert!(settings(&both, "db2-1").contains("scope: database-2\n"));
    assert!(settings(&both, "db2-1").contains("\"standby_cluster\""));
    assert!(settings(&both, "db2-1").contains("max-rate"));
    assert!(
        !settings(&later, "db2-1").contains("bootstrap:"),
        "nothing may found a cluster in place of one that was moved to"
    );
}

/// The member's own file wins over the dynamic configuration, where the user's settings are.
#[test]
fn what_the_user_sets_in_the_database_wins_and_what_wins_over_that_is_refused() {
    let set = "database: {settings: {log_checkpoints: 'on', log_line_prefix: mine, jit: 'on'}}\n";
    let text = render(1, &format!("{SMALL}{set}")).text;
    let dynamic = r#""jit": "on", "log_line_prefix": "mine", "log_checkpoints": "on""#;
    assert!(text.contains(dynamic), "the dynamic configuration:\n{text}");
    let of_the_member = text.split("parameters:\n").last().unwrap_or_default();
    let name = |line: &str| {
        line.trim()
            .split_once(": ")
            .map(|(name, _)| name.to_owned())
    };
    let names: Vec<_> = of_the_member.lines().map_while(name).collect();
    assert!(names.contains(&"ssl_key_file".to_owned()), "{names:?}");
    for name in names {
        let yaml = format!("{SMALL}database: {{settings: {{{name}: x}}}}\n");
        let refused = scalectl_model::load(&yaml, "scale.yaml", &there(), 1);
        assert!(refused.is_err(), "{name} would be taken and ignored");
    }
}
