//! The lock of a stack on the real engine: one holder, and no dead one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::time::{Duration, Instant};

use common::{IMAGE, Project, create, engine};
use scalectl_engine::{Engine, EngineError};
use scalectl_engine_docker::{LockError, LockOwner, lock_name};

#[tokio::test]
async fn of_many_at_once_one_gets_the_lock_and_the_others_learn_who() {
    let project = Project::new("lock");
    let engine = engine().await;
    let owners: Vec<_> = (0..6)
        .map(|number| LockOwner::this(&format!("up-{number}")))
        .collect();
    let tries = owners
        .iter()
        .map(|owner| engine.acquire_lock(&project.name, IMAGE, owner));
    let mut held = Vec::new();
    let mut refused = 0;
    for ended in futures_util::future::join_all(tries).await {
        match ended {
            Ok(guard) => held.push(guard),
            Err(LockError::Held { owner, .. }) => {
                refused += 1;
                assert!(
                    owners.contains(&owner),
                    "the owner is one of them, not {owner}"
                );
            }
            Err(other) => panic!("expected Held, got {other}"),
        }
    }
    assert_eq!((held.len(), refused), (1, 5));
    let found = engine.observe(&project.scope()).await.unwrap();
    assert!(found.is_empty(), "a lock is no part of the stack");
    let guard = held.pop().unwrap();
    assert!(!guard.is_lost());
    guard.release(&engine).await.unwrap();
    let next = engine
        .acquire_lock(&project.name, IMAGE, &LockOwner::this("down"))
        .await
        .unwrap();
    next.release(&engine).await.unwrap();
    let found = engine.observe(&project.scope()).await.unwrap();
    assert!(
        !found.containers.contains_key(&lock_name(&project.name)),
        "a released lock is gone"
    );
}

#[tokio::test]
async fn the_lock_of_a_dead_process_is_taken_over_at_once() {
    let project = Project::new("dead");
    let engine = engine().await;
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = LockOwner {
        pid: child.id(),
        started: 1,
        ..LockOwner::this("up")
    };
    child.wait().unwrap();
    // Dropped without a release, as by a kill.
    drop(
        engine
            .acquire_lock(&project.name, IMAGE, &dead)
            .await
            .unwrap(),
    );

    let began = Instant::now();
    let owners = [LockOwner::this("up"), LockOwner::this("down")];
    let tries = owners
        .iter()
        .map(|owner| engine.acquire_lock(&project.name, IMAGE, owner));
    let mut guards: Vec<_> = futures_util::future::join_all(tries)
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert_eq!(
        guards.len(),
        1,
        "of two who find a dead owner one gets the lock"
    );
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it was known to be dead: {:?}",
        began.elapsed()
    );
    guards.pop().unwrap().release(&engine).await.unwrap();
}

#[tokio::test]
async fn an_owner_elsewhere_is_believed_while_its_heart_beats_and_not_longer() {
    let project = Project::new("far");
    let engine = engine().await;
    let far = LockOwner {
        place: "another machine".to_owned(),
        host: "elsewhere".to_owned(),
        ..LockOwner::this("up")
    };
    let guard = engine
        .acquire_lock(&project.name, IMAGE, &far)
        .await
        .unwrap();

    let error = engine
        .acquire_lock(&project.name, IMAGE, &LockOwner::this("up"))
        .await
        .err()
        .unwrap();
    let LockError::Held {
        owner, age_seconds, ..
    } = error
    else {
        panic!("its heart beats: {error}")
    };
    assert_eq!(owner.host, "elsewhere");
    assert!((15..60).contains(&age_seconds), "{age_seconds} s old");

    drop(guard);
    let next = engine
        .acquire_lock(&project.name, IMAGE, &LockOwner::this("up"))
        .await
        .unwrap();
    next.release(&engine).await.unwrap();
}

#[tokio::test]
async fn a_container_that_only_has_the_locks_name_is_left_alone() {
    let project = Project::new("foreign");
    let engine = engine().await;
    let mut spec = project.shell("x", "true");
    spec.name = lock_name(&project.name);
    engine.apply(&create(&spec)).await.unwrap();
    let error = engine
        .acquire_lock(&project.name, IMAGE, &LockOwner::this("up"))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, LockError::Engine(EngineError::NameTaken { .. })),
        "got {error}"
    );
    let found = engine.observe(&project.scope()).await.unwrap();
    assert!(
        found.containers.contains_key(&spec.name),
        "it is still there"
    );
}

#[tokio::test]
async fn an_owner_whose_lock_was_removed_learns_it() {
    let project = Project::new("lost");
    let engine = engine().await;
    let guard = engine
        .acquire_lock(&project.name, IMAGE, &LockOwner::this("up"))
        .await
        .unwrap();
    assert!(!guard.is_lost());
    // Somebody removes it by hand.
    let found = engine.observe(&project.scope()).await.unwrap();
    let id = found.containers[&lock_name(&project.name)].id.clone();
    let call = scalectl_plan::Call::RemoveContainer {
        name: lock_name(&project.name),
        id,
    };
    engine.apply(&call).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !guard.is_lost() {
        assert!(
            Instant::now() < deadline,
            "its heartbeat must notice within 20 s"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(guard);
}
