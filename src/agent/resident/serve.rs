//! A tiny HTTP server for two paths, for Prometheus and the health check.
//!
//! It listens inside the stack only, reads nothing but a request's first line,
//! and serves a few at a time.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::certificates::not_after_of_file;
use super::config::Tls;
use super::database::Known;
use super::discovery::Services;
use super::metrics::{Metrics, Scene, unhealthy};

const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);
const HEAD_LIMIT_BYTES: usize = 8 << 10;

pub struct Server {
    pub services: Services,
    pub metrics: Arc<Metrics>,
    pub database: Option<watch::Receiver<Known>>,
    pub has_pooler: bool,
    pub tls: Option<Tls>,
    pub started: Instant,
}

/// Runs for ever.
pub async fn serve(listener: TcpListener, server: Server) {
    let server = Arc::new(server);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    // Whoever hangs up early has no answer to miss.
                    let _ = timeout(PATIENCE, server.answer(stream)).await;
                    drop(place);
                });
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

impl Server {
    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if head.len() > HEAD_LIMIT_BYTES || stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let line =
            String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default())
                .into_owned();
        let mut words = line.split(' ');
        let (status, body) = match (words.next(), words.next()) {
            (Some("GET"), Some("/metrics")) => ("200 OK", self.metrics()),
            (Some("GET"), Some("/healthz")) => {
                let has_pointed = !self.has_pooler || self.metrics.reloads.now() > 0;
                match unhealthy(&self.services, has_pointed, self.started.elapsed()) {
                    None => ("200 OK", "ok\n".to_owned()),
                    Some(problem) => ("503 Service Unavailable", format!("{problem}\n")),
                }
            }
            (Some("GET"), Some(_)) => (
                "404 Not Found",
                "there is /metrics and /healthz\n".to_owned(),
            ),
            _ => ("405 Method Not Allowed", String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.shutdown().await
    }

    fn metrics(&self) -> String {
        if let Some(until) = self
            .tls
            .as_ref()
            .and_then(|tls| not_after_of_file(&tls.certificate))
        {
            self.metrics.certificate("agent", until);
        }
        let known = self.database.as_ref().map(|known| known.borrow().clone());
        let scene = Scene {
            services: &self.services,
            database: known.as_ref(),
            has_pooler: self.has_pooler,
        };
        self.metrics.text(&scene)
    }
}
