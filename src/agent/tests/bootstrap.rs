//! `bootstrap` as the containers start it: the binary, real folders.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::time::Duration;

use crate::fakes::wait_until;
use crate::stack::{self, Stack};

#[test]
fn every_component_gets_its_files_filled_its_secrets_and_its_certificate() {
    let stack = Stack::new();
    stack.bootstrap();

    let password = stack.read("db-1/secrets/postgres-superuser");
    assert_eq!(password.len(), 32);
    assert_eq!(
        stack.read("db-1/patroni.yaml"),
        format!("password: {password}\nliteral: ${{HOME}}\n")
    );
    let verifier = stack.read("pooler/userlist.txt");
    assert!(
        verifier.starts_with("\"app\" \"SCRAM-SHA-256$4096:"),
        "{verifier}"
    );
    assert_eq!(stack.read("app/env/STRIPE_KEY"), "sk&live");
    assert_eq!(stack.read("app/env/URL"), "http://x/?k=sk%26live");
    for file in ["tls/ca.crt", "tls/tls.crt", "tls/tls.key"] {
        assert!(
            stack
                .read(&format!("db-1/{file}"))
                .starts_with("-----BEGIN "),
            "{file}"
        );
    }
    let sds: serde_json::Value = serde_json::from_str(&stack.read("edge/tls/sds.yaml")).unwrap();
    assert_eq!(sds["resources"][0]["name"], "tls");
}

