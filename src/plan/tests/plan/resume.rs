//! What an `up` that was killed, a crash or a user left: the next plan goes on.

use insta::assert_snapshot;
use scalectl_engine_fake::FakeEngine;

use crate::scene::{Scene, at, files, steps};
use crate::stack::STACK;

#[test]
fn a_container_that_never_started_is_made_anew_for_it_may_lack_files_or_networks() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, networks: {one: {}, two: {}}, configs: [{source: c, target: /c}]}}\nnetworks: {one: {}, two: {}}\nconfigs: {c: {content: x}}\n";
    for verb in ["connect", "upload-files", "start"] {
        let scene = Scene::on(FakeEngine::of_api((1, 41)));
        scene.up_until(text, at(verb, "shop-a-1"));
        let plan = scene.plan(text);
        assert_eq!(
            steps(&plan)[..2],
            ["remove shop-a-1", "create shop-a-1"],
            "killed before {verb}: {plan}"
        );
        scene.run(&plan);
        assert!(scene.plan(text).is_empty());
        let world = scene.world();
        let container = &world.containers["shop-a-1"];
        assert_eq!(container.networks.len(), 2, "killed before {verb}");
        assert_eq!(container.files["/c"], "x", "killed before {verb}");
    }
}

#[test]
fn a_bootstrap_that_is_still_at_work_is_waited_for() {
    let scene = Scene::new();
    scene.up_until(STACK, at("await-completed", "shop-bootstrap-1"));
    let plan = scene.plan(STACK).to_string();
    let first = plan.lines().next().unwrap_or_default();
    assert_eq!(
        first, " 1 shop-bootstrap-1   await-completed  not done yet",
        "{plan}"
    );
}

