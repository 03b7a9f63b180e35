//! The whole database moves to a fresh cluster and back while clients write, and the
//! cluster that was left lets nobody write, whatever is done to it by hand.
//!
//! Half of the moves have their scalectl killed right after the hold began. Twenty times
//! each: the soak tier, `scripts/soak moves`. Next: `checker/scenario.rs`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may panic and speak"
)]

mod checker;
mod load;
mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use checker::by_hand::{self, Tries};
use checker::handovers::{Journal, killed_at};
use checker::population::Pulse;
use checker::reading::{primary, psql};
use checker::scenario::Checker;
use checker::soak::{Series, runs};
use support::{Ran, Stack, run};

const MOVE: &[&str] = &["db", "move"];
const UNDO: &[&str] = &["migrate", "undo", "--yes"];
const RESUME: &[&str] = &["migrate", "resume", "--yes"];
/// Writes a second where it is not the load that is tested.
const RATE: f64 = 40.0;

#[test]
fn a_database_moves_to_a_fresh_cluster_and_back_and_the_one_it_left_refuses_clients() {
    let stack = Stack::shop("moves");
    stack.must(&["up", "--phase", "1"]);
    let before = volumes(&stack);
    let journal = Journal::of(&stack);
    let mut checker = Checker::new(&stack).at_rate(RATE);

    let run = checker.during("a move", |_| {
        stack.must(MOVE);
        journal.must_have_moved();
    });
    run.must_be_sound();
    assert_eq!(primary(&stack), member(&stack, "db2-1"));
    let up = stack.scalectl(&["up"]);
    assert_eq!(up.code, 4, "it rests: {}", up.err);
    let refused = log_in(&stack, "db-1");
    assert!(
        refused.err.contains("rejects"),
        "{}{}",
        refused.out,
        refused.err
    );

    journal.skip();
    let run = checker.during("its undo, killed in the hold", |_| {
        killed_at(&stack, UNDO, &journal, "holding").expect("it is killed");
        journal.must_have_moved();
        stack.must(RESUME);
    });
    run.must_be_sound();
    assert_eq!(primary(&stack), member(&stack, "db-1"));
    assert_eq!(
        volumes(&stack),
        before,
        "what came is gone, and nothing else"
    );
    stack.must(&["plan", "--detailed-exit-code"]);
}

#[test]
#[ignore = "soak: 20 min"]
fn a_move_and_its_undo_lose_double_and_fail_nothing_whether_they_are_watched_or_killed() {
    let stack = Stack::shop("moves-soak");
    stack.must(&["up", "--phase", "1"]);
    let journal = Journal::of(&stack);
    let variants = ["move", "undo", "move killed", "undo killed"];
    let series = Series::of("move", 2 * runs(), &variants);
    let act = |variant: &str, _: &Pulse| {
        journal.skip();
        let command = if variant.starts_with("move") {
            MOVE
        } else {
            UNDO
        };
        if variant.ends_with("killed") {
            killed_at(&stack, command, &journal, "holding");
            journal.must_have_moved();
            stack.must(RESUME);
        } else {
            stack.must(command);
            journal.must_have_moved();
        }
    };
    let summary = series.run(&stack, act, || {});
    summary.must_have_passed();
}

#[test]
#[ignore = "soak: 3 min"]
fn an_old_primary_tampered_with_refuses_clients_and_once_given_up_no_old_document_founds_beside_the_new()
 {
    let stack = Stack::shop("moved");
    stack.must(&["up", "--phase", "1"]);
    let old = stack.must(&["render", "--phase", "1"]).out;
    let mut checker = Checker::new(&stack).at_rate(RATE);
    let run = checker.during("a move for good", |_| {
        stack.must(&["db", "move", "--fast"]);
        refuses_clients(&stack, "db-1");
        stack.must(RESUME);
    });
    run.must_be_sound();
    assert!(!volumes(&stack).contains(&format!("{}_db-1-data", stack.name)));
    stack.must(&["plan", "--detailed-exit-code"]);
    stack.must(&["down"]);
    std::fs::write(stack.folder.join("old.yaml"), old).expect("it can be written");
    let refused = stack.scalectl(&["--document", "old.yaml", "up"]);
    assert_eq!(refused.code, 4, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("db2-1-data"), "{}", refused.err);
    stack.must(&["up"]);
    assert_eq!(primary(&stack), member(&stack, "db2-1"));
    assert!(
        checker.judge().is_sound(),
        "all is there after `down` and `up`"
    );
}

fn member(stack: &Stack, service: &str) -> String {
    let instances = stack.instances(service);
    instances.first().expect("it is there").clone()
}

fn volumes(stack: &Stack) -> BTreeSet<String> {
    stack.volumes().into_iter().collect()
}

/// As it is, promoted by hand, and started by hand without its signal: nobody who is
/// not a member may log in, and even the superuser writes nothing. Its own Patroni puts it
/// right again.
fn refuses_clients(stack: &Stack, service: &str) {
    let container = member(stack, service);
    let refuses = |when: &str, by_hand: &dyn Fn()| {
        let writes = Tries::on(&container);
        by_hand();
        let give_up = Instant::now() + Duration::from_secs(30);
        let mut was_told = false;
        while !(was_told && follows(&container)) {
            let said = log_in(stack, service);
            assert_ne!(said.code, 0, "{when}: {}", said.out);
            // Else it is down, or on its way up.
            was_told |= said.err.contains("rejects");
            assert!(Instant::now() < give_up, "{when}: {}", said.err);
            std::thread::sleep(Duration::from_millis(300));
        }
        assert_eq!(writes.taken(), 0, "{when}");
    };
    refuses("as it is", &|| {});
    refuses("promoted", &|| by_hand::promote(&container));
    refuses("without its signal", &|| {
        by_hand::remove_signal(&container);
        by_hand::restart(&container);
    });
}

fn follows(container: &str) -> bool {
    let said = psql(container, "postgres", "SELECT pg_is_in_recovery()");
    said.out.trim() == "t"
}

/// As the app would: its own password, a certificate of the stack.
fn log_in(stack: &Stack, service: &str) -> Ran {
    let url = checker::relay::told_to_the_app(stack, "DATABASE_URL");
    let config: tokio_postgres::Config = url.parse().expect("it is an address");
    let password = config.get_password().unwrap_or_default().to_vec();
    let password = String::from_utf8_lossy(&password).into_owned();
    let login = format!(
        "host={service} user=app dbname=app sslmode=require sslcert=/etc/scalectl/tls/tls.crt sslkey=/etc/scalectl/tls/tls.key connect_timeout=3"
    );
    let member = member(stack, "db2-1");
    let mut command = Command::new("docker");
    command.env("PGPASSWORD", password);
    command.args([
        "exec",
        "--env",
        "PGPASSWORD",
        &member,
        "psql",
        "-Atc",
        "SELECT 1",
    ]);
    run(command.arg(login))
}
