//! `agent vacate`: what leaves a member before it is stopped, and in which order.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Agent;
use super::database::{Cluster, TO_1, TO_2, last_ends_with};
use crate::fakes::{Console, wait_until};

/// Writes and, while no standby answers them, reads go to db-1.
const ALL_TO_1: &str = "app = host=127.0.9.1 dbname=app\napp_read = host=127.0.9.1 dbname=app\n";

/// A pooler that points at db-1, whose agent has released what was left.
pub(super) fn started() -> (Cluster, Console, Agent) {
    let cluster = Cluster::new();
    let console = cluster.console("a");
    let agent = cluster.scene.start(&cluster.settings(""));
    wait_until("the pooler points at db-1", || {
        last_ends_with(&console, TO_1)
    });
    let mut told = Vec::new();
    wait_until("what was left is released", || {
        told.extend(console.others());
        told.len() == 2
    });
    (cluster, console, agent)
}

impl Cluster {
    /// Runs `agent vacate MEMBER` while `meanwhile` happens.
    fn vacate(
        &self,
        member: &str,
        timeout: &str,
        meanwhile: impl FnOnce(),
    ) -> (Option<i32>, String) {
        let mut verb = self
            .scene
            .verb_command(&["vacate", member, "--timeout", timeout]);
        let verb = verb.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        meanwhile();
        let output = verb.unwrap().wait_with_output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    }

    fn switched(&self) -> bool {
        self.asked(1, "promote")
    }

    /// db-1 leads, and db-2 is too far behind to take over.
    fn leaves_db_2_behind(&self) {
        let body = r#"{"members":[{"name":"db-1","role":"leader","state":"running"},{"name":"db-2","role":"replica","state":"streaming","lag":99999999}]}"#;
        for member in &self.members {
            member.set("GET /cluster", 200, body);
        }
    }
}

pub(super) fn moments(console: &Console) -> (Vec<Instant>, Vec<Instant>) {
    let told = console.others();
    let of = |command: &str| {
        let such = told.iter().filter(|(_, it)| it == command);
        such.map(|(when, _)| *when).collect()
    };
    (of("PAUSE app"), of("RESUME app"))
}

#[test]
fn a_standby_is_vacated_of_its_reads_without_a_hold() {
    let (cluster, console, _agent) = started();
    let (code, told) = cluster.vacate("db-2", "5", || {});
    assert_eq!(code, Some(0), "{told}");
    assert!(
        last_ends_with(&console, ALL_TO_1),
        "{:?}",
        console.reloads()
    );
    assert_eq!(console.others(), [], "a standby needs no hold");
    assert!(!cluster.switched());
}

#[test]
fn the_primary_that_is_vacated_hands_over_and_then_answers_no_reads() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    let (code, told) = cluster.vacate("db-1", "5", || {
        wait_until("db-2 is promoted", || cluster.asked(1, "promote"));
        cluster.leads(1);
    });
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("db-1 is no longer the primary"), "{told}");
    assert!(
        !last_ends_with(&console, TO_2),
        "the member that is about to be stopped answers reads"
    );
}

#[test]
fn a_handover_that_is_refused_is_tried_again_and_then_told() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    cluster.members[0].set("POST /handover fence", 409, r#"{"error":"not now"}"#);
    let (code, told) = cluster.vacate("db-1", "1", || {});
    assert_eq!(code, Some(3), "{told}");
    for part in [
        "db-1 is the primary again after",
        "db-1 refused to fence: not now",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let (paused, resumed) = moments(&console);
    assert_eq!(
        (paused.len(), resumed.len()),
        (2, 2),
        "each hold is given back"
    );
}

#[test]
fn a_primary_that_nobody_can_take_over_from_is_held_for_until_it_is_back() {
    let (cluster, console, _agent) = started();
    cluster.leaves_db_2_behind();
    wait_until("it is known", || last_ends_with(&console, ALL_TO_1));
    let (code, told) = cluster.vacate("db-1", "0", || {});
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("transactions wait until db-1 is back"),
        "{told}"
    );
    cluster.members[0].set("GET /patroni", 503, "");
    std::thread::sleep(Duration::from_millis(500));
    let (paused, resumed) = moments(&console);
    assert_eq!(
        (paused.len(), resumed.len()),
        (1, 0),
        "held while it is away"
    );
    cluster.says_itself(0, "primary");
    wait_until("it is released", || moments(&console).1.len() == 1);
    assert!(!cluster.switched(), "db-2 is too far behind");
}

#[test]
fn a_member_that_is_not_stopped_is_not_held_for_long() {
    let (cluster, console, _agent) = started();
    cluster.leaves_db_2_behind();
    wait_until("it is known", || last_ends_with(&console, ALL_TO_1));
    let (code, told) = cluster.vacate("db-1", "0", || {});
    assert_eq!(code, Some(0), "{told}");
    let begun = Instant::now();
    let mut resumed = Vec::new();
    wait_until("it is released", || {
        resumed.extend(moments(&console).1);
        !resumed.is_empty()
    });
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(cluster.scene.log().contains("db-1 was not stopped"));
}

#[test]
fn a_member_that_is_away_needs_nothing_and_one_that_is_not_known_is_refused() {
    let (cluster, _console, _agent) = started();
    cluster.members[1].set("GET /patroni", 503, "");
    let (code, told) = cluster.vacate("db-2", "0", || {});
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("db-2 does not answer"), "{told}");
    let (code, told) = cluster.vacate("db-9", "0", || {});
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("no database member is called db-9"), "{told}");
}
