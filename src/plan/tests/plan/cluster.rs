//! Members of one cluster: only one at a time is stopped for its successor.

use insta::assert_snapshot;
use scalectl_plan::Call;

use crate::scene::{Scene, at, precedes};

const CLUSTER: &str = r#"
name: shop
services:
  db-1: &member {image: db, restart: always, healthcheck: {test: [CMD, ok]}, x-scalectl: {turn: database}}
  db-2: *member
  db-3: *member
  other: {image: db, restart: always, healthcheck: {test: [CMD, ok]}}
"#;

#[test]
fn members_of_a_cluster_change_over_one_after_the_other() {
    let scene = Scene::after(CLUSTER);
    scene.world().add_image("db");
    assert_snapshot!(scene.plan(CLUSTER), @"
     1 shop-db-1-1   stop             image changed
     2 shop-db-1-1   remove           image changed  after 1
     3 shop-db-1-1   create           image changed  after 2
     4 shop-db-1-1   start            image changed  after 3
     5 shop-db-1-1   await-healthy    image changed  after 4
     6 shop-db-2-1   stop             image changed  after 5
     7 shop-db-2-1   remove           image changed  after 6
     8 shop-db-2-1   create           image changed  after 7
     9 shop-db-2-1   start            image changed  after 8
    10 shop-db-2-1   await-healthy    image changed  after 9
    11 shop-db-3-1   stop             image changed  after 10
    12 shop-db-3-1   remove           image changed  after 11
    13 shop-db-3-1   create           image changed  after 12
    14 shop-db-3-1   start            image changed  after 13
    15 shop-db-3-1   await-healthy    image changed  after 14
    16 shop-other-1  stop             image changed
    17 shop-other-1  remove           image changed  after 16
    18 shop-other-1  create           image changed  after 17
    19 shop-other-1  start            image changed  after 18
    20 shop-other-1  await-healthy    image changed  after 19
    ");
}

#[test]
fn a_member_that_stays_must_be_well_before_another_is_stopped() {
    let scene = Scene::after(CLUSTER);
    let changed = CLUSTER.replace(
        "db-1: &member {image: db,",
        "db-1: &member {image: db, user: '1',",
    );
    scene.up_until(&changed, at("stop", "shop-db-2-1"));
    scene
        .world()
        .containers
        .get_mut("shop-db-3-1")
        .unwrap()
        .health = scalectl_plan::Health::Unhealthy;
    scene.world().never_healthy.insert("db-3".to_owned());
    let plan = scene.plan(&changed.replace("db-3: *member", "db-3: {image: db, restart: always, healthcheck: {test: [CMD, ok]}, x-scalectl: {turn: database}}"));
    assert!(
        precedes(
            &plan,
            at("await-healthy", "shop-db-3-1"),
            at("stop", "shop-db-2-1")
        ),
        "{plan}"
    );
}

#[test]
fn a_first_up_of_a_cluster_starts_all_members_at_once() {
    let plan = Scene::new().plan(CLUSTER);
    assert!(
        !precedes(
            &plan,
            at("start", "shop-db-1-1"),
            at("start", "shop-db-2-1")
        ),
        "{plan}"
    );
}

#[test]
fn what_runs_on_a_member_leaves_it_before_its_turn() {
    let drained = CLUSTER.replace(
        "turn: database}}\n",
        "turn: database, drain: {service: agent, command: [vacate, '{name}']}}}\n",
    ) + "  agent: {image: agent, restart: always}\n";
    let scene = Scene::after(&drained);
    scene.world().add_image("db");
    let plan = scene.plan(&drained);
    let vacate = |member: &str| {
        plan.operations
            .iter()
            .position(|it| matches!(&it.call, Call::Exec { command, .. } if command[1] == member))
            .unwrap()
    };
    for (member, before) in [
        ("shop-db-2-1", "shop-db-1-1"),
        ("shop-db-3-1", "shop-db-2-1"),
    ] {
        let (at_vacate, well) = (
            vacate(member),
            plan.operations
                .iter()
                .position(|it| it.call.verb() == "await-healthy" && it.call.subject() == before)
                .unwrap(),
        );
        assert!(
            well < at_vacate,
            "{member} is vacated while {before} is away: {plan}"
        );
        assert!(
            plan.operations[at_vacate]
                .after
                .contains(&plan.operations[well].id),
            "{plan}"
        );
    }
    assert!(
        precedes(&plan, at("exec", "shop-agent-1"), at("stop", "shop-db-1-1")),
        "{plan}"
    );
    scene.run(&plan);
}
