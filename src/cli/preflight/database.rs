//! Checks of the database, from what its agent tells: all of them at once.
//!
//! Next: `sessions.rs`, `timeouts.rs`.

use std::collections::BTreeMap;

use scalectl_migrate::Facts;

use super::sessions::{direct, named, old, prepared, stateful};
use super::timeouts::{limits, waits};
use super::{Check, Work};

/// Everything that can be in the way. `names` are the stack's containers by address.
pub fn database(
    facts: Result<Facts, String>,
    work: Work,
    names: &BTreeMap<String, String>,
) -> Vec<Check> {
    match facts {
        Ok(facts) => told(&facts, work, names),
        Err(why) => vec![unknown(&why, work)],
    }
}

fn unknown(why: &str, work: Work) -> Check {
    let says = format!("the agent cannot tell what is at work on the database: {why}");
    let fix = "`scalectl status` and `scalectl logs agent` show more; images of an earlier version cannot tell: `scalectl images build`, then `scalectl up`";
    match work.moves_primary {
        true => Check::refused("database", says, fix),
        false => Check::note("database", says, fix),
    }
}

fn told(facts: &Facts, work: Work, names: &BTreeMap<String, String>) -> Vec<Check> {
    let sessions = facts.sessions.iter().cloned().map(|one| named(one, names));
    let sessions: Vec<_> = sessions.collect();
    let mut checks = vec![
        busy(facts),
        synchronous(facts),
        direct(&sessions, work),
        stateful(&sessions, work),
        old(&sessions, work),
        prepared(&facts.prepared, work),
        waits(facts, work),
    ];
    checks.extend(limits(facts));
    checks
}

fn busy(facts: &Facts) -> Check {
    let says = format!("{} takes writes", facts.primary);
    match facts.is_busy {
        false => Check::ok("database", says),
        true => Check::refused(
            "database",
            "the agent is at work on a database member (it moves, restarts or stops one)",
            "wait until it is done; `scalectl logs agent` tells what it does",
        ),
    }
}

/// Left over from a time when there were synchronous standbys, it makes every commit on
/// the next primary wait for ever.
fn synchronous(facts: &Facts) -> Check {
    let names = &facts.synchronous_standby_names;
    let is_sync = |it: &&str| matches!(*it, "sync" | "quorum");
    let standbys = facts.standbys.iter().filter_map(|it| it.sync.as_deref());
    let is_there = standbys.filter(is_sync).count() > 0;
    match (names.is_empty(), facts.is_synchronous) {
        (true, _) => Check::ok("standbys", followers(facts)),
        (false, true) if is_there => Check::ok("standbys", followers(facts)),
        (false, true) => Check::refused(
            "standbys",
            format!("commits wait for a synchronous standby ({names}), and none follows"),
            "`scalectl status` tells which member is away; it must follow first",
        ),
        (false, false) => Check::refused(
            "standbys",
            format!(
                "synchronous_standby_names is left over ({names}), though this stack has no synchronous standbys: every commit could wait for ever"
            ),
            "`scalectl db shell --superuser -- -c 'ALTER SYSTEM RESET synchronous_standby_names' -c 'SELECT pg_reload_conf()'` takes it away",
        ),
    }
}

