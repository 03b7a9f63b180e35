use std::collections::BTreeMap;

use scalectl_model::ListedFacts;
use scalectl_phase::Stack;

use crate::{Facts, Rendered, Templates, compose};

fn render(phase: u8, yaml: &str) -> Rendered {
    let facts = ListedFacts {
        phases: vec![1, 2],
        database_versions: vec!["17".to_owned()],
        folders: [".".to_owned()].into(),
        files: ["Dockerfile".to_owned(), "./Dockerfile".to_owned()].into(),
        ..ListedFacts::default()
    };
    let app = scalectl_model::load(yaml, "scale.yaml", &facts, phase)
        .unwrap_or_else(|mistakes| panic!("the test's scale.yaml is right: {mistakes:?}"));
    let phases = scalectl_phase::phases(&BTreeMap::new()).unwrap();
    let stack = Stack::of(app, &phases[&phase], None);
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