#[test]
fn a_one_shot_that_failed_runs_again_with_its_files_as_they_are_now() {
    let text = "name: shop\nservices: {setup: {image: app, network_mode: none, configs: [{source: c, target: /c}]}}\nconfigs: {c: {environment: TOKEN}}\n";
    let scene = Scene::new();
    scene
        .world()
        .variables
        .insert("TOKEN".to_owned(), "wrong".to_owned());
    scene.world().ends_with.insert("setup".to_owned(), 1);
    let first = scene.plan(text);
    assert!(
        scene.run_until(&first, |_| false).is_err(),
        "the one-shot must fail"
    );
    assert_snapshot!(scene.plan(text), @"
    1 shop-setup-1  remove           not running (exited with 1)
    2 shop-setup-1  create           not running (exited with 1)  after 1
    3 shop-setup-1  upload-files     not running (exited with 1)  after 2
    4 shop-setup-1  start            not running (exited with 1)  after 3
    5 shop-setup-1  await-completed  not running (exited with 1)  after 4
    ");

    scene.world().ends_with.clear();
    scene
        .world()
        .variables
        .insert("TOKEN".to_owned(), "right".to_owned());
    scene.up(text);
    assert_eq!(
        scene.world().containers["shop-setup-1"].files["/c"],
        "right"
    );
}

#[test]
fn a_stopped_service_whose_value_is_another_now_is_made_anew_with_it() {
    let text = "name: shop\nservices: {a: {image: app, restart: always, configs: [{source: c, target: /c}]}}\nconfigs: {c: {environment: TOKEN}}\n";
    let scene = Scene::new();
    scene
        .world()
        .variables
        .insert("TOKEN".to_owned(), "one".to_owned());
    scene.up(text);
    scene.world().kill("shop-a-1", 1);
    scene
        .world()
        .variables
        .insert("TOKEN".to_owned(), "two".to_owned());
    let plan = scene.plan(text);
    assert_eq!((steps(&plan).len(), files(&plan)), (4, 1), "{plan}");
    scene.run(&plan);
    assert_eq!(scene.world().containers["shop-a-1"].files["/c"], "two");
    scene.world().kill("shop-a-1", 1);
    let plan = scene.plan(text);
    assert_eq!(
        (steps(&plan).len(), files(&plan)),
        (2, 1),
        "with the same value it is only started: {plan}"
    );
}

#[test]
fn bootstrap_fills_a_settings_volume_that_was_lost_even_if_killed_in_between() {
    let scene = Scene::after(STACK);
    scene.world().volumes.remove("shop_pooler-conf");
    assert_snapshot!(scene.plan(STACK), @"
    1 shop-bootstrap-1  remove           volume shop_pooler-conf is new
    2 shop_pooler-conf  create-volume    missing  after 1
    3 shop-bootstrap-1  create           volume shop_pooler-conf is new  after 2
    4 shop-bootstrap-1  upload-files     volume shop_pooler-conf is new  after 3
    5 shop-bootstrap-1  start            volume shop_pooler-conf is new  after 4
    6 shop-bootstrap-1  await-completed  volume shop_pooler-conf is new  after 5
    ");
    for verb in ["create-volume", "create", "start"] {
        let scene = Scene::after(STACK);
        scene.world().volumes.remove("shop_pooler-conf");
        let subject = if verb == "create-volume" {
            "shop_pooler-conf"
        } else {
            "shop-bootstrap-1"
        };
        scene.up_until(STACK, at(verb, subject));
        let steps = steps(&scene.plan(STACK));
        assert!(
            steps.contains(&"await-completed shop-bootstrap-1".to_owned()),
            "killed before {verb}: {steps:?}"
        );
    }
}

#[test]
fn what_a_crash_a_pause_or_docker_left_is_mended_by_the_least_that_helps() {
    let scene = Scene::after(STACK);
    {
        let mut world = scene.world();
        world.kill("shop-db-1-1", 137);
        world.pause("shop-agent-1");
        world.leave_dead("shop-worker-1");
        world.crash("shop-app-1");
    }
    assert_snapshot!(scene.plan(STACK), @"
    1 shop-agent-1   unpause          not running (paused)
    2 shop-agent-1   await-healthy    not running (paused)  after 1
    3 shop-db-1-1    start            not running (exited with 137)
    4 shop-db-1-1    await-healthy    not running (exited with 137)  after 3
    5 shop-app-1     await-healthy    not running (restarting)
    6 shop-worker-1  remove           not running (dead)
    7 shop-worker-1  create           not running (dead)  after 6
    8 shop-worker-1  start            not running (dead)  after 7
    ");
    scene.up(STACK);
    assert!(scene.plan(STACK).is_empty(), "{}", scene.plan(STACK));
}

#[test]
fn dependents_wait_for_one_that_runs_and_is_not_healthy() {
    let scene = Scene::new();
    scene.up_until(STACK, at("await-healthy", "shop-db-1-1"));
    scene.world().never_healthy.insert("db-1".to_owned());
    let plan = scene.plan(STACK);
    let ended = scene.run_until(&plan, |_| false);
    assert_eq!(
        ended.unwrap_err().to_string(),
        "shop-db-1-1 was not healthy within 60 s"
    );
    let world = scene.world();
    let release = world.containers.get("shop-release-1");
    assert!(
        release.is_none_or(|it| it.started_at.is_none()),
        "nothing that waits for it was started"
    );
}

const WORKER: &str =
    "name: shop\nservices: {worker: {image: app, restart: always, x-scalectl: {settle: 1s}}}\n";

#[test]
fn a_worker_that_ends_again_and_again_fails_the_up_that_started_it() {
    let scene = Scene::new();
    scene.world().ends_with.insert("worker".to_owned(), 1);
    let plan = scene.plan(WORKER);
    let ended = scene.run_until(&plan, |_| false);
    let error = ended.expect_err("a worker that does not stay up is not up");
    assert_eq!(
        error.to_string(),
        "shop-worker-1 ended with exit code 1 before it was well"
    );
}

#[test]
fn what_is_between_two_restarts_is_waited_for_although_it_has_no_check() {
    for text in [WORKER, &WORKER.replace("settle: 1s", "update: rolling")] {
        let scene = Scene::after(text);
        scene.world().crash("shop-worker-1");
        assert_eq!(
            scene.plan(text).to_string(),
            "1 shop-worker-1  await-well       not running (restarting)\n"
        );
        scene.run(&scene.plan(text));
        assert!(scene.plan(text).is_empty());
    }
}
