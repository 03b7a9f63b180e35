//! Rolling: who is drained by whom, and leftovers of a roll that was killed.

use insta::assert_snapshot;
use scalectl_plan::Call;

use crate::scene::{Scene, at, precedes, steps};
use crate::stack::STACK;

fn changed() -> String {
    STACK.replace("hello", "good day")
}

#[test]
fn a_roll_killed_after_the_new_one_started_only_takes_the_old_one_out() {
    let scene = Scene::after(STACK);
    scene.up_until(&changed(), at("await-healthy", "shop-app-2"));
    assert_snapshot!(scene.plan(&changed()), @"
    1 shop-app-2    await-healthy    not healthy yet
    2 shop-agent-1  exec             definition changed  runs `drain 10.0.0.30`  after 1
    3 shop-app-1    stop             definition changed  after 2
    4 shop-app-1    remove           definition changed  after 3
    ");
}

#[test]
fn a_roll_killed_before_the_new_one_started_makes_it_anew_under_its_number() {
    let scene = Scene::after(STACK);
    scene.up_until(&changed(), at("start", "shop-app-2"));
    assert_snapshot!(scene.plan(&changed()), @"
    1 shop-app-2    remove           not running (created)
    2 shop-app-2    create           not running (created)  after 1
    3 shop-app-2    start            not running (created)  after 2
    4 shop-app-2    await-healthy    not running (created)  after 3
    5 shop-agent-1  exec             definition changed  runs `drain 10.0.0.30`  after 4
    6 shop-app-1    stop             definition changed  after 5
    7 shop-app-1    remove           definition changed  after 6
    ");
}

#[test]
fn a_roll_that_is_taken_back_keeps_the_old_one_and_removes_the_new() {
    let scene = Scene::after(STACK);
    scene.up_until(&changed(), at("exec", "shop-agent-1"));
    assert_snapshot!(scene.plan(STACK), @"
    1 shop-agent-1  exec             definition changed  runs `drain 10.0.0.37`
    2 shop-app-2    stop             definition changed  after 1
    3 shop-app-2    remove           definition changed  after 2
    ");
}

#[test]
fn two_wrong_definitions_give_way_to_one_right_one() {
    let scene = Scene::after(STACK);
    scene.up_until(&changed(), at("exec", "shop-agent-1"));
    assert_snapshot!(scene.plan(&STACK.replace("hello", "good night")), @"
    1 shop-app-3    create           definition changed
    2 shop-app-3    start            definition changed  after 1
    3 shop-app-3    await-healthy    definition changed  after 2
    4 shop-agent-1  exec             superseded by shop-app-3  runs `drain 10.0.0.30`  after 3
    5 shop-app-1    stop             superseded by shop-app-3  after 4
    6 shop-app-1    remove           superseded by shop-app-3  after 5
    7 shop-agent-1  exec             definition changed  runs `drain 10.0.0.37`  after 5
    8 shop-app-2    stop             definition changed  after 7
    9 shop-app-2    remove           definition changed  after 8
    ");
}

#[test]
fn replicas_roll_one_after_the_other_and_never_serve_fewer() {
    let two = STACK.replace("GREETING: hello}", "GREETING: hello}\n    scale: 2");
    let scene = Scene::after(&two);
    assert_snapshot!(scene.plan(&two.replace("hello", "good day")), @"
     1 shop-app-3    create           definition changed
     2 shop-app-3    start            definition changed  after 1
     3 shop-app-3    await-healthy    definition changed  after 2
     4 shop-agent-1  exec             superseded by shop-app-3  runs `drain 10.0.0.30`  after 3
     5 shop-app-1    stop             superseded by shop-app-3  after 4
     6 shop-app-1    remove           superseded by shop-app-3  after 5
     7 shop-app-4    create           definition changed
     8 shop-app-4    start            definition changed  after 5, 7
     9 shop-app-4    await-healthy    definition changed  after 8
    10 shop-agent-1  exec             superseded by shop-app-4  runs `drain 10.0.0.34`  after 9
    11 shop-app-2    stop             superseded by shop-app-4  after 10
    12 shop-app-2    remove           superseded by shop-app-4  after 11
    ");
}

#[test]
fn where_the_draining_container_does_not_run_the_old_one_just_ends() {
    let no_agent = STACK.replace(
        "    image: agent\n    restart: unless-stopped",
        "    image: agent\n    scale: 0\n    restart: unless-stopped",
    );
    let scene = Scene::after(&no_agent);
    let plan = scene.plan(&no_agent.replace("hello", "good day"));
    assert!(
        !steps(&plan).contains(&"exec shop-agent-1".to_owned()),
        "{plan}"
    );
    scene.run(&plan);
}

#[test]
fn a_draining_container_that_is_down_is_brought_up_first() {
    let scene = Scene::after(STACK);
    scene.world().kill("shop-agent-1", 1);
    let plan = scene.plan(&changed());
    assert!(
        precedes(
            &plan,
            at("await-healthy", "shop-agent-1"),
            at("exec", "shop-agent-1")
        ),
        "{plan}"
    );
    assert!(
        precedes(&plan, at("exec", "shop-agent-1"), at("stop", "shop-app-1")),
        "{plan}"
    );
    assert!(
        plan.operations.iter().all(
            |it| !matches!(&it.call, Call::Exec { deadline, .. } if deadline.0.as_secs() != 60)
        ),
        "a drain has a deadline"
    );
}

#[test]
fn a_draining_container_that_is_replaced_drains_when_it_is_new() {
    let scene = Scene::after(STACK);
    scene.world().add_image("agent");
    let plan = scene.plan(&changed());
    assert!(
        precedes(
            &plan,
            at("await-healthy", "shop-agent-1"),
            at("exec", "shop-agent-1")
        ),
        "{plan}"
    );
}

#[test]
fn a_draining_service_that_waits_for_the_drained_one_ends_after_it_has_drained() {
    let text = "name: shop\nservices:\n  a: {image: app, restart: always, x-scalectl: {update: rolling, drain: {service: z, command: [d]}}}\n  z: {image: agent, restart: always, depends_on: {a: {condition: service_started}}}\n";
    let scene = Scene::after(text);
    let plan = scene.plan(&text.replace("restart: always", "user: '1', restart: always"));
    assert!(
        precedes(&plan, at("exec", "shop-z-1"), at("stop", "shop-z-1")),
        "{plan}"
    );
    scene.run(&plan);
}

const KNOWN: &str =
    "update: rolling\n      ready: {service: agent, command: [ready, \"{name}\"]}\n      drain";

#[test]
fn an_old_one_is_drained_when_those_in_front_know_the_new_one() {
    let stack = STACK.replace("update: rolling\n      drain", KNOWN);
    let scene = Scene::after(&stack);
    let changed = stack.replace("hello", "good day");
    assert_snapshot!(scene.plan(&changed), @"
    1 shop-app-2    create           definition changed
    2 shop-app-2    start            definition changed  after 1
    3 shop-app-2    await-healthy    definition changed  after 2
    4 shop-agent-1  exec             definition changed  runs `ready shop-app-2`  after 3
    5 shop-agent-1  exec             superseded by shop-app-2  runs `drain 10.0.0.30`  after 4
    6 shop-app-1    stop             superseded by shop-app-2  after 5
    7 shop-app-1    remove           superseded by shop-app-2  after 6
    ");
    scene.up_until(&changed, at("exec", "shop-agent-1"));
    assert_snapshot!(scene.plan(&changed), @"
    1 shop-agent-1  exec             definition changed  runs `ready shop-app-2`
    2 shop-agent-1  exec             definition changed  runs `drain 10.0.0.30`  after 1
    3 shop-app-1    stop             definition changed  after 2
    4 shop-app-1    remove           definition changed  after 3
    ");
}

#[test]
fn after_a_death_at_work_it_is_made_sure_that_those_in_front_know_what_runs() {
    let stack = STACK.replace("update: rolling\n      drain", KNOWN);
    let scene = Scene::after(&stack);
    assert!(scene.plan(&stack).is_empty(), "all is as it should be");
    assert_snapshot!(scene.plan_unsettled(&stack), @"1 shop-agent-1  exec             a scalectl ended before this was sure  runs `ready shop-app-1`");
}

#[test]
fn a_service_with_a_published_port_cannot_roll() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, ports: [{target: 80, published: '80'}], x-scalectl: {update: rolling}}}\n";
    let scene = Scene::after(text);
    let plan = scene.plan(&text.replace("restart: always", "user: '1', restart: always"));
    assert_eq!(
        steps(&plan),
        [
            "stop shop-a-1",
            "remove shop-a-1",
            "create shop-a-1",
            "start shop-a-1"
        ]
    );
    scene.run(&plan);
}

const FRONT: &str = "
name: shop
services:
  edge: {image: app, restart: always, healthcheck: {test: [CMD, ok]}, x-scalectl: {update: rolling, turn: front}}
  app: {image: app, restart: always, healthcheck: {test: [CMD, ok]}, x-scalectl: {update: rolling, turn: front, drain: {service: agent, command: [drain, '{address}']}}}
  agent: {image: agent, restart: always}
";

#[test]
fn services_that_take_turns_roll_one_after_the_other() {
    let scene = Scene::after(FRONT);
    let plan = scene.plan(&FRONT.replace(
        "restart: always, healthcheck",
        "user: '1', restart: always, healthcheck",
    ));
    let app_first = precedes(&plan, at("stop", "shop-app-1"), at("start", "shop-edge-2"));
    let edge_first = precedes(&plan, at("stop", "shop-edge-1"), at("start", "shop-app-2"));
    assert!(app_first || edge_first, "{plan}");
    scene.run(&plan);
}

#[test]
fn the_first_up_of_services_that_take_turns_starts_them_side_by_side() {
    let plan = Scene::new().plan(FRONT);
    assert!(
        !precedes(&plan, at("start", "shop-edge-1"), at("start", "shop-app-1"))
            && !precedes(&plan, at("start", "shop-app-1"), at("start", "shop-edge-1")),
        "{plan}"
    );
}

#[test]
fn a_container_in_anothers_network_drains_itself_before_it_goes() {
    let text = "name: shop\nservices:\n  net: {image: app, restart: always, x-scalectl: {update: holder}}\n  a: {image: app, restart: always, network_mode: 'service:net', x-scalectl: {update: rolling, drain: {service: a, command: [leave, '{name}']}}}\n";
    let scene = Scene::after(text);
    let plan = scene.plan(&text.replace("  a: {image: app,", "  a: {image: app, user: '1',"));
    let leaves = plan.operations.iter().any(|it| matches!(&it.call, Call::Exec { container, command, .. } if container == "shop-a-1" && command == &["leave", "shop-a-1"]));
    assert!(leaves, "{plan}");
    scene.run(&plan);
}
