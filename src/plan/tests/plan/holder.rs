//! Holders of a network, and the members that live in it.

use insta::assert_snapshot;

use crate::scene::{Scene, at, precedes, steps};
use crate::stack::STACK;

const HOLDER: &str = "pooler-net:\n    image: base";

#[test]
fn a_changed_holder_is_replaced_after_its_members_ended() {
    let scene = Scene::after(STACK);
    let changed = STACK.replace(HOLDER, "pooler-net:\n    image: base\n    hostname: pooler");
    assert_snapshot!(scene.plan(&changed), @"
    1 shop-pooler-1      stop             network of shop-pooler-net-1 is gone
    2 shop-pooler-1      remove           network of shop-pooler-net-1 is gone  after 1
    3 shop-pooler-net-1  stop             definition changed  after 1
    4 shop-pooler-net-1  remove           definition changed  after 3
    5 shop-pooler-net-1  create           definition changed  after 4
    6 shop-pooler-net-1  start            definition changed  after 5
    7 shop-pooler-1      create           network of shop-pooler-net-1 is gone  after 2, 5
    8 shop-pooler-1      start            network of shop-pooler-net-1 is gone  after 6, 7
    9 shop-pooler-1      await-healthy    network of shop-pooler-net-1 is gone  after 8
    ");
    scene.up(&changed);
    assert!(scene.plan(&changed).is_empty());
}

#[test]
fn members_end_only_when_what_they_wait_for_is_there() {
    let scene = Scene::after(STACK);
    let changed = STACK
        .replace(HOLDER, "pooler-net:\n    image: base\n    hostname: pooler")
        .replace("pool_size = 20", "pool_size = 30")
        .replace("settings: a1", "settings: b2");
    let plan = scene.plan(&changed);
    assert!(
        precedes(
            &plan,
            at("await-completed", "shop-bootstrap-1"),
            at("stop", "shop-pooler-1")
        ),
        "{plan}"
    );
}

#[test]
fn a_newer_image_does_not_replace_a_holder() {
    let scene = Scene::after(STACK);
    scene.world().add_image("base");
    assert!(scene.plan(STACK).is_empty(), "{}", scene.plan(STACK));
}

#[test]
fn members_that_a_restarted_holder_left_behind_are_made_anew() {
    let scene = Scene::after(STACK);
    scene.world().restart("shop-pooler-net-1");
    assert_snapshot!(scene.plan(STACK), @"
    1 shop-pooler-1  stop             network of shop-pooler-net-1 is gone
    2 shop-pooler-1  remove           network of shop-pooler-net-1 is gone  after 1
    3 shop-pooler-1  create           network of shop-pooler-net-1 is gone  after 2
    4 shop-pooler-1  start            network of shop-pooler-net-1 is gone  after 3
    5 shop-pooler-1  await-healthy    network of shop-pooler-net-1 is gone  after 4
    ");
}

#[test]
fn a_holder_that_ended_is_started_and_its_running_members_are_made_anew() {
    let scene = Scene::after(STACK);
    scene.world().kill("shop-pooler-net-1", 0);
    let plan = scene.plan(STACK);
    assert!(
        precedes(
            &plan,
            at("start", "shop-pooler-net-1"),
            at("stop", "shop-pooler-1")
        ),
        "{plan}"
    );
    scene.run(&plan);
    assert!(scene.plan(STACK).is_empty(), "{}", scene.plan(STACK));
}

#[test]
fn a_holder_that_comes_and_goes_is_made_anew_for_nobody_can_join_it() {
    let scene = Scene::after(STACK);
    scene.world().crash("shop-pooler-net-1");
    let plan = scene.plan(STACK);
    let steps = steps(&plan);
    let stops = [
        "stop shop-pooler-1",
        "remove shop-pooler-1",
        "stop shop-pooler-net-1",
    ];
    assert_eq!(steps[..3], stops, "{plan}");
    scene.run(&plan);
    assert!(scene.plan(STACK).is_empty(), "{}", scene.plan(STACK));
}

#[test]
fn holder_and_member_that_both_ended_are_just_started() {
    let scene = Scene::after(STACK);
    scene.world().kill("shop-pooler-1", 0);
    scene.world().kill("shop-pooler-net-1", 0);
    assert_eq!(
        steps(&scene.plan(STACK)),
        [
            "start shop-pooler-net-1",
            "start shop-pooler-1",
            "await-healthy shop-pooler-1"
        ]
    );
}

#[test]
fn a_paused_holder_goes_on_and_its_members_stay() {
    let scene = Scene::after(STACK);
    scene.world().pause("shop-pooler-net-1");
    assert_eq!(steps(&scene.plan(STACK)), ["unpause shop-pooler-net-1"]);
}

#[test]
fn a_service_that_others_join_never_rolls() {
    let text = "name: shop\nservices:\n  h: {image: base, restart: always, x-scalectl: {update: rolling}}\n  m: {image: app, restart: always, network_mode: 'service:h'}\n";
    let scene = Scene::after(text);
    let changed = text.replace("image: base,", "image: base, user: '1',");
    let steps = steps(&scene.plan(&changed));
    assert_eq!(
        steps[..4],
        [
            "stop shop-m-1",
            "remove shop-m-1",
            "stop shop-h-1",
            "remove shop-h-1"
        ]
    );
}
