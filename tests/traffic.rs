//! What clients see while a stack changes under 250 requests a second: nothing.
//!
//! GET and POST, on kept and on new connections, against an app that closes idle ones
//! after 2 s. Each request counts once and is never repeated. Ignored tests are longer
//! and belong to the soak tier; with `--nocapture` all of them tell their figures.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic and speak"
)]

mod load;
mod support;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use load::{Load, Report};
use support::{Stack, overrides, run};

const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(2);

#[test]
fn no_request_is_lost_while_edge_pooler_or_app_are_replaced_or_restarted() {
    let stack = Stack::shop("traffic");
    stack.must(&["up", "--phase", "1"]);

    let envoy = overrides::change(
        &stack,
        "edge/envoy.yaml.hbs",
        "idle_timeout: 75s",
        "idle_timeout: 74s",
    );
    unharmed(&stack, "the edge has another setting", || {
        replaces(&stack, "edge", &["--overrides", &envoy, "up"]);
    });
    let pooler = overrides::change(
        &stack,
        "pooler/service.yaml.hbs",
        "mem_limit: 48m",
        "mem_limit: 49m",
    );
    unharmed(&stack, "the pooler has another limit", || {
        replaces(&stack, "pooler", &["--overrides", &pooler, "up"]);
    });
    give_the_app_a_variable(&stack);
    unharmed(&stack, "the app has another variable", || {
        stack.must(&["--overrides", &pooler, "up"]);
    });
    unharmed(&stack, "the app is restarted", || {
        replaces(&stack, "app", &["--overrides", &pooler, "restart", "app"]);
    });
    unharmed(&stack, "the edge is restarted", || {
        replaces(&stack, "edge", &["--overrides", &pooler, "restart", "edge"]);
    });

    let seen = under_load(&stack, || {
        let killed = stack.instances("app");
        let killed = run(Command::new("docker").arg("kill").args(killed));
        assert_eq!(killed.code, 0, "{}", killed.err);
    });
    assert!(
        seen.failures.len() > rate() as usize / 3,
        "a killed app must be seen, or the load sees nothing: {seen}"
    );
}

#[test]
fn changed_settings_of_pooler_and_database_reach_what_runs() {
    let stack = Stack::shop("settings");
    stack.must(&["up", "--phase", "1"]);
    let before = stack.running();
    let file = stack.text();
    assert!(file.contains("  version: \"17\""), "{file}");
    stack.write(&file.replace(
        "  version: \"17\"",
        "  version: \"17\"\n  settings: {log_min_duration_statement: 4321, log_checkpoints: \"on\", log_line_prefix: \"mine %p \"}",
    ));
    overrides::change(
        &stack,
        "pooler/pgbouncer.ini.hbs",
        "log_connections = 0",
        "log_connections = 1",
    );
    overrides::change(
        &stack,
        "database/patroni.yaml.hbs",
        "ssl_min_protocol_version: TLSv1.3",
        "ssl_min_protocol_version: TLSv1.2",
    );
    let all = overrides::change(
        &stack,
        "database/roles.sql.hbs",
        "",
        "ALTER ROLE monitor CONNECTION LIMIT 17;\n",
    );
    unharmed(&stack, "settings change", || {
        stack.must(&["--overrides", &all, "up"]);
    });
    assert_eq!(stack.running(), before, "no container is replaced");

    let database = stack.instances("db-1");
    let ask = "SELECT current_setting('ssl_min_protocol_version'), current_setting('log_min_duration_statement'), \
               current_setting('log_checkpoints'), current_setting('log_line_prefix'), \
               (SELECT rolconnlimit FROM pg_roles WHERE rolname = 'monitor')";
    until("TLSv1.2|4321ms|on|mine %p |17", || {
        let psql = [
            "exec",
            &database[0],
            "psql",
            "-h",
            "/run/postgresql",
            "-U",
            "postgres",
            "-Atc",
            ask,
        ];
        run(Command::new("docker").args(psql)).out
    });
    stack.must(&["restart", "worker-packer"]);
    until("true", || {
        let pooler = &stack.instances("pooler")[0];
        let logged = run(Command::new("docker").args(["logs", pooler]));
        (logged.out + &logged.err)
            .contains("login attempt")
            .to_string()
    });
}

/// Writes that text of scale.yaml with another `database.memory`.
fn give_the_database_memory(stack: &Stack, text: &str, mebibytes: u32) {
    let changed = format!("database:\n  memory: {mebibytes}Mi\n");
    stack.write(&text.replace("database:\n", &changed));
}

#[test]
#[ignore = "soak: 4 min"]
fn a_single_database_member_that_is_replaced_or_restarted_costs_a_wait_and_no_request() {
    let stack = Stack::shop("single");
    stack.must(&["up", "--phase", "1"]);
    let file = stack.text();
    for memory in [384, 400] {
        give_the_database_memory(&stack, &file, memory);
        unharmed(&stack, "one member has other memory", || {
            replaces(&stack, "db-1", &["up"]);
        });
    }
    unharmed(&stack, "one member is restarted", || {
        stack.must(&["restart", "db-1"]);
    });
}

