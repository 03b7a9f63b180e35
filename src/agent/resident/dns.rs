//! Addresses from the engine's DNS, asked as a container asks.
//!
//! The C library's resolver cannot tell "no such name" from "nobody answered",
//! and that is the difference between taking an instance out and keeping it:
//! so the question is asked here, over UDP, by TCP where an answer was cut.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(1);

/// What DNS says about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Its addresses; none means that there is no such name.
    ///
    /// A server failure counts as "none" too: an engine without a way out
    /// answers so for every name that it does not know itself.
    Known(BTreeSet<Ipv4Addr>),
    /// Nobody answered, so nothing is known.
    Silent(String),
}

#[derive(Clone, Copy, Debug)]
pub struct Resolver {
    server: SocketAddr,
    /// Believe only addresses of networks that this container is in.
    local_only: bool,
}

impl Resolver {
    pub fn new(server: SocketAddr, local_only: bool) -> Self {
        Self { server, local_only }
    }

    pub async fn lookup(&self, name: &str) -> Lookup {
        match timeout(PATIENCE, self.ask(name)).await {
            Ok(Ok(addresses)) => Lookup::Known(self.believed(addresses)),
            Ok(Err(error)) => Lookup::Silent(error.to_string()),
            Err(_) => Lookup::Silent(format!("no answer from {} in time", self.server)),
        }
    }

    /// One address of a host, which may be written as one already.
    pub async fn address_of(&self, host: &str, port: u16) -> io::Result<SocketAddr> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        match self.lookup(host).await {
            Lookup::Known(addresses) => {
                let first = addresses
                    .first()
                    .ok_or_else(|| io::Error::other(format!("{host} has no address")))?;
                Ok(SocketAddr::from((*first, port)))
            }
            Lookup::Silent(problem) => Err(io::Error::new(io::ErrorKind::TimedOut, problem)),
        }
    }

    fn believed(&self, mut addresses: BTreeSet<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
        if self.local_only
            && !addresses.is_empty()
            && let Some(own) = OwnNetworks::read()
        {
            addresses.retain(|address| own.contain(*address));
        }
        addresses
    }

    async fn ask(&self, name: &str) -> io::Result<BTreeSet<Ipv4Addr>> {
        let mut random = [0; 2];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
            .map_err(|_| io::Error::other("no randomness"))?;
        let id = u16::from_be_bytes(random);
        let question = question(id, name).map_err(io::Error::other)?;
        match read_answer(&self.ask_udp(id, &question).await?, id)? {
            Some(addresses) => Ok(addresses),
            None => read_answer(&self.ask_tcp(&question).await?, id)?
                .ok_or_else(|| io::Error::other("cut even by TCP")),
        }
    }

    async fn ask_udp(&self, id: u16, question: &[u8]) -> io::Result<Vec<u8>> {
        let any: SocketAddr = if self.server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(self.server).await?;
        socket.send(question).await?;
        let mut buffer = vec![0; 4096];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if buffer.get(..2) == Some(&id.to_be_bytes()) {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }

    async fn ask_tcp(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.server).await?;
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        stream
            .write_all(&[&length.to_be_bytes(), question].concat())
            .await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }
}

fn question(id: u16, name: &str) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new(name)?,
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec()
}

/// The addresses, or nothing if the answer was cut.
fn read_answer(answer: &[u8], id: u16) -> io::Result<Option<BTreeSet<Ipv4Addr>>> {
    let packet =
        Packet::parse(answer).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "an answer to another question",
        ));
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(None);
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError | RCODE::ServerFailure => {}
        other => {
            return Err(io::Error::other(format!(
                "the DNS server refused ({other:?})"
            )));
        }
    }
    let addresses = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(a) => Some(Ipv4Addr::from(a.address)),
            _ => None,
        });
    Ok(Some(addresses.collect()))
}

/// Networks that this container is in, from the kernel's routing table.
///
/// Columns: interface, destination, gateway, flags, ..., mask (the eighth), as
/// hexadecimal in the machine's byte order. Source: Linux, `net/ipv4/fib_trie.c`.
#[derive(Debug, PartialEq, Eq)]
struct OwnNetworks(Vec<(u32, u32)>);

impl OwnNetworks {
    fn read() -> Option<Self> {
        let found = Self::parse(&std::fs::read_to_string("/proc/net/route").ok()?);
        // None at all: a table that says nothing would refuse everybody.
        if found.0.is_empty() {
            None
        } else {
            Some(found)
        }
    }

    fn parse(table: &str) -> Self {
        let networks = table.lines().skip(1).filter_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let number = |at: usize| {
                u32::from_str_radix(columns.get(at)?, 16)
                    .ok()
                    .map(|number| u32::from_be_bytes(number.to_ne_bytes()))
            };
            let (destination, gateway, mask) = (number(1)?, number(2)?, number(7)?);
            (gateway == 0 && mask != 0).then_some((destination, mask))
        });
        Self(networks.collect())
    }

    fn contain(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        self.0
            .iter()
            .any(|(network, mask)| address & mask == *network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_s_networks_are_those_without_a_gateway() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t010013AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth0\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let networks = OwnNetworks::parse(table);
        assert!(
            networks.contain(Ipv4Addr::new(172, 19, 3, 4)),
            "{networks:?}"
        );
        assert!(!networks.contain(Ipv4Addr::new(172, 20, 3, 4)));
        assert!(!networks.contain(Ipv4Addr::new(93, 184, 216, 34)));
    }

    #[test]
    fn no_bytes_make_the_reader_of_answers_panic() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200))| {
            let _ = read_answer(&bytes, 0);
        });
    }
}