fn followers(facts: &Facts) -> String {
    let told = facts.standbys.iter().map(|it| match it.lag_bytes {
        Some(bytes) => format!("{} ({bytes} bytes behind)", it.name),
        None => it.name.clone(),
    });
    let told: Vec<_> = told.collect();
    match told.is_empty() {
        true => "nobody follows it".to_owned(),
        false => format!("followed by {}", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use scalectl_migrate::{PoolerWait, Prepared, Session, Standby, Timeout, Way};

    use super::super::State;
    use super::*;

    const MOVES: Work = Work {
        moves_primary: true,
        replaces_pooler: false,
        hold_ms: 2000,
        end_sessions: false,
    };

    fn session(pid: u32, way: Way, open_ms: Option<u64>) -> Session {
        Session {
            pid,
            way,
            open_ms,
            user: Some("app".to_owned()),
            application: Some("report".to_owned()),
            client: Some("172.18.0.9".to_owned()),
            state: Some("idle in transaction".to_owned()),
            since: open_ms.map(|_| "2026-11-23T19:40:02Z".to_owned()),
            statement: Some("SELECT ?".to_owned()),
            ..Session::default()
        }
    }

    fn well() -> Facts {
        Facts {
            primary: "db-1".to_owned(),
            pooler_waits: vec![PoolerWait {
                name: "query_wait_timeout".to_owned(),
                seconds: 30,
            }],
            ..Facts::default()
        }
    }

    fn bad(facts: &Facts, work: Work) -> String {
        let names = BTreeMap::from([("172.18.0.9".to_owned(), "shop-app-1".to_owned())]);
        let checks = database(Ok(facts.clone()), work, &names).into_iter();
        let checks = checks.filter(|it| it.state != State::Ok);
        let line = |it: Check| format!("{:?} {}: {}\n", it.state, it.name, it.says);
        checks.map(line).collect()
    }

    #[test]
    fn a_database_that_is_well_refuses_nothing() {
        assert_eq!(bad(&well(), MOVES), "");
    }

    #[test]
    fn all_that_is_in_the_way_of_a_move_is_named_at_once() {
        let facts = Facts {
            sessions: vec![
                session(41, Way::Transactions, Some(34_000)),
                session(42, Way::Session, None),
                session(43, Way::Direct, Some(90)),
                session(44, Way::Own, Some(90_000)),
                session(45, Way::Transactions, Some(900)),
            ],
            prepared: vec![Prepared {
                gid: "tx-1".to_owned(),
                user: Some("app".to_owned()),
                since: Some("2026-11-23T19:40:02Z".to_owned()),
                ..Prepared::default()
            }],
            synchronous_standby_names: "db-9".to_owned(),
            is_busy: true,
            pooler_waits: vec![PoolerWait {
                name: "query_wait_timeout".to_owned(),
                seconds: 2,
            }],
            ..well()
        };
        insta::assert_snapshot!(bad(&facts, MOVES), @r#"
        Refused database: the agent is at work on a database member (it moves, restarts or stops one)
        Refused standbys: synchronous_standby_names is left over (db-9), though this stack has no synchronous standbys: every commit could wait for ever
        Refused direct: 1 session is past the pooler and would be ended: process 43, user app, application report, client shop-app-1 (a transaction open since 2026-11-23T19:40:02Z (0 s), idle in transaction, its last statement: SELECT ?)
        Refused sessions: 1 session is in the pooler's session mode and would be ended: process 42, user app, application report, client shop-app-1
        Refused old: a hold would wait for old transactions: process 41, user app, application report, client shop-app-1 is open since 2026-11-23T19:40:02Z (34 s), idle in transaction, its last statement: SELECT ?
        Refused prepared: 1 transaction is prepared and not yet committed: "tx-1" of user app since 2026-11-23T19:40:02Z
        Refused time-outs: the pooler lets clients wait: query_wait_timeout 2 s; writes may wait 3 s, so some would fail
        "#);
    }

    #[test]
    fn nothing_of_a_session_is_in_the_way_where_the_primary_stays() {
        let mut facts = well();
        facts.sessions = vec![
            session(42, Way::Session, None),
            session(43, Way::Direct, None),
            session(41, Way::Transactions, Some(34_000)),
        ];
        let stays = Work {
            moves_primary: false,
            ..MOVES
        };
        assert!(!bad(&facts, stays).contains("Refused"));
        let pooler = Work {
            replaces_pooler: true,
            ..stays
        };
        let text = bad(&facts, pooler);
        assert!(
            text.contains("Refused sessions: 1 session is in the pooler's"),
            "{text}"
        );
        assert!(!text.contains("past"), "{text}");
    }

    #[test]
    fn sessions_that_may_be_ended_refuse_nothing_and_are_still_named() {
        let mut facts = well();
        facts.sessions = vec![
            session(42, Way::Session, None),
            session(43, Way::Direct, None),
        ];
        let accepted = Work {
            end_sessions: true,
            ..MOVES
        };
        let text = bad(&facts, accepted);
        assert!(!text.contains("Refused"), "{text}");
        assert!(
            text.contains("process 42") && text.contains("process 43"),
            "{text}"
        );
        facts
            .sessions
            .push(session(41, Way::Transactions, Some(34_000)));
        let text = bad(&facts, accepted);
        assert!(text.contains("Refused old"), "a hold waits for it: {text}");
    }

    #[test]
    fn names_of_synchronous_standbys_are_left_over_only_where_there_are_none() {
        let mut facts = well();
        facts.synchronous_standby_names = "ANY 1 (\"db-2\")".to_owned();
        facts.is_synchronous = true;
        assert!(bad(&facts, MOVES).contains("none follows"));
        facts.standbys = vec![Standby {
            name: "db-2".to_owned(),
            sync: Some("quorum".to_owned()),
            ..Standby::default()
        }];
        assert_eq!(bad(&facts, MOVES), "");
        facts.is_synchronous = false;
        assert!(bad(&facts, MOVES).contains("left over"));
    }

    #[test]
    fn what_nobody_can_tell_refuses_a_move_and_nothing_else() {
        let state = |work| database(Err("no answer".to_owned()), work, &BTreeMap::new())[0].state;
        assert_eq!(state(MOVES), State::Refused);
        assert_eq!(state(Work::default()), State::Note);
    }

    #[test]
    fn limits_of_the_app_are_told_and_refuse_nothing() {
        let mut facts = well();
        facts.timeouts = vec![Timeout {
            user: Some("app".to_owned()),
            database: None,
            name: "statement_timeout".to_owned(),
            value: "500ms".to_owned(),
        }];
        let checks = database(Ok(facts), MOVES, &BTreeMap::new());
        let last = checks.last().unwrap();
        assert_eq!((last.name, last.state), ("limits", State::Ok));
        assert!(
            last.says.contains("statement_timeout 500ms for app"),
            "{}",
            last.says
        );
    }
}