#[test]
#[ignore = "soak: 8 min"]
fn phase_2_changes_without_a_lost_request() {
    let stack = Stack::shop("changes");
    stack.must(&["up", "--phase", "2"]);
    give_the_app_a_variable(&stack);
    unharmed(&stack, "2 apps have another variable", || {
        stack.must(&["up"]);
    });
    for service in ["app", "edge", "pooler"] {
        unharmed(&stack, &format!("{service} is restarted"), || {
            replaces(&stack, service, &["restart", service]);
        });
    }
    let file = stack.text();
    for memory in [384, 400] {
        give_the_database_memory(&stack, &file, memory);
        unharmed(&stack, "3 members have other memory", || {
            replaces(&stack, "db", &["up"]);
        });
    }
    unharmed(&stack, "3 members are restarted", || {
        stack.must(&["restart", "db-1", "db-2", "db-3"]);
    });
}

/// What an accident costs is measured, not promised: it must end, and what was
/// acknowledged while all were well must be there.
#[test]
#[ignore = "soak: 4 min"]
fn after_a_killed_replica_or_primary_clients_are_served_again() {
    let stack = Stack::shop("accidents");
    stack.must(&["up", "--phase", "2"]);
    for (what, is_standby, most_seconds) in [("a replica", "t", 20), ("the primary", "f", 60)] {
        let member = member(&stack, is_standby);
        wait_until_calm(&stack);
        let load = load_on(&stack).start();
        std::thread::sleep(BEFORE);
        let killed = run(Command::new("docker").args(["kill", &member]));
        assert_eq!(killed.code, 0, "{}", killed.err);
        let report = load.finish_after(Duration::from_secs(most_seconds + 15));
        let outage = report.outage();
        eprintln!(
            "{what} ({member}) is killed: failures over {} ms: {report}",
            outage.as_millis()
        );
        assert!(
            outage < Duration::from_secs(most_seconds),
            "{what}: {report}"
        );
        stack.must(&["up"]);
    }
}

/// A member that says that (t or f) of whether it is a standby.
fn member(stack: &Stack, is_standby: &str) -> String {
    let all = ["db-1", "db-2", "db-3"].map(|service| stack.instances(service).remove(0));
    let ask = "SELECT pg_is_in_recovery()";
    let found = all.into_iter().find(|name| {
        let psql = [
            "exec",
            name,
            "psql",
            "-h",
            "/run/postgresql",
            "-U",
            "postgres",
            "-Atc",
            ask,
        ];
        run(Command::new("docker").args(psql)).out.trim() == is_standby
    });
    found.expect("there is such a member")
}

fn give_the_app_a_variable(stack: &Stack) {
    let edited = "KEEP_ALIVE_SECONDS: 2\n    EDITED: \"1\"";
    stack.write(&stack.text().replace("KEEP_ALIVE_SECONDS: 2", edited));
}

/// A load whose orders nobody else has.
fn load_on(stack: &Stack) -> Load {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    Load {
        rate: rate(),
        ..Load::on(stack.https, &format!("{}-{run}", stack.name))
    }
}

/// An overloaded machine drops requests without any change: that is not what is asked.
fn wait_until_calm(stack: &Stack) {
    for _ in 0..30 {
        let trial = load_on(stack).start().finish_after(Duration::from_secs(2));
        if trial.failures.is_empty() && trial.at(0.5) < Duration::from_millis(400) {
            return;
        }
        eprintln!("not calm yet: {trial}");
    }
    panic!(
        "with nothing changed this machine is too slow for the load; SCALECTL_TEST_RATE asks for less"
    );
}

/// 250 requests a second; `SCALECTL_TEST_RATE` for a machine that has other work, too.
fn rate() -> u32 {
    let given = std::env::var("SCALECTL_TEST_RATE").ok();
    given.and_then(|rate| rate.parse().ok()).unwrap_or(250)
}

/// Runs an action in the middle of a load, and says what clients saw.
fn under_load(stack: &Stack, action: impl FnOnce()) -> Report {
    wait_until_calm(stack);
    let load = load_on(stack).start();
    let begin = Instant::now();
    std::thread::sleep(BEFORE);
    action();
    std::thread::sleep(AFTER);
    let wanted = 0.95 * f64::from(rate()) * begin.elapsed().as_secs_f64();
    let report = load.finish();
    assert!(
        report.requests as f64 > wanted,
        "the load kept its rate: {report}"
    );
    report
}

fn unharmed(stack: &Stack, what: &str, action: impl FnOnce()) {
    let report = under_load(stack, action);
    eprintln!("{what}: {report}");
    assert!(report.failures.is_empty(), "{what}: {report}");
}

/// Of the containers that stay, that command makes those of one service anew.
fn replaces(stack: &Stack, service: &str, command: &[&str]) {
    let before = stack.running();
    stack.must(command);
    let after = stack.running();
    let gone: Vec<_> = before.difference(&after).map(|(name, _)| name).collect();
    let of_it = |name: &&String| name.contains(&format!("-{service}-"));
    assert!(
        !gone.is_empty() && gone.iter().all(of_it),
        "only {service} is replaced, but: {gone:?}"
    );
}

fn until(wanted: &str, mut look: impl FnMut() -> String) {
    let mut seen = String::new();
    for _ in 0..60 {
        seen = look();
        if seen.trim() == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(seen.trim(), wanted, "after 15 s");
}
