//! The verbs of daily work on a real stack: logs, exec, restart, status, the
//! database's shell, dump and restore, and the lock between two who change it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Ran, Stack, listed, program, run};

#[test]
fn the_verbs_of_daily_work_do_what_they_say_and_keep_what_is_there() {
    let stack = Stack::shop("verbs");
    stack.must(&["up"]);
    logs_are_whole_and_named(&stack);
    exec_passes_streams_and_exit_codes_on(&stack);
    restart_keeps_every_container(&stack);
    a_restored_dump_undoes_what_was_written_since(&stack);
    a_stranded_container_is_named_and_mended(&stack);
    doctor_finds_nothing_wrong(&stack);
    another_image_for_this_once_replaces_the_app_alone(&stack);
}

#[test]
fn of_two_who_change_a_stack_one_works_and_the_lock_of_a_dead_one_does_not_stay() {
    let stack = Stack::shop("lock");
    let mut first = up_until_locked(&stack);
    let second = stack.scalectl(&["up", "--lock-timeout", "0"]);
    assert_eq!(second.code, 9, "the second is refused:\n{}", second.err);
    assert!(
        !second.err.contains("is not there yet"),
        "two who build one image would each replace what the other made of it:\n{}",
        second.err
    );
    for word in ["`scalectl up` of", "process", "since"] {
        assert!(
            second.err.contains(word),
            "it says who is at work ({word}):\n{}",
            second.err
        );
    }
    // The first holds the lock while it builds the app, too.
    let third = stack.must(&["up", "--lock-timeout", "300"]);
    assert!(
        third.err.contains("waiting for `scalectl up`"),
        "the third waits:\n{}",
        third.err
    );
    assert!(
        first.wait().unwrap().success(),
        "the first is not disturbed"
    );
    assert!(locks(&stack).is_empty(), "nobody holds a lock any more");

    stack.must(&["down"]);
    let mut killed = up_until_locked(&stack);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(locks(&stack).len(), 1, "its lock was left behind");
    stack.must(&["up", "--lock-timeout", "0"]);
    assert!(
        locks(&stack).is_empty(),
        "and was taken over and given back"
    );
}

