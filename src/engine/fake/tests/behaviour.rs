//! What the fake engine refuses and keeps, as Docker does; and its faults.
//!
//! A fake that is too kind would let a wrong plan pass: each refusal is tested.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use scalectl_documents::{Compose, Span};
use scalectl_engine::{EngineError, Scope};
use scalectl_engine_fake::{FakeEngine, Fault, Stranger};
use scalectl_plan::{Await, Call, ContainerState, Goal, Health, Plan, build};

const TEXT: &str = r#"
name: t
services:
  setup: {image: app, network_mode: none, restart: "no", configs: [{source: c, target: /c}]}
  net: {image: app, restart: always, ports: [{target: 80, published: "80"}]}
  web:
    image: app
    restart: always
    network_mode: service:net
    healthcheck: {test: [CMD, ok]}
    volumes: [{source: v, target: /v}]
volumes: {v: {}}
configs: {c: {environment: TOKEN}}
"#;

fn engine() -> FakeEngine {
    let engine = FakeEngine::new();
    engine.world().add_image("app");
    let mut world = engine.world();
    world.variables.insert("TOKEN".to_owned(), "x".to_owned());
    drop(world);
    engine
}

fn plan(engine: &FakeEngine) -> Plan {
    let compose = Compose::parse(TEXT).expect("a valid document");
    let goal = Goal::up(&compose, Span::seconds(60));
    build(&goal, &engine.look(&Scope::of(&compose))).expect("nothing in the way")
}

/// The engine right before the first call of `verb` on `subject`, and that call.
fn at(verb: &str, subject: &str) -> (FakeEngine, Call) {
    let engine = engine();
    for operation in plan(&engine).operations {
        if (operation.call.verb(), operation.call.subject()) == (verb, subject) {
            return (engine, operation.call);
        }
        engine.call(&operation.call).expect("each call succeeds");
    }
    panic!("no {verb} {subject}")
}

/// The engine with all of it up.
fn up() -> FakeEngine {
    let engine = engine();
    for operation in plan(&engine).operations {
        engine.call(&operation.call).expect("each call succeeds");
    }
    engine
}

fn error(ended: Result<(), EngineError>) -> String {
    ended.expect_err("it must be refused").to_string()
}

#[test]
fn a_create_call_needs_a_free_name_an_image_a_network_a_volume_and_its_holder() {
    let (engine, create) = at("create", "t-web-1");
    engine.world().add_stranger("t-web-1", Stranger::default());
    let taken = "the name t-web-1 is taken by something that scalectl did not make (a stranger)";
    assert_eq!(error(engine.call(&create)), taken);

    let (engine, create) = at("create", "t-web-1");
    engine.world().images.clear();
    assert_eq!(
        error(engine.call(&create)),
        "the engine does not have the image app"
    );

    let (engine, create) = at("create", "t-web-1");
    engine.world().volumes.clear();
    assert_eq!(
        error(engine.call(&create)),
        "the engine refused to create t-web-1: volume not found"
    );

    let (engine, create) = at("create", "t-net-1");
    engine.world().networks.clear();
    assert_eq!(
        error(engine.call(&create)),
        "the engine refused to create t-net-1: network not found"
    );

    let (engine, create) = at("create", "t-web-1");
    engine.world().remove_by_force("t-net-1");
    let alone = "the engine refused to create t-web-1: the container to join is not there";
    assert_eq!(error(engine.call(&create)), alone);
    engine.call(&create).expect_err("twice is no better");
}

#[test]
fn a_start_needs_a_running_holder_a_free_port_and_the_network_it_knows() {
    let (engine, start) = at("start", "t-web-1");
    engine.world().kill("t-net-1", 0);
    let alone = "the engine refused to start t-web-1: the container to join does not run";
    assert_eq!(error(engine.call(&start)), alone);

    let (engine, start) = at("start", "t-net-1");
    let ports = vec![("127.0.0.1".to_owned(), 80)];
    engine.world().add_stranger(
        "nginx",
        Stranger {
            ports,
            ..Default::default()
        },
    );
    assert_eq!(
        error(engine.call(&start)),
        "port 80 on 0.0.0.0 is already in use by the container nginx"
    );

    let engine = up();
    engine.world().kill("t-net-1", 0);
    engine.world().prune_networks();
    engine.world().add_network("t_default");
    let start = Call::StartContainer {
        container: "t-net-1".to_owned(),
    };
    let other = "the engine refused to start t-net-1: network t_default not found";
    assert_eq!(
        error(engine.call(&start)),
        other,
        "a namesake is another network"
    );
}

