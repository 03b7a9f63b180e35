//! What moves from one service to another: names, ports, volumes, networks.

use insta::assert_snapshot;

use crate::scene::{Scene, at, precedes, steps};
use crate::stack::STACK;

#[test]
fn a_port_that_moves_to_another_service_is_given_up_first() {
    let text = "name: shop\nservices:\n  a: {image: app, restart: always}\n  b: {image: app, restart: always, ports: [{target: 80, published: '80'}], depends_on: {a: {condition: service_started}}}\n";
    let moved = "name: shop\nservices:\n  a: {image: app, restart: always, ports: [{target: 80, published: '80'}]}\n  b: {image: app, restart: always, depends_on: {a: {condition: service_started}}}\n";
    let scene = Scene::after(text);
    assert_snapshot!(scene.plan(moved), @"
    1 shop-b-1  stop             definition changed
    2 shop-b-1  remove           definition changed  after 1
    3 shop-a-1  stop             definition changed  after 1
    4 shop-a-1  remove           definition changed  after 3
    5 shop-a-1  create           definition changed  after 4
    6 shop-a-1  start            definition changed  after 5
    7 shop-b-1  create           definition changed  after 2
    8 shop-b-1  start            definition changed  after 6, 7
    ");
    scene.up(moved);
    assert!(scene.plan(moved).is_empty());
}

#[test]
fn a_port_of_a_service_that_goes_is_free_for_the_one_that_comes() {
    let text = "name: shop\nservices: {old: {image: app, restart: always, ports: [{target: 80, published: '80'}]}}\n";
    let scene = Scene::after(text);
    let renamed = text.replace("old:", "new:");
    assert_snapshot!(scene.plan(&renamed), @"
    1 shop-old-1  stop             not wanted
    2 shop-old-1  remove           not wanted  after 1
    3 shop-new-1  create           missing
    4 shop-new-1  start            missing  after 1, 3
    ");
    scene.up(&renamed);
}

#[test]
fn a_renamed_database_starts_on_its_data_when_the_old_one_has_ended() {
    let scene = Scene::after(STACK);
    let renamed = STACK.replace("db-1:", "database:");
    let plan = scene.plan(&renamed);
    assert!(
        precedes(
            &plan,
            at("stop", "shop-db-1-1"),
            at("start", "shop-database-1")
        ),
        "{plan}"
    );
    assert!(precedes(
        &plan,
        at("create", "shop-database-1"),
        at("await-healthy", "shop-database-1")
    ));
    scene.run(&plan);
    assert!(scene.plan(&renamed).is_empty());
}

#[test]
fn a_renamed_service_without_data_ends_when_its_successor_is_well() {
    let scene = Scene::after(STACK);
    let renamed = STACK.replace("  worker:", "  mailer:");
    let plan = scene.plan(&renamed);
    assert!(
        precedes(
            &plan,
            at("start", "shop-mailer-1"),
            at("stop", "shop-worker-1")
        ),
        "{plan}"
    );
}

#[test]
fn what_the_document_shares_stays_shared() {
    let text = "name: shop\nservices:\n  a: {image: app, restart: always, volumes: [{source: v, target: /v}]}\n  b: {image: app, restart: always, volumes: [{source: v, target: /v}]}\nvolumes: {v: {}}\n";
    let scene = Scene::after(text);
    let plan = scene.plan(&text.replace("b: {image: app,", "b: {image: app, user: '1',"));
    assert_eq!(
        steps(&plan),
        [
            "stop shop-b-1",
            "remove shop-b-1",
            "create shop-b-1",
            "start shop-b-1"
        ]
    );
}

#[test]
fn a_reader_of_a_volume_is_not_stopped_for_its_writer() {
    let text = "name: shop\nservices:\n  a: {image: app, restart: always, volumes: [{source: v, target: /v}]}\n  b: {image: app, restart: always, volumes: [{source: v, target: /v, read_only: true}], x-scalectl: {update: rolling}}\nvolumes: {v: {}}\n";
    let scene = Scene::after(text);
    let changed = text
        .replace("a: {image: app,", "a: {image: app, user: '1',")
        .replace("[{source: v, target: /v, read_only: true}]", "[]");
    let plan = scene.plan(&changed);
    assert!(
        precedes(&plan, at("start", "shop-b-2"), at("stop", "shop-b-1")),
        "{plan}"
    );
}

#[test]
fn containers_are_made_anew_for_networks_that_were_pruned_while_they_were_down() {
    let scene = Scene::after("name: shop\nservices: {a: {image: app, restart: always}}\n");
    scene.world().kill("shop-a-1", 137);
    scene.world().prune_networks();
    let text = "name: shop\nservices: {a: {image: app, restart: always}}\n";
    assert_snapshot!(scene.plan(text), @"
    1 shop_default  create-network   missing
    2 shop-a-1      remove           not in network shop_default  after 1
    3 shop-a-1      create           not in network shop_default  after 2
    4 shop-a-1      start            not in network shop_default  after 3
    ");
    scene.up_until(text, at("remove", "shop-a-1"));
    assert_snapshot!(scene.plan(text), @"
    1 shop-a-1  remove           not in network shop_default
    2 shop-a-1  create           not in network shop_default  after 1
    3 shop-a-1  start            not in network shop_default  after 2
    ");
    scene.up(text);
    assert!(scene.plan(text).is_empty());
}

#[test]
fn a_network_or_volume_with_another_name_moves_its_containers() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, networks: {n: {}}, volumes: [{source: v, target: /v}]}}\nnetworks: {n: {name: one}}\nvolumes: {v: {name: one}}\n";
    for (what, plan) in [
        ("networks: {n: {name", "not in network two"),
        ("volumes: {v: {name", "volume two is new"),
    ] {
        let scene = Scene::after(text);
        let changed = text.replace(&format!("{what}: one"), &format!("{what}: two"));
        let text = scene.plan(&changed).to_string();
        assert!(text.contains(plan), "{text}");
        scene.up(&changed);
        assert!(scene.plan(&changed).is_empty(), "{}", scene.plan(&changed));
    }
}
