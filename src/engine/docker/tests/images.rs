//! Images on the real engine: built, described, named, removed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use common::{IMAGE, Project, context, engine};
use scalectl_engine::{Engine, EngineError};
use scalectl_engine_docker::{BuildProgress, BuildRequest};
use scalectl_plan::Call;

#[tokio::test]
async fn an_image_is_built_described_and_removed() {
    let project = Project::new("built");
    let engine = engine().await;
    let name = format!("edk/built:{}", std::process::id());
    project.images.borrow_mut().push(name.clone());
    let dockerfile = format!(
        "FROM {IMAGE}\nARG WORD\nRUN echo \"$WORD\" > /word\nUSER 1234\nEXPOSE 8000 53/udp\nENTRYPOINT [\"/bin/cat\"]\nCMD [\"/word\"]\n"
    );
    let args = [("WORD".to_owned(), "said".to_owned())].into();
    let request = BuildRequest {
        reference: name.clone(),
        dockerfile: "Dockerfile".to_owned(),
        args,
        ..BuildRequest::default()
    };
    let mut steps = Vec::new();
    let built = engine.build_image(&request, context(&dockerfile), |progress| {
        if let BuildProgress::Step { number, of, .. } = progress {
            steps.push((*number, *of));
        }
    });
    let id = built.await.unwrap();
    assert_eq!(steps, (1..=7).map(|number| (number, 7)).collect::<Vec<_>>());
    let config = engine
        .image_config(&name)
        .await
        .unwrap()
        .expect("it was built");
    assert_eq!(
        (config.id.as_str(), config.ports, config.user.as_str()),
        (id.as_str(), vec![8000], "1234")
    );
    assert_eq!(
        (config.entrypoint, config.command),
        (vec!["/bin/cat".to_owned()], vec!["/word".to_owned()])
    );
    for _ in 0..2 {
        engine.remove_image(&name).await.unwrap();
    }
    assert_eq!(engine.image_config(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_failed_build_tells_the_step_and_its_last_lines() {
    let engine = engine().await;
    let name = format!("edk/fails:{}", std::process::id());
    let dockerfile = format!("FROM {IMAGE}\nRUN echo no compiler here; exit 9\n");
    let request = BuildRequest {
        reference: name,
        dockerfile: "Dockerfile".to_owned(),
        no_cache: true,
        ..BuildRequest::default()
    };
    let error = engine
        .build_image(&request, context(&dockerfile), |_| {})
        .await
        .unwrap_err();
    let EngineError::BuildFailed { step, tail, .. } = &error else {
        panic!("got {error}")
    };
    assert_eq!(step, "RUN echo no compiler here; exit 9");
    assert!(
        tail.0.iter().any(|line| line == "no compiler here"),
        "{:?}",
        tail.0
    );
    assert!(
        error.to_string().contains("9"),
        "the exit code is told: {error}"
    );
}

#[tokio::test]
async fn an_image_that_no_registry_has_is_missing_not_unknown() {
    // Nothing listens there: no registry is asked for in tests.
    let reference = "127.0.0.1:9/edk/none:1".to_owned();
    let error = engine()
        .await
        .apply(&Call::PullImage { reference })
        .await
        .unwrap_err();
    assert!(!error.is_unknown(), "the engine answered: {error}");
}
