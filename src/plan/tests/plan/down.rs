//! `down`: users before what they use, and data only when asked.

use insta::assert_snapshot;
use scalectl_plan::Volumes;

use crate::scene::{Scene, at, steps};
use crate::stack::STACK;

#[test]
fn down_stops_users_first_and_keeps_volumes() {
    assert_snapshot!(Scene::after(STACK).plan_down(Volumes::Keep), @"
     1 shop-agent-1       stop             not wanted
     2 shop-agent-1       remove           not wanted  after 1
     3 shop-app-1         stop             not wanted
     4 shop-app-1         remove           not wanted  after 3
     5 shop-app-1         await-end        not wanted
     6 shop-worker-1      stop             not wanted
     7 shop-worker-1      remove           not wanted  after 6
     8 shop-worker-1      await-end        not wanted
     9 shop-release-1     remove           not wanted  after 5, 8
    10 shop-db-1-1        stop             not wanted  after 5, 8
    11 shop-db-1-1        remove           not wanted  after 10
    12 shop-pooler-1      stop             not wanted  after 5, 8
    13 shop-pooler-1      remove           not wanted  after 12
    14 shop-pooler-1      await-end        not wanted  after 5, 8
    15 shop-bootstrap-1   remove           not wanted  after 1, 10, 14
    16 shop-pooler-net-1  stop             not wanted  after 14
    17 shop-pooler-net-1  remove           not wanted  after 16
    18 shop_default       remove-network   not wanted  after 1, 3, 6, 10, 16
    keeps volume shop_db-1-data
    keeps volume shop_pooler-conf
    keeps volume shop_state
    ");
}

#[test]
fn down_with_volumes_removes_each_when_nothing_has_it_any_more() {
    let scene = Scene::after(STACK);
    let plan = scene.plan_down(Volumes::Remove);
    assert_eq!(
        plan.destroys().collect::<Vec<_>>(),
        ["shop_pooler-conf", "shop_state", "shop_db-1-data"]
    );
    assert!(plan.keeps.is_empty());
    let last: Vec<_> = plan
        .to_string()
        .lines()
        .rev()
        .take(4)
        .map(str::to_owned)
        .collect();
    assert_snapshot!(last.join("\n"), @"
    21 shop_db-1-data     remove-volume    removal of data asked  after 11, 19, 20
    20 shop_state         remove-volume    removal of data asked  after 15
    19 shop_pooler-conf   remove-volume    removal of data asked  after 13, 15
    18 shop_default       remove-network   not wanted  after 1, 3, 6, 10, 16
    ");
    scene.run(&plan);
    assert!(
        scene.look(STACK).is_empty(),
        "nothing of the project may be left"
    );
}

#[test]
fn each_of_a_chain_stops_when_the_one_before_has_ended_and_not_when_it_is_cleared_away() {
    let mut text = "name: shop\nservices:\n  s0: {image: app, restart: always}\n".to_owned();
    for number in 1..4 {
        let before = number - 1;
        text += &format!(
            "  s{number}: {{image: app, restart: always, depends_on: {{s{before}: {{condition: service_started}}}}}}\n"
        );
    }
    assert_snapshot!(Scene::after(&text).plan_down(Volumes::Keep), @"
     1 shop-s3-1     stop             not wanted
     2 shop-s3-1     remove           not wanted  after 1
     3 shop-s3-1     await-end        not wanted
     4 shop-s2-1     stop             not wanted  after 3
     5 shop-s2-1     remove           not wanted  after 4
     6 shop-s2-1     await-end        not wanted  after 3
     7 shop-s1-1     stop             not wanted  after 6
     8 shop-s1-1     remove           not wanted  after 7
     9 shop-s1-1     await-end        not wanted  after 6
    10 shop-s0-1     stop             not wanted  after 9
    11 shop-s0-1     remove           not wanted  after 10
    12 shop_default  remove-network   not wanted  after 1, 4, 7, 10
    ");
}

#[test]
fn independent_services_all_stop_at_once() {
    let mut text = "name: shop\nservices:\n".to_owned();
    for number in 0..20 {
        text += &format!("  s{number}: {{image: app, restart: always}}\n");
    }
    let plan = Scene::after(&text).plan_down(Volumes::Keep);
    let stops = plan.operations.iter().filter(|it| it.call.verb() == "stop");
    assert_eq!(stops.clone().count(), 20);
    assert!(stops.into_iter().all(|it| it.after.is_empty()), "{plan}");
}

#[test]
fn a_half_built_stack_goes_as_whole_as_a_finished_one() {
    let scene = Scene::new();
    scene.up_until(STACK, at("start", "shop-release-1"));
    scene.run(&scene.plan_down(Volumes::Remove));
    assert!(scene.look(STACK).is_empty());
    assert!(
        scene.plan_down(Volumes::Remove).is_empty(),
        "twice has nothing to do"
    );
}

#[test]
fn containers_in_any_state_go() {
    let text = "name: shop\nservices:\n  a: {image: app, restart: always}\n  b: {image: app, restart: always}\n  c: {image: app, restart: always}\n  d: {image: app, restart: always}\n";
    let scene = Scene::after(text);
    scene.world().crash("shop-a-1");
    scene.world().pause("shop-b-1");
    scene.world().leave_dead("shop-c-1");
    scene.world().containers.get_mut("shop-d-1").unwrap().state =
        scalectl_plan::ContainerState::Removing;
    let plan = scene.plan_down(Volumes::Keep);
    assert_eq!(
        steps(&plan),
        [
            "stop shop-a-1",
            "remove shop-a-1",
            "stop shop-b-1",
            "remove shop-b-1",
            "remove shop-c-1",
            "remove shop-d-1",
            "remove-network shop_default"
        ],
        "only what has or gets processes is stopped"
    );
}

#[test]
fn another_project_and_its_volumes_are_left_alone() {
    let scene = Scene::after(STACK);
    let other = STACK.replace("name: shop", "name: shop-2");
    scene.up(&other);
    scene.run(&scene.plan_down(Volumes::Remove));
    assert!(scene.plan(&other).is_empty(), "{}", scene.plan(&other));
}

/// Between two lives it has no process, and could get one again before its stop.
#[test]
fn what_is_used_by_one_that_restarts_waits_for_its_whole_stop() {
    let text = "name: shop\nservices:\n  db: {image: db, restart: always}\n  app: {image: app, restart: always, depends_on: {db: {condition: service_started}}}\n";
    let scene = Scene::after(text);
    scene.world().crash("shop-app-1");
    assert_snapshot!(scene.plan_down(Volumes::Keep), @"
    1 shop-app-1    stop             not wanted
    2 shop-app-1    remove           not wanted  after 1
    3 shop-db-1     stop             not wanted  after 1
    4 shop-db-1     remove           not wanted  after 3
    5 shop_default  remove-network   not wanted  after 3
    ");
}

/// A cluster of two members: they start beside their store, and end before it.
const CLUSTER: &str = r#"
name: shop
services:
  etcd-1: {image: db, restart: always, volumes: [{source: etcd-1-data, target: /d}]}
  db-1: {image: db, restart: always, labels: {dev.scalectl.uses: etcd-1}, volumes: [{source: db-1-data, target: /d}]}
  db-2: {image: db, restart: always, labels: {dev.scalectl.uses: etcd-1}, volumes: [{source: db-2-data, target: /d}]}
volumes:
  db-1-data: {labels: {dev.scalectl.data: member}}
  db-2-data: {labels: {dev.scalectl.data: member}}
  etcd-1-data: {labels: {dev.scalectl.data: store}}
  state: {}
"#;

#[test]
fn down_ends_members_before_their_store_and_destroys_the_store_first_and_the_founder_last() {
    let scene = Scene::after(CLUSTER);
    assert_snapshot!(scene.plan_down(Volumes::Remove), @"
     1 shop-db-1-1       stop             not wanted
     2 shop-db-1-1       remove           not wanted  after 1
     3 shop-db-1-1       await-end        not wanted
     4 shop-db-2-1       stop             not wanted
     5 shop-db-2-1       remove           not wanted  after 4
     6 shop-db-2-1       await-end        not wanted
     7 shop-etcd-1-1     stop             not wanted  after 3, 6
     8 shop-etcd-1-1     remove           not wanted  after 7
     9 shop_default      remove-network   not wanted  after 1, 4, 7
    10 shop_etcd-1-data  remove-volume    removal of data asked  after 8
    11 shop_state        remove-volume    removal of data asked  after 10
    12 shop_db-2-data    remove-volume    removal of data asked  after 5, 11
    13 shop_db-1-data    remove-volume    removal of data asked  after 2, 12
    ");
}
