//! Checks of those who are at work in the database: sessions that cannot wait, and
//! transactions that a hold would wait for. Next: `database.rs`.

use std::collections::BTreeMap;

use scalectl_migrate::{Prepared, Session, Way};

use super::{Check, Work};

/// A transaction that is open this long will hardly end while a hold is tried.
const OLD_MS: u64 = 30_000;
/// Of the sessions and transactions that are in the way so many are named.
const NAMED: usize = 5;

pub(super) fn direct(sessions: &[Session], work: Work) -> Check {
    let found = of_way(sessions, Way::Direct);
    let fix = "end them (`scalectl db shell`, a dump, a tool of yours), or accept with `--end-sessions` that they are ended";
    let ok = Check::ok("direct", "no session goes past the pooler");
    ended(ok, &found, "past the pooler", fix, work.moves_primary, work)
}

pub(super) fn stateful(sessions: &[Session], work: Work) -> Check {
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

pub(super) fn old(sessions: &[Session], work: Work) -> Check {
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

pub(super) fn prepared(prepared: &[Prepared], work: Work) -> Check {
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

fn of_way(sessions: &[Session], way: Way) -> Vec<&Session> {
    sessions.iter().filter(|it| it.way == way).collect()
}

/// A client's address tells less than the container that has it.
pub(super) fn named(session: Session, names: &BTreeMap<String, String>) -> Session {
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

pub(super) fn list(all: impl Iterator<Item = String>) -> String {
    let mut all: Vec<_> = all.collect();
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let mut text = all.join("; ");
    if more > 0 {
        text += &format!("; and {more} more");
    }
    text
}
