//! `agent` with its peers faked: what it writes, whom it tells, what it survives.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::fakes::{Console, Dns, Pages, Says, wait_until};
use crate::stack::{BINARY, Stack};

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 9, last)
}

/// A folder, a DNS server and an agent's settings in it.
struct Scene {
    folder: tempfile::TempDir,
    dns: Dns,
    port: u16,
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
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self {
            folder: tempfile::tempdir().unwrap(),
            dns: Dns::start(),
            port,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts an agent with these further settings and waits until it answers.
    fn start(&self, settings: &str) -> Agent {
        let head = format!(
            "listen: 127.0.0.1:{}\ncontrol: {}\nresolver: {}\n",
            self.port,
            self.path("control.sock").display(),
            self.dns.address
        );
        std::fs::write(self.path("agent.yaml"), head + settings).unwrap();
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
        wait_until("the agent listens", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        agent
    }

    fn discovery(&self, more: &str) -> String {
        format!(
            "discovery:\n  interval_ms: 20\n  local_only: false\n  services:\n    - {{name: app, port: 8000, file: {}}}\n{more}",
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

    fn verb(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(BINARY)
            .args(["agent", "--socket"])
            .arg(self.path("control.sock"))
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn get(&self, path: &str) -> (bool, String) {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.starts_with("HTTP/1.1 200 OK\r\n"), text)
    }

    fn metric(&self, line: &str) -> bool {
        self.get("/metrics").1.lines().any(|told| told == line)
    }
}

#[test]
fn the_endpoint_file_is_there_at_once_and_then_follows_dns() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Nothing);
    let _agent = scene.start(&scene.discovery(""));
    assert_eq!(scene.serving(), [] as [u8; 0], "nobody answered yet");

    scene.dns.say("app", Says::Addresses(vec![ip(2), ip(1)]));
    wait_until("both serve", || scene.serving() == [1, 2]);
    scene.dns.say("app", Says::Addresses(vec![ip(2)]));
    wait_until("one has left", || scene.serving() == [2]);
    let many: Vec<_> = (1..100).map(ip).collect();
    scene.dns.say("app", Says::Cut(many));
    wait_until("all serve, by TCP", || scene.serving().len() == 99);
    assert!(
        scene.metric("scalectl_endpoints_serving{service=\"app\"} 99"),
        "{}",
        scene.get("/metrics").1
    );
}

#[test]
fn instances_stay_while_nobody_answers_and_go_when_the_name_is_gone_for_a_while() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1)]));
    let _agent = scene.start(&scene.discovery(""));
    wait_until("it serves", || scene.serving() == [1]);
    scene.dns.say("app", Says::Nothing);
    wait_until("it is told", || {
        scene.log().contains("its instances stay as they are")
    });
    assert_eq!(scene.serving(), [1]);
    for says in [Says::Failure, Says::NoSuchName] {
        scene.dns.say("app", says);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(scene.serving(), [1], "it went too soon: {}", scene.log());
        wait_until("it goes", || scene.serving().is_empty());
        scene.dns.say("app", Says::Addresses(vec![ip(1)]));
        wait_until("it comes back", || scene.serving() == [1]);
    }
}

