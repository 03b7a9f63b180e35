//! The database's members and the pooler.

use std::path::PathBuf;
use std::time::Duration;

use super::{Agent, Scene, ip};
use crate::fakes::{Console, Pages, Says, wait_until};
use crate::stack::Stack;

/// Two members with mutual TLS and a pooler.
pub(super) struct Cluster {
    pub(super) scene: Scene,
    stack: Stack,
    pub(super) members: [Pages; 2],
    ports: [u16; 2],
}

impl Cluster {
    pub(super) fn new() -> Self {
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
        for member in [1, 2] {
            let name = format!("db-{member}");
            cluster
                .scene
                .dns
                .say(&name, Says::Addresses(vec![ip(member)]));
        }
        cluster.leads(0);
        cluster
    }

    /// What both members tell: who leads, each with that extra text.
    pub(super) fn tell(&self, leader: usize, extra: [&str; 2]) {
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

    pub(super) fn says_itself(&self, at: usize, role: &str) {
        self.members[at].set(
            "GET /patroni",
            200,
            &format!(r#"{{"state":"running","role":"{role}"}}"#),
        );
    }

    pub(super) fn leads(&self, leader: usize) {
        self.tell(leader, ["", ""]);
        self.says_itself(leader, "primary");
        self.says_itself(1 - leader, "replica");
    }

    pub(super) fn settings(&self, more: &str) -> String {
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
  journal: {journal}
{more}pooler:
  databases_file: {databases}
  sockets: {sockets}
  databases:
    - {{name: app, route: primary, options: dbname=app}}
    - {{name: app_read, route: standbys, options: dbname=app}}
",
            journal = self.scene.path("").display(),
            databases = self.databases().display(),
            sockets = self.scene.path("pooler").display(),
        )
    }

    fn databases(&self) -> PathBuf {
        self.scene.path("databases.ini")
    }

    pub(super) fn console(&self, process: &str) -> Console {
        Console::start(&self.scene.path("pooler").join(process), &self.databases())
    }
}

pub(super) const TO_1: &str =
    "app = host=127.0.9.1 dbname=app\napp_read = host=127.0.9.2 dbname=app\n";
pub(super) const TO_2: &str =
    "app = host=127.0.9.2 dbname=app\napp_read = host=127.0.9.1 dbname=app\n";

pub(super) fn last_ends_with(console: &Console, text: &str) -> bool {
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
    wait_until("no primary is known", || {
        cluster.scene.metric("scalectl_database_has_primary 0")
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        last_ends_with(&console, TO_1),
        "it followed a leader that is still in recovery"
    );

    cluster.says_itself(1, "primary");
    wait_until("the pooler points at db-2", || {
        last_ends_with(
            &console,
            "app = host=127.0.9.2 dbname=app\napp_read = host=127.0.9.2 dbname=app\n",
        )
    });
    wait_until("the new standby answers reads after a while", || {
        last_ends_with(&console, TO_2)
    });
    assert_eq!(console.reloads().len(), 3, "{:?}", console.reloads());
    assert!(
        cluster
            .scene
            .metric("scalectl_database_primary{member=\"db-2\"} 1")
    );
    assert!(cluster.scene.metric("scalectl_pooler_reloads_total 3"));
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
fn a_member_that_was_started_again_is_followed_to_its_new_address() {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let _agent = cluster.scene.start(&cluster.settings(""));
    wait_until("the pooler points at db-1", || {
        last_ends_with(&console, TO_1)
    });
    let dns = &cluster.scene.dns;
    dns.say("db-1", Says::NoSuchName);
    dns.say("db-2", Says::Nothing);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(console.reloads().len(), 1, "nothing is known that is new");
    dns.say("db-1", Says::Addresses(vec![ip(7)]));
    dns.say("db-2", Says::Addresses(vec![ip(2), ip(8)]));
    wait_until("the pooler points at its new address", || {
        last_ends_with(&console, &TO_1.replace("127.0.9.1", "127.0.9.7"))
    });
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
        last_ends_with(&console, "app_read = host=127.0.9.1 dbname=app\n")
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
        "app_read = host=127.0.9.1 dbname=app\n"
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
        "ttl: 20\npostgresql:\n  parameters:\n    max_connections: 70707\n",
    )
    .unwrap();
    cluster.members[0].set("GET /config", 200, r#"{"ttl":20,"pause":true,"postgresql":{"parameters":{"max_connections":60,"work_mem":"4MB"}}}"#);
    cluster.members[0].set("PATCH /config", 200, "{}");
    let _agent = cluster
        .scene
        .start(&cluster.settings(&format!("  settings_file: {}\n", file.display())));
    let wanted =
        r#"PATCH /config {"postgresql":{"parameters":{"max_connections":70707,"work_mem":null}}}"#;
    wait_until("they are sent", || cluster.members[0].changes() == [wanted]);
    cluster.members[0].set(
        "GET /config",
        200,
        r#"{"ttl":20,"pause":true,"postgresql":{"parameters":{"max_connections":70707}}}"#,
    );
    std::fs::write(
        &file,
        "ttl: 30\npostgresql:\n  parameters:\n    max_connections: 70707\n",
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
        !cluster.scene.log().contains("70707"),
        "a value was told: {}",
        cluster.scene.log()
    );
}

const RESTART: &str = r#"POST /restart {"restart_pending": true}"#;
const PENDING: &str = r#","pending_restart":true"#;

impl Cluster {
    /// Started, and all know that both members wait for a restart.
    fn waiting_for_restart() -> (Self, Console, Agent) {
        let cluster = Self::new();
        let console = cluster.console("a");
        for member in &cluster.members {
            member.set("POST /restart", 200, "");
        }
        let agent = cluster
            .scene
            .start(&cluster.settings("  restart_when_needed: true\n"));
        let mut told = Vec::new();
        wait_until("what an agent before may have held is released", || {
            told.extend(console.others());
            told.len() == 2
        });
        cluster.tell(0, [PENDING, PENDING]);
        (cluster, console, agent)
    }
}

#[test]
fn members_restart_for_their_settings_only_when_told_to() {
    let cluster = Cluster::new();
    cluster.tell(0, [PENDING, PENDING]);
    let _agent = cluster.scene.start(&cluster.settings(""));
    wait_until("it is known", || {
        cluster
            .scene
            .metric("scalectl_database_pending_restart{member=\"db-1\"} 1")
    });
    std::thread::sleep(Duration::from_millis(2500));
    for member in &cluster.members {
        assert_eq!(member.changes(), [] as [&str; 0], "it restarted");
    }
}

#[test]
fn a_standby_gets_no_reads_while_it_restarts_and_the_leader_goes_last_behind_a_hold() {
    let (cluster, console, _agent) = Cluster::waiting_for_restart();
    const NO_STANDBY: &str = "app_read = host=127.0.9.1 dbname=app\n";
    wait_until("the standby restarts", || {
        cluster.members[1].changes() == [RESTART]
    });
    cluster.tell(0, [PENDING, ""]);
    wait_until("reads come back", || last_ends_with(&console, TO_1));
    wait_until("the leader restarts", || {
        cluster.members[0].changes() == [RESTART]
    });
    let mut told = Vec::new();
    wait_until("it is released", || {
        told.extend(console.others());
        told.last().is_some_and(|(_, last)| last == "RESUME app")
    });
    let restarted = |at: usize| cluster.members[at].changes_at()[0].0;
    assert!(
        told.iter()
            .all(|(_, command)| command == "PAUSE app" || command == "RESUME app"),
        "reads on the standby were held: {told:?}"
    );
    let (first, last) = (&told[0], &told[told.len() - 1]);
    assert!(
        first.1 == "PAUSE app" && first.0 < restarted(0) && restarted(0) < last.0,
        "the leader restarted outside of the hold: {told:?}"
    );
    let left = console
        .reloads_at()
        .into_iter()
        .find(|(_, file)| file.ends_with(NO_STANDBY));
    assert!(
        left.is_some_and(|(when, _)| when < restarted(1)),
        "it restarted with reads on it"
    );
    assert!(restarted(1) < restarted(0), "the leader went first");
    assert_eq!(cluster.members[1].changes().len(), 1);
}

#[test]
fn a_hold_that_a_long_transaction_keeps_waiting_is_given_up_and_tried_again() {
    let (cluster, console, _agent) = Cluster::waiting_for_restart();
    console.be_busy(true);
    cluster.tell(0, [PENDING, ""]);
    let mut told = Vec::new();
    wait_until("two tries are given up", || {
        told.extend(console.others());
        let times = |command: &str| told.iter().filter(|(_, one)| one == command).count();
        times("PAUSE app") >= 2 && times("RESUME app") >= 2
    });
    let changes = || {
        let all = cluster.members[0].changes().into_iter();
        let changes = all.filter(|it| !it.contains("sessions"));
        changes.collect::<Vec<_>>()
    };
    assert_eq!(changes(), [] as [&str; 0], "it restarted without a hold");
    console.be_busy(false);
    wait_until("the leader restarts", || changes() == [RESTART]);
}

#[test]
fn what_an_agent_that_was_killed_holds_is_released_by_the_next() {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let _agent = cluster.scene.start(&cluster.settings(""));
    let mut told = Vec::new();
    wait_until("all are released", || {
        told.extend(console.others());
        let told: Vec<_> = told.iter().map(|(_, command)| command.as_str()).collect();
        told == ["RESUME app", "RESUME app_read"]
    });
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
