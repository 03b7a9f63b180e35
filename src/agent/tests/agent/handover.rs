//! A move of the primary: the order of its steps, and what an agent that was killed
//! in the middle of it does when it is back.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::database::Cluster;
use super::vacate::{moments, started};
use crate::fakes::{Pages, wait_until};

/// Nobody answers until the test says so.
const WAITS: u16 = 0;
const FENCED: &str = r#"{"control":"shut down","checkpoint_lsn":"0/5000028"}"#;

impl Cluster {
    /// Both members do what they are asked for.
    pub(super) fn members_obey(&self) {
        for member in &self.members {
            member.set("PATCH /config", 200, "{}");
            for verb in [
                "paused", "prepare", "unlock", "revive", "wake", "replayed", "promote",
            ] {
                member.set(&format!("POST /handover {verb}"), 200, "{}");
            }
            member.set("POST /handover fence", 200, FENCED);
        }
    }

    pub(super) fn asked(&self, member: usize, verb: &str) -> bool {
        when(&self.members[member], verb).is_some()
    }

    /// Runs `agent switch` while `meanwhile` happens.
    pub(super) fn switch(&self, args: &[&str], meanwhile: impl FnOnce()) -> (Option<i32>, String) {
        let mut verb = self.scene.verb_command(&[&["switch"], args].concat());
        let verb = verb.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        meanwhile();
        let output = verb.unwrap().wait_with_output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&told).into_owned(),
        )
    }
}

/// When a member was first asked for that verb.
fn when(member: &Pages, verb: &str) -> Option<Instant> {
    let verb = format!("\"verb\":\"{verb}\"");
    let asked = member.changes_at();
    asked
        .iter()
        .find(|(_, it)| it.contains(&verb))
        .map(|it| it.0)
}

fn failover_is_on_since(member: &Pages) -> Option<Instant> {
    let asked = member.changes_at();
    let on = asked
        .iter()
        .rfind(|(_, it)| it == r#"PATCH /config {"pause":null}"#);
    on.map(|it| it.0)
}

#[test]
fn the_old_primary_is_fenced_before_the_new_one_is_promoted_all_of_it_behind_the_hold() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    cluster.members[1].set("POST /handover promote", WAITS, "");
    let (code, told) = cluster.switch(&[], || {
        wait_until("db-2 is promoted", || cluster.asked(1, "promote"));
        std::thread::sleep(Duration::from_millis(300));
        cluster.members[1].set("POST /handover promote", 200, "{}");
        cluster.leads(1);
    });
    assert_eq!(code, Some(0), "{told}");
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&report["from"], &report["to"]),
        (&"db-1".into(), &"db-2".into())
    );
    assert!(
        report["held_ms"].as_u64().is_some_and(|held| held >= 300),
        "{told}"
    );

    let (paused, resumed) = moments(&console);
    let [old, new] = &cluster.members;
    let pointed = console.reloads_at().into_iter();
    let mut pointed = pointed.filter(|(_, file)| file.contains("app = host=127.0.9.2"));
    let order = [
        old.changes_at()[0].0,
        when(old, "prepare").unwrap(),
        when(old, "paused").unwrap(),
        when(new, "paused").unwrap(),
        paused[0],
        when(old, "fence").unwrap(),
        when(new, "replayed").unwrap(),
        when(new, "promote").unwrap(),
        pointed.next().unwrap().0,
        resumed[0],
        [old, new]
            .into_iter()
            .find_map(failover_is_on_since)
            .unwrap(),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(old.changes()[0], r#"PATCH /config {"pause":true}"#);
    let replayed = new.changes();
    let replayed = replayed.iter().find(|it| it.contains("replayed")).unwrap();
    assert!(replayed.contains(r#""lsn":"0/5000028""#), "{replayed}");
}

#[test]
fn nothing_is_held_while_a_member_still_goes_by_automatic_failover() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    cluster.members[1].set("POST /handover paused", 500, r#"{"error":"not yet"}"#);
    let (code, told) = cluster.switch(&["--to", "db-2"], || {});
    assert_ne!(code, Some(0), "{told}");
    assert!(told.contains("nothing was held yet"), "{told}");
    assert!(moments(&console).0.is_empty(), "no transaction waited");
    assert!(!cluster.asked(0, "fence"), "db-1 was left alone");
    assert!(failover_is_on_since(&cluster.members[0]).is_some());
}

#[test]
fn a_member_of_an_older_image_refuses_the_move_and_it_is_told_what_to_do() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    let unknown = r#"{"error":"there is no verb paused"}"#;
    cluster.members[1].set("POST /handover paused", 400, unknown);
    let (code, told) = cluster.switch(&["--to", "db-2"], || {});
    assert_ne!(code, Some(0), "{told}");
    for words in [
        "db-2 does not know the verb `paused`",
        "then `scalectl up` replaces the members",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert!(moments(&console).0.is_empty(), "no transaction waited");
    assert!(failover_is_on_since(&cluster.members[0]).is_some());
}

#[test]
fn a_fence_that_takes_too_long_ends_with_the_old_primary() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    cluster.members[0].set("POST /handover fence", 500, r#"{"error":"too slow"}"#);
    let (code, told) = cluster.switch(&["--to", "db-2"], || {});
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("db-1 is the primary again"), "{told}");
    assert!(!cluster.asked(1, "promote"), "both would be primary");
    let resumed = moments(&console).1;
    assert!(when(&cluster.members[0], "revive").unwrap() < resumed[0]);
    assert!(failover_is_on_since(&cluster.members[0]).is_some());
}

#[test]
fn failover_that_somebody_else_has_switched_off_is_left_off_and_nothing_moves() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    for member in &cluster.members {
        let body = r#"{"pause":true,"members":[{"name":"db-1","role":"leader","state":"running"},{"name":"db-2","role":"replica","state":"streaming","lag":0}]}"#;
        member.set("GET /cluster", 200, body);
    }
    let (code, told) = cluster.switch(&["--to", "db-2"], || {});
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("automatic failover is off"), "{told}");
    assert_eq!(cluster.members[0].changes(), Vec::<String>::new());
    assert_eq!(console.others(), []);
}

