//! What clients see while a stack changes under 250 requests a second: nothing.
//!
//! GET and POST, on kept and on new connections, against an app that closes idle ones
//! after 2 s. Each request counts once and is never repeated. The longer runs are in
//! `traffic_soak.rs`.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may panic and speak"
)]

mod load;
mod support;

use std::process::Command;
use std::time::Duration;

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
    unharmed(&stack, "the app is restarted", || {
        replaces(&stack, "app", &["restart", "app"]);
    });
    unharmed(&stack, "the edge is restarted", || {
        replaces(&stack, "edge", &["restart", "edge"]);
    });

    let seen = under_load(&stack, || {
        let killed = stack.instances("app");
        let killed = run(Command::new("docker").arg("kill").args(killed));
        assert_eq!(killed.code, 0, "{}", killed.err);
    });
    assert!(
        seen.failures.len() > 100,
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
        "  version: \"17\"\n  settings: {log_min_duration_statement: 4321}",
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
        "log_checkpoints: 'off'",
        "log_checkpoints: 'on'",
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
    let ask = "SELECT current_setting('log_checkpoints'), current_setting('log_min_duration_statement'), \
               (SELECT rolconnlimit FROM pg_roles WHERE rolname = 'monitor')";
    until("on|4321ms|17", || {
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

/// Runs an action in the middle of a load, and says what clients saw.
fn under_load(stack: &Stack, action: impl FnOnce()) -> Report {
    let load = Load::on(stack.https, &stack.name).start();
    std::thread::sleep(BEFORE);
    action();
    std::thread::sleep(AFTER);
    load.finish()
}

fn unharmed(stack: &Stack, what: &str, action: impl FnOnce()) {
    let report = under_load(stack, action);
    eprintln!("{what}: {report}");
    assert!(report.failures.is_empty(), "{what}: {report}");
    assert!(
        report.requests as f64 > 240.0 * report.whole.as_secs_f64(),
        "the load kept its rate: {report}"
    );
}

/// Of the containers that stay, that command makes those of one service anew.
fn replaces(stack: &Stack, service: &str, command: &[&str]) {
    let before = stack.running();
    stack.must(command);
    let after = stack.running();
    let gone: Vec<_> = before.difference(&after).map(|(name, _)| name).collect();
    let of_it = |name: &&String| name.contains(&format!("-{service}-"));
    assert!(
        !gone.is_empty() && gone.iter().all(|name| of_it(name)),
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
