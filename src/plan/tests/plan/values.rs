//! Values of the caller's: another one reaches those that read it, and no others.

use insta::assert_snapshot;
use scalectl_plan::Call;

use crate::scene::{Scene, at};

/// `bootstrap` gets a secret and a certificate; the app reads the secret at its
/// start, the edge takes a new certificate over while it runs.
const GIVEN: &str = r#"
name: shop
services:
  bootstrap:
    image: agent
    network_mode: none
    restart: "no"
    configs:
      - {source: given.key, target: /in/given/key}
      - {source: given.certificate, target: /in/given/certificate}
    volumes: [{source: conf, target: /out/conf}]
  app:
    image: app
    restart: unless-stopped
    depends_on: {bootstrap: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, ready]}
    x-scalectl: {update: rolling, takes: [given.key]}
  edge:
    image: base
    restart: unless-stopped
    depends_on: {bootstrap: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, ready]}
volumes: {conf: {}}
configs:
  given.key: {environment: STRIPE_KEY}
  given.certificate: {environment: CERTIFICATE}
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    set(&scene, "STRIPE_KEY", "one");
    set(&scene, "CERTIFICATE", "one");
    scene.up(GIVEN);
    scene
}

fn set(scene: &Scene, variable: &str, value: &str) {
    let mut world = scene.world();
    world
        .variables
        .insert(variable.to_owned(), value.to_owned());
}

#[test]
fn another_value_of_a_secret_replaces_who_reads_it_at_its_start_and_no_other() {
    let scene = scene();
    assert!(
        scene.plan(GIVEN).is_empty(),
        "the same values change nothing"
    );
    set(&scene, "STRIPE_KEY", "two");
    assert_snapshot!(scene.plan(GIVEN), @"
     1 shop-bootstrap-1  remove           another value of STRIPE_KEY
     2 shop-bootstrap-1  create           another value of STRIPE_KEY  after 1
     3 shop-bootstrap-1  upload-files     another value of STRIPE_KEY  after 2
     4 shop-bootstrap-1  start            another value of STRIPE_KEY  after 3
     5 shop-bootstrap-1  await-completed  another value of STRIPE_KEY  after 4
     6 shop-app-2        create           another value of STRIPE_KEY
     7 shop-app-2        start            another value of STRIPE_KEY  after 5, 6
     8 shop-app-2        await-healthy    another value of STRIPE_KEY  after 7
     9 shop-app-1        stop             superseded by shop-app-2  after 8
    10 shop-app-1        remove           superseded by shop-app-2  after 9
    ");
}

#[test]
fn a_renewed_certificate_runs_bootstrap_again_and_replaces_nobody() {
    let scene = scene();
    set(&scene, "CERTIFICATE", "two");
    assert_snapshot!(scene.plan(GIVEN), @"
    1 shop-bootstrap-1  remove           another value of CERTIFICATE
    2 shop-bootstrap-1  create           another value of CERTIFICATE  after 1
    3 shop-bootstrap-1  upload-files     another value of CERTIFICATE  after 2
    4 shop-bootstrap-1  start            another value of CERTIFICATE  after 3
    5 shop-bootstrap-1  await-completed  another value of CERTIFICATE  after 4
    ");
}

#[test]
fn killed_between_bootstrap_and_app_the_next_plan_still_replaces_the_app() {
    let scene = scene();
    set(&scene, "STRIPE_KEY", "two");
    scene.up_until(GIVEN, at("create", "shop-app-2"));
    assert_snapshot!(scene.plan(GIVEN), @"
    1 shop-app-2  create           another value of STRIPE_KEY
    2 shop-app-2  start            another value of STRIPE_KEY  after 1
    3 shop-app-2  await-healthy    another value of STRIPE_KEY  after 2
    4 shop-app-1  stop             superseded by shop-app-2  after 3
    5 shop-app-1  remove           superseded by shop-app-2  after 4
    ");
    scene.up(GIVEN);
    assert!(scene.plan(GIVEN).is_empty(), "and then it is done");
}

#[test]
fn a_value_that_nobody_can_compare_any_more_counts_as_another() {
    let scene = scene();
    scene.world().containers.remove("shop-bootstrap-1");
    let plan = scene.plan(GIVEN);
    let makes_app = at("create", "shop-app-2");
    assert!(
        plan.operations.iter().any(makes_app),
        "the app is made anew:\n{plan}"
    );
}

#[test]
fn no_plan_holds_a_value_or_anything_made_from_it() {
    let scene = Scene::new();
    set(&scene, "STRIPE_KEY", "sk_live_51H");
    set(&scene, "CERTIFICATE", "pem");
    let plan = scene.plan(GIVEN);
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("sk_live_51H"), "{text}");
    let labels = plan.operations.iter().find_map(|it| match &it.call {
        Call::CreateContainer { spec } if spec.name == "shop-app-1" => Some(&spec.labels),
        _ => None,
    });
    assert_eq!(labels.unwrap()["dev.scalectl.values"], "given.key=1");
}