#[test]
fn what_runs_or_is_used_is_not_removed_and_what_is_gone_is_removed_already() {
    let engine = up();
    let id = engine.world().containers["t-web-1"].id.clone();
    let name = "t-web-1".to_owned();
    let remove = Call::RemoveContainer {
        name: name.clone(),
        id: id.clone(),
    };
    assert_eq!(
        error(engine.call(&remove)),
        "the engine refused to remove t-web-1: it runs"
    );
    let volume = Call::RemoveVolume {
        name: "t_v".to_owned(),
    };
    assert_eq!(
        error(engine.call(&volume)),
        "the engine refused to remove the volume t_v: volume is in use"
    );
    let network = Call::RemoveNetwork {
        name: "t_default".to_owned(),
        id: engine.world().networks["t_default"].id.clone(),
    };
    let busy = "the engine refused to remove the network t_default: it has active endpoints";
    assert_eq!(error(engine.call(&network)), busy);

    let stop = Call::StopContainer {
        name,
        id,
        grace: None,
    };
    for call in [&stop, &stop, &remove, &remove, &volume, &volume] {
        engine
            .call(call)
            .expect("stopped and gone is what was asked");
    }
    let call = Call::StopContainer {
        name: "t-net-1".to_owned(),
        id: engine.world().containers["t-net-1"].id.clone(),
        grace: None,
    };
    engine.call(&call).expect("it stops");
    engine
        .call(&network)
        .expect("what has stopped has no endpoint");
}

#[test]
fn health_comes_after_the_start_unless_told_otherwise() {
    let (engine, wait) = at("await-healthy", "t-web-1");
    assert_eq!(
        engine.world().containers["t-web-1"].health,
        Health::Starting
    );
    engine.world().never_healthy.insert("web".to_owned());
    assert_eq!(
        error(engine.call(&wait)),
        "t-web-1 was not healthy within 60 s"
    );
    engine.world().never_healthy.clear();
    engine.call(&wait).expect("it becomes healthy");
    assert_eq!(engine.world().containers["t-web-1"].health, Health::Healthy);

    engine.world().restart("t-net-1");
    assert!(engine.world().is_stranded("t-web-1"));
    assert_eq!(
        error(engine.call(&wait)),
        "t-web-1 was not healthy within 60 s"
    );
}

#[test]
fn a_one_shot_ends_well_with_its_files_and_with_1_without() {
    let (engine, wait) = at("await-completed", "t-setup-1");
    engine.call(&wait).expect("it has its files");
    assert_eq!(
        engine.world().containers["t-setup-1"].state,
        ContainerState::Exited { code: 0 }
    );

    let (engine, _) = at("upload-files", "t-setup-1");
    let container = "t-setup-1".to_owned();
    engine
        .call(&Call::StartContainer { container })
        .expect("it starts");
    assert_eq!(
        error(engine.call(&wait)),
        "t-setup-1 ended with exit code 1 before it was done"
    );

    let (engine, upload) = at("upload-files", "t-setup-1");
    engine.world().variables.clear();
    assert_eq!(
        error(engine.call(&upload)),
        "the environment variable TOKEN is not set"
    );
}

#[test]
fn a_command_needs_a_container_that_runs() {
    let engine = up();
    let exec = Call::Exec {
        container: "t-web-1".to_owned(),
        command: vec!["drain".to_owned()],
        deadline: Span::seconds(1),
    };
    engine.call(&exec).expect("it runs");
    engine.world().refuses_commands.insert("web".to_owned());
    assert_eq!(
        error(engine.call(&exec)),
        "`drain` in t-web-1 ended with exit code 1: no"
    );
    engine.world().kill("t-web-1", 0);
    assert_eq!(
        error(engine.call(&exec)),
        "the engine refused to run a command in t-web-1: it does not run"
    );
    let wait = Call::Await {
        container: "nobody".to_owned(),
        wait: Await::Healthy,
        deadline: Span::seconds(1),
    };
    assert_eq!(error(engine.call(&wait)), "nobody is gone");
}

#[test]
fn a_fault_hits_its_call_alone_and_tells_no_more_than_an_engine_would() {
    for (fault, is_done, is_unknown) in [
        (Fault::Refused, false, false),
        (Fault::ReplyLostBefore, false, true),
        (Fault::ReplyLostAfter, true, true),
    ] {
        let (engine, create) = at("create", "t-net-1");
        engine.fail(1, fault);
        let error = engine.call(&create).expect_err("the fault must show");
        assert_eq!(error.is_unknown(), is_unknown, "{fault:?}");
        assert_eq!(
            engine.world().containers.contains_key("t-net-1"),
            is_done,
            "{fault:?}"
        );
        assert_eq!(
            engine.call(&create).is_ok(),
            !is_done,
            "{fault:?} hits once"
        );
        engine.fail(1, fault);
        engine.heal();
        let again = engine.call(&create);
        assert!(
            !matches!(again, Err(EngineError::Unknown { .. })),
            "{fault:?} was healed"
        );
        assert_eq!(
            engine
                .calls()
                .iter()
                .filter(|call| **call == create)
                .count(),
            3,
            "all are logged"
        );
    }
}
