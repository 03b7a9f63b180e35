//! Who is at work on the primary: told with the pooler's clients behind it, and named
//! where it keeps a hold waiting.

use std::time::Duration;

use serde_json::Value;

use super::database::Cluster;
use super::vacate::{moments, started};
use crate::fakes::{Console, wait_until};

/// One session by the pooler's transactions, one by its sessions' database, one past it.
const SESSIONS: &str = r#"{"sessions":[
  {"pid":41,"user":"app","database":"app","application":"shop","client":"10.0.0.5","state":"idle in transaction",
   "open_ms":34500,"since":"2026-11-23T19:40:02Z","statement":"UPDATE orders SET total = 7\n WHERE card = 'hunter2'"},
  {"pid":42,"user":"app","database":"app","application":"report","client":"10.0.0.5","state":"idle","open_ms":null,"since":null,"statement":"LISTEN x"},
  {"pid":43,"user":"postgres","database":"app","application":"psql","client":null,"state":"active","open_ms":90,"since":"2026-11-23T19:40:36Z","statement":"SELECT 1"},
  {"pid":44,"user":"monitor","database":"app","application":"","client":"10.0.0.9","state":"idle","open_ms":null,"since":null,"statement":""},
  {"pid":45,"user":"app","database":"app","application":"","client":"10.0.0.5","state":"idle","open_ms":null,"since":null,"statement":""}],
  "prepared":[{"gid":"tx\u00071","user":"app","database":"app","open_ms":5,"since":"2026-11-23T19:40:36Z"}],
  "standbys":[{"name":"db-2","state":"streaming","sync":"async","lag_bytes":9,"lag_ms":null}],
  "timeouts":[],"synchronous_standby_names":"","is_in_recovery":false,"database_bytes":1,"is_synchronous":false}"#;

fn at_work(cluster: &Cluster, console: &Console) {
    cluster.members[0].set("POST /handover sessions", 200, SESSIONS);
    let server = |pid, database, link, addr| {
        vec![
            ("database", database),
            ("state", "active"),
            ("addr", addr),
            ("remote_pid", pid),
            ("link", link),
        ]
    };
    console.show(
        "SERVERS",
        vec![
            server("41", "app", "0x1", "127.0.9.1"),
            server("42", "app_session", "0x2", "127.0.9.1"),
            // Of another member, where that number is another process.
            server("43", "app_read", "0x1", "127.0.9.2"),
        ],
    );
    let client = |ptr, addr, name| vec![("ptr", ptr), ("addr", addr), ("application_name", name)];
    console.show(
        "CLIENTS",
        vec![
            client("0x1", "172.18.0.9", "checkout"),
            client("0x2", "172.18.0.8", "report"),
        ],
    );
    console.show(
        "CONFIG",
        vec![
            vec![("key", "query_wait_timeout"), ("value", "30")],
            vec![("key", "client_login_timeout"), ("value", "0")],
        ],
    );
}

#[test]
fn each_session_is_told_with_its_client_behind_the_pooler_and_without_its_literals() {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let session_mode =
        "    - {name: app_session, route: primary, options: 'dbname=app pool_mode=session'}\n";
    let _agent = cluster.scene.start(&(cluster.settings("") + session_mode));
    wait_until("there is a primary", || {
        cluster.scene.metric("scalectl_database_has_primary 1")
    });
    at_work(&cluster, &console);
    let (code, told, error) = cluster.scene.verb(&["facts"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(!told.contains("hunter2"), "{told}");
    let facts: Value = serde_json::from_str(&told).unwrap();
    let ways: Vec<_> = (0..5)
        .map(|at| facts["sessions"][at]["way"].clone())
        .collect();
    assert_eq!(
        ways,
        ["transactions", "session", "direct", "own", "transactions"]
    );
    let first = &facts["sessions"][0];
    assert_eq!(first["client"], "172.18.0.9");
    assert_eq!(first["application"], "checkout");
    assert_eq!(
        first["statement"],
        "UPDATE orders SET total = ? WHERE card = ?"
    );
    assert_eq!(facts["prepared"][0]["gid"], "tx 1");
    let waits = serde_json::json!([{"name": "query_wait_timeout", "seconds": 30}]);
    assert_eq!(facts["pooler_waits"], waits, "one without end is none");
    assert_eq!(facts["primary"], "db-1");
}

#[test]
fn a_hold_that_one_transaction_keeps_waiting_names_it_and_is_given_up_cleanly_at_the_end() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    at_work(&cluster, &console);
    console.be_busy(true);
    let (code, told) = cluster.switch(&["--to", "db-2"], || {
        wait_until("the log names who is waited for", || {
            cluster
                .scene
                .log()
                .contains("try 2 of 20 to hold: a transaction of process 41")
        });
    });
    assert_eq!(code, Some(6), "{told}");
    assert!(
        told.contains(
            "transactions could not be held in 20 tries: a transaction of process 41, user app, \
             application checkout, client 172.18.0.9 is open since 2026-11-23T19:40:02Z (34 s), \
             idle in transaction, its last statement: UPDATE orders SET total = ? WHERE card = ?"
        ),
        "{told}"
    );
    let log = cluster.scene.log();
    assert!(
        !log.contains("hunter2") && !log.contains("process 42"),
        "{log}"
    );
    let (paused, resumed) = moments(&console);
    assert_eq!(
        (paused.len(), resumed.len()),
        (20, 20),
        "each is given back"
    );
    let longest = paused
        .iter()
        .zip(&resumed)
        .map(|(begun, ended)| *ended - *begun)
        .max();
    assert!(longest < Some(Duration::from_secs(1)), "{longest:?}");
    assert!(!cluster.asked(0, "fence"), "db-1 was left alone");
    let last = cluster.members[0]
        .changes()
        .into_iter()
        .rfind(|it| it.contains("pause"));
    assert_eq!(last.as_deref(), Some(r#"PATCH /config {"pause":null}"#));
}

#[test]
fn a_move_goes_on_once_the_transaction_that_kept_it_waiting_has_ended() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    at_work(&cluster, &console);
    console.be_busy(true);
    let (code, told) = cluster.switch(&["--to", "db-2"], || {
        wait_until("one try is given up", || {
            cluster.scene.log().contains("try 1 of 20")
        });
        console.be_busy(false);
        wait_until("db-2 is promoted", || cluster.asked(1, "promote"));
        cluster.leads(1);
    });
    assert_eq!(code, Some(0), "{told}");
}
