//! Waiting until a container is healthy or done: by events, to a clear end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{Project, create, engine, health, start, wait};
use scalectl_documents::{Logging, Restart, Span};
use scalectl_engine::{Engine, EngineError};
use scalectl_plan::{Await, Call};

#[tokio::test]
async fn a_failed_run_says_its_exit_code_and_its_last_lines() {
    let project = Project::new("fails");
    let engine = engine().await;
    let spec = project.shell(
        "release",
        "for line in $(seq 1 30); do echo line $line; done; echo no database; exit 3",
    );
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let error = engine
        .apply(&wait(&spec.name, Await::Completed, 60))
        .await
        .unwrap_err();
    let EngineError::Ended {
        service,
        wanted,
        code,
        tail,
        ..
    } = error
    else {
        panic!("expected Ended, got {error}")
    };
    assert_eq!((service.as_str(), wanted, code), ("release", "done", 3));
    assert_eq!(tail.0.len(), 20, "{:?}", tail.0);
    assert!(tail.0.contains(&"no database".to_owned()), "{:?}", tail.0);
    assert!(tail.0.contains(&"line 30".to_owned()), "{:?}", tail.0);
}

#[tokio::test]
async fn a_container_that_never_gets_healthy_ends_the_wait_at_its_deadline() {
    let project = Project::new("late");
    let engine = engine().await;
    let mut spec = project.shell("db", "echo starting; sleep 600");
    spec.service.healthcheck = Some(health("false"));
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let began = Instant::now();
    let error = engine
        .apply(&wait(&spec.name, Await::Healthy, 2))
        .await
        .unwrap_err();
    let EngineError::Deadline {
        service,
        wanted,
        seconds,
        tail,
        ..
    } = error
    else {
        panic!("got {error}")
    };
    assert_eq!((service.as_str(), wanted, seconds), ("db", "healthy", 2));
    assert_eq!(tail.0, ["starting"]);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "the deadline was 2 s, it took {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_container_that_ends_while_it_is_waited_for_fails_the_wait_at_once() {
    let project = Project::new("ends");
    let engine = engine().await;
    let mut spec = project.shell("db", "echo out of luck; sleep 0.5; exit 7");
    spec.service.healthcheck = Some(health("false"));
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let began = Instant::now();
    let error = engine
        .apply(&wait(&spec.name, Await::Healthy, 60))
        .await
        .unwrap_err();
    let EngineError::Ended {
        code: 7,
        wanted: "healthy",
        tail,
        ..
    } = error
    else {
        panic!("got {error}")
    };
    assert_eq!(tail.0, ["out of luck"]);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "an event tells it, it took {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_container_that_its_restart_policy_brings_back_may_still_come_right() {
    let project = Project::new("again");
    let engine = engine().await;
    // Its file survives a restart of the same container: it fails twice.
    let script = "echo x >> /count; test $(wc -l < /count) -ge 3 || exit 1; sleep 600";
    let mut spec = project.shell("db", script);
    spec.service.healthcheck = Some(health("true"));
    spec.service.restart = Restart::UnlessStopped;
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    engine
        .apply(&wait(&spec.name, Await::Healthy, 60))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_container_that_ends_again_and_again_is_given_up() {
    let project = Project::new("loop");
    let engine = engine().await;
    let mut spec = project.shell("db", "echo broken settings; exit 2");
    spec.service.healthcheck = Some(health("true"));
    spec.service.restart = Restart::UnlessStopped;
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let error = engine
        .apply(&wait(&spec.name, Await::Healthy, 60))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EngineError::Ended { code: 2, .. }),
        "got {error}"
    );
}

