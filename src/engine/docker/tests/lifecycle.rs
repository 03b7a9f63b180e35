//! A container's life on the real engine: made, watched, ended, removed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::time::{Duration, Instant};

use common::{IMAGE, Project, build, create, engine, health, place, start, wait};
use scalectl_documents::{Mount, MountType, Restart, Span};
use scalectl_engine::{Engine, EngineError};
use scalectl_plan::{
    Await, Call, ContainerSpec, ContainerState, FileContent, Health, InjectedFile, LABELS,
    Ownership,
};

#[tokio::test]
async fn what_was_created_is_observed_and_after_its_removal_nothing_is_left() {
    let project = Project::new("life");
    let engine = engine().await;
    let network = format!("{}_front", project.name);
    let volume = format!("{}_data", project.name);
    let mut spec = project.shell("web", "trap 'exit 0' TERM; while :; do sleep 0.1; done");
    spec.no_network = false;
    spec.networks = vec![place(&network, &["web"])];
    spec.volume_names = vec![volume.clone()];
    spec.service.volumes = vec![Mount {
        kind: MountType::Volume,
        source: "data".to_owned(),
        target: "/data".to_owned(),
        read_only: false,
    }];
    spec.service.healthcheck = Some(health("true"));
    spec.service.restart = Restart::UnlessStopped;
    for call in [
        Call::CreateNetwork {
            name: network.clone(),
            internal: false,
            labels: project.labels(),
        },
        Call::CreateVolume {
            name: volume.clone(),
            labels: project.labels(),
        },
        create(&spec),
        start(&spec.name),
        wait(&spec.name, Await::Healthy, 60),
    ] {
        engine
            .apply(&call)
            .await
            .unwrap_or_else(|error| panic!("{call:?}: {error}"));
    }

    let found = engine.observe(&project.scope()).await.unwrap();
    let seen = &found.containers[&spec.name];
    assert_eq!(seen.ownership, Ownership::Ours);
    assert_eq!((seen.service.as_str(), seen.number), ("web", 1));
    assert_eq!(
        (&seen.state, seen.health),
        (&ContainerState::Running, Health::Healthy)
    );
    assert_eq!(
        seen.image_id, found.images[IMAGE].id,
        "the list and the image call must name the same content"
    );
    assert!(
        seen.addresses.contains_key(&network),
        "it has an address in {network}"
    );
    assert!(seen.volumes.contains(&volume));
    assert_eq!(found.networks[&network].ownership, Ownership::Ours);
    assert_eq!(found.volumes[&volume].ownership, Ownership::Ours);

    let own = engine.observe_own(&project.scope()).await.unwrap();
    assert_eq!(
        own.containers[&spec.name], *seen,
        "fewer are looked at, none in another way"
    );
    assert_eq!(
        (own.containers.len(), own.volumes.len(), own.networks.len()),
        (1, 1, 1)
    );

    let id = seen.id.clone();
    let stop = Call::StopContainer {
        name: spec.name.clone(),
        id: id.clone(),
        grace: None,
    };
    engine.apply(&stop).await.unwrap();
    let found = engine.observe(&project.scope()).await.unwrap();
    assert_eq!(
        found.containers[&spec.name].state,
        ContainerState::Exited { code: 0 }
    );
    for call in [
        stop,
        Call::RemoveContainer {
            name: spec.name.clone(),
            id: id.clone(),
        },
        Call::RemoveContainer {
            name: spec.name.clone(),
            id,
        },
        Call::RemoveNetwork {
            name: network.clone(),
            id: found.networks[&network].id.clone(),
        },
        Call::RemoveNetwork {
            name: network.clone(),
            id: found.networks[&network].id.clone(),
        },
        Call::RemoveVolume {
            name: volume.clone(),
        },
        Call::RemoveVolume {
            name: volume.clone(),
        },
    ] {
        engine
            .apply(&call)
            .await
            .unwrap_or_else(|error| panic!("a second time is a success, too: {call:?}: {error}"));
    }
    assert!(
        engine.observe(&project.scope()).await.unwrap().is_empty(),
        "something of the project is left"
    );
}

#[tokio::test]
async fn an_image_that_the_engine_lacks_is_absent_from_the_observation() {
    let project = Project::new("noimage");
    let mut scope = project.scope();
    scope.images.push("scalectl/does-not-exist:0".to_owned());
    let found = engine().await.observe(&scope).await.unwrap();
    assert_eq!(found.images.keys().collect::<Vec<_>>(), [IMAGE]);
}

