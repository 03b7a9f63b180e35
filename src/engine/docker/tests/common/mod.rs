//! What every test on the real engine needs: a connection, definitions of small
//! containers, and a guard that removes what a test made even when it fails.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod proxy;

use std::cell::RefCell;
use std::collections::BTreeMap;

use scalectl_documents::{Healthcheck, Service, Span};
use scalectl_engine::{Engine, Scope};
use scalectl_engine_docker::{BuildRequest, DockerEngine, lock_name};
use scalectl_plan::{Await, Call, ContainerSpec, LABELS, NetworkPlace, Observed, Ownership};

pub const IMAGE: &str = "scalectl/base:trixie";

/// The engine under test. A machine without one fails the test.
pub async fn engine() -> DockerEngine {
    DockerEngine::connect()
        .await
        .expect("these tests need a Docker engine: scripts/test starts one")
}

/// One project of a test; dropped, nothing of it is left.
pub struct Project {
    pub name: String,
    /// Images to be removed with it.
    pub images: RefCell<Vec<String>>,
}

impl Project {
    /// A name that no other test has, not even in a run at the same moment.
    pub fn new(test: &str) -> Self {
        // scripts/test finds by its run what a killed test has left.
        let run = std::env::var("SCALECTL_TEST_RUN").map_or(String::new(), |run| run + "-");
        Self {
            name: format!("edk-{test}-{run}{}", std::process::id()),
            images: RefCell::default(),
        }
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(LABELS.project.to_owned(), self.name.clone())])
    }

    pub fn container_name(&self, service: &str) -> String {
        format!("{}-{service}-1", self.name)
    }

    /// A container that runs `script` by a shell, in no network.
    pub fn shell(&self, service: &str, script: &str) -> ContainerSpec {
        let mut labels = self.labels();
        labels.insert(LABELS.service.to_owned(), service.to_owned());
        labels.insert(LABELS.number.to_owned(), "1".to_owned());
        ContainerSpec {
            name: self.container_name(service),
            service: Service {
                image: IMAGE.to_owned(),
                entrypoint: Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec()),
                stop_grace_period: Some(Span::seconds(1)),
                init: true,
                ..Service::default()
            },
            labels,
            networks: Vec::new(),
            network_of: None,
            no_network: true,
            volume_names: Vec::new(),
        }
    }

    pub fn scope(&self) -> Scope {
        Scope {
            images: vec![IMAGE.to_owned()],
            ..Scope::project(&self.name)
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let (scope, images) = (self.scope(), self.images.take());
        let cleaned = std::thread::spawn(move || runtime().block_on(clean(scope, images))).join();
        assert!(
            cleaned.is_ok() || std::thread::panicking(),
            "the test's objects could not be removed"
        );
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

async fn clean(scope: Scope, images: Vec<String>) {
    let engine = engine().await;
    for call in removal(&made(&engine, &scope).await) {
        engine.apply(&call).await.unwrap();
    }
    for image in images {
        engine.remove_image(&image).await.unwrap();
    }
    let left = made(&engine, &scope).await;
    assert!(left.is_empty(), "the test leaves something: {left:?}");
}

/// All that bears the project's label, and its lock. Also what `observe` takes for
/// somebody else's, for its name tells another service than its labels.
async fn made(engine: &DockerEngine, scope: &Scope) -> Observed {
    let mut found = engine.observe_own(scope).await.unwrap();
    let lock = lock_name(&scope.project);
    let mut all = engine.observe(scope).await.unwrap().containers;
    if let Some(container) = all.remove(&lock) {
        found.containers.insert(lock, container);
    }
    for container in found.containers.values_mut() {
        container.ownership = Ownership::Ours;
    }
    found
}

fn removal(found: &Observed) -> Vec<Call> {
    let mut calls = Vec::new();
    for (name, container) in found.ours() {
        let (name, id) = (name.clone(), container.id.clone());
        calls.push(Call::StopContainer {
            name: name.clone(),
            id: id.clone(),
            grace: Some(Span::seconds(0)),
        });
        calls.push(Call::RemoveContainer { name, id });
    }
    for (name, network) in found
        .networks
        .iter()
        .filter(|(_, network)| network.ownership == Ownership::Ours)
    {
        calls.push(Call::RemoveNetwork {
            name: name.clone(),
            id: network.id.clone(),
        });
    }
    for (name, _) in found
        .volumes
        .iter()
        .filter(|(_, volume)| volume.ownership == Ownership::Ours)
    {
        calls.push(Call::RemoveVolume { name: name.clone() });
    }
    calls
}

pub fn create(spec: &ContainerSpec) -> Call {
    Call::CreateContainer {
        spec: Box::new(spec.clone()),
    }
}

pub fn start(container: &str) -> Call {
    Call::StartContainer {
        container: container.to_owned(),
    }
}

pub fn wait(container: &str, wait: Await, seconds: u64) -> Call {
    Call::Await {
        container: container.to_owned(),
        wait,
        deadline: Span::seconds(seconds),
    }
}

/// A health check that runs `line` every 200 ms while it starts.
pub fn health(line: &str) -> Healthcheck {
    let millis = |number| Some(Span(std::time::Duration::from_millis(number)));
    Healthcheck {
        test: vec!["CMD-SHELL".to_owned(), line.to_owned()],
        interval: millis(1000),
        timeout: millis(5000),
        start_period: millis(60_000),
        start_interval: millis(200),
        retries: Some(3),
    }
}

pub fn place(network: &str, aliases: &[&str]) -> NetworkPlace {
    NetworkPlace {
        network: network.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
    }
}

/// A build context of one Dockerfile.
pub fn context(
    dockerfile: &str,
) -> impl futures_util::Stream<Item = bytes::Bytes> + Send + 'static {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "Dockerfile", dockerfile.as_bytes())
        .unwrap();
    let bytes = archive.into_inner().unwrap();
    futures_util::stream::iter([bytes::Bytes::from(bytes)])
}

/// Builds an image from one Dockerfile and gives its id.
pub async fn build(engine: &DockerEngine, name: &str, dockerfile: &str) -> String {
    let request = BuildRequest {
        reference: name.to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        ..BuildRequest::default()
    };
    engine
        .build_image(&request, context(dockerfile), |_| {})
        .await
        .unwrap()
}
