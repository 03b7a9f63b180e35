//! Whole documents and whole plans, to be read: what the example and a file with
//! every key become, and what is done about it. No engine but the one in memory.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;

use insta::assert_snapshot;
use scalectl_documents::{Compose, Span};
use scalectl_engine::Scope;
use scalectl_engine_fake::FakeEngine;
use scalectl_model::ListedFacts;
use scalectl_phase::Stack;
use scalectl_plan::{Goal, Plan, Volumes, build};
use scalectl_render::{Facts, Rendered, Templates};

const SHOP: &str = include_str!("../examples/shop/scale.yaml");
const MAXIMAL: &str = include_str!("maximal.yaml");

#[test]
fn the_example_in_phase_1() {
    assert_snapshot!(render(SHOP, 1).text);
}

#[test]
fn the_example_in_phase_2() {
    assert_snapshot!(render(SHOP, 2).text);
}

#[test]
fn every_key_in_phase_1() {
    assert_snapshot!(render(MAXIMAL, 1).text);
}

#[test]
fn every_key_in_phase_2() {
    assert_snapshot!(render(MAXIMAL, 2).text);
}

#[test]
fn from_nothing_to_phase_1() {
    assert_snapshot!(Engine::new().plan(&render(SHOP, 1).compose));
}

#[test]
fn from_nothing_to_phase_2() {
    assert_snapshot!(Engine::new().plan(&render(SHOP, 2).compose));
}

#[test]
fn an_edited_variable_in_phase_1() {
    let engine = Engine::after(&render(SHOP, 1).compose);
    let edited = SHOP.replace("KEEP_ALIVE_SECONDS: 75", "KEEP_ALIVE_SECONDS: 60");
    assert_snapshot!(engine.plan(&render(&edited, 1).compose));
}

#[test]
fn down_from_phase_2_keeps_the_data() {
    let engine = Engine::after(&render(SHOP, 2).compose);
    assert_snapshot!(engine.plan_down(Volumes::Keep));
}

#[test]
fn down_from_phase_2_with_its_data() {
    let engine = Engine::after(&render(SHOP, 2).compose);
    assert_snapshot!(engine.plan_down(Volumes::Remove));
}

#[test]
fn after_any_of_these_there_is_nothing_left_to_do() {
    for (text, phase) in [(SHOP, 1), (SHOP, 2), (MAXIMAL, 1), (MAXIMAL, 2)] {
        let compose = render(text, phase).compose;
        let again = Engine::after(&compose).plan(&compose);
        assert!(
            again.is_empty(),
            "phase {phase} of {}:\n{again}",
            compose.name
        );
    }
}

fn render(text: &str, phase: u8) -> Rendered {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let facts = ListedFacts {
        phases: vec![1, 2],
        database_versions: vec!["17".to_owned()],
        folders: set(&["."]),
        files: set(&[
            "Dockerfile",
            "./Dockerfile",
            "smtp-password",
            "shop.pem",
            "shop.key",
        ]),
        env: set(&["STRIPE_KEY"]),
        ..ListedFacts::default()
    };
    let app = scalectl_model::load(text, "scale.yaml", &facts, phase);
    let app = app.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let phases = scalectl_phase::phases(&BTreeMap::new()).expect("our own phases read");
    let facts = Facts {
        app_image: format!("{}-app:latest", app.name),
        app_command: app
            .app
            .command
            .as_ref()
            .map_or(Vec::new(), |it| it.words().to_vec()),
        image_tag: "TAG".to_owned(),
    };
    let stack = Stack::of(app, &phases[&phase], None);
    scalectl_render::compose(&stack, &facts, &Templates::new(&BTreeMap::new()))
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// An engine that has every image and every value that a document names.
struct Engine(FakeEngine);

impl Engine {
    fn new() -> Self {
        Self(FakeEngine::new())
    }

    /// One on which `compose` was brought up.
    fn after(compose: &Compose) -> Self {
        let engine = Self::new();
        for operation in engine.plan(compose).operations {
            let done = engine.0.call(&operation.call);
            done.unwrap_or_else(|error| panic!("{operation:?}: {error}"));
        }
        engine
    }

    fn plan(&self, compose: &Compose) -> Plan {
        for service in compose.services.values() {
            if !self.0.world().images.contains_key(&service.image) {
                self.0.world().add_image(&service.image);
            }
        }
        for variable in compose
            .configs
            .values()
            .filter_map(|it| it.environment.clone())
        {
            self.0
                .world()
                .variables
                .insert(variable, "value".to_owned());
        }
        self.build(compose, Volumes::Keep)
    }

    fn plan_down(&self, volumes: Volumes) -> Plan {
        self.build(&Compose::none("shop"), volumes)
    }

    fn build(&self, compose: &Compose, volumes: Volumes) -> Plan {
        let goal = Goal {
            volumes,
            ..Goal::up(compose, Span::seconds(120))
        };
        build(&goal, &self.0.look(&Scope::of(compose))).expect("nothing stands in the way")
    }
}
