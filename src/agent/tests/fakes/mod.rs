//! Peers of the agent, as small as they can be: a DNS server, an HTTP server
//! (plain or mutual TLS), a pooler's console. All on loopback or in a folder.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, RCODE, ResourceRecord};

use crate::stack::Stack;

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a DNS server does with a question about a name.
#[derive(Clone)]
pub enum Says {
    Addresses(Vec<Ipv4Addr>),
    NoSuchName,
    Failure,
    Nothing,
    /// Too much for UDP: the whole by TCP.
    Cut(Vec<Ipv4Addr>),
}

#[derive(Clone)]
pub struct Dns {
    pub address: SocketAddr,
    says: Arc<Mutex<BTreeMap<String, Says>>>,
}

impl Dns {
    pub fn start() -> Self {
        let (udp, tcp) = same_port();
        let address = udp.local_addr().unwrap();
        let dns = Self {
            address,
            says: Arc::default(),
        };
        let (by_udp, by_tcp) = (dns.clone(), dns.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                if let Some(answer) = by_udp.answer(&buffer[..length], false) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut question).unwrap();
                let answer = by_tcp.answer(&question, true).unwrap();
                stream
                    .write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())
                    .unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        dns
    }

    pub fn say(&self, name: &str, says: Says) {
        self.says.lock().unwrap().insert(name.to_owned(), says);
    }

    fn answer(&self, question: &[u8], whole: bool) -> Option<Vec<u8>> {
        let asked = Packet::parse(question).unwrap();
        let name = asked.questions[0].qname.to_string();
        let says = self
            .says
            .lock()
            .unwrap()
            .get(&name)
            .cloned()
            .unwrap_or(Says::NoSuchName);
        let mut answer = Packet::new_reply(asked.id());
        let mut add = |addresses: &[Ipv4Addr]| {
            for address in addresses {
                let record = RData::A(A {
                    address: u32::from(*address),
                });
                answer.answers.push(ResourceRecord::new(
                    asked.questions[0].qname.clone(),
                    CLASS::IN,
                    600,
                    record,
                ));
            }
        };
        match says {
            Says::Nothing => return None,
            Says::Addresses(addresses) => add(&addresses),
            Says::Cut(addresses) if whole => add(&addresses),
            Says::Cut(addresses) => {
                add(&addresses[..1]);
                answer.set_flags(PacketFlag::TRUNCATION);
            }
            Says::NoSuchName => *answer.rcode_mut() = RCODE::NameError,
            Says::Failure => *answer.rcode_mut() = RCODE::ServerFailure,
        }
        answer.questions = asked.questions.clone();
        Some(answer.build_bytes_vec().unwrap())
    }
}

/// A port that is free for both may take a few tries.
fn same_port() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

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
pub fn tls_config(stack: &Stack) -> rustls::ServerConfig {
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

/// A pooler's admin console; remembers what it was told, and what its database
/// file said at each RELOAD.
pub struct Console {
    told: Arc<Mutex<Told>>,
    socket: PathBuf,
}

#[derive(Default)]
struct Told {
    reloads: Vec<(Instant, String)>,
    others: Vec<(Instant, String)>,
    /// A transaction is under way that never ends.
    is_busy: bool,
}

impl Console {
    pub fn start(folder: &Path, databases: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let socket = folder.join(".s.PGSQL.6432");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let console = Self {
            told: Arc::default(),
            socket,
        };
        let (told, databases) = (Arc::clone(&console.told), databases.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (told, databases) = (Arc::clone(&told), databases.clone());
                std::thread::spawn(move || talk(stream, &databases, &told));
            }
        });
        console
    }

    pub fn be_busy(&self, is_busy: bool) {
        self.told.lock().unwrap().is_busy = is_busy;
    }

    pub fn reloads(&self) -> Vec<String> {
        self.reloads_at()
            .into_iter()
            .map(|(_, file)| file)
            .collect()
    }

    /// The same with the moment of each.
    pub fn reloads_at(&self) -> Vec<(Instant, String)> {
        self.told.lock().unwrap().reloads.clone()
    }

    /// All commands but RELOAD, with the moment of each, since the last call.
    pub fn others(&self) -> Vec<(Instant, String)> {
        std::mem::take(&mut self.told.lock().unwrap().others)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn talk(mut stream: UnixStream, databases: &Path, told: &Mutex<Told>) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut start = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut start)?;
    assert_eq!(
        start, b"\0\x03\0\0user\0agent\0database\0pgbouncer\0\0",
        "the start of the conversation"
    );
    // Authenticated, one parameter, ready.
    stream.write_all(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x0aa\0bcd\0Z\0\0\0\x05I")?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    stream.read_exact(&mut length)?;
    let mut query = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut query)?;
    assert_eq!((kind, query.pop()), (*b"Q", Some(0)), "a query and its end");
    let query = String::from_utf8(query).unwrap();
    let waits = {
        let mut told = told.lock().unwrap();
        if query == "RELOAD" {
            let file = std::fs::read_to_string(databases).unwrap_or_default();
            told.reloads.push((Instant::now(), file));
        } else {
            told.others.push((Instant::now(), query.clone()));
        }
        told.is_busy && query.starts_with("PAUSE")
    };
    if waits {
        return stream.read_exact(&mut kind);
    }
    let is_held = told
        .lock()
        .unwrap()
        .others
        .iter()
        .any(|(_, one)| one.starts_with("PAUSE"));
    if query.starts_with("RESUME") && !is_held {
        return stream.write_all(b"E\0\0\0\x1bSERROR\0Mis not paused\0\0Z\0\0\0\x05I");
    }
    stream.write_all(b"C\0\0\0\x07OK\0Z\0\0\0\x05I")
}