#[tokio::test]
async fn a_wait_for_a_container_that_ran_before_this_process_sees_its_changes() {
    let project = Project::new("before");
    let mut spec = project.shell("db", "sleep 2; touch /well; sleep 600");
    spec.service.healthcheck = Some(health("test -e /well"));
    {
        let first = engine().await;
        first.apply(&create(&spec)).await.unwrap();
        first.apply(&start(&spec.name)).await.unwrap();
    }
    let second = engine().await;
    let began = Instant::now();
    second
        .apply(&wait(&spec.name, Await::Healthy, 60))
        .await
        .unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "an event tells it, not the look: {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_removed_container_is_gone_for_who_waits_and_for_who_starts_it() {
    let project = Project::new("gone");
    let engine = engine().await;
    let mut spec = project.shell("db", "sleep 600");
    spec.service.healthcheck = Some(health("false"));
    engine.apply(&create(&spec)).await.unwrap();
    let id = engine.observe(&project.scope()).await.unwrap().containers[&spec.name]
        .id
        .clone();
    engine
        .apply(&Call::RemoveContainer {
            name: spec.name.clone(),
            id,
        })
        .await
        .unwrap();
    for call in [start(&spec.name), wait(&spec.name, Await::Healthy, 20)] {
        let error = engine.apply(&call).await.unwrap_err();
        assert!(
            matches!(error, EngineError::Gone { .. }),
            "{call:?} gave {error}"
        );
    }
}

#[tokio::test]
async fn one_without_a_check_is_well_when_it_stays_up_and_not_when_it_ends_again_and_again() {
    let project = Project::new("settles");
    let engine = engine().await;
    let well = Await::Well {
        settle: Span::seconds(1),
    };
    for (service, script, code) in [
        ("stays", "sleep 600", None),
        ("loops", "sleep 0.1; echo no module; exit 7", Some(7)),
    ] {
        let mut spec = project.shell(service, script);
        spec.service.restart = Restart::Always;
        engine.apply(&create(&spec)).await.unwrap();
        engine.apply(&start(&spec.name)).await.unwrap();
        let ended = engine.apply(&wait(&spec.name, well, 60)).await;
        match (ended, code) {
            (Ok(()), None) => {}
            (Err(EngineError::Ended { code, tail, .. }), Some(expected)) => {
                assert_eq!(code, expected);
                assert!(tail.0.contains(&"no module".to_owned()), "{:?}", tail.0);
            }
            (ended, _) => panic!("{service}: {ended:?}"),
        }
    }
}

/// Its process has ended when nothing else tells so yet, and not when it merely
/// writes to nobody any more.
#[tokio::test]
async fn the_end_of_a_process_is_told_and_no_end_of_its_outputs() {
    let project = Project::new("ends");
    let engine = engine().await;
    let mut readable = project.shell("silent", SILENT);
    readable.service.init = false;
    let mut unreadable = readable.clone();
    unreadable.name = project.container_name("unreadable");
    unreadable.service.logging = Some(Logging {
        driver: "none".to_owned(),
        options: BTreeMap::new(),
    });
    for spec in [&readable, &unreadable] {
        engine.apply(&create(spec)).await.unwrap();
        engine.apply(&start(&spec.name)).await.unwrap();
        let seen = engine.observe(&project.scope()).await.unwrap();
        let (name, id) = (spec.name.clone(), seen.containers[&spec.name].id.clone());
        let end = Call::AwaitEnd {
            name: name.clone(),
            id: id.clone(),
        };
        let stop = Call::StopContainer {
            name,
            id,
            grace: None,
        };
        let early = tokio::time::timeout(Duration::from_secs(2), engine.apply(&end)).await;
        assert!(early.is_err(), "{} still runs: {early:?}", spec.name);
        let (ended, stopped) = tokio::join!(engine.apply(&end), engine.apply(&stop));
        ended.unwrap();
        stopped.unwrap();
        engine.apply(&end).await.expect("what has ended has ended");
    }
    let missing = Call::AwaitEnd {
        name: "nobody".to_owned(),
        id: "f".repeat(64),
    };
    engine
        .apply(&missing)
        .await
        .expect("what is gone has ended");
}

/// Closes its outputs at once and goes on.
const SILENT: &str = "exec >&- 2>&-; trap 'exit 0' TERM; while :; do sleep 0.1; done";