#[test]
fn writes_go_on_at_the_limit_although_the_old_primary_is_not_back_yet() {
    let (cluster, console, _agent) = started();
    cluster.members_obey();
    cluster.members[0].set("POST /handover fence", 500, r#"{"error":"too slow"}"#);
    cluster.members[0].set("POST /handover revive", WAITS, "");
    let mut resumed = Vec::new();
    let (code, told) = cluster.switch(&["--hold-ms", "600"], || {
        wait_until("db-1 is told to serve again", || cluster.asked(0, "revive"));
        wait_until("writes go on", || {
            resumed.extend(moments(&console).1);
            !resumed.is_empty()
        });
        cluster.members[0].set("POST /handover revive", 200, "{}");
    });
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("db-1 is the primary again"), "{told}");
}

#[test]
fn what_neither_side_will_do_is_left_to_automatic_failover_and_nothing_stays_held() {
    for (member, fence, verb) in [(0, 500, "revive"), (1, 200, "promote")] {
        let (cluster, console, _agent) = started();
        cluster.members_obey();
        let fenced = if fence == 200 { FENCED } else { "{}" };
        cluster.members[0].set("POST /handover fence", fence, fenced);
        let declined = r#"{"error":"automatic failover is on: pause it first"}"#;
        cluster.members[member].set(&format!("POST /handover {verb}"), 409, declined);
        let (code, told) = cluster.switch(&["--to", "db-2"], || {});
        assert_eq!(code, Some(5), "{verb}: {told}");
        assert!(
            told.contains("with whom automatic failover finds"),
            "{told}"
        );
        assert!(!moments(&console).1.is_empty(), "{verb}: writes are held");
        let mut members = cluster.members.iter();
        assert!(
            members.any(|member| failover_is_on_since(member).is_some()),
            "{verb}: failover stays off"
        );
    }
}

#[test]
fn a_member_that_cannot_take_over_is_refused_before_anything_is_done() {
    let (cluster, console, _agent) = started();
    for (to, why) in [
        ("db-1", "db-1 is the primary already"),
        ("db-7", "there is no member db-7"),
    ] {
        let (code, told) = cluster.switch(&["--to", to], || {});
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(cluster.members[0].changes(), Vec::<String>::new());
    assert_eq!(console.others(), []);
}

#[test]
fn an_agent_killed_before_the_promotion_goes_back_to_the_old_primary() {
    let (cluster, console, agent) = started();
    cluster.members_obey();
    cluster.members[0].set("POST /handover fence", WAITS, "");
    cluster.switch(&[], || {
        wait_until("db-1 is fenced", || cluster.asked(0, "fence"));
        drop(agent);
    });
    assert!(moments(&console).1.is_empty(), "nobody is there to release");
    cluster.members[0].set("POST /handover fence", 200, FENCED);
    let _agent = cluster.scene.start(&cluster.settings(""));
    let mut resumed = Vec::new();
    wait_until("writes go on", || {
        resumed.extend(moments(&console).1);
        !resumed.is_empty()
    });
    assert!(when(&cluster.members[0], "revive").unwrap() < resumed[0]);
    wait_until("failover is on again", || {
        failover_is_on_since(&cluster.members[0]).is_some()
    });
    assert!(!cluster.asked(1, "promote"));
}

#[test]
fn an_agent_killed_after_the_promotion_was_ordered_brings_it_to_its_end() {
    let (cluster, console, agent) = started();
    cluster.members_obey();
    cluster.members[1].set("POST /handover promote", WAITS, "");
    cluster.switch(&[], || {
        wait_until("db-2 is promoted", || cluster.asked(1, "promote"));
        drop(agent);
    });
    cluster.members[1].set("POST /handover promote", 200, "{}");
    let _ = console.others();
    let _agent = cluster.scene.start(&cluster.settings(""));
    let mut resumed = Vec::new();
    wait_until("writes go on", || {
        resumed.extend(moments(&console).1);
        !resumed.is_empty()
    });
    let pointed = console.reloads_at();
    let pointed = pointed
        .iter()
        .find(|(_, file)| file.contains("app = host=127.0.9.2"));
    assert!(
        pointed.is_some_and(|(at, _)| *at < resumed[0]),
        "{pointed:?}"
    );
    assert!(!cluster.asked(0, "revive"), "both would be primary");
    cluster.leads(1);
    wait_until("failover is on again", || {
        let mut members = cluster.members.iter();
        members.any(|member| failover_is_on_since(member).is_some())
    });
}