#[test]
fn an_address_outside_of_the_container_s_networks_is_no_instance() {
    let scene = Scene::new();
    scene
        .dns
        .say("app", Says::Addresses(vec![Ipv4Addr::new(203, 0, 113, 5)]));
    let _agent = scene.start(
        &scene
            .discovery("")
            .replace("local_only: false", "local_only: true"),
    );
    wait_until("DNS was asked", || {
        scene
            .get("/metrics")
            .1
            .contains("scalectl_discovery_failures_total{service=\"app\"} 0")
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(scene.serving(), [] as [u8; 0]);
}

#[test]
fn a_drain_takes_an_instance_out_waits_and_holds_until_dns_forgets_it() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let _agent = scene.start(&scene.discovery(""));
    wait_until("both serve", || scene.serving() == [1, 2]);

    let started = std::time::Instant::now();
    let (code, told, _) = scene.verb(&["drain", "127.0.9.1", "--settle", "0.3"]);
    assert_eq!(
        (code, told.as_str()),
        (Some(0), "127.0.9.1 gets no new request\n")
    );
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "it did not settle"
    );
    assert_eq!(
        scene.serving(),
        [2],
        "the file was not written before the answer"
    );
    let (_, told, _) = scene.verb(&["endpoints"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told,
        serde_json::json!({"app": {"serving": ["127.0.9.2"], "drained": ["127.0.9.1"]}})
    );
    assert!(scene.metric("scalectl_endpoints_drained{service=\"app\"} 1"));

    let (code, _, told) = scene.verb(&["drain", "127.0.9.2", "--timeout", "0.3"]);
    assert_eq!(code, Some(3), "the last one was drained");
    assert!(
        told.starts_with("agent: error: refused: no other instance serves"),
        "{told}"
    );
    assert_eq!(scene.serving(), [2]);

    scene.dns.say("app", Says::Addresses(vec![ip(2)]));
    wait_until("it is forgotten", || {
        scene.metric("scalectl_endpoints_drained{service=\"app\"} 0")
    });
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    wait_until("a new instance with its address serves", || {
        scene.serving() == [1, 2]
    });
    assert_eq!(
        scene.verb(&["drain", "127.0.9.9", "--settle", "0"]).0,
        Some(0),
        "one that is not there is out already"
    );
}

#[test]
fn an_undrained_instance_serves_again_and_so_does_one_that_nobody_stopped() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let _agent = scene.start(&scene.discovery(""));
    wait_until("both serve", || scene.serving() == [1, 2]);
    scene.verb(&["drain", "127.0.9.1", "--settle", "0"]);
    assert_eq!(
        scene.verb(&["undrain", "127.0.9.1"]).1,
        "127.0.9.1 serves again\n"
    );
    assert_eq!(scene.serving(), [1, 2]);
    scene.verb(&["drain", "127.0.9.1", "--settle", "0", "--for", "1"]);
    wait_until("the drain is over", || scene.serving() == [1, 2]);
    assert!(
        scene
            .log()
            .contains("nobody finished the drain of 127.0.9.1"),
        "{}",
        scene.log()
    );
    assert_eq!(
        scene.verb(&["drain", "127.0.9.1", "--settle", "0"]).0,
        Some(0)
    );
    assert_eq!(
        scene
            .verb(&["drain", "127.0.9.2", "--settle", "0", "--even-last"])
            .0,
        Some(0)
    );
    assert_eq!(scene.serving(), [] as [u8; 0]);
}

#[test]
fn an_agent_that_was_killed_goes_on_with_the_same_instances_and_drains() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let agent = scene.start(&scene.discovery(""));
    wait_until("both serve", || scene.serving() == [1, 2]);
    scene.verb(&["drain", "127.0.9.1", "--settle", "0"]);
    let before = std::fs::read(scene.path("app.json")).unwrap();
    drop(agent);
    std::fs::write(scene.path(".unfinished-1-0-app.json"), "half").unwrap();
    scene.dns.say("app", Says::Nothing);

    let _agent = scene.start(&scene.discovery(""));
    assert_eq!(std::fs::read(scene.path("app.json")).unwrap(), before);
    assert!(!scene.path(".unfinished-1-0-app.json").exists());
    scene
        .dns
        .say("app", Says::Addresses(vec![ip(1), ip(2), ip(3)]));
    wait_until("the new one serves", || scene.serving() == [2, 3]);
}

fn clusters(healthy: &[u8], sick: &[u8]) -> String {
    let host = |last: &u8, sick: bool| {
        let address = ip(*last);
        format!(
            r#"{{"address":{{"socket_address":{{"address":"{address}","port_value":8000}}}},"health_status":{{"failed_active_health_check":{sick}}}}}"#
        )
    };
    let hosts: Vec<_> = healthy
        .iter()
        .map(|last| host(last, false))
        .chain(sick.iter().map(|last| host(last, true)))
        .collect();
    format!(
        r#"{{"cluster_statuses":[{{"name":"app","host_statuses":[{}]}}]}}"#,
        hosts.join(",")
    )
}

