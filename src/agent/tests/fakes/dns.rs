//! A DNS server that says what it is told to.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, RCODE, ResourceRecord};

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
