//! Fetching images: from a small registry of the test's own, on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use common::Project;
use scalectl_engine::{Engine, EngineError};
use scalectl_engine_docker::{DockerEngine, Settings};
use scalectl_plan::Call;
use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LOGIN: &str = "me:pass:word";

/// Content by its path below `/v2/`, with its type.
type Shelf = HashMap<String, (&'static str, Vec<u8>)>;

fn digest(bytes: &[u8]) -> String {
    let hash = sha2::Sha256::digest(bytes);
    format!(
        "sha256:{}",
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    )
}

/// An image of one file, as a registry has it.
fn shelf() -> Shelf {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    layer.append_data(&mut header, "told", &b"ok"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Cmd": ["/told"], "Labels": {"edk": "pulled"}},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len()}],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    HashMap::from([
        ("".to_owned(), ("application/json", b"{}".to_vec())),
        (
            format!("edk/pulled/manifests/{}", digest(&manifest)),
            (kind, manifest.clone()),
        ),
        ("edk/pulled/manifests/1".to_owned(), (kind, manifest)),
        (
            format!("edk/pulled/blobs/{}", digest(&config)),
            ("application/octet-stream", config),
        ),
        (
            format!("edk/pulled/blobs/{}", digest(&layer)),
            ("application/octet-stream", layer),
        ),
    ])
}

async fn serve(mut client: TcpStream, shelf: Arc<Shelf>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request
        .split(' ')
        .nth(1)
        .unwrap()
        .strip_prefix("/v2/")
        .unwrap_or_default()
        .to_owned();
    let login = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(LOGIN)
    );
    let (status, kind, body) = match shelf.get(&path) {
        _ if !request.contains(&login) => {
            ("401 Unauthorized", "text/plain", b"who are you".as_slice())
        }
        Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
        None => (
            "404 Not Found",
            "application/json",
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.as_slice(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\
         WWW-Authenticate: Basic realm=\"edk\"\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(body)
    );
    let body = if request.starts_with("HEAD") {
        &[][..]
    } else {
        body
    };
    let _ = client.write_all(&[head.as_bytes(), body].concat()).await;
    let _ = client.shutdown().await;
}

/// The registry's address; it lives as long as the test.
async fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shelf = Arc::new(shelf());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, Arc::clone(&shelf)));
        }
    });
    address
}

fn settings(folder: &std::path::Path) -> Settings {
    Settings {
        folder: Some(folder.to_owned()),
        context: Some("default".to_owned()),
        ..Settings::from_env()
    }
}

#[tokio::test]
async fn an_image_is_fetched_as_who_logged_in() {
    let project = Project::new("pull");
    let address = registry().await;
    let reference = format!("{address}/edk/pulled:1");
    let folder = tempfile::tempdir().unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(LOGIN);
    let config = serde_json::json!({"auths": {address: {"auth": auth}}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();

    let engine = DockerEngine::connect_to(&settings(folder.path()))
        .await
        .unwrap();
    engine
        .apply(&Call::PullImage {
            reference: reference.clone(),
        })
        .await
        .unwrap();
    project.images.borrow_mut().push(reference.clone());
    let config = engine
        .image_config(&reference)
        .await
        .unwrap()
        .expect("it was fetched");
    assert_eq!(config.labels.get("edk").map(String::as_str), Some("pulled"));

    let unknown = format!("{}:none", reference.trim_end_matches(":1"));
    let error = engine
        .apply(&Call::PullImage {
            reference: unknown.clone(),
        })
        .await
        .unwrap_err();
    assert!(
        matches!(&error, EngineError::ImageMissing { reference, .. } if *reference == unknown),
        "got {error}"
    );
}

#[tokio::test]
async fn without_a_login_a_private_image_is_missing_with_a_hint_and_no_secret() {
    let address = registry().await;
    let folder = tempfile::tempdir().unwrap();
    let engine = DockerEngine::connect_to(&settings(folder.path()))
        .await
        .unwrap();
    let error = engine
        .apply(&Call::PullImage {
            reference: format!("{address}/edk/pulled:1"),
        })
        .await
        .unwrap_err();
    let EngineError::ImageMissing { hint, .. } = &error else {
        panic!("got {error}")
    };
    assert!(hint.contains("docker login"), "{hint}");
}