/// Starts `up` and returns as soon as it holds the lock.
fn up_until_locked(stack: &Stack) -> std::process::Child {
    let mut command = Command::new(program());
    command.arg("up").current_dir(&stack.folder);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.expect("up starts");
    let give_up = Instant::now() + Duration::from_secs(180);
    while locks(stack).is_empty() {
        assert!(Instant::now() < give_up, "up must take the lock");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

fn locks(stack: &Stack) -> Vec<String> {
    let name = format!("name=^/{}-scalectl-lock$", stack.name);
    listed(&["ps", "-a", "--format", "{{.Names}}", "--filter", &name])
}

fn logs_are_whole_and_named(stack: &Stack) {
    let all = stack.must(&["logs"]).out;
    for service in ["bootstrap-1", "db-1-1", "app-1"] {
        let is_named = all.lines().any(|line| line.starts_with(service));
        assert!(is_named, "{service} has written:\n{all}");
    }
    let one = stack
        .must(&["logs", "app", "--tail", "1", "--output", "json"])
        .out;
    assert_eq!(one.lines().count(), 1, "one line was asked for:\n{one}");
    assert!(one.contains("\"service\":\"app\""), "as JSON:\n{one}");
    let typo = stack.scalectl(&["logs", "ap"]);
    assert_eq!(typo.code, 4);
    assert!(typo.err.contains("did you mean `app`?"), "{}", typo.err);
}

fn exec_passes_streams_and_exit_codes_on(stack: &Stack) {
    let ran = stack.scalectl(&[
        "exec",
        "app",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (7, "out\n"), "{}", ran.err);
    assert_eq!(ran.err, "err\n", "stderr stays apart");
    // More than both directions hold at once.
    let much = "0123456789abcde\n".repeat(200_000);
    let ran = fed(stack, &["exec", "-i", "app", "--", "cat"], &much);
    assert!(
        ran.out == much,
        "{} bytes of {} came back",
        ran.out.len(),
        much.len()
    );
    let ran = stack.scalectl(&["exec", "app-1", "--", "true"]);
    assert_eq!(ran.code, 4);
    let hint = "app-1 is a container of the service `app`; `exec --index 1 app`";
    assert!(ran.err.contains(hint), "as logs call it: {}", ran.err);
    let ran = stack.scalectl(&["exec", "app", "--", "no-such-program"]);
    assert_eq!(ran.code, 127, "{}{}", ran.out, ran.err);
}

fn fed(stack: &Stack, args: &[&str], input: &str) -> Ran {
    let mut command = Command::new(program());
    command.args(args).current_dir(&stack.folder);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("scalectl starts");
    let mut stdin = child.stdin.take().expect("it has a stdin");
    let input = input.to_owned();
    let feed = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    feed.join()
        .expect("the thread ends")
        .expect("it reads all of it");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn restart_keeps_every_container(stack: &Stack) {
    let before = stack.containers();
    let started = || {
        let worker = format!("{}-worker-packer-1", stack.name);
        listed(&["inspect", "-f", "{{.State.StartedAt}}", &worker])
    };
    let first = started();
    stack.must(&["restart", "worker-packer", "pooler-net"]);
    assert_eq!(
        stack.containers(),
        before,
        "what cannot roll is not made anew"
    );
    assert_ne!(started(), first, "the worker was started anew");
    let plan = stack.must(&["plan", "--detailed-exit-code"]);
    assert!(
        plan.out.contains("nothing to do"),
        "all is as it was:\n{}",
        plan.out
    );
    assert_eq!(stack.scalectl(&["status", "--exit-code"]).code, 0);
}

/// All that the database has but for rows, with owners, rights and columns.
const CONTENT: &str = "SELECT n.nspname, n.nspowner::regrole, n.nspacl, c.relname, c.relkind, \
    c.relowner::regrole, c.relacl, (SELECT array_agg(a.attname ORDER BY attnum) FROM pg_attribute a \
    WHERE a.attrelid = c.oid AND NOT attisdropped) \
    FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid \
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1, 4";

fn a_restored_dump_undoes_what_was_written_since(stack: &Stack) {
    let sql = |arguments: &[&str]| {
        let all = [&["db", "shell", "--", "-XAtqc"], arguments].concat();
        stack.must(&all).out
    };
    sql(&["CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)"]);
    assert_eq!(
        sql(&["SELECT current_user"]),
        "app\n",
        "the shell has the app's rights"
    );
    let whole = ["-c", "SELECT current_user"];
    assert_eq!(sql(&["SELECT 1", whole[0], whole[1]]), "1\napp\n");
    stack.must(&["db", "dump", "-o", "shop.dump"]);
    let mode = run(Command::new("stat")
        .args(["-c", "%a", "shop.dump"])
        .current_dir(&stack.folder));
    assert_eq!(mode.out, "600\n", "a dump is for its owner alone");
    let before = sql(&[CONTENT]);
    sql(&[
        "INSERT INTO kept VALUES (2); CREATE TABLE later (n int); CREATE VIEW seen AS TABLE kept",
    ]);
    sql(&["CREATE SCHEMA mine; CREATE TABLE mine.too (n int); ALTER TABLE kept ADD added int"]);

    let unasked = stack.scalectl(&["db", "restore", "shop.dump"]);
    assert_eq!(unasked.code, 4, "nobody could be asked:\n{}", unasked.err);
    assert!(
        unasked
            .err
            .contains("and so is what it lacks: mine.too, later, seen."),
        "what goes is named:\n{}",
        unasked.err
    );
    assert_eq!(
        sql(&["SELECT count(*) FROM kept"]),
        "2\n",
        "so nothing has changed"
    );
    let dump = std::fs::read(stack.folder.join("shop.dump")).unwrap();
    std::fs::write(stack.folder.join("cut.dump"), &dump[..dump.len() - 40]).unwrap();
    let cut = stack.scalectl(&["db", "restore", "--yes", "cut.dump"]);
    assert_eq!(cut.code, 6, "{}", cut.err);
    assert_eq!(
        sql(&["SELECT count(*), to_regclass('mine.too') FROM kept"]),
        "2|mine.too\n",
        "a dump that ends early changes nothing"
    );
    stack.must(&["db", "restore", "--yes", "shop.dump"]);
    assert_eq!(
        sql(&[CONTENT]),
        before,
        "it is what was dumped, and no more"
    );
    assert_eq!(
        sql(&["SELECT count(*) FROM kept"]),
        "1\n",
        "the dump has one row"
    );

    std::fs::write(stack.folder.join("broken.dump"), b"PGDMP and then nonsense").unwrap();
    let broken = stack.scalectl(&["db", "restore", "--yes", "broken.dump"]);
    assert_eq!(broken.code, 6, "{}", broken.err);
    assert_eq!(
        sql(&["SELECT count(*) FROM kept"]),
        "1\n",
        "all old or all new"
    );
    assert_eq!(
        stack
            .scalectl(&["db", "restore", "--yes", "scale.yaml"])
            .code,
        4
    );
}

fn a_stranded_container_is_named_and_mended(stack: &Stack) {
    listed(&["restart", "-t", "2", &format!("{}-edge-net-1", stack.name)]);
    let status = stack.scalectl(&["status", "--exit-code"]);
    assert_eq!(status.code, 10, "{}", status.out);
    let line = format!("{}-edge-1 is stranded", stack.name);
    assert!(status.err.contains(&line), "it is named:\n{}", status.err);
    stack.must(&["up"]);
    assert_eq!(
        stack.scalectl(&["status", "--exit-code"]).code,
        0,
        "up mends it"
    );
}

fn doctor_finds_nothing_wrong(stack: &Stack) {
    let ran = stack.must(&["doctor", "--output", "json"]);
    assert!(!ran.out.contains("\"wrong\""), "{}", ran.out);
    assert!(
        ran.out.contains("of this stack"),
        "its ports are known as its own:\n{}",
        ran.out
    );
}

fn another_image_for_this_once_replaces_the_app_alone(stack: &Stack) {
    let other = format!("{}-app:other", stack.name);
    listed(&["tag", &format!("{}-app:latest", stack.name), &other]);
    let before = stack.running();
    stack.must(&["up", "--image", &format!("app={other}")]);
    let after = stack.running();
    // Its successor has another number.
    let apps = stack.instances("app");
    let app = apps.first().expect("an app runs");
    let images = listed(&["inspect", "-f", "{{.Config.Image}}", app]);
    assert_eq!(images, [other], "the app is made from it");
    let replaced: Vec<_> = before.difference(&after).map(|(name, _)| name).collect();
    let is_the_app = |it: &&String| it.contains("-app-") || it.contains("-worker-");
    assert!(replaced.len() > 1, "the app and its worker: {replaced:?}");
    assert!(
        replaced.iter().all(is_the_app),
        "and nothing else: {replaced:?}"
    );
}