/// `docker tag` moves a name: what a list shows then must not be believed.
#[tokio::test]
async fn an_images_content_is_told_rightly_whether_a_container_shows_it_or_not() {
    let project = Project::new("moved");
    let engine = engine().await;
    let tag = std::process::id().to_string();
    let name = format!("edk/moved:{tag}");
    let mut scope = project.scope();
    scope.images.push(name.clone());
    let build = async |word: &str| {
        let dockerfile = format!("FROM {IMAGE}\nLABEL word={word}\n");
        build(&engine, &name, &dockerfile).await
    };
    let first = build("first").await;
    project.images.borrow_mut().push(first.clone());

    let labels = |spec: &mut ContainerSpec, id: &str| {
        spec.service.image.clone_from(&name);
        spec.labels
            .insert(LABELS.compose_image.to_owned(), id.to_owned());
    };
    let mut specs = ["a", "b"].map(|service| project.shell(service, "true"));
    for spec in &mut specs {
        labels(spec, &first);
        engine.apply(&create(spec)).await.unwrap();
    }
    let found = engine.observe(&scope).await.unwrap();
    assert_eq!(found.images[&name].id, first);
    for spec in &specs {
        assert_eq!(
            found.containers[&spec.name].image_id, first,
            "by name and by id it is the same content"
        );
    }

    let second = build("second").await;
    project.images.borrow_mut().push(second.clone());
    let found = engine.observe(&scope).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(
        found.images[&name].id, second,
        "the name stands for another content now"
    );
    assert_eq!(found.containers[&specs[0].name].image_id, first);
    engine.remove_image(&name).await.unwrap();
    let found = engine.observe(&scope).await.unwrap();
    assert!(
        !found.images.contains_key(&name),
        "the name is gone, the containers are not"
    );
}

#[tokio::test]
async fn files_are_in_place_before_the_first_command_runs() {
    let project = Project::new("files");
    let engine = engine().await;
    let script = "set -e; test \"$(cat /in/web/app.conf)\" = 'port = 80'; stat -c %a /in/web/app.conf | grep -qx 444; \
                  stat -c %a /in/secret | grep -qx 400; test -s /in/secret";
    let spec = project.shell("web", script);
    let file = |path: &str, content| InjectedFile {
        path: path.to_owned(),
        content,
    };
    let files = vec![
        file(
            "/in/web/app.conf",
            FileContent::Text("port = 80".to_owned()),
        ),
        file("/in/secret", FileContent::Environment("PATH".to_owned())),
    ];
    engine.apply(&create(&spec)).await.unwrap();
    engine
        .apply(&Call::UploadFiles {
            container: spec.name.clone(),
            files,
        })
        .await
        .unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    engine
        .apply(&wait(&spec.name, Await::Completed, 60))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_command_in_a_container_fails_with_its_code_and_what_it_wrote() {
    let project = Project::new("exec");
    let engine = engine().await;
    let spec = project.shell("web", "sleep 600");
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let exec = |script: &str, seconds| Call::Exec {
        container: spec.name.clone(),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        deadline: Span::seconds(seconds),
    };
    engine.apply(&exec("true", 30)).await.unwrap();
    let error = engine
        .apply(&exec("echo told; echo wrong >&2; exit 4", 30))
        .await
        .unwrap_err();
    let EngineError::ExecFailed { code, output, .. } = error else {
        panic!("got {error}")
    };
    assert_eq!((code, output.as_str()), (4, "told\nwrong"));
    let error = engine.apply(&exec("sleep 60", 1)).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Deadline { seconds: 1, .. }),
        "got {error}"
    );
}

#[tokio::test]
async fn a_stop_waits_for_the_end_and_kills_after_the_grace() {
    let project = Project::new("stop");
    let engine = engine().await;
    let mut spec = project.shell("deaf", "trap '' TERM; while :; do sleep 0.1; done");
    spec.service.init = false;
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let id = engine.observe(&project.scope()).await.unwrap().containers[&spec.name]
        .id
        .clone();
    let began = Instant::now();
    let grace = Some(Span(Duration::from_millis(1500)));
    engine
        .apply(&Call::StopContainer {
            name: spec.name.clone(),
            id,
            grace,
        })
        .await
        .unwrap();
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "its grace is never cut short: {:?}",
        began.elapsed()
    );
    let found = engine.observe(&project.scope()).await.unwrap();
    assert_eq!(
        found.containers[&spec.name].state,
        ContainerState::Exited { code: 137 }
    );
}
