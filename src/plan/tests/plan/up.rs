//! The first `up`, and one with nothing to do.

use insta::assert_snapshot;
use scalectl_engine_fake::FakeEngine;

use crate::scene::{Scene, at, precedes, steps};
use crate::stack::STACK;

#[test]
fn a_first_up_creates_at_once_and_starts_in_the_order_of_conditions() {
    assert_snapshot!(Scene::new().plan(STACK), @"
     1 shop_default       create-network   missing
     2 shop_db-1-data     create-volume    missing
     3 shop_pooler-conf   create-volume    missing
     4 shop_state         create-volume    missing
     5 shop-bootstrap-1   create           missing  after 3, 4
     6 shop-bootstrap-1   upload-files     missing  after 5
     7 shop-bootstrap-1   start            missing  after 6
     8 shop-bootstrap-1   await-completed  missing  after 7
     9 shop-agent-1       create           missing  after 1
    10 shop-agent-1       start            missing  after 8, 9
    11 shop-agent-1       await-healthy    missing  after 10
    12 shop-db-1-1        create           missing  after 1, 2
    13 shop-db-1-1        start            missing  after 8, 12
    14 shop-db-1-1        await-healthy    missing  after 13
    15 shop-pooler-net-1  create           missing  after 1
    16 shop-pooler-net-1  start            missing  after 15
    17 shop-pooler-1      create           missing  after 3, 15
    18 shop-pooler-1      start            missing  after 8, 16, 17
    19 shop-pooler-1      await-healthy    missing  after 18
    20 shop-release-1     create           missing  after 1
    21 shop-release-1     start            missing  after 14, 19, 20
    22 shop-release-1     await-completed  missing  after 21
    23 shop-app-1         create           missing  after 1
    24 shop-app-1         start            missing  after 22, 23
    25 shop-app-1         await-healthy    missing  after 24
    26 shop-worker-1      create           missing  after 1
    27 shop-worker-1      start            missing  after 22, 26
    ");
}

#[test]
fn a_stack_that_is_as_it_should_be_has_nothing_to_do() {
    let scene = Scene::after(STACK);
    assert!(scene.plan(STACK).is_empty(), "{}", scene.plan(STACK));
}

#[test]
fn only_an_image_that_the_engine_lacks_and_a_container_needs_is_pulled() {
    let text = "name: shop\nservices:\n  a: {image: far, restart: always}\n  b: {image: app, restart: always}\n  c: {image: far, restart: always}\n";
    let scene = Scene::new();
    scene
        .world()
        .registry
        .insert("far".to_owned(), "sha256:f".to_owned());
    let plan = scene.plan(text);
    let pulls = steps(&plan)
        .into_iter()
        .filter(|step| step.starts_with("pull"));
    assert_eq!(
        pulls.collect::<Vec<_>>(),
        ["pull-image far"],
        "one pull for two services"
    );
    assert!(precedes(
        &plan,
        at("pull-image", "far"),
        at("create", "shop-a-1")
    ));
    assert!(
        !precedes(&plan, at("pull-image", "far"), at("start", "shop-b-1")),
        "b waits for nothing"
    );

    scene.up(text);
    scene.world().images.remove("far");
    assert!(
        scene.plan(text).is_empty(),
        "what runs needs its image's name no more"
    );
}

#[test]
fn services_without_networks_share_a_default_one_as_in_compose() {
    let text = "name: shop\nservices: {a: {image: app, restart: always}}\n";
    assert_snapshot!(Scene::new().plan(text), @"
    1 shop_default  create-network   missing
    2 shop-a-1      create           missing  after 1
    3 shop-a-1      start            missing  after 2
    ");
}

#[test]
fn an_engine_below_api_1_44_joins_further_networks_by_calls_of_their_own() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, networks: {one: {}, two: {aliases: [x]}}}}\nnetworks: {one: {}, two: {}}\n";
    assert_snapshot!(Scene::on(FakeEngine::of_api((1, 43))).plan(text), @"
    1 shop_one  create-network   missing
    2 shop_two  create-network   missing
    3 shop-a-1  create           missing  after 1, 2
    4 shop-a-1  connect          missing  to shop_two  after 3
    5 shop-a-1  start            missing  after 4
    ");
    let steps = steps(&Scene::on(FakeEngine::of_api((1, 44))).plan(text));
    assert!(
        !steps.iter().any(|step| step.starts_with("connect")),
        "{steps:?}"
    );
}

#[test]
fn a_service_of_no_containers_makes_none_and_holds_nobody_up() {
    let text = "name: shop\nservices:\n  a: {image: app, restart: always, scale: 0}\n  b: {image: app, restart: always, depends_on: {a: {condition: service_started}}}\n";
    assert_snapshot!(Scene::new().plan(text), @"
    1 shop_default  create-network   missing
    2 shop-b-1      create           missing  after 1
    3 shop-b-1      start            missing  after 2
    ");
}
