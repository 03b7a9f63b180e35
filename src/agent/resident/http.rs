//! Asking members over HTTP, plain or mutual TLS, without blocking the others.
//!
//! One connection a question: Patroni closes after each answer anyway. The TLS
//! settings are read again when a renewed certificate lies on disk.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::Tls;
use super::dns::{Lookup, Resolver};
use crate::wire::http::{Answer, is_complete, parse, question};
use crate::wire::{Address, TlsFiles, Url, WireError, client_config};

#[derive(Debug)]
pub struct Client {
    resolver: Resolver,
    tls: Option<Tls>,
    settings: Mutex<Option<(SystemTime, Arc<ClientConfig>)>>,
}

/// An answer, and the certificate of who gave it.
#[derive(Debug)]
pub struct Heard {
    pub answer: Answer,
    pub certificate: Option<CertificateDer<'static>>,
}

/// A connection to a member, for one question.
#[derive(Debug)]
pub enum Opened {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CallError {
    #[error("{method} {url}")]
    Io {
        method: &'static str,
        url: String,
        source: io::Error,
    },
    #[error("{method} {url} answered {status}")]
    Status {
        method: &'static str,
        url: String,
        status: u16,
    },
    #[error("{url} answered no JSON that is understood")]
    Json {
        url: String,
        source: serde_json::Error,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tls(#[from] WireError),
}

impl Client {
    pub fn new(resolver: Resolver, tls: Option<Tls>) -> Self {
        Self {
            resolver,
            tls,
            settings: Mutex::new(None),
        }
    }

    /// Asks within `patience`; any status is an answer.
    pub async fn ask(
        &self,
        method: &'static str,
        url: &Url,
        body: Option<&str>,
        patience: Duration,
    ) -> Result<Heard, CallError> {
        let deadline = Instant::now() + patience;
        let opened = self.open(method, url, patience).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        opened.ask(method, url, body, left).await
    }

    /// Connects for one question that will be asked with `method`.
    pub async fn open(
        &self,
        method: &'static str,
        url: &Url,
        patience: Duration,
    ) -> Result<Opened, CallError> {
        let settings = if url.is_tls {
            Some(self.tls_settings()?)
        } else {
            None
        };
        let connected = async {
            let address = self.resolver.address_of(&url.host, url.port).await?;
            let stream = TcpStream::connect(address).await?;
            let Some(settings) = settings else {
                return Ok(Opened::Plain(stream));
            };
            let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
            let stream = TlsConnector::from(settings).connect(name, stream).await?;
            Ok(Opened::Tls(Box::new(stream)))
        };
        timeout(patience, connected)
            .await
            .unwrap_or_else(|_| Err(late()))
            .map_err(fault(method, url))
    }

    /// Asks, expects 200, reads JSON.
    pub async fn ask_json<T: serde::de::DeserializeOwned>(
        &self,
        url: &Url,
        patience: Duration,
    ) -> Result<(T, Option<CertificateDer<'static>>), CallError> {
        let heard = self.ask("GET", url, None, patience).await?;
        if heard.answer.status != 200 {
            return Err(CallError::Status {
                method: "GET",
                url: url.to_string(),
                status: heard.answer.status,
            });
        }
        let read =
            serde_json::from_slice(&heard.answer.body).map_err(|source| CallError::Json {
                url: url.to_string(),
                source,
            })?;
        Ok((read, heard.certificate))
    }

    /// GETs a path of an address that needs no TLS.
    pub async fn get_plain(
        &self,
        address: &Address,
        path: &str,
        patience: Duration,
    ) -> io::Result<Answer> {
        let asked = async {
            let question = question("GET", "localhost", path, None);
            match address {
                Address::Unix(path) => exchange(UnixStream::connect(path).await?, &question).await,
                Address::Tcp { host, port } => {
                    let address = self.resolver.address_of(host, *port).await?;
                    exchange(TcpStream::connect(address).await?, &question).await
                }
            }
        };
        timeout(patience, asked)
            .await
            .unwrap_or_else(|_| Err(late()))
            .map(|heard| heard.answer)
    }

    /// A host's addresses, if DNS answers and knows any.
    pub async fn addresses_of(&self, host: &str) -> Option<BTreeSet<IpAddr>> {
        if let Ok(address) = host.parse() {
            return Some(BTreeSet::from([address]));
        }
        match self.resolver.lookup(host).await {
            Lookup::Known(addresses) if !addresses.is_empty() => {
                Some(addresses.into_iter().map(IpAddr::from).collect())
            }
            Lookup::Known(_) | Lookup::Silent(_) => None,
        }
    }

    /// When the agent's own certificate file was written.
    pub fn certificate_written(&self) -> Option<SystemTime> {
        self.tls
            .as_ref()?
            .certificate
            .metadata()
            .ok()?
            .modified()
            .ok()
    }

    fn tls_settings(&self) -> Result<Arc<ClientConfig>, WireError> {
        let written = self.certificate_written().unwrap_or(SystemTime::UNIX_EPOCH);
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, config)) = &*settings
            && *when == written
        {
            return Ok(Arc::clone(config));
        }
        let files = self
            .tls
            .as_ref()
            .map_or_else(TlsFiles::default, |tls| TlsFiles {
                ca: Some(tls.ca.clone()),
                cert: Some(tls.certificate.clone()),
                key: Some(tls.key.clone()),
                server_name: None,
            });
        let config = Arc::new(client_config(&files)?);
        *settings = Some((written, Arc::clone(&config)));
        Ok(config)
    }
}

impl Opened {
    /// Asks the one question; any status is an answer.
    pub async fn ask(
        self,
        method: &'static str,
        url: &Url,
        body: Option<&str>,
        patience: Duration,
    ) -> Result<Heard, CallError> {
        let question = question(method, &url.address().to_string(), &url.path, body);
        let asked = async {
            match self {
                Self::Plain(stream) => exchange(stream, &question).await,
                Self::Tls(stream) => {
                    let shown = stream.get_ref().1.peer_certificates();
                    let certificate = shown.and_then(<[_]>::first).cloned();
                    Ok(Heard {
                        certificate: certificate.map(CertificateDer::into_owned),
                        ..exchange(stream, &question).await?
                    })
                }
            }
        };
        timeout(patience, asked)
            .await
            .unwrap_or_else(|_| Err(late()))
            .map_err(fault(method, url))
    }
}

fn fault(method: &'static str, url: &Url) -> impl FnOnce(io::Error) -> CallError {
    let url = url.to_string();
    move |source| CallError::Io {
        method,
        url,
        source,
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &str,
) -> io::Result<Heard> {
    stream.write_all(question.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(4096);
    while !is_complete(&answer) {
        match stream.read_buf(&mut answer).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Heard {
        answer: parse(&answer)?,
        certificate: None,
    })
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}
