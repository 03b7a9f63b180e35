//! Which process of this machine listens on a port: for the words of an error.
//!
//! Reads /proc of this machine, so it must be asked only about an engine on a unix
//! socket. What it may not see it does not tell. Next: `apply.rs` (who asks).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h).
const LISTENS: &str = "0A";

/// `the process NAME (ID)` that has the port on that address.
pub(crate) fn process_on(address: &str, port: u16) -> Option<String> {
    let wanted = address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|table| inode(&table, wanted, port))?;
    let socket = format!("socket:[{inode}]");
    let entries = fs::read_dir("/proc").ok()?;
    let pid = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| has_open(*pid, &socket))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("the process {} ({pid})", name.trim()))
}

/// The socket that listens there, by the kernel's table.
fn inode(table: &str, wanted: IpAddr, port: u16) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (own, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (address, own_port) = own.split_once(':')?;
        let same_port = u16::from_str_radix(own_port, 16) == Ok(port);
        let holds = *state == LISTENS && same_port && overlap(parse(address)?, wanted);
        holds.then(|| (*inode).to_owned())
    })
}

/// As the kernel writes it: words of 32 bits, each in the machine's byte order.
fn parse(hex: &str) -> Option<IpAddr> {
    let words: Option<Vec<[u8; 4]>> = (0..hex.len())
        .step_by(8)
        .map(|at| {
            let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
            Some(word.to_ne_bytes())
        })
        .collect();
    let bytes = words?.concat();
    let four = <[u8; 4]>::try_from(bytes.as_slice()).map(|it| Ipv4Addr::from(it).into());
    let six = || <[u8; 16]>::try_from(bytes.as_slice()).map(|it| Ipv6Addr::from(it).into());
    four.or_else(|_| six()).ok()
}

fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one.is_unspecified() || other.is_unspecified() || one.to_canonical() == other.to_canonical()
}

fn has_open(pid: u32, socket: &str) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    open.flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|it| it == Path::new(socket)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_process_that_listens_is_named_and_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = format!("({})", std::process::id());
        for address in ["127.0.0.1", "0.0.0.0"] {
            let told = process_on(address, port).unwrap();
            assert!(told.ends_with(&own), "{told}");
        }
        assert_eq!(process_on("127.0.0.2", port), None, "another address");
        drop(listener);
        assert_eq!(process_on("127.0.0.1", port), None, "nobody any more");
    }

    #[test]
    fn one_that_listens_on_every_address_of_version_6_counts_for_version_4() {
        let Ok(listener) = TcpListener::bind("[::]:0") else {
            // A machine without IPv6 has no such process either.
            return;
        };
        let port = listener.local_addr().unwrap().port();
        let told = process_on("127.0.0.1", port).unwrap();
        assert!(told.contains(&std::process::id().to_string()), "{told}");
    }
}
