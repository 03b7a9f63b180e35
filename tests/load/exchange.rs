//! One HTTP/1.1 request and its whole answer, over TLS with any certificate.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a request failed: a word that is counted, and what else is known.
#[derive(Debug)]
pub struct Fault {
    pub kind: String,
    pub detail: String,
}

impl Fault {
    pub fn new(kind: &str, detail: String) -> Self {
        Self {
            kind: kind.to_owned(),
            detail,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Whether another request may follow on the same connection.
    pub keeps: bool,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn refusal(&self) -> Fault {
        let text = String::from_utf8_lossy(&self.body)
            .chars()
            .take(200)
            .collect();
        Fault::new(&format!("status {}", self.status), text)
    }
}

pub struct Connector {
    to: SocketAddr,
    tls: TlsConnector,
}

impl Connector {
    pub fn new(to: SocketAddr) -> Self {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Self {
            to,
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    pub async fn connect(&self) -> Result<Connection, Fault> {
        let socket = TcpStream::connect(self.to).await;
        let socket = socket.map_err(|error| fault("connect", &error, 0))?;
        socket
            .set_nodelay(true)
            .expect("a socket takes its options");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.tls.connect(name, socket).await;
        Ok(Connection {
            stream: stream.map_err(|error| fault("tls", &error, 0))?,
            uses: 0,
            left: Vec::new(),
        })
    }
}

pub struct Connection {
    stream: TlsStream<TcpStream>,
    uses: u32,
    left: Vec<u8>,
}

impl Connection {
    /// Nothing to read and no end: looked at without waiting.
    pub fn is_open(&mut self) -> bool {
        let mut space = [0; 1];
        let mut buffer = ReadBuf::new(&mut space);
        let mut context = Context::from_waker(Waker::noop());
        let read = Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer);
        matches!(read, Poll::Pending)
    }

    /// Sends a request and reads its answer; whether another may follow.
    pub async fn exchange(&mut self, request: &str) -> Result<bool, Fault> {
        let answer = self.ask(request).await?;
        if answer.status >= 400 {
            return Err(answer.refusal());
        }
        Ok(answer.keeps)
    }

    /// Sends a request and reads its answer, whatever it says.
    pub async fn ask(&mut self, request: &str) -> Result<Answer, Fault> {
        let uses = self.uses;
        let sent = async {
            self.stream.write_all(request.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| fault("send", &error, uses))?;
        let answer = self.answer().await;
        let (status, keeps, body) = answer.map_err(|error| fault("answer", &error, uses))?;
        self.uses += 1;
        Ok(Answer {
            status,
            keeps,
            body,
        })
    }

    async fn answer(&mut self) -> io::Result<(u16, bool, Vec<u8>)> {
        let head = loop {
            if let Some(end) = self.left.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.left.split_off(end + 4);
                break std::mem::replace(&mut self.left, rest);
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        let body = if header("transfer-encoding").as_deref() == Some("chunked") {
            self.chunks().await?
        } else {
            let length = header("content-length").and_then(|text| text.parse().ok());
            self.take(length.unwrap_or(0)).await?
        };
        Ok((
            status,
            header("connection").as_deref() != Some("close"),
            body,
        ))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = self.left.windows(2).position(|two| two == b"\r\n") {
                    break self.take(end + 2).await?;
                }
                self.more().await?;
            };
            let text = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(text.trim(), 16).map_err(io::Error::other)?;
            whole.extend(&self.take(size + 2).await?[..size]);
            if size == 0 {
                return Ok(whole);
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.left.len() < length {
            self.more().await?;
        }
        let rest = self.left.split_off(length);
        Ok(std::mem::replace(&mut self.left, rest))
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.left).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn fault(when: &str, error: &io::Error, uses: u32) -> Fault {
    let kind = format!("{when}: {}", error.kind());
    Fault::new(
        &kind,
        format!("{error} (after {uses} uses of the connection)"),
    )
}

/// The test stack's own authority is not known here, and is not what is tested.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
