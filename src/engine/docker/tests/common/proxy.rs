//! A socket in front of the engine's that can break: to test what is done then.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use scalectl_engine_docker::{DockerEngine, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A socket that passes all on, until it is told not to.
pub struct Proxy {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<JoinHandle<()>>>,
    /// A request that holds this text is passed on; its answer is not.
    swallowed: Mutex<Option<String>>,
}

pub fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://")
        .unwrap_or("/var/run/docker.sock")
        .into()
}

impl Proxy {
    pub fn start() -> Self {
        let mut proxy = Self {
            folder: tempfile::tempdir().unwrap(),
            shared: Arc::default(),
            accepting: None,
        };
        proxy.come_back();
        proxy
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    pub async fn engine(&self) -> DockerEngine {
        let settings = Settings {
            host: Some(format!("unix://{}", self.socket().display())),
            ..Settings::default()
        };
        DockerEngine::connect_to(&settings)
            .await
            .expect("these tests need a Docker engine: scripts/test starts one")
    }

    /// Breaks every connection that is open; new ones are taken.
    pub fn cut(&self) {
        self.shared
            .connections
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|connection| connection.abort());
    }

    /// As an engine that ended.
    pub fn go_away(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        self.cut();
        let _ = std::fs::remove_file(self.socket());
    }

    pub fn come_back(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = tokio::spawn(pass(client, Arc::clone(&shared)));
                shared.connections.lock().unwrap().push(connection);
            }
        }));
    }

    /// The next request that holds `text` reaches the engine; its answer is lost.
    pub fn swallow_answer(&self, text: &str) {
        *self.shared.swallowed.lock().unwrap() = Some(text.to_owned());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.go_away();
    }
}

async fn pass(mut client: UnixStream, shared: Arc<Shared>) {
    let Ok(mut engine) = UnixStream::connect(engine_socket()).await else {
        return;
    };
    let (mut request, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    let mut swallow = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                let text = String::from_utf8_lossy(&request[..count]).into_owned();
                let mut swallowed = shared.swallowed.lock().unwrap().clone();
                if swallowed.take_if(|wanted| text.contains(wanted.as_str())).is_some() {
                    *shared.swallowed.lock().unwrap() = None;
                    swallow = true;
                }
                if engine.write_all(&request[..count]).await.is_err() {
                    return;
                }
            }
            read = engine.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                if swallow || client.write_all(&answer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
