//! Values from outside the document: secrets in files, a certificate of the
//! user's own; and certificates that are renewed while nobody looks.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Stack, listed, run};

/// Seconds that the stack's certificates live in this test.
const LIFE: u64 = 45;

/// Asks every server of the stack for its certificate, from inside.
const SHOWN: &str = r#"
import hashlib, socket, ssl, time
context = ssl._create_unverified_context()
def shown(host, port, asks):
    # A server that takes a certificate over may reset who is just shaking hands.
    for _ in range(20):
        try:
            return ask(host, port, asks)
        except ConnectionError:
            time.sleep(0.2)
    return ask(host, port, asks)
def ask(host, port, asks):
    with socket.create_connection((host, port), 5) as plain:
        if asks:
            plain.sendall(asks)
            assert plain.recv(1) == b'S', (host, port)
        with context.wrap_socket(plain) as tls:
            return hashlib.sha256(tls.getpeercert(True)).hexdigest()
postgres = b'\0\0\0\x08\x04\xd2\x16\x2f'
for host, port, asks in [('edge', 8443, b''), ('pooler', 6432, postgres), ('db-1', 5432, postgres),
                         ('db-1', 8008, b''), ('etcd-1', 2379, b'')]:
    print(f'{host}:{port}', shown(host, port, asks))
"#;

#[test]
fn values_from_files_reach_the_app_and_the_edge_and_certificates_renew_themselves() {
    let stack = Stack::shop("values");
    short_lives(&stack);
    a_redirect_is_the_answer_of_a_healthy_app(&stack);
    stack.must(&["up", "--overrides", "overrides"]);
    certificates_are_renewed_without_a_restart_or_a_failed_order(&stack);

    keep(&stack, "key", "sk-one\n");
    certificate(&stack, "one");
    let text = stack
        .text()
        .replace("  env:\n", "  secrets: {API_KEY: {file: key}}\n  env:\n");
    stack.write(&text.replace(
        "edge: {",
        "edge: {certificate: {file: site.pem, key: site.key}, ",
    ));
    stack.must(&["check"]);
    stack.must(&["up"]);
    assert_eq!(told_to_the_app(&stack), "sk-one");
    assert!(
        serves(&stack, "one"),
        "the edge shows the user's certificate"
    );
    let again = stack.must(&["up"]);
    assert!(again.err.contains("nothing to do"), "{}", again.err);

    another_secret_replaces_the_app_alone(&stack);
    a_renewed_certificate_replaces_nothing(&stack);
    no_value_stands_anywhere(&stack);
}

/// To the engine's check and to the edge's: else `up` would wait for one of them until its end.
fn a_redirect_is_the_answer_of_a_healthy_app(stack: &Stack) {
    let text = stack.text();
    stack.write(&text.replace("health: /healthz ", "health: /healthz/ "));
    assert_ne!(text, stack.text(), "the shop's health path is another one");
}

/// The stack's templates, with certificates that end soon.
fn short_lives(stack: &Stack) {
    let path = "templates/compose/bootstrap/service.yaml.hbs";
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(own).unwrap();
    let life = format!("--certificate-life, \"{LIFE}\"");
    let short = text
        .replace(
            "/in/bootstrap.json]",
            &format!("/in/bootstrap.json, {life}]"),
        )
        .replace("--every, \"21600\"", &format!("--every, \"2\", {life}"));
    assert_eq!(short.matches(&life).count(), 2, "both lines are there");
    let file = stack.folder.join("overrides").join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, short).unwrap();
}

fn certificates_are_renewed_without_a_restart_or_a_failed_order(stack: &Stack) {
    let (first, started) = (shown(stack), starts(stack));
    let give_up = Instant::now() + Duration::from_secs(3 * LIFE);
    let mut orders = 0;
    loop {
        orders += 1;
        let (code, body) = stack.request("POST", "/orders", &order(orders));
        assert_eq!(
            code / 100,
            2,
            "no order fails meanwhile, but: {code} {body}"
        );
        let now = shown(stack);
        let old: Vec<_> = now.iter().filter(|(who, it)| first[*who] == **it).collect();
        if old.is_empty() {
            break;
        }
        assert!(
            Instant::now() < give_up,
            "still the first certificate: {old:?}"
        );
    }
    assert_eq!(starts(stack), started, "nothing was started anew");
}

