//! `restart`: what is there, stopped and started, one after another where
//! others can serve on.

use insta::assert_snapshot;
use scalectl_documents::Span;
use scalectl_plan::{Goal, Health, Observed, Plan, in_place, restart, restart_as, stranded};

use crate::scene::{Scene, at, parse, precedes, steps};
use crate::stack::STACK;

const CLUSTER: &str = "
name: shop
services:
  etcd-1:
    image: base
    restart: always
    healthcheck: {test: [CMD, probe]}
  db-1: &member
    image: db
    restart: always
    healthcheck: {test: [CMD, probe]}
    depends_on: {etcd-1: {condition: service_healthy}}
  db-2: *member
  app:
    image: app
    restart: always
    scale: 2
    depends_on: {db-1: {condition: service_healthy}}
";

fn plan(scene: &Scene, text: &str, services: &[&str]) -> Plan {
    let services: Vec<_> = services.iter().map(|it| (*it).to_owned()).collect();
    restart("shop", &scene.look(text), &services, Span::seconds(60))
}

#[test]
fn members_of_a_cluster_and_copies_of_a_service_take_turns_after_what_they_need() {
    let scene = Scene::after(CLUSTER);
    assert_snapshot!(plan(&scene, CLUSTER, &[]), @"
     1 shop-etcd-1-1  stop             restart asked
     2 shop-etcd-1-1  start            restart asked  after 1
     3 shop-etcd-1-1  await-healthy    restart asked  after 2
     4 shop-db-1-1    stop             restart asked  after 3
     5 shop-db-1-1    start            restart asked  after 4
     6 shop-db-1-1    await-healthy    restart asked  after 5
     7 shop-app-1     stop             restart asked  after 6
     8 shop-app-1     start            restart asked  after 7
     9 shop-app-1     await-well       restart asked  after 8
    10 shop-app-2     stop             restart asked  after 9
    11 shop-app-2     start            restart asked  after 10
    12 shop-app-2     await-well       restart asked  after 11
    13 shop-db-2-1    stop             restart asked  after 6
    14 shop-db-2-1    start            restart asked  after 13
    15 shop-db-2-1    await-healthy    restart asked  after 14
    ");
}

#[test]
fn whoever_lives_in_a_restarted_network_is_restarted_with_it() {
    let scene = Scene::after(STACK);
    let plan = plan(&scene, STACK, &["pooler-net"]);
    assert_snapshot!(plan, @"
    1 shop-pooler-1      stop             network of shop-pooler-net-1 is gone
    2 shop-pooler-net-1  stop             restart asked  after 1
    3 shop-pooler-net-1  start            restart asked  after 2
    4 shop-pooler-net-1  await-well       restart asked  after 3
    5 shop-pooler-1      start            network of shop-pooler-net-1 is gone  after 3
    6 shop-pooler-1      await-healthy    network of shop-pooler-net-1 is gone  after 5
    ");
    scene.run(&plan);
    assert!(
        stranded(&scene.look(STACK)).is_empty(),
        "nobody may be left in a network that is gone"
    );
    assert!(scene.plan(STACK).is_empty(), "up has nothing to mend");
}

#[test]
fn only_the_named_service_is_restarted_and_nothing_is_made_anew() {
    let scene = Scene::after(STACK);
    let plan = plan(&scene, STACK, &["app"]);
    assert!(
        plan.operations
            .iter()
            .all(|it| it.call.subject() == "shop-app-1"),
        "only app may be touched:\n{plan}"
    );
    assert!(
        steps(&plan)
            .iter()
            .all(|it| !it.starts_with("create") && !it.starts_with("remove")),
        "its container stays:\n{plan}"
    );
    scene.run(&plan);
    assert!(scene.plan(STACK).is_empty(), "it is right as it was");
}

#[test]
fn one_that_does_not_run_is_waited_for_like_any_other() {
    let scene = Scene::after(STACK);
    scene.world().kill("shop-app-1", 1);
    let plan = plan(&scene, STACK, &["app"]);
    assert_eq!(steps(&plan), ["start shop-app-1", "await-well shop-app-1"]);
    scene.world().never_healthy.insert("app".to_owned());
    assert!(
        scene.run_until(&plan, |_| false).is_err(),
        "started is not yet well"
    );
}

#[test]
fn a_restart_of_everything_leaves_what_has_ended_alone() {
    let plan = plan(&Scene::after(STACK), STACK, &[]);
    for ended in ["shop-bootstrap-1", "shop-release-1"] {
        assert!(
            plan.operations.iter().all(|it| it.call.subject() != ended),
            "{ended} has done its work:\n{plan}"
        );
    }
    assert!(
        precedes(
            &plan,
            at("await-healthy", "shop-db-1-1"),
            at("stop", "shop-app-1")
        ),
        "what is depended on comes first, through release, too:\n{plan}"
    );
}

#[test]
fn a_container_is_stranded_when_its_holder_is_gone_or_was_started_later() {
    let scene = Scene::after(STACK);
    let look = || scene.look(STACK);
    assert!(stranded(&look()).is_empty(), "a fresh stack has none");

    let mut seen = look();
    let holder = seen.containers.get_mut("shop-pooler-net-1").unwrap();
    holder.started_at = Some(u64::MAX);
    assert_eq!(
        stranded(&seen).into_iter().collect::<Vec<_>>(),
        [("shop-pooler-1", "shop-pooler-net-1")]
    );

    let mut seen = look();
    seen.containers.remove("shop-pooler-net-1");
    assert!(
        stranded(&seen).contains_key("shop-pooler-1"),
        "its holder is gone"
    );
}

fn with_document(scene: &Scene, text: &str, services: &[&str]) -> Plan {
    let services: Vec<_> = services.iter().map(|it| (*it).to_owned()).collect();
    let compose = parse(text);
    let goal = Goal::up(&compose, Span::seconds(60));
    restart_as(&goal, &scene.look(text), &services)
}

#[test]
fn a_named_service_that_rolls_gets_a_successor_before_it_is_drained_and_ends() {
    let scene = Scene::after(STACK);
    let plan = with_document(&scene, STACK, &["app", "pooler"]);
    assert_snapshot!(plan, @"
     1 shop-pooler-2  create           restart asked
     2 shop-pooler-2  start            restart asked  after 1
     3 shop-pooler-2  await-healthy    restart asked  after 2
     4 shop-pooler-1  stop             superseded by shop-pooler-2  after 3
     5 shop-pooler-1  remove           superseded by shop-pooler-2  after 4
     6 shop-app-2     create           restart asked
     7 shop-app-2     start            restart asked  after 3, 6
     8 shop-app-2     await-healthy    restart asked  after 7
     9 shop-agent-1   exec             superseded by shop-app-2  runs `drain 10.0.0.30`  after 8
    10 shop-app-1     stop             superseded by shop-app-2  after 9
    11 shop-app-1     remove           superseded by shop-app-2  after 10
    ");
    scene.run(&plan);
    assert!(scene.plan(STACK).is_empty(), "up has nothing to mend");
}

#[test]
fn what_cannot_roll_is_told_with_what_was_found() {
    let why = |text: &str, change: &dyn Fn(&mut Observed)| {
        let scene = Scene::after(STACK);
        let compose = parse(text);
        let mut observed = scene.look(text);
        change(&mut observed);
        let goal = Goal::up(&compose, Span::seconds(60));
        in_place(&goal, &observed, &["app".to_owned(), "db-1".to_owned()])
    };
    let app = |text: &str, change| why(text, change).remove("app").unwrap_or_default();
    assert!(
        why(STACK, &|_| ()).is_empty(),
        "the app rolls, a database never does"
    );
    assert_eq!(
        app(&STACK.replace("GREETING: hello", "GREETING: bye"), &|_| ()),
        "shop-app-1 is to be replaced by `up` (definition changed)"
    );
    assert_eq!(
        app(STACK, &|seen| {
            seen.containers.get_mut("shop-app-1").unwrap().health = Health::Unhealthy;
        }),
        "shop-app-1 is not healthy yet"
    );
    assert_eq!(
        app(STACK, &|seen| drop(seen.containers.remove("shop-app-1"))),
        "0 of them are there, not 1"
    );
    assert_eq!(
        app(STACK, &|seen| drop(seen.images.remove("app"))),
        "the image app is missing"
    );
}

#[test]
fn what_scale_yaml_says_otherwise_now_waits_for_up() {
    let scene = Scene::after(STACK);
    let edited = STACK.replace("GREETING: hello", "GREETING: bye");
    let plan = with_document(&scene, &edited, &["app", "pooler"]);
    assert_eq!(
        steps(&plan)
            .into_iter()
            .filter(|it| it.contains("-app-"))
            .collect::<Vec<_>>(),
        [
            "stop shop-app-1",
            "start shop-app-1",
            "await-healthy shop-app-1"
        ],
        "the app stays as it is made:\n{plan}"
    );
    assert!(
        plan.operations.iter().any(at("create", "shop-pooler-2")),
        "what is unchanged rolls all the same:\n{plan}"
    );
    scene.run(&plan);
}

#[test]
fn a_service_rolls_not_when_its_network_is_restarted_with_it() {
    let scene = Scene::after(STACK);
    let plan = with_document(&scene, STACK, &["pooler-net", "pooler"]);
    assert!(
        steps(&plan).iter().all(|it| !it.starts_with("create")),
        "its successor would have no network:\n{plan}"
    );
    scene.run(&plan);
    assert!(
        stranded(&scene.look(STACK)).is_empty(),
        "nobody is left behind"
    );
    assert!(scene.plan(STACK).is_empty(), "up has nothing to mend");
}

#[test]
fn members_of_a_cluster_are_vacated_one_after_the_other_before_they_stop() {
    let text = CLUSTER.replace(
        "    depends_on: {etcd-1",
        "    x-scalectl: {turn: database, drain: {service: etcd-1, command: [vacate, \"{name}\"]}}\n    depends_on: {etcd-1",
    );
    let scene = Scene::after(&text);
    assert_snapshot!(with_document(&scene, &text, &["db-1", "db-2"]), @"
    1 shop-etcd-1-1  exec             restart asked  runs `vacate shop-db-1-1`
    2 shop-db-1-1    stop             restart asked  after 1
    3 shop-db-1-1    start            restart asked  after 2
    4 shop-db-1-1    await-healthy    restart asked  after 3
    5 shop-etcd-1-1  exec             restart asked  runs `vacate shop-db-2-1`  after 4
    6 shop-db-2-1    stop             restart asked  after 5
    7 shop-db-2-1    start            restart asked  after 6
    8 shop-db-2-1    await-healthy    restart asked  after 7
    ");
    assert_eq!(
        with_document(&scene, &text, &[]),
        plan(&scene, &text, &[]),
        "when all of it ends nobody is kept unaware"
    );
}

#[test]
fn a_restart_of_everything_makes_nothing_anew_with_a_document_either() {
    let scene = Scene::after(STACK);
    let plan = with_document(&scene, STACK, &[]);
    assert!(
        steps(&plan).iter().all(|it| !it.starts_with("create")),
        "{plan}"
    );
}
