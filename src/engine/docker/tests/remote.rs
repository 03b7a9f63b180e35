//! Engines elsewhere: over TCP, over mutual TLS, and through ssh.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use common::Project;
use common::proxy::engine_socket;
use scalectl_engine::{Engine, EngineError};
use scalectl_engine_docker::{DockerEngine, Settings};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixStream};

async fn join(mut client: impl AsyncRead + AsyncWrite + Unpin) {
    let mut engine = UnixStream::connect(engine_socket()).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
}

async fn is_used(settings: &Settings) {
    let engine = DockerEngine::connect_to(settings).await.unwrap();
    let project = Project::new("remote");
    let found = engine.observe(&project.scope()).await.unwrap();
    assert!(
        !found.images.is_empty(),
        "the engine was looked at through {}",
        engine.address()
    );
}

#[tokio::test]
async fn an_engine_on_plain_tcp_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(join(client));
        }
    });
    is_used(&Settings {
        host: Some(host),
        ..Settings::default()
    })
    .await;
}

/// An authority, a server's and a client's certificate as PEM files.
fn certificates(folder: &Path) -> Arc<rustls::ServerConfig> {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        (certificate, key)
    };
    let (client, client_key) = issue("client");
    let (server, server_key) = issue("localhost");
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), client.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), client_key.serialize_pem()).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    )
    .build()
    .unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

async fn tls_engine(config: Arc<rustls::ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(client) = acceptor.accept(client).await {
                    join(client).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn over_tls_both_sides_must_prove_who_they_are() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = tls_engine(certificates(ours.path())).await;
    certificates(theirs.path());
    let settings = |certificates: &Path, verify| Settings {
        host: Some(format!("tcp://localhost:{port}")),
        tls_verify: verify,
        tls: !verify,
        certificates: Some(certificates.to_owned()),
        ..Settings::default()
    };
    is_used(&settings(ours.path(), true)).await;
    is_used(&settings(ours.path(), false)).await;

    let error = DockerEngine::connect_to(&settings(theirs.path(), true))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "another authority's engine: {error}"
    );
    let error = DockerEngine::connect_to(&settings(theirs.path(), false))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, EngineError::Unreachable { .. }),
        "the engine refuses our certificate: {error}"
    );
}

/// The outer half puts a stand-in for `ssh` into PATH and runs the inner one.
#[test]
fn an_engine_behind_ssh_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "#!/usr/bin/env python3\nimport sys, socket, threading, os\n\
         assert sys.argv[-4:] == ['engine.example', 'docker', 'system', 'dial-stdio'], sys.argv\n\
         engine = socket.socket(socket.AF_UNIX)\nengine.connect({:?})\n\
         def up():\n    while part := os.read(0, 65536): engine.sendall(part)\n    os._exit(0)\n\
         threading.Thread(target=up).start()\n\
         while part := engine.recv(65536): os.write(1, part)\nos._exit(0)\n",
        engine_socket()
    );
    let ssh = folder.path().join("ssh");
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let inner = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "inner_half_behind_ssh",
            "--ignored",
            "--nocapture",
        ])
        .env("PATH", path)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&inner.stdout);
    assert!(
        inner.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&inner.stderr)
    );
}

#[tokio::test]
#[ignore = "run by `an_engine_behind_ssh_is_used`, with a stand-in for ssh"]
async fn inner_half_behind_ssh() {
    let host = Some("ssh://me@engine.example".to_owned());
    is_used(&Settings {
        host,
        ..Settings::default()
    })
    .await;
}