#[test]
fn a_drain_waits_until_every_edge_sends_to_another_instance() {
    let scene = Scene::new();
    let (one, two) = (Pages::default(), Pages::default());
    const PAGE: &str = "GET /clusters?format=json";
    for edge in [&one, &two] {
        edge.set(PAGE, 200, &clusters(&[1], &[2]));
    }
    let edges = format!(
        "  edges: ['127.0.0.1:{}', '127.0.0.1:{}']\n",
        one.serve(),
        two.serve()
    );
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let _agent = scene.start(&scene.discovery(&edges));
    wait_until("both are in the file", || scene.serving() == [1, 2]);

    let drain = ["drain", "127.0.9.1", "--settle", "0", "--timeout", "0.4"];
    assert_eq!(
        scene.verb(&drain).0,
        Some(3),
        "no edge sends to the new one"
    );
    one.set(PAGE, 200, &clusters(&[1, 2], &[]));
    assert_eq!(
        scene.verb(&drain).0,
        Some(3),
        "only one of two edges sends to the new one"
    );
    let (code, _, told) = scene.verb(&["ready", "127.0.9.2", "--timeout", "0.4"]);
    assert_eq!((code, scene.serving()), (Some(3), vec![1, 2]), "{told}");
    two.set(PAGE, 503, "");
    assert_eq!(
        scene.verb(&drain).0,
        Some(3),
        "an edge that cannot be asked"
    );
    two.set(PAGE, 200, &clusters(&[1, 2], &[]));
    assert_eq!(scene.verb(&["ready", "127.0.9.2"]).1, "127.0.9.2 serves\n");
    assert_eq!(scene.verb(&drain).0, Some(0));
    assert_eq!(scene.serving(), [2]);
}

#[test]
fn it_tells_its_health_and_refuses_what_it_does_not_know() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1)]));
    let _agent = scene.start(&scene.discovery(""));
    assert!(scene.get("/healthz").0);
    assert!(scene.get("/").1.starts_with("HTTP/1.1 404 "));
    assert!(scene.metric("scalectl_agent_info{version=\"0.1.0\"} 1"));
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(scene.path("control.sock")).unwrap();
    stream.write_all(b"{\"format_disk\":{}}\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with(r#"{"refused":"not a request of this version"#),
        "{answer}"
    );
}

#[test]
fn it_stops_at_once_when_told_and_takes_over_a_socket_that_was_left() {
    let scene = Scene::new();
    drop(UnixListener::bind(scene.path("control.sock")).unwrap());
    let mut agent = scene.start("");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&agent.0),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(agent.0.wait().unwrap().code(), Some(0), "{}", scene.log());
    let (code, _, told) = scene.verb(&["endpoints"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("hint: is the agent running?"), "{told}");
}

/// Two members with mutual TLS and a pooler.
struct Cluster {
    scene: Scene,
    stack: Stack,
    members: [Pages; 2],
    ports: [u16; 2],
}

impl Cluster {
    fn new() -> Self {
        let stack = Stack::new();
        stack.bootstrap();
        let members = [Pages::default(), Pages::default()];
        let ports = [members[0].serve_tls(&stack), members[1].serve_tls(&stack)];
        let cluster = Self {
            scene: Scene::new(),
            stack,
            members,
            ports,
        };
        cluster.leads(0);
        cluster
    }