#[test]
fn files_are_for_their_owner_alone_unless_any_user_may_read_that_volume() {
    let stack = Stack::new();
    stack.bootstrap();
    let mode = |path: &str| fs::metadata(stack.out(path)).unwrap().permissions().mode() & 0o777;
    for path in ["db-1", "db-1/tls", "db-1/secrets"] {
        assert_eq!(mode(path), 0o700, "{path}");
    }
    for path in [
        "db-1/patroni.yaml",
        "db-1/tls/tls.key",
        "db-1/secrets/postgres-superuser",
    ] {
        assert_eq!(mode(path), 0o600, "{path}");
    }
    assert_eq!((mode("app"), mode("app/env/STRIPE_KEY")), (0o755, 0o444));
    assert_eq!((mode("dynamic"), mode("dynamic/app.json")), (0o750, 0o644));
    assert_eq!(
        fs::metadata(stack.state()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(stack.state().join("state.json"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[test]
fn a_second_run_changes_nothing_and_touches_nothing() {
    let stack = Stack::new();
    stack.bootstrap();
    let before = stack.everything_with_times();
    std::thread::sleep(Duration::from_millis(20));
    let told = stack.bootstrap();
    assert_eq!(stack.everything_with_times(), before, "{told}");
    assert!(
        told.contains("made 0 secrets and 0 certificates; wrote 0 files"),
        "{told}"
    );
}

#[test]
fn a_file_that_left_the_spec_is_removed_and_one_of_a_component_s_own_directory_is_not() {
    let stack = Stack::new();
    stack.bootstrap();
    fs::write(stack.out("dynamic/app.json"), "the agent's own").unwrap();
    fs::write(stack.out("dynamic/other"), "the agent's own").unwrap();
    let spec = fs::read_to_string(stack.input("bootstrap.json")).unwrap();
    fs::write(
        stack.input("bootstrap.json"),
        spec.replace(r#"{"name":"env/URL"},"#, ""),
    )
    .unwrap();

    stack.bootstrap();

    assert!(
        !stack.out("app/env/URL").exists(),
        "a file that left the spec is still there"
    );
    assert!(stack.out("app/env/STRIPE_KEY").exists());
    assert_eq!(stack.read("dynamic/app.json"), "the agent's own");
    assert_eq!(stack.read("dynamic/other"), "the agent's own");
}

#[test]
fn only_the_certificate_whose_names_changed_is_made_again() {
    let stack = Stack::new();
    stack.bootstrap();
    let before = stack.everything();
    let spec = fs::read_to_string(stack.input("bootstrap.json")).unwrap();
    fs::write(
        stack.input("bootstrap.json"),
        spec.replace(r#""dns":["db-1""#, r#""dns":["db-1","db-1.local""#),
    )
    .unwrap();

    stack.bootstrap();

    let after = stack.everything();
    let changed: Vec<_> = after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(text))
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        changed,
        [
            "out/db-1/tls/tls.crt",
            "out/db-1/tls/tls.key",
            "state/spec.json",
            "state/state.json"
        ]
    );
}

#[test]
fn the_user_s_value_is_kept_when_it_is_not_given_again_and_replaced_when_it_is() {
    let stack = Stack::new();
    stack.bootstrap();
    fs::write(stack.input("given/STRIPE_KEY"), "").unwrap();
    stack.bootstrap();
    assert_eq!(
        stack.read("app/env/STRIPE_KEY"),
        "sk&live",
        "an empty file took the kept value away"
    );
    fs::remove_file(stack.input("given/STRIPE_KEY")).unwrap();
    stack.bootstrap();
    assert_eq!(
        stack.read("app/env/STRIPE_KEY"),
        "sk&live",
        "a missing file took the kept value away"
    );
    fs::write(stack.input("given/STRIPE_KEY"), "new").unwrap();
    stack.bootstrap();
    assert_eq!(stack.read("app/env/STRIPE_KEY"), "new");
}

#[test]
fn a_value_that_was_never_given_is_named_and_nothing_is_written() {
    let stack = Stack::new();
    fs::remove_file(stack.input("given/STRIPE_KEY")).unwrap();
    let told = stack.bootstrap_fails();
    assert!(
        told.contains("error: no value for user-STRIPE_KEY"),
        "{told}"
    );
    assert_eq!(stack.everything(), BTreeMap::new());
}

#[test]
fn what_cannot_be_filled_is_told_with_file_and_line_and_nothing_is_written() {
    let stack = Stack::new();
    fs::write(
        stack.input("db-1/patroni.yaml"),
        "a: 1\nb: ${secret:lost}\nc: ${HOME}\n",
    )
    .unwrap();
    fs::write(
        stack.input("dynamic/app.json"),
        "${secret:postgres-superuser}",
    )
    .unwrap();
    let told = stack.bootstrap_fails();
    let shown = told.replace(stack.input("").to_str().unwrap(), "/in/");
    assert!(
        shown.contains("/in/db-1/patroni.yaml:2: `${secret:lost}` names no secret of the spec"),
        "{shown}"
    );
    assert!(
        shown.contains("/in/db-1/patroni.yaml:3: `${HOME}` is no placeholder"),
        "{shown}"
    );
    assert!(
        shown.contains("/in/dynamic/app.json: holds a secret, so mode 0644 is too open"),
        "{shown}"
    );
    assert_eq!(stack.everything(), BTreeMap::new());
}

#[test]
fn the_certificate_of_the_user_s_own_is_checked_and_used() {
    let stack = Stack::new();
    stack.bootstrap();
    for (from, to) in [
        ("db-1/tls/tls.crt", "given/crt"),
        ("db-1/tls/tls.key", "given/key"),
    ] {
        fs::copy(stack.out(from), stack.input(to)).unwrap();
    }
    let spec = fs::read_to_string(stack.input("bootstrap.json")).unwrap();
    let given = |name: &str| {
        format!(
            r#"{{"name":"{name}","file":"{}"}}"#,
            stack.input(&format!("given/{name}")).display()
        )
    };
    let spec = spec
        .replace(
            r#""given":["#,
            &format!(r#""given":[{},{},"#, given("crt"), given("key")),
        )
        .replace(
            r#""sds":true"#,
            r#""sds":true,"given":{"certificate":"crt","key":"key"}"#,
        );
    fs::write(stack.input("bootstrap.json"), spec).unwrap();

    stack.bootstrap();
    assert_eq!(
        stack.read("edge/tls/tls.crt"),
        stack.read("db-1/tls/tls.crt")
    );

    fs::copy(stack.out("pooler/tls/tls.key"), stack.input("given/key")).unwrap();
    let told = stack.bootstrap_fails();
    assert!(
        told.contains("error: the certificate given for edge: "),
        "{told}"
    );
    assert!(!told.contains("PRIVATE KEY"), "{told}");
}

#[test]
fn the_program_itself_is_left_for_images_that_do_not_have_it() {
    let stack = Stack::new();
    fs::create_dir_all(stack.out("bin")).unwrap();
    stack.bootstrap();
    let copy = stack.out("bin/scalectl");
    assert_eq!(
        fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o755
    );
    assert!(
        fs::read(&copy).unwrap() == fs::read(stack::BINARY).unwrap(),
        "the copy differs"
    );
}

#[test]
fn two_at_the_same_moment_make_one_set_of_secrets() {
    let stack = Stack::new();
    let mut running: Vec<_> = (0..4).map(|_| stack.command().spawn().unwrap()).collect();
    for one in &mut running {
        assert!(one.wait().unwrap().success());
    }
    let before = stack.everything();
    stack.bootstrap();
    assert_eq!(stack.everything(), before);
}

/// Killed at many moments, again and again: a secret or key once seen in any
/// volume never changes, and the first run left alone ends with everything.
#[test]
fn killed_at_any_moment_and_run_again_it_converges_on_the_secrets_once_seen() {
    let (mut killed, mut partial) = (0, 0);
    for round in 0..12 {
        let stack = Stack::new();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for kill in 0..6 {
            let mut child = stack.command().spawn().unwrap();
            wait_for_a_moment(&stack, &mut child, kill, round);
            child.kill().unwrap();
            killed += usize::from(!child.wait().unwrap().success());
            let now = stack.sensitive();
            partial += usize::from(!now.is_empty() && now.len() < FILES);
            for (path, text) in now {
                let first = seen.entry(path.clone()).or_insert_with(|| text.clone());
                assert_eq!(*first, text, "round {round}: {path} changed after a kill");
            }
        }
        stack.bootstrap();
        let end = stack.everything();
        for (path, text) in &seen {
            assert_eq!(
                end.get(path),
                Some(text),
                "round {round}: {path} changed in the last run"
            );
        }
        assert_eq!(stack.sensitive().len(), FILES, "what a whole run writes");
        assert!(
            !end.keys().any(|path| path.contains(".unfinished-")),
            "round {round}: something unfinished stayed"
        );
        stack.bootstrap();
        assert_eq!(stack.everything(), end);
    }
    assert!(
        killed >= 12 && partial >= 3,
        "{killed} of 72 runs were killed before their end, {partial} between two files: too few to test anything"
    );
}

/// What the test's stack has in its volumes after a whole run.
const FILES: usize = 20;

/// Before anything, with the state, in the middle of the volumes, at their end.
fn wait_for_a_moment(stack: &Stack, child: &mut Child, kill: u64, round: u64) {
    let has_written = |files: usize| {
        let state = stack.state().join("state.json").exists();
        state && stack.sensitive().len() >= files
    };
    match kill % 3 {
        0 => std::thread::sleep(Duration::from_micros(700 * round)),
        1 => wait_until("the state is there or all is over", || {
            has_written(0) || child.try_wait().unwrap().is_some()
        }),
        _ => wait_until("some files are there or all is over", || {
            has_written(1 + usize::try_from(round).unwrap()) || child.try_wait().unwrap().is_some()
        }),
    }
}

/// Others verify these certificates with OpenSSL, so it says whether they are good.
#[test]
fn openssl_verifies_each_certificate_strictly_and_finds_what_was_asked_for() {
    let stack = Stack::new();
    stack.bootstrap();
    for (component, purpose) in [
        ("db-1", "sslclient"),
        ("db-1", "sslserver"),
        ("pooler", "sslclient"),
        ("edge", "sslserver"),
    ] {
        let told = stack::openssl(&[
            "verify".as_ref(),
            "-x509_strict".as_ref(),
            "-purpose".as_ref(),
            purpose.as_ref(),
            "-CAfile".as_ref(),
            stack.out(&format!("{component}/tls/ca.crt")).as_os_str(),
            stack.out(&format!("{component}/tls/tls.crt")).as_os_str(),
        ]);
        assert!(told.ends_with(": OK\n"), "{component} as {purpose}: {told}");
    }
    let text = |path| {
        stack::openssl(&[
            "x509".as_ref(),
            "-noout".as_ref(),
            "-text".as_ref(),
            "-in".as_ref(),
            stack.out(path).as_os_str(),
        ])
    };
    let member = text("db-1/tls/tls.crt");
    assert!(
        member.contains("Subject: O=db-1\n"),
        "a member with a common name: {member}"
    );
    for part in [
        "DNS:db-1, DNS:localhost, IP Address:127.0.0.1",
        "Subject Key Identifier",
        "Authority Key Identifier",
        "id-ecPublicKey",
    ] {
        assert!(member.contains(part), "no {part} in {member}");
    }
    let edge = text("edge/tls/tls.crt");
    assert!(
        !edge.contains("TLS Web Client Authentication"),
        "an edge's certificate could be a client: {edge}"
    );
    let authority = text("db-1/tls/ca.crt");
    for part in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "Subject Key Identifier",
        "Subject: O=scalectl, CN=shop stack CA",
    ] {
        assert!(authority.contains(part), "no {part} in {authority}");
    }
}

#[test]
fn one_that_stays_does_it_again_and_stops_when_told() {
    let stack = Stack::new();
    let mut child = stack.command().args(["--every", "0.1"]).spawn().unwrap();
    wait_until("the first run is over", || {
        stack.out("edge/tls/sds.yaml").exists()
    });
    fs::remove_file(stack.out("db-1/patroni.yaml")).unwrap();
    wait_until("it is written again", || {
        stack.out("db-1/patroni.yaml").exists()
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
