//! A changed document: only what changed is replaced, in a safe order.

use insta::assert_snapshot;
use scalectl_plan::Volumes;

use crate::scene::{Scene, at, precedes, steps};
use crate::stack::STACK;

#[test]
fn changed_env_of_the_app_starts_a_new_one_drains_the_old_and_touches_nothing_else() {
    let scene = Scene::after(STACK);
    assert_snapshot!(scene.plan(&STACK.replace("hello", "good day")), @"
    1 shop-app-2    create           definition changed
    2 shop-app-2    start            definition changed  after 1
    3 shop-app-2    await-healthy    definition changed  after 2
    4 shop-agent-1  exec             superseded by shop-app-2  runs `drain 10.0.0.30`  after 3
    5 shop-app-1    stop             superseded by shop-app-2  after 4
    6 shop-app-1    remove           superseded by shop-app-2  after 5
    ");
}

#[test]
fn changed_settings_run_bootstrap_again_before_the_component_that_reads_them() {
    let scene = Scene::after(STACK);
    let changed = STACK
        .replace("pool_size = 20", "pool_size = 30")
        .replace("settings: a1", "settings: b2");
    assert_snapshot!(scene.plan(&changed), @"
     1 shop-bootstrap-1  remove           definition changed
     2 shop-bootstrap-1  create           definition changed  after 1
     3 shop-bootstrap-1  upload-files     definition changed  after 2
     4 shop-bootstrap-1  start            definition changed  after 3
     5 shop-bootstrap-1  await-completed  definition changed  after 4
     6 shop-pooler-2     create           definition changed
     7 shop-pooler-2     start            definition changed  after 5, 6
     8 shop-pooler-2     await-healthy    definition changed  after 7
     9 shop-pooler-1     stop             superseded by shop-pooler-2  after 8
    10 shop-pooler-1     remove           superseded by shop-pooler-2  after 9
    ");
}

#[test]
fn a_changed_image_runs_release_again_before_any_new_code() {
    let scene = Scene::after(STACK);
    scene.world().add_image("app");
    assert_snapshot!(scene.plan(STACK), @"
     1 shop-release-1  remove           image changed
     2 shop-release-1  create           image changed  after 1
     3 shop-release-1  start            image changed  after 2
     4 shop-release-1  await-completed  image changed  after 3
     5 shop-app-2      create           image changed
     6 shop-app-2      start            image changed  after 4, 5
     7 shop-app-2      await-healthy    image changed  after 6
     8 shop-agent-1    exec             superseded by shop-app-2  runs `drain 10.0.0.30`  after 7
     9 shop-app-1      stop             superseded by shop-app-2  after 8
    10 shop-app-1      remove           superseded by shop-app-2  after 9
    11 shop-worker-1   stop             image changed  after 4
    12 shop-worker-1   remove           image changed  after 11
    13 shop-worker-1   create           image changed  after 12
    14 shop-worker-1   start            image changed  after 13
    ");
}

#[test]
fn nothing_old_ends_before_all_that_its_successor_is_made_from_is_there() {
    let scene = Scene::after(STACK);
    let changed = STACK
        .replace("image: db", "image: db2")
        .replace("  db-1-data: {", "  more: {}\n  db-1-data: {")
        .replace(
            "{source: db-1-data, target: /data}",
            "{source: db-1-data, target: /data}, {source: more, target: /m}",
        );
    scene
        .world()
        .registry
        .insert("db2".to_owned(), "sha256:2".to_owned());
    let plan = scene.plan(&changed);
    assert!(
        precedes(&plan, at("pull-image", "db2"), at("stop", "shop-db-1-1")),
        "{plan}"
    );
    assert!(
        precedes(
            &plan,
            at("create-volume", "shop_more"),
            at("stop", "shop-db-1-1")
        ),
        "{plan}"
    );
}

#[test]
fn what_only_says_how_many_or_after_whom_replaces_nothing() {
    let scene = Scene::after(STACK);
    let changed = STACK.replace(
        "depends_on: {release: {condition: service_completed_successfully}}",
        "scale: 2",
    );
    assert_snapshot!(scene.plan(&changed), @"
    1 shop-worker-2  create           missing
    2 shop-worker-2  start            missing  after 1
    ");
}

#[test]
fn fewer_replicas_keep_those_that_are_well() {
    let two = STACK.replace("environment: {GREETING: hello}", "scale: 2");
    let scene = Scene::after(&two);
    scene.world().kill("shop-app-1", 1);
    assert_snapshot!(scene.plan(&two.replace("scale: 2", "scale: 1")), @"
    1 shop-app-1  remove           one too many
    ");
}

#[test]
fn more_replicas_of_a_recreated_service_change_over_one_by_one() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, scale: 3, healthcheck: {test: [CMD, ok]}}}\n";
    let scene = Scene::after(text);
    assert_snapshot!(scene.plan(&text.replace("always, scale: 3", "always, user: '1', scale: 2")), @"
     1 shop-a-3  stop             definition changed
     2 shop-a-3  remove           definition changed  after 1
     3 shop-a-1  stop             definition changed
     4 shop-a-1  remove           definition changed  after 3
     5 shop-a-1  create           definition changed  after 4
     6 shop-a-1  start            definition changed  after 1, 5
     7 shop-a-1  await-healthy    definition changed  after 6
     8 shop-a-2  stop             definition changed  after 7
     9 shop-a-2  remove           definition changed  after 8
    10 shop-a-2  create           definition changed  after 9
    11 shop-a-2  start            definition changed  after 10
    12 shop-a-2  await-healthy    definition changed  after 11
    ");
}

#[test]
fn data_stays_when_its_service_goes_from_the_document() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, volumes: [{source: v, target: /v}]}}\nvolumes: {v: {}}\n";
    let scene = Scene::after(text);
    let plan = scene.plan("name: shop\nservices: {b: {image: app, restart: always}}\n");
    assert_eq!(plan.keeps, ["shop_v"]);
    assert_eq!(plan.destroys().count(), 0);
    assert!(
        precedes(&plan, at("start", "shop-b-1"), at("stop", "shop-a-1")),
        "nothing ends before all new is well: {plan}"
    );
    scene.run(&plan);
    assert_eq!(
        steps(&scene.plan_down(Volumes::Keep)),
        [
            "stop shop-b-1",
            "remove shop-b-1",
            "remove-network shop_default"
        ]
    );
}
