//! What an engine refuses, and how it is told: each error on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::collections::BTreeMap;

use common::{Project, create, engine, place, start, wait};
use scalectl_documents::PublishedPort;
use scalectl_engine::{Engine, EngineError};
use scalectl_engine_docker::{DockerEngine, Settings};
use scalectl_plan::{Await, Call};

fn published(port: u16) -> Vec<PublishedPort> {
    vec![PublishedPort {
        target: 80,
        published: port.to_string(),
        host_ip: Some("127.0.0.1".to_owned()),
    }]
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn a_taken_port_is_told_with_the_container_that_holds_it() {
    let project = Project::new("port");
    let engine = engine().await;
    let network = format!("{}_front", project.name);
    engine
        .apply(&Call::CreateNetwork {
            name: network.clone(),
            internal: false,
            labels: project.labels(),
        })
        .await
        .unwrap();
    let port = free_port();
    let [first, second] = ["first", "second"].map(|service| {
        let mut spec = project.shell(service, "sleep 600");
        spec.no_network = false;
        spec.networks = vec![place(&network, &[service])];
        spec.service.ports = published(port);
        spec
    });
    for call in [create(&first), start(&first.name), create(&second)] {
        engine.apply(&call).await.unwrap();
    }
    let error = engine.apply(&start(&second.name)).await.unwrap_err();
    let EngineError::PortTaken {
        address,
        port: taken,
        by,
    } = error
    else {
        panic!("got {error}")
    };
    assert_eq!((address.as_str(), taken), ("127.0.0.1", port));
    assert_eq!(by, Some(format!("the container {}", first.name)));
}

#[tokio::test]
async fn a_port_that_a_process_holds_is_told_with_the_process() {
    let project = Project::new("procport");
    let engine = engine().await;
    let network = format!("{}_front", project.name);
    engine
        .apply(&Call::CreateNetwork {
            name: network.clone(),
            internal: false,
            labels: project.labels(),
        })
        .await
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut spec = project.shell("web", "sleep 600");
    spec.no_network = false;
    spec.networks = vec![place(&network, &["web"])];
    spec.service.ports = published(port);
    engine.apply(&create(&spec)).await.unwrap();
    let error = engine.apply(&start(&spec.name)).await.unwrap_err();
    let EngineError::PortTaken {
        port: taken, by, ..
    } = error
    else {
        panic!("got {error}")
    };
    assert_eq!(taken, port);
    let by = by.expect("this very process has it");
    assert!(by.ends_with(&format!("({})", std::process::id())), "{by}");
}

#[tokio::test]
async fn names_that_are_not_ours_are_told_with_their_owner_and_left_alone() {
    let (theirs, ours) = (Project::new("theirs"), Project::new("ours"));
    let engine = engine().await;
    let name = format!("{}_thing", theirs.name);
    let owner = format!("scalectl project {}", theirs.name);
    let network = |project: &Project| Call::CreateNetwork {
        name: name.clone(),
        internal: false,
        labels: project.labels(),
    };
    let volume = |project: &Project| Call::CreateVolume {
        name: name.clone(),
        labels: project.labels(),
    };
    let container = |project: &Project| {
        let mut spec = project.shell("x", "true");
        spec.name.clone_from(&name);
        create(&spec)
    };
    for call in [network(&theirs), volume(&theirs), container(&theirs)] {
        engine.apply(&call).await.unwrap();
    }
    for call in [network(&ours), volume(&ours), container(&ours)] {
        let error = engine.apply(&call).await.unwrap_err();
        let EngineError::NameTaken {
            name: taken,
            owner: found,
        } = error
        else {
            panic!("{call:?} gave {error}")
        };
        assert_eq!((&taken, &found), (&name, &owner), "{call:?}");
    }
    for call in [network(&theirs), volume(&theirs)] {
        engine
            .apply(&call)
            .await
            .unwrap_or_else(|error| panic!("what is ours is no conflict: {call:?}: {error}"));
    }
}

#[tokio::test]
async fn a_missing_image_is_told_with_how_to_get_it() {
    let project = Project::new("image");
    let mut spec = project.shell("web", "true");
    spec.service.image = "scalectl/does-not-exist:0".to_owned();
    let error = engine().await.apply(&create(&spec)).await.unwrap_err();
    let EngineError::ImageMissing { reference, hint } = error else {
        panic!("got {error}")
    };
    assert_eq!(reference, "scalectl/does-not-exist:0");
    assert_eq!(hint, "`scalectl images build` builds it");
}

#[tokio::test]
async fn a_wait_for_health_without_a_health_check_is_refused_not_granted() {
    let project = Project::new("nocheck");
    let engine = engine().await;
    let spec = project.shell("web", "sleep 600");
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    let error = engine
        .apply(&wait(&spec.name, Await::Healthy, 30))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no health check"), "got {error}");
}

#[tokio::test]
async fn a_secret_without_a_value_is_named_before_anything_is_sent() {
    use scalectl_plan::{FileContent, InjectedFile};
    let content = FileContent::Environment("EDK_NOT_SET".to_owned());
    let files = vec![InjectedFile {
        path: "/in/key".to_owned(),
        content,
    }];
    let call = Call::UploadFiles {
        container: "edk-never-made".to_owned(),
        files,
    };
    let error = engine().await.apply(&call).await.unwrap_err();
    assert!(matches!(error, EngineError::SecretMissing { name } if name == "EDK_NOT_SET"));
}

#[tokio::test]
async fn no_engine_and_no_permission_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let settings = Settings {
        host: Some(format!("unix://{}", socket.display())),
        ..Settings::default()
    };
    let error = DockerEngine::connect_to(&settings).await.err().unwrap();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "no socket: {error}"
    );

    // A socket file that nobody listens on: an engine that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = DockerEngine::connect_to(&settings).await.err().unwrap();
    let EngineError::Unreachable { hint, .. } = error else {
        panic!("got {error}")
    };
    assert!(hint.contains("DOCKER_HOST"), "{hint}");
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_refused_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK";
        stream.write_all(answer).await.unwrap();
    });
    let settings = Settings {
        host: Some(format!("unix://{}", socket.display())),
        ..Settings::default()
    };
    let error = DockerEngine::connect_to(&settings).await.err().unwrap();
    assert!(
        matches!(&error, EngineError::TooOld { found } if found == "1.40"),
        "got {error}"
    );
}

#[tokio::test]
async fn labels_that_are_not_ours_survive_next_to_ours() {
    let project = Project::new("labels");
    let engine = engine().await;
    let mut labels: BTreeMap<_, _> = project.labels();
    labels.insert(
        "com.example.note".to_owned(),
        "kept = as is, \"quoted\"".to_owned(),
    );
    let name = format!("{}_data", project.name);
    engine
        .apply(&Call::CreateVolume {
            name: name.clone(),
            labels,
        })
        .await
        .unwrap();
    let found = engine.observe(&project.scope()).await.unwrap();
    assert!(found.volumes.contains_key(&name));
}