    /// What both members tell: who leads, each with that extra text.
    fn tell(&self, leader: usize, extra: [&str; 2]) {
        let member = |at: usize| {
            let state = if at == leader {
                r#""role":"leader","state":"running""#
            } else {
                r#""role":"replica","state":"streaming","lag":0"#
            };
            format!(r#"{{"name":"db-{}",{state}{}}}"#, at + 1, extra[at])
        };
        let body = format!(r#"{{"members":[{},{}]}}"#, member(0), member(1));
        for pages in &self.members {
            pages.set("GET /cluster", 200, &body);
        }
    }

    fn says_itself(&self, at: usize, role: &str) {
        self.members[at].set(
            "GET /patroni",
            200,
            &format!(r#"{{"state":"running","role":"{role}"}}"#),
        );
    }

    fn leads(&self, leader: usize) {
        self.tell(leader, ["", ""]);
        self.says_itself(leader, "primary");
        self.says_itself(1 - leader, "replica");
    }

    fn settings(&self, more: &str) -> String {
        let out = |name: &str| self.stack.out(name).display().to_string();
        let (ca, certificate, key) = (
            out("pooler/tls/ca.crt"),
            out("pooler/tls/tls.crt"),
            out("pooler/tls/tls.key"),
        );
        let [one, two] = self.ports;
        format!(
            "tls: {{ca: {ca}, certificate: {certificate}, key: {key}}}
database:
  interval_ms: 30
  members:
    - {{name: db-1, api: 'https://127.0.0.1:{one}'}}
    - {{name: db-2, api: 'https://127.0.0.1:{two}'}}
{more}pooler:
  databases_file: {databases}
  sockets: {sockets}
  databases:
    - {{name: app, route: primary, options: dbname=app}}
    - {{name: app_read, route: standbys, options: dbname=app}}
",
            databases = self.databases().display(),
            sockets = self.scene.path("pooler").display(),
        )
    }

    fn databases(&self) -> PathBuf {
        self.scene.path("databases.ini")
    }

    fn console(&self, process: &str) -> Console {
        Console::start(&self.scene.path("pooler").join(process), &self.databases())
    }
}

const TO_1: &str = "app = host=db-1 dbname=app\napp_read = host=db-2 dbname=app\n";
const TO_2: &str = "app = host=db-2 dbname=app\napp_read = host=db-1 dbname=app\n";

fn last_ends_with(console: &Console, text: &str) -> bool {
    console
        .reloads()
        .last()
        .is_some_and(|file| file.ends_with(text))
}

#[test]
fn the_pooler_follows_the_primary_once_that_one_says_so_itself() {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let _agent = cluster.scene.start(&cluster.settings(""));
    wait_until("the pooler points at db-1", || {
        last_ends_with(&console, TO_1)
    });

    cluster.tell(1, ["", ""]);
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        last_ends_with(&console, TO_1),
        "it followed a leader that is still in recovery"
    );
    assert!(
        cluster.scene.metric("scalectl_database_has_primary 0"),
        "{}",
        cluster.scene.get("/metrics").1
    );

    cluster.says_itself(1, "primary");
    wait_until("the pooler points at db-2", || {
        last_ends_with(&console, TO_2)
    });
    assert_eq!(console.reloads().len(), 2, "{:?}", console.reloads());
    assert!(
        cluster
            .scene
            .metric("scalectl_database_primary{member=\"db-2\"} 1")
    );
    assert!(cluster.scene.metric("scalectl_pooler_reloads_total 2"));
    assert!(
        cluster
            .scene
            .metric("scalectl_database_readable{member=\"db-1\"} 1")
    );
    let expiry = cluster.scene.get("/metrics").1;
    assert!(
        expiry.contains("scalectl_certificate_expires_timestamp_seconds{component=\"db-2\"} 1"),
        "{expiry}"
    );
}

#[test]
fn a_standby_that_falls_behind_gets_no_reads_and_the_file_stays_while_nobody_answers() {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let _agent = cluster.scene.start(&cluster.settings(""));
    wait_until("the pooler points at db-1", || {
        last_ends_with(&console, TO_1)
    });
    let body = r#"{"members":[{"name":"db-1","role":"leader","state":"running"},{"name":"db-2","role":"replica","state":"streaming","lag":99999999}]}"#;
    for member in &cluster.members {
        member.set("GET /cluster", 200, body);
    }
    wait_until("reads go to the primary", || {
        last_ends_with(&console, "app_read = host=db-1 dbname=app\n")
    });
    for member in &cluster.members {
        member.set("GET /cluster", 503, "");
    }
    wait_until("it is told", || {
        cluster
            .scene
            .log()
            .contains("no member answers; the pooler stays as it is")
    });
    assert!(last_ends_with(
        &console,
        "app_read = host=db-1 dbname=app\n"
    ));
}

#[test]
fn every_pooler_process_reads_the_file_even_one_that_comes_later() {
    let cluster = Cluster::new();
    let first = cluster.console("a");
    let _agent = cluster.scene.start(&cluster.settings(""));
    wait_until("the first is told", || last_ends_with(&first, TO_1));
    let second = cluster.console("b");
    wait_until("the second is told", || last_ends_with(&second, TO_1));
    drop(first);
    let again = cluster.console("a");
    wait_until("the one that was replaced is told", || {
        last_ends_with(&again, TO_1)
    });
    assert_eq!(
        second.reloads().len(),
        1,
        "it was told again without a cause"
    );
}

#[test]
fn settings_that_differ_are_sent_once_with_the_agent_s_certificate() {
    let cluster = Cluster::new();
    let file = cluster.scene.path("database.yaml");
    std::fs::write(
        &file,
        "ttl: 20\npostgresql:\n  parameters:\n    max_connections: 70\n",
    )
    .unwrap();
    cluster.members[0].set("GET /config", 200, r#"{"ttl":20,"pause":true,"postgresql":{"parameters":{"max_connections":60,"work_mem":"4MB"}}}"#);
    cluster.members[0].set("PATCH /config", 200, "{}");
    let _agent = cluster
        .scene
        .start(&cluster.settings(&format!("  settings_file: {}\n", file.display())));
    let wanted =
        r#"PATCH /config {"postgresql":{"parameters":{"max_connections":70,"work_mem":null}}}"#;
    wait_until("they are sent", || cluster.members[0].changes() == [wanted]);
    cluster.members[0].set(
        "GET /config",
        200,
        r#"{"ttl":20,"pause":true,"postgresql":{"parameters":{"max_connections":70}}}"#,
    );
    std::fs::write(
        &file,
        "ttl: 30\npostgresql:\n  parameters:\n    max_connections: 70\n",
    )
    .unwrap();
    wait_until("the change is sent", || {
        cluster.members[0].changes().len() == 2
    });
    assert_eq!(
        cluster.members[0].changes()[1],
        r#"PATCH /config {"ttl":30}"#
    );
    assert_eq!(cluster.members[1].changes(), [] as [&str; 0]);
    assert!(
        cluster.scene.log().contains(
            "changed postgresql.parameters.max_connections, postgresql.parameters.work_mem"
        )
    );
    assert!(
        !cluster.scene.log().contains("70"),
        "a value was told: {}",
        cluster.scene.log()
    );
}

#[test]
fn members_restart_for_their_settings_only_when_told_to_and_the_leader_last() {
    let cluster = Cluster::new();
    let pending = r#","pending_restart":true"#;
    cluster.tell(0, [pending, pending]);
    for member in &cluster.members {
        member.set("POST /restart", 200, "");
    }
    let agent = cluster.scene.start(&cluster.settings(""));
    wait_until("it is known", || {
        cluster
            .scene
            .metric("scalectl_database_pending_restart{member=\"db-1\"} 1")
    });
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(
        cluster.members[1].changes(),
        [] as [&str; 0],
        "it restarted without being told to"
    );
    drop(agent);

    let _agent = cluster
        .scene
        .start(&cluster.settings("  restart_when_needed: true\n"));
    wait_until("the standby restarts", || {
        cluster.members[1].changes() == [r#"POST /restart {"restart_pending": true}"#]
    });
    assert_eq!(cluster.members[0].changes(), [] as [&str; 0]);
    cluster.tell(0, [pending, ""]);
    wait_until("the leader restarts", || {
        cluster.members[0].changes() == [r#"POST /restart {"restart_pending": true}"#]
    });
    assert_eq!(cluster.members[1].changes().len(), 1);
}

#[test]
fn a_renewed_certificate_makes_members_and_pooler_read_theirs() {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let _agent = cluster.scene.start(&cluster.settings(""));
    wait_until("the pooler points at db-1", || {
        last_ends_with(&console, TO_1)
    });
    for member in &cluster.members {
        member.set("POST /reload", 202, "");
    }
    let certificate = cluster.stack.out("pooler/tls/tls.crt");
    let same = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, same).unwrap();
    wait_until("the pooler reads its certificate", || {
        console.reloads().len() == 2
    });
    wait_until("the members read theirs", || {
        cluster
            .members
            .iter()
            .all(|member| member.changes() == ["POST /reload"])
    });
}
