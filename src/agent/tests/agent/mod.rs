//! `agent` with its peers faked: what it writes, whom it tells, what it survives.

mod crossing;
mod database;
mod endpoints;
mod handover;
mod sessions;
mod vacate;

use std::cell::Cell;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::fakes::{Dns, wait_until};
use crate::stack::BINARY;

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 9, last)
}

/// A folder, a DNS server and an agent's settings in it.
struct Scene {
    folder: tempfile::TempDir,
    dns: Dns,
    /// Where the last agent serves.
    port: Cell<u16>,
    local_only: Cell<bool>,
}

/// A running agent; killed when the test ends.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            dns: Dns::start(),
            port: Cell::new(0),
            local_only: Cell::new(false),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts an agent with these further settings and waits until it answers.
    fn start(&self, settings: &str) -> Agent {
        let head = format!(
            "listen: 127.0.0.1:0\ncontrol: {}\nresolver: {}\nlocal_only: {}\n",
            self.path("control.sock").display(),
            self.dns.address,
            self.local_only.get()
        );
        std::fs::write(self.path("agent.yaml"), head + settings).unwrap();
        let told_before = self.log().len();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let child = Command::new(BINARY)
            .args(["agent", "--config"])
            .arg(self.path("agent.yaml"))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let agent = Agent(child);
        wait_until("the agent serves", || {
            let told = self.log()[told_before..].to_owned();
            let port = told
                .lines()
                .find_map(|line| line.rsplit_once(" serves at 127.0.0.1:")?.1.parse().ok());
            port.map(|port| self.port.set(port)).is_some()
        });
        agent
    }

    fn discovery(&self, more: &str) -> String {
        format!(
            "discovery:\n  interval_ms: 20\n  services:\n    - {{name: app, port: 8000, file: {}}}\n{more}",
            self.path("app.json").display()
        )
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The last parts of the addresses in the endpoint file.
    fn serving(&self) -> Vec<u8> {
        let file: Value =
            serde_json::from_slice(&std::fs::read(self.path("app.json")).unwrap()).unwrap();
        let endpoints = file["resources"][0]["endpoints"][0]["lb_endpoints"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let last = |endpoint: &Value| {
            let address = endpoint["endpoint"]["address"]["socket_address"]["address"]
                .as_str()
                .unwrap()
                .to_owned();
            address.parse::<Ipv4Addr>().unwrap().octets()[3]
        };
        endpoints.iter().map(last).collect()
    }

    fn verb_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(["agent", "--socket"])
            .arg(self.path("control.sock"))
            .args(arguments);
        command
    }

    fn verb(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.verb_command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn get(&self, path: &str) -> (bool, String) {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.get())).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.starts_with("HTTP/1.1 200 OK\r\n"), text)
    }

    fn metric(&self, line: &str) -> bool {
        self.get("/metrics").1.lines().any(|told| told == line)
    }
}
