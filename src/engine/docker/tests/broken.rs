//! Connections that break and engines that go away: a clear end, never a hang,
//! and never a success that was not seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::time::{Duration, Instant};

use common::proxy::Proxy;
use common::{Project, create, engine, health, start, wait};
use futures_util::StreamExt;
use scalectl_engine::{Engine, EngineError};
use scalectl_plan::{Await, Call, ContainerState};

#[tokio::test]
async fn a_lost_answer_to_a_change_is_unknown_and_the_change_may_be_there() {
    let project = Project::new("reply");
    let proxy = Proxy::start();
    let engine = proxy.engine().await;
    let spec = project.shell("web", "sleep 600");
    proxy.swallow_answer("/containers/create");
    let error = engine.apply(&create(&spec)).await.unwrap_err();
    assert!(error.is_unknown(), "got {error}");
    let found = engine.observe(&project.scope()).await.unwrap();
    assert!(
        found.containers.contains_key(&spec.name),
        "this one was made"
    );

    proxy.swallow_answer("/start");
    let error = engine.apply(&start(&spec.name)).await.unwrap_err();
    assert!(error.is_unknown(), "got {error}");
    engine
        .apply(&start(&spec.name))
        .await
        .unwrap_or_else(|error| panic!("started twice is a success: {error}"));
    let found = engine.observe(&project.scope()).await.unwrap();
    assert_eq!(found.containers[&spec.name].state, ContainerState::Running);
}

#[tokio::test]
async fn a_lost_answer_to_a_look_is_no_unknown() {
    let project = Project::new("look");
    let proxy = Proxy::start();
    let engine = proxy.engine().await;
    proxy.swallow_answer("/containers/json");
    let error = engine.observe(&project.scope()).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "got {error}"
    );
}

#[tokio::test]
async fn a_wait_goes_on_over_a_broken_stream_and_an_engine_that_comes_back() {
    let project = Project::new("back");
    let mut proxy = Proxy::start();
    let through = proxy.engine().await;
    let mut spec = project.shell("db", "sleep 600");
    spec.service.healthcheck = Some(health("test -e /well"));
    through.apply(&create(&spec)).await.unwrap();
    through.apply(&start(&spec.name)).await.unwrap();
    let direct = engine().await;
    let becomes_well = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.go_away();
        let command = ["touch", "/well"].map(str::to_owned).to_vec();
        let deadline = scalectl_documents::Span::seconds(30);
        direct
            .apply(&Call::Exec {
                container: spec.name.clone(),
                command,
                deadline,
            })
            .await
            .unwrap();
        // Healthy while nobody hears it.
        direct
            .apply(&wait(&spec.name, Await::Healthy, 60))
            .await
            .unwrap();
        proxy.come_back();
    };
    let waiting = wait(&spec.name, Await::Healthy, 60);
    let (waited, ()) = tokio::join!(through.apply(&waiting), becomes_well);
    waited.unwrap_or_else(|error| panic!("it is healthy, and a look tells: {error}"));
}

#[tokio::test]
async fn an_engine_that_stays_away_ends_every_wait_in_bounded_time() {
    let project = Project::new("away");
    let mut proxy = Proxy::start();
    let through = proxy.engine().await;
    let mut spec = project.shell("db", "sleep 600");
    spec.service.healthcheck = Some(health("false"));
    through.apply(&create(&spec)).await.unwrap();
    through.apply(&start(&spec.name)).await.unwrap();
    let began = Instant::now();
    let waiting = wait(&spec.name, Await::Healthy, 300);
    let leaves = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.go_away();
    };
    let (waited, ()) = tokio::join!(through.apply(&waiting), leaves);
    let error = waited.unwrap_err();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "got {error}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(50),
        "it took {:?}",
        began.elapsed()
    );
    // A change that cannot be sent is no unknown: nothing happened.
    let error = through.apply(&start(&spec.name)).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "got {error}"
    );
}

#[tokio::test]
async fn changes_that_have_ended_with_their_connection_stay_ended() {
    let proxy = Proxy::start();
    let engine = proxy.engine().await;
    let mut changes = Box::pin(engine.changes("edk-nobody").await.unwrap());
    proxy.cut();
    let next = tokio::time::timeout(Duration::from_secs(30), changes.next());
    assert_eq!(next.await.unwrap(), None);
    assert_eq!(changes.next().await, None, "asked again it must not panic");
}
