//! A way for SQL from this machine to the pooler of a stack.
//!
//! A stack publishes its edge only. An app speaks SQL from inside the stack's network;
//! so does this container of the test's own, and passes on whatever comes to a port of
//! this machine's loopback. It keeps nothing and repeats nothing.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Ran, Stack, listed, run};

/// A forgotten one ends by itself.
const AT_MOST_SECONDS: &str = "7200";
const POOLER_PORT: u16 = 6432;
const IMAGE: &str = concat!("scalectl/envoy:", env!("CARGO_PKG_VERSION"));

pub struct Relay {
    container: String,
    pub to_pooler: SocketAddr,
}

impl Relay {
    pub fn start(stack: &Stack) -> Self {
        let container = format!("{}-relay", stack.name);
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--rm", "--name", &container]);
        command.args(["--network", &network(stack)]);
        command.args(["--publish", &format!("127.0.0.1::{POOLER_PORT}")]);
        command.args(["--entrypoint", "timeout", IMAGE, AT_MOST_SECONDS, "envoy"]);
        command.args(["--disable-hot-restart", "--concurrency", "1"]);
        command.args(["--log-level", "error", "--config-yaml", &config()]);
        must(&run(&mut command), "the relay starts");
        let relay = Self {
            to_pooler: published(&container),
            container,
        };
        relay.wait_until_open();
        relay
    }

    fn wait_until_open(&self) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(self.to_pooler).is_err() {
            assert!(Instant::now() < give_up, "the relay listens within 20 s");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = run(Command::new("docker").args(["rm", "--force", &self.container]));
    }
}

/// The network in which the app reaches the pooler.
pub fn network(stack: &Stack) -> String {
    let app = stack.instances("app");
    let app = app.first().expect("an app runs");
    let format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}\n{{end}}";
    let names = listed(&["inspect", "--format", format, app]);
    let names: Vec<_> = names.iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(names.len(), 1, "the app is in one network: {names:?}");
    names[0].clone()
}

/// What the app is told, by that name. Never printed.
pub fn told_to_the_app(stack: &Stack, name: &str) -> String {
    let app = stack.instances("app");
    let app = app.first().expect("an app runs");
    // The launcher gives a process the app's environment.
    let mut command = Command::new("docker");
    command.args(["exec", app, "/scalectl/scalectl", "launch"]);
    command.args(["--env-dir", "/etc/scalectl/env", "--", "printenv", name]);
    let told = run(&mut command);
    assert_eq!(told.code, 0, "the app is told {name}: {}", told.err);
    told.out.trim().to_owned()
}

fn published(container: &str) -> SocketAddr {
    let port = listed(&["port", container, &format!("{POOLER_PORT}/tcp")]);
    let port = port.first().expect("the relay's port is published");
    port.parse().expect("an address and a port")
}

fn must(ran: &Ran, what: &str) {
    assert_eq!(ran.code, 0, "{what}: {}{}", ran.out, ran.err);
}

fn config() -> String {
    let address = |host: &str| serde_json::json!({"socket_address": {"address": host, "port_value": POOLER_PORT}});
    serde_json::json!({"static_resources": {
        "listeners": [{
            "address": address("0.0.0.0"),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.tcp_proxy",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "pooler", "cluster": "pooler", "idle_timeout": "0s",
                },
            }]}],
        }],
        "clusters": [{
            "name": "pooler", "type": "STRICT_DNS", "connect_timeout": "10s",
            "load_assignment": {
                "cluster_name": "pooler",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address("pooler")}}]}],
            },
        }],
    }})
    .to_string()
}
