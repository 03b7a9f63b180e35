//! Checks of the database, from what its agent tells.

use std::collections::BTreeMap;

use scalectl_migrate::{Facts, Prepared, Session, Way};

use super::{Check, Work};

/// A transaction that is open this long will hardly end while a hold is tried.
const OLD_MS: u64 = 30_000;
/// Of the sessions and transactions that are in the way so many are named.
const NAMED: usize = 5;
/// What a wait at the pooler may take beside the hold itself.
const BESIDE_SECONDS: u64 = 1;

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

fn direct(sessions: &[Session], work: Work) -> Check {
    let found = of_way(sessions, Way::Direct);
    let fix = "end them (`scalectl db shell`, a dump, a tool of yours), or accept with `--end-sessions` that they are ended";
    let ok = Check::ok("direct", "no session goes past the pooler");
    ended(ok, &found, "past the pooler", fix, work.moves_primary, work)
}

fn stateful(sessions: &[Session], work: Work) -> Check {
    let found = of_way(sessions, Way::Session);
    let fix = "let them use DATABASE_URL, whose transactions wait, or stop them for the time; or accept with `--end-sessions` that they are ended and connect again";
    let ends = work.moves_primary || work.replaces_pooler;
    let ok = Check::ok("sessions", "no session uses the pooler's session mode");
    ended(ok, &found, "in the pooler's session mode", fix, ends, work)
}

/// Sessions that cannot wait: they lose their connection, and what they keep in it.
fn ended(ok: Check, found: &[&Session], place: &str, fix: &str, ends: bool, work: Work) -> Check {
    let name = ok.name;
    let told = match found.len() {
        0 => return ok,
        1 => format!("1 session is {place}"),
        number => format!("{number} sessions are {place}"),
    };
    let who = list(found.iter().map(|it| session_text(it)));
    match (ends, work.end_sessions) {
        (false, _) => Check::ok(name, format!("{told}, and nothing ends them: {who}")),
        (true, true) => Check {
            fix: None,
            ..Check::note(
                name,
                format!("{told} and will be ended, as was accepted: {who}"),
                "",
            )
        },
        (true, false) => Check::refused(name, format!("{told} and would be ended: {who}"), fix),
    }
}

fn old(sessions: &[Session], work: Work) -> Check {
    let is_old = |it: &&Session| it.open_ms.is_some_and(|open| open >= OLD_MS);
    let waited_for = of_way(sessions, Way::Transactions).into_iter();
    let found: Vec<_> = waited_for.filter(is_old).collect();
    let Some(first) = found.first() else {
        return Check::ok("old", "none is open for long");
    };
    let who = list(
        found
            .iter()
            .map(|it| format!("{} is {}", it.who(), it.what())),
    );
    let says = format!("a hold would wait for old transactions: {who}");
    let fix = format!(
        "let it end, or end it, which is an error for its client: `scalectl db shell --superuser -- -c 'SELECT pg_terminate_backend({})'`",
        first.pid
    );
    match work.moves_primary {
        true => Check::refused("old", says, fix),
        false => Check::note("old", format!("{who}; nothing is held"), fix),
    }
}

fn prepared(prepared: &[Prepared], work: Work) -> Check {
    let Some(first) = prepared.first() else {
        return Check::ok(
            "prepared",
            "no transaction is prepared for a two-phase commit",
        );
    };
    let who = list(prepared.iter().map(|it| {
        let since = it.since.as_deref().unwrap_or("an unknown time");
        let user = it.user.as_deref().unwrap_or("unknown");
        format!("{:?} of user {user} since {since}", it.gid)
    }));
    let says = format!(
        "{} prepared and not yet committed: {who}",
        count(prepared.len())
    );
    let fix = format!(
        "let its coordinator end it; one that nobody ends: `scalectl db shell --superuser -- -c \"ROLLBACK PREPARED '{}'\"` (or COMMIT PREPARED)",
        first.gid
    );
    match work.moves_primary {
        true => Check::refused("prepared", says, fix),
        false => Check::note("prepared", says, fix),
    }
}

fn count(number: usize) -> String {
    match number {
        1 => "1 transaction is".to_owned(),
        _ => format!("{number} transactions are"),
    }
}

/// Whoever waits longer at the pooler gets an error from it.
fn waits(facts: &Facts, work: Work) -> Check {
    let needed = work.hold_ms.div_ceil(1000) + BESIDE_SECONDS;
    let all = facts.pooler_waits.iter();
    let told = all
        .clone()
        .map(|it| format!("{} {} s", it.name, it.seconds));
    let told: Vec<_> = told.collect();
    let short: Vec<_> = all.filter(|it| it.seconds < needed).collect();
    let says = match told.is_empty() {
        true => "the pooler lets clients wait without end".to_owned(),
        false => format!("the pooler lets clients wait: {}", told.join(", ")),
    };
    match (short.is_empty(), work.moves_primary) {
        (true, _) | (_, false) => Check::ok("time-outs", says),
        (false, true) => Check::refused(
            "time-outs",
            format!("{says}; writes may wait {needed} s, so some would fail"),
            "raise it in pgbouncer.ini (a template of yours in `--overrides`), or hold for less with `--max-hold`",
        ),
    }
}

/// The app's own limits at the server. A wait at the pooler does not count for them.
fn limits(facts: &Facts) -> Option<Check> {
    let told = facts.timeouts.iter().map(|it| {
        let whose = [it.user.as_deref(), it.database.as_deref()];
        let whose: Vec<_> = whose.into_iter().flatten().collect();
        format!("{} {} for {}", it.name, it.value, whose.join(" in "))
    });
    let told = list(told);
    let says = format!("set at the server: {told}; waiting at the pooler does not count for them");
    (!facts.timeouts.is_empty()).then(|| Check::ok("limits", says))
}

fn of_way(sessions: &[Session], way: Way) -> Vec<&Session> {
    sessions.iter().filter(|it| it.way == way).collect()
}

/// A client's address tells less than the container that has it.
fn named(session: Session, names: &BTreeMap<String, String>) -> Session {
    let client = session.client.as_ref();
    let name = client.and_then(|it| names.get(it)).cloned();
    Session {
        client: name.or(session.client),
        ..session
    }
}

fn session_text(session: &Session) -> String {
    match session.open_ms {
        Some(_) => format!("{} (a transaction {})", session.who(), session.what()),
        None => session.who(),
    }
}

fn list(all: impl Iterator<Item = String>) -> String {
    let mut all: Vec<_> = all.collect();
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let mut text = all.join("; ");
    if more > 0 {
        text += &format!("; and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use scalectl_migrate::{PoolerWait, Standby, Timeout};

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