fn shown(stack: &Stack) -> BTreeMap<String, String> {
    let ran = stack.must(&["exec", "db-1", "--", "python3", "-c", SHOWN]);
    let pairs = ran.out.lines().filter_map(|line| line.split_once(' '));
    let shown: BTreeMap<_, _> = pairs
        .map(|(who, hash)| (who.to_owned(), hash.to_owned()))
        .collect();
    assert_eq!(shown.len(), 5, "{}{}", ran.out, ran.err);
    shown
}

/// When each container was made and last started.
fn starts(stack: &Stack) -> Vec<String> {
    let names = stack.containers();
    let mut args = vec!["inspect", "-f", "{{.Name}} {{.Id}} {{.State.StartedAt}}"];
    args.extend(names.iter().map(String::as_str));
    listed(&args)
}

fn order(number: u32) -> String {
    format!(
        r#"{{"id":"renewal-{number}","customer":"a@example.org","lines":[{{"sku":"bag-blue","quantity":1}}]}}"#
    )
}

fn keep(stack: &Stack, file: &str, text: &str) {
    std::fs::write(stack.folder.join(file), text).unwrap();
}

/// A certificate of the user's own, told from others by its organization.
fn certificate(stack: &Stack, organization: &str) {
    let subject = format!("/O={organization}/CN=localhost");
    support::certificate(&stack.folder, "site", &subject);
}

/// Whether the edge shows that certificate, and a client that knows it is content.
fn serves(stack: &Stack, organization: &str) -> bool {
    let url = format!("https://localhost:{}/healthz", stack.https);
    let seen = run(Command::new("curl")
        .args([
            "-sSv",
            "-4",
            "--max-time",
            "20",
            "--cacert",
            "site.pem",
            &url,
        ])
        .current_dir(&stack.folder));
    seen.code == 0 && seen.err.contains(&format!("O={organization};"))
}

fn told_to_the_app(stack: &Stack) -> String {
    let script = "import re; print(re.search(rb'API_KEY=([^\\0]*)', open('/proc/1/environ', 'rb').read())[1].decode())";
    let ran = stack.must(&["exec", "app", "--", "python3", "-c", script]);
    ran.out.trim_end().to_owned()
}

fn another_secret_replaces_the_app_alone(stack: &Stack) {
    let before = starts(stack);
    keep(stack, "key", "sk-two\n");
    let plan = stack.scalectl(&["plan", "--detailed-exit-code"]);
    assert_eq!(plan.code, 8, "the change is seen:\n{}", plan.err);
    let cause = "another value of SCALECTL_SECRET_API_KEY";
    assert!(plan.out.contains(cause), "{}", plan.out);
    stack.must(&["up"]);
    assert_eq!(told_to_the_app(stack), "sk-two");
    let after = starts(stack);
    let gone = before.iter().filter(|line| !after.contains(line));
    let others = gone.filter(|line| {
        ["-app-", "-worker-", "-bootstrap-"]
            .iter()
            .all(|it| !line.contains(it))
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
}

fn a_renewed_certificate_replaces_nothing(stack: &Stack) {
    let running = |stack: &Stack| {
        let mut all = starts(stack);
        all.retain(|line| !line.contains("-bootstrap-"));
        all
    };
    let before = running(stack);
    certificate(stack, "two");
    stack.must(&["up"]);
    assert!(serves(stack, "two"), "the edge has taken it over");
    assert_eq!(running(stack), before, "and nothing was replaced");

    keep(stack, "site.key", "not a key");
    let refused = stack.scalectl(&["up"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(
        refused.err.contains("the key is not PEM"),
        "{}",
        refused.err
    );
    certificate(stack, "three");
    stack.must(&["up"]);
    assert!(serves(stack, "three"));
}

fn no_value_stands_anywhere(stack: &Stack) {
    let key = std::fs::read_to_string(stack.folder.join("site.key")).unwrap();
    let key_line = key.lines().nth(1).unwrap();
    let mut places = vec![
        stack.must(&["render"]).out,
        stack.must(&["plan", "--output", "json"]).out,
        stack.must(&["logs"]).out,
    ];
    for container in stack.containers() {
        places.push(listed(&["inspect", &container]).join("\n"));
    }
    for (what, value) in [("the secret", "sk-two"), ("the key", key_line)] {
        let found = places.iter().find(|text| text.contains(value));
        assert!(found.is_none(), "{what} stands in\n{}", found.unwrap());
    }
}
