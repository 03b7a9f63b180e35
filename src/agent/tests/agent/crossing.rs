//! A move of the database to another cluster: both stores know who follows whom before
//! anybody fails over by himself, and no step comes before the one that it relies on.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Agent;
use super::database::{Cluster, last_ends_with};
use super::ip;
use super::vacate::moments;
use crate::fakes::{Console, Pages, Says, wait_until};

const TO_OLD: &str = "app = host=127.0.9.1 dbname=app\napp_read = host=127.0.9.1 dbname=app\n";
const TO_NEW: &str = "app = host=127.0.9.2 dbname=app\napp_read = host=127.0.9.2 dbname=app\n";
const FREE: &str = r#"PATCH /config {"standby_cluster":null}"#;

/// Two clusters of one member each; the first one takes writes.
struct Two {
    cluster: Cluster,
    console: Console,
    /// Alive as long as this.
    agent: Agent,
}

fn started() -> Two {
    let cluster = Cluster::new();
    let addresses = Says::Addresses(vec![ip(2)]);
    cluster.scene.dns.say("db2-1", addresses);
    cluster.members_obey();
    tell(&cluster, 0, 100);
    let console = cluster.console("a");
    let agent = cluster.scene.start(&settings(&cluster));
    wait_until("the pooler points at db-1", || {
        last_ends_with(&console, TO_OLD)
    });
    let mut told = Vec::new();
    wait_until("what was left is released", || {
        told.extend(console.others());
        told.len() == 2
    });
    Two {
        cluster,
        console,
        agent,
    }
}

fn settings(cluster: &Cluster) -> String {
    let settings = cluster.settings("");
    settings.replace("{name: db-2,", "{name: db2-1, generation: 2,")
}

/// What each cluster tells of itself: which of the two takes writes, and how far the
/// other one has replayed of 100.
fn tell(cluster: &Cluster, primary: usize, replayed: u64) {
    for (at, name) in ["db-1", "db2-1"].into_iter().enumerate() {
        let (role, state, own) = match at == primary {
            true => (
                "leader",
                "running",
                r#""role":"primary","xlog":{"location":100}"#.to_owned(),
            ),
            false => (
                "standby_leader",
                "streaming",
                format!(r#""role":"replica","xlog":{{"replayed_location":{replayed}}}"#),
            ),
        };
        let all =
            format!(r#"{{"members":[{{"name":"{name}","role":"{role}","state":"{state}"}}]}}"#);
        cluster.members[at].set("GET /cluster", 200, &all);
        let own = format!(r#"{{"state":"running",{own}}}"#);
        cluster.members[at].set("GET /patroni", 200, &own);
    }
}

fn cross(cluster: &Cluster, meanwhile: impl FnOnce()) -> (Option<i32>, String) {
    let mut verb = cluster.scene.verb_command(&["cross", "--to", "2"]);
    let verb = verb.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    meanwhile();
    let output = verb.unwrap().wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    (output.status.code(), told)
}

/// When a member was first told something that holds this text.
fn when(member: &Pages, text: &str) -> Instant {
    let told = member.changes_at();
    let found = told.iter().find(|(_, it)| it.contains(text));
    found
        .unwrap_or_else(|| panic!("{text} is among {told:?}"))
        .0
}

fn last_of_stores(member: &Pages) -> String {
    let told = member.changes();
    let mut told = told.iter().filter(|it| it.contains("standby_cluster"));
    told.next_back().cloned().unwrap_or_default()
}

fn fails_over_since(member: &Pages) -> Option<Instant> {
    let told = member.changes_at();
    let mut told = told.iter();
    told.rfind(|(_, it)| it == r#"PATCH /config {"pause":null}"#)
        .map(|it| it.0)
}

#[test]
fn the_old_cluster_follows_before_the_new_one_is_promoted_and_both_stores_say_so_in_the_end() {
    let two = started();
    let [old, new] = &two.cluster.members;
    let (code, told) = cross(&two.cluster, || {
        wait_until("db2-1 is promoted", || two.cluster.asked(1, "promote"));
        tell(&two.cluster, 1, 100);
    });
    assert_eq!(code, Some(0), "{told}");
    let (paused, resumed) = moments(&two.console);
    let pointed = two.console.reloads_at().into_iter();
    let pointed = pointed.filter(|(_, file)| file.ends_with(TO_NEW));
    let order = [
        when(new, r#""verb":"unlock""#),
        paused[0],
        when(old, r#""verb":"fence""#),
        when(old, r#""host":"db2-1""#),
        when(new, r#""verb":"promote""#),
        pointed.map(|it| it.0).next().unwrap(),
        resumed[0],
        fails_over_since(new).unwrap(),
    ];
    assert!(order.is_sorted(), "{order:?}");
    let locked = old.changes();
    let mut locked = locked.iter().filter(|it| it.contains(r#""verb":"fence""#));
    assert!(locked.all(|it| it.contains(r#""lock":true"#)));
    assert!(last_of_stores(old).contains(r#""host":"db2-1""#));
    assert_eq!(last_of_stores(new), FREE);
    assert!(fails_over_since(old).is_some());
}

#[test]
fn a_fence_that_takes_too_long_leaves_the_old_cluster_free_and_the_new_one_following() {
    let two = started();
    let [old, new] = &two.cluster.members;
    old.set("POST /handover fence", 500, r#"{"error":"too slow"}"#);
    let (code, told) = cross(&two.cluster, || {});
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("db-1 is the primary again"), "{told}");
    assert!(!two.cluster.asked(1, "promote"), "both would be primary");
    assert!(when(old, r#""verb":"revive""#) < moments(&two.console).1[0]);
    assert_eq!(last_of_stores(old), FREE);
    assert!(last_of_stores(new).contains(r#""host":"db-1""#));
    assert!(fails_over_since(old).is_some() && fails_over_since(new).is_some());
}

#[test]
fn an_agent_killed_while_the_promotion_is_under_way_brings_the_crossing_to_its_end() {
    let two = started();
    two.cluster.members[1].set("POST /handover promote", 0, "");
    let Two {
        cluster,
        console,
        agent,
    } = two;
    cross(&cluster, || {
        wait_until("db2-1 is promoted", || cluster.asked(1, "promote"));
        drop(agent);
    });
    cluster.members[1].set("POST /handover promote", 200, "{}");
    let _agent = cluster.scene.start(&settings(&cluster));
    wait_until("the pooler points at db2-1", || {
        last_ends_with(&console, TO_NEW)
    });
    tell(&cluster, 1, 100);
    let [old, new] = &cluster.members;
    wait_until("failover is on again", || {
        fails_over_since(old).is_some() && fails_over_since(new).is_some()
    });
    assert!(!cluster.asked(0, "revive"), "both would be primary");
    assert!(last_of_stores(old).contains(r#""host":"db2-1""#));
    assert_eq!(last_of_stores(new), FREE);
}

#[test]
fn a_cluster_that_is_far_behind_is_not_moved_to() {
    let two = started();
    tell(&two.cluster, 0, 0);
    let own = r#"{"state":"running","role":"primary","xlog":{"location":99999999}}"#;
    two.cluster.members[0].set("GET /patroni", 200, own);
    let (code, told) = cross(&two.cluster, || {});
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains("db2-1 is 99999999 bytes behind db-1"),
        "{told}"
    );
    std::thread::sleep(Duration::from_millis(50));
    assert!(!two.cluster.asked(0, "fence"));
    drop(two.agent);
}
