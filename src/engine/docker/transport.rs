//! The wire: opens connections to the engine and sends one request on each.
//!
//! bollard's own transports are not used because they cannot say whether a
//! request that failed was sent: `Unsent` surely changed nothing, everything
//! later is unknown. They also drop the API version from the path, and read
//! the system's certificates at each start. Never retries a sent request.
//! Next: `connect.rs` (who dials), `errors.rs` (what a failure means).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::context::{Kind, Place};
use crate::tls;

/// What bollard sends; the same as the body of its `BollardRequest`.
pub(crate) type Body =
    Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>>>;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A remote engine's machine that is gone is noticed after about 30 s.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The request was not sent: it changed nothing.
    #[error("no connection")]
    Unsent(#[source] io::Error),
    /// The request was sent, at least in part, and no answer came.
    #[error("the connection broke")]
    Lost(#[source] hyper::Error),
}

trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// All connections to one engine.
pub(crate) struct Wire {
    place: Place,
    tls: OnceLock<Arc<rustls::ClientConfig>>,
    /// `/v1.53`, once negotiated.
    prefix: OnceLock<String>,
    idle: Mutex<Vec<http1::SendRequest<Body>>>,
}

impl Wire {
    pub fn new(place: Place) -> Self {
        Self {
            place,
            tls: OnceLock::new(),
            prefix: OnceLock::new(),
            idle: Mutex::default(),
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// From now on every path carries this API version.
    pub fn speak(&self, (major, minor): (u32, u32)) {
        self.prefix.get_or_init(|| format!("/v{major}.{minor}"));
    }

    /// Sends one request; a connection is opened for it, or an idle one taken.
    pub async fn send(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, WireError> {
        let mut request = self.addressed(request)?;
        loop {
            let (mut sender, reused) = match self.take_idle() {
                Some(sender) => (sender, true),
                None => (self.open().await.map_err(WireError::Unsent)?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.keep_when_ready(sender);
                    return Ok(response);
                }
                // hyper hands the request back when no byte of it was written.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if reused => request = unsent,
                    Some(_) => return Err(WireError::Unsent(io::Error::other(error.into_error()))),
                    None => return Err(WireError::Lost(error.into_error())),
                },
            }
        }
    }

    fn addressed(&self, mut request: Request<Body>) -> Result<Request<Body>, WireError> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let prefix = self.prefix.get().map_or("", String::as_str);
        let uri = format!("{prefix}{path}").parse::<http::Uri>();
        *request.uri_mut() = uri.map_err(|error| WireError::Unsent(io::Error::other(error)))?;
        let host = match &self.place.kind {
            Kind::Tcp { host, port, .. } => format!("{host}:{port}"),
            Kind::Unix(_) | Kind::Ssh { .. } => "docker".to_owned(),
        };
        let host = http::HeaderValue::from_str(&host)
            .map_err(|error| WireError::Unsent(io::Error::other(error)))?;
        request.headers_mut().insert(http::header::HOST, host);
        Ok(request)
    }

    fn take_idle(&self) -> Option<http1::SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(http1::SendRequest::is_ready)
    }

    /// A connection can be used again once its answer has been read; one that
    /// was upgraded or broke never becomes ready and is dropped.
    fn keep_when_ready(self: &Arc<Self>, mut sender: http1::SendRequest<Body>) {
        let wire = Arc::downgrade(self);
        tokio::spawn(async move {
            if sender.ready().await.is_ok()
                && let Some(wire) = wire.upgrade()
            {
                wire.idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sender);
            }
        });
    }

    async fn open(&self) -> io::Result<http1::SendRequest<Body>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 s");
        let pipe = tokio::time::timeout(CONNECT_LIMIT, self.dial())
            .await
            .map_err(late)??;
        let (sender, connection) = http1::handshake(TokioIo::new(pipe))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    async fn dial(&self) -> io::Result<Box<dyn Pipe>> {
        match &self.place.kind {
            Kind::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            Kind::Tcp { host, port, tls } => {
                let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let keepalive = socket2::TcpKeepalive::new()
                    .with_time(KEEPALIVE)
                    .with_interval(KEEPALIVE / 3);
                socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                match tls {
                    None => Ok(Box::new(stream)),
                    Some(files) => {
                        let config = match self.tls.get() {
                            Some(config) => config.clone(),
                            None => {
                                let config = tls::client(files)?;
                                self.tls.get_or_init(|| config).clone()
                            }
                        };
                        let name = rustls_pki_types::ServerName::try_from(host.clone())
                            .map_err(io::Error::other)?;
                        Ok(Box::new(
                            tokio_rustls::TlsConnector::from(config)
                                .connect(name, stream)
                                .await?,
                        ))
                    }
                }
            }
            Kind::Ssh { target, .. } => ssh(target),
        }
    }
}

/// The engine at the other end of `ssh`, as the docker command does it.
fn ssh(target: &[String]) -> io::Result<Box<dyn Pipe>> {
    use std::process::Stdio;
    let mut child = tokio::process::Command::new("ssh")
        .args(["-o", "ConnectTimeout=10", "-T"])
        .args(target)
        .args(["docker", "system", "dial-stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let broken = || io::Error::other("ssh gave no pipes");
    let (stdin, stdout) = (
        child.stdin.take().ok_or_else(broken)?,
        child.stdout.take().ok_or_else(broken)?,
    );
    // It ends with its pipes; waiting for it leaves no zombie.
    tokio::spawn(async move { child.wait().await });
    Ok(Box::new(tokio::io::join(stdout, stdin)))
}
