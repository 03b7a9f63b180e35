//! An HTTP server of fixed pages, plain or with mutual TLS.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::stack::Stack;

/// Answers `METHOD /path` with a status and a body, and remembers all that was
/// asked, each with its body. One that is asked for a `verb` answers
/// `METHOD /path VERB`.
#[derive(Clone, Default)]
pub struct Pages {
    pages: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Pages {
    pub fn set(&self, request: &str, status: u16, body: &str) {
        self.pages
            .lock()
            .unwrap()
            .insert(request.to_owned(), (status, body.to_owned()));
    }

    /// All requests but GETs.
    pub fn changes(&self) -> Vec<String> {
        self.changes_at()
            .into_iter()
            .map(|(_, request)| request)
            .collect()
    }

    /// The same with the moment of each.
    pub fn changes_at(&self) -> Vec<(Instant, String)> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(_, request)| !request.starts_with("GET "))
            .cloned()
            .collect()
    }

    pub fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let pages = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = pages.answer(stream);
            }
        });
        port
    }

    /// With the certificate of `db-1`, and only for those of the same CA.
    pub fn serve_tls(&self, stack: &Stack) -> u16 {
        let config = Arc::new(tls_config(stack));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let pages = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let pages = pages.clone();
                // Some are opened long before anything is asked.
                std::thread::spawn(move || {
                    if pages.answer(&mut stream).is_ok() {
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                });
            }
        });
        port
    }

    fn answer(&self, mut stream: impl Read + Write) -> std::io::Result<()> {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        let (line, body) = loop {
            let length = stream.read(&mut buffer)?;
            request.extend_from_slice(&buffer[..length]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                if length == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            };
            let announced = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .unwrap_or("0");
            if body.len() >= announced.parse().unwrap() {
                let line = head
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches(" HTTP/1.1")
                    .to_owned();
                break (line, body.to_owned());
            }
        };
        let asked = serde_json::from_str(&body).unwrap_or(serde_json::Value::Null);
        let key = match asked["verb"].as_str() {
            Some(verb) => format!("{line} {verb}"),
            None => line.clone(),
        };
        let request = format!("{line} {body}").trim_end().to_owned();
        self.asked.lock().unwrap().push((Instant::now(), request));
        let answer = loop {
            let page = self.pages.lock().unwrap().get(&key).cloned();
            match page {
                // Not yet: whoever asks waits.
                Some((0, _)) => std::thread::sleep(Duration::from_millis(1)),
                other => break other,
            }
        };
        let (status, answer) = answer.unwrap_or((404, String::new()));
        // As Patroni answers: HTTP/1.0, and no length.
        write!(
            stream,
            "HTTP/1.0 {status} X\r\nContent-Type: application/json\r\n\r\n{answer}"
        )
    }
}

/// TLS that wants a client certificate of the stack's CA.
fn tls_config(stack: &Stack) -> rustls::ServerConfig {
    let chain = |name: &str| vec![CertificateDer::from_pem_file(stack.out(name)).unwrap()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(chain("db-1/tls/ca.crt").remove(0)).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        roots.into(),
        Arc::clone(&provider),
    );
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            chain("db-1/tls/tls.crt"),
            PrivateKeyDer::from_pem_file(stack.out("db-1/tls/tls.key")).unwrap(),
        )
        .unwrap()
}
