//! No secret shows: a running phase 2 is searched for everything that `bootstrap`
//! made and was given, and the same search finds what is planted.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod leaks;
mod support;

use std::path::Path;
use std::process::Command;

use leaks::{Control, Form, Needles, Place, Secret, Watch, of_engine, of_folder, of_run, search};
use serde_json::Value;
use support::{Ran, Stack, program, run};

/// The user's own secrets: one with what each syntax has to escape.
const API_KEY: &str = r#"sk-"o\dd" & <$HOME> {{value}} %41 ü"#;
const TOKEN: &str = "tok-3fK9wQ2mZx7LpVr8";

#[test]
fn no_secret_shows_but_in_the_apps_environment_and_with_files_not_even_there() {
    let stack = Stack::shop("secrets");
    let mut printed = Vec::new();
    let watch = Watch::start(format!("{}-watch", stack.name));
    with_secrets_of_its_own(&stack);
    printed.push(said(&stack, &["up", "--phase", "2"], 0));
    works(&stack, "first");
    printed.extend(failures(&stack));

    let secrets = secrets_of(&stack);
    let needles = Needles::new(&secrets);
    stack.write(&format!("secrets: files\n{}", stack.text()));
    printed.extend(plans(&stack));
    let (in_the_app, elsewhere): (Vec<_>, Vec<_>) =
        search(&needles, &shown(&stack, &watch, &printed))
            .into_iter()
            .partition(|finding| is_environment_of_the_app(&stack, &finding.place));
    assert_eq!(elsewhere, [], "no secret shows");
    for secret in ["postgres-app", "cache-app", "API_KEY", "TOKEN"] {
        assert!(
            in_the_app
                .iter()
                .any(|finding| finding.secret.ends_with(secret)),
            "the app is told {secret} in its environment, which shows that environments are seen: {in_the_app:?}"
        );
    }
    drop(watch);

    let watch = Watch::start(format!("{}-watch", stack.name));
    printed.push(said(&stack, &["up"], 0));
    works(&stack, "second");
    let places = shown(&stack, &watch, &printed);
    assert!(
        places
            .iter()
            .any(|place| is_environment_of_the_app(&stack, &place.name)),
        "the app's environment was looked at"
    );
    assert_eq!(
        search(&needles, &places),
        [],
        "with `secrets: files` none shows at all"
    );
    planted_secrets_are_found(&stack, &watch);
    // In a shell without `SHOP_TOKEN`: what is there needs no value to be taken away.
    stack.must(&["down", "--volumes", "--yes"]);
}

/// Files of the user's own, and a certificate.
fn with_secrets_of_its_own(stack: &Stack) {
    std::fs::write(stack.folder.join("key"), API_KEY).unwrap();
    support::certificate(&stack.folder, "site", "/CN=localhost");
    let text = stack.text().replace(
        "  env:\n",
        "  secrets: {API_KEY: {file: key}, TOKEN: {env: SHOP_TOKEN}}\n  env:\n",
    );
    stack.write(&text.replace(
        "edge: {",
        "edge: {certificate: {file: site.pem, key: site.key}, ",
    ));
}

fn scalectl(stack: &Stack, args: &[&str]) -> Ran {
    let mut command = Command::new(program());
    run(command
        .args(args)
        .env("SHOP_TOKEN", TOKEN)
        .current_dir(&stack.folder))
}

/// What a run printed that is to end with this code.
fn said(stack: &Stack, args: &[&str], code: i32) -> Place {
    let ran = scalectl(stack, args);
    let what = args.join(" ");
    assert_eq!(
        ran.code, code,
        "`scalectl {what}` said:\n{}\n{}",
        ran.out, ran.err
    );
    of_run(&what, &ran)
}

fn works(stack: &Stack, order: &str) {
    let body = format!(
        r#"{{"id":"{order}","customer":"a@example.org","lines":[{{"sku":"bag-blue","quantity":1}}]}}"#
    );
    let (code, said) = stack.request("POST", "/orders", &body);
    assert_eq!(code / 100, 2, "an order is accepted, but: {code} {said}");
}

/// Errors and daily work, some of it inside containers.
fn failures(stack: &Stack) -> Vec<Place> {
    std::fs::write(stack.folder.join("broken.dump"), b"PGDMP and then nonsense").unwrap();
    let good = stack.text();
    let broken = r#"release: [python3, -c, "raise SystemExit('no')"] # "#;
    stack.write(&good.replace("release: ", broken));
    let mut printed = vec![said(stack, &["up"], 6)];
    stack.write(&good);
    printed.extend([
        said(stack, &["db", "shell", "--", "-c", "SELECT 1"], 0),
        said(stack, &["db", "shell", "--", "-c", "no sql"], 1),
        said(stack, &["db", "dump", "-o", "shop.dump"], 0),
        said(stack, &["db", "restore", "--yes", "broken.dump"], 6),
        said(stack, &["exec", "app", "--", "no-such-program"], 127),
        said(stack, &["up", "--image", "cache=scalectl/none:0"], 4),
        said(stack, &["up"], 0),
    ]);
    printed
}

/// Plans for another way to hand secrets over, in each form, and the other verbs that tell.
fn plans(stack: &Stack) -> Vec<Place> {
    let all: [&[&str]; 12] = [
        &["plan"],
        &["plan", "--calls"],
        &["plan", "--output", "json"],
        &["plan", "-o", "saved.plan"],
        &["render"],
        &["render", "--output", "json"],
        &["render", "-o", "rendered"],
        &["check"],
        &["status"],
        &["status", "--output", "json"],
        &["doctor", "--output", "json"],
        &["logs", "--output", "json"],
    ];
    let saved = stack.folder.join("saved.plan");
    let mut printed: Vec<_> = all.iter().map(|args| said(stack, args, 0)).collect();
    let content = std::fs::read(saved).unwrap();
    assert!(content.len() > 1000, "the saved plan changes the app");
    printed.push(Place::new("the saved plan", content));
    printed
}

/// Every place where something could show.
fn shown(stack: &Stack, watch: &Watch, printed: &[Place]) -> Vec<Place> {
    let mut places: Vec<_> = printed
        .iter()
        .map(|place| Place::new(&place.name, place.content.clone()))
        .collect();
    places.extend(of_folder(&stack.folder.join("rendered")));
    places.extend(of_engine(stack, &stack.containers()));
    places.extend(watch.places());
    places.push(Place::new("events", events(stack)));
    for what in [
        "docker inspect",
        "docker logs",
        "docker history",
        "arguments of",
        "environment of",
        "docker volume",
    ] {
        let found = places.iter().filter(|place| place.name.starts_with(what));
        assert!(found.count() > 4, "there are some to search: {what}");
    }
    places
}

/// The engine's own record of the last minutes: starts, health checks, execs.
fn events(stack: &Stack) -> Vec<u8> {
    let label = format!("label=dev.scalectl.project={}", stack.name);
    let since = ["--since", "15m", "--until", "0s", "--format", "json"];
    leaks::bytes(
        Command::new("docker")
            .arg("events")
            .args(since)
            .args(["--filter", &label]),
    )
}

fn is_environment_of_the_app(stack: &Stack, place: &str) -> bool {
    let own = place.strip_prefix(&format!("environment of {}-", stack.name));
    own.is_some_and(|name| {
        ["app-", "worker-", "release-"]
            .iter()
            .any(|it| name.starts_with(it))
    })
}

/// Everything secret that the stack keeps, from the one file that has it.
fn secrets_of(stack: &Stack) -> Vec<Secret> {
    let from = format!("{}-renewal-1:/state/state.json", stack.name);
    let archive = leaks::bytes(Command::new("docker").args(["cp", &from, "-"]));
    let begin = archive.iter().position(|byte| *byte == b'{').unwrap();
    let mut values = serde_json::Deserializer::from_slice(&archive[begin..]).into_iter::<Value>();
    let state = values.next().unwrap().unwrap();
    let mut secrets: Vec<_> = state["secrets"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| Secret::password(name, value.as_str().unwrap().as_bytes()))
        .collect();
    assert!(secrets.len() >= 6, "phase 2 makes six passwords");
    let authority = state["authority"]["key"].as_str().unwrap();
    secrets.push(Secret::key("the authority's key", authority));
    let leaves = state["leaves"].as_object().unwrap();
    assert!(
        leaves.len() >= 6,
        "edge, pooler, etcd, agent and members have certificates"
    );
    for (name, leaf) in leaves {
        let key = leaf["pair"]["key"].as_str().unwrap();
        secrets.push(Secret::key(&format!("the key of {name}"), key));
    }
    secrets.push(Secret::password("API_KEY", API_KEY.as_bytes()));
    secrets.push(Secret::password("TOKEN", TOKEN.as_bytes()));
    let own = std::fs::read_to_string(stack.folder.join("site.key")).unwrap();
    secrets.push(Secret::key("the user's own key", &own));
    secrets
}

/// Two secrets, in every form that is text, in each kind of place.
fn planted_secrets_are_found(stack: &Stack, watch: &Watch) {
    let secrets = planted(&stack.folder);
    let needles = Needles::new(&secrets);
    let texts = texts(&secrets);
    let rendered = stack.folder.join("rendered").join("planted.yaml");
    std::fs::write(&rendered, texts.join("\n")).unwrap();
    let control = Control::start(&stack.name, &texts);
    let names = control.names.map(|name| format!("{}-{name}", stack.name));
    let places = control.places(stack, watch);
    let found = search(&needles, &places);
    let rendered = search(&needles, &of_folder(&stack.folder.join("rendered")));
    let [arguments, environment, log] = names;
    for (place, found) in [
        (format!("arguments of {arguments}"), &found),
        (format!("docker inspect {arguments}"), &found),
        (format!("environment of {environment}"), &found),
        (format!("docker inspect {environment}"), &found),
        (format!("docker logs --timestamps {log}"), &found),
        // Its health log.
        (format!("docker inspect {log}"), &found),
        (
            format!("{}/rendered/planted.yaml", stack.folder.display()),
            &rendered,
        ),
    ] {
        for secret in &secrets {
            for form in secret
                .forms()
                .into_iter()
                .filter(is_text)
                .map(|(form, _)| form)
            {
                let is_it = |one: &&leaks::Finding| {
                    one.place == place && one.secret == secret.name && one.form == form
                };
                assert!(
                    found.iter().any(|one| is_it(&one)),
                    "{} is found as {form:?} in: {place}",
                    secret.name
                );
            }
        }
    }
}

fn planted(folder: &Path) -> Vec<Secret> {
    support::certificate(folder, "planted", "/CN=localhost");
    let key = std::fs::read_to_string(folder.join("planted.key")).unwrap();
    vec![
        Secret::password("a planted password", b"pL4nt3d-Zq8=w+Rk_2x"),
        Secret::key("a planted key", &key),
    ]
}

fn texts(secrets: &[Secret]) -> Vec<String> {
    let forms = secrets.iter().flat_map(Secret::forms).filter(is_text);
    forms
        .map(|(_, text)| String::from_utf8(text).unwrap())
        .collect()
}

fn is_text((_, text): &(Form, Vec<u8>)) -> bool {
    text.iter().all(|byte| byte.is_ascii_graphic())
}

#[test]
fn a_secret_is_found_in_every_form_wherever_lines_break() {
    let folder = tempfile::tempdir().unwrap();
    for secret in planted(folder.path()) {
        let needles = Needles::new(std::slice::from_ref(&secret));
        for (form, text) in secret.forms() {
            let around = [b"before ", &text[..], b" after"].concat();
            let hit = (secret.name.clone(), form);
            assert!(needles.found_in(&around).contains(&hit), "{form:?}");
        }
    }
    let key = std::fs::read_to_string(folder.path().join("planted.key")).unwrap();
    let secret = Secret::key("key", &key);
    let needles = Needles::new(&[secret]);
    let as_json = Value::from(key.as_str()).to_string();
    let twice = Value::from(as_json.as_str()).to_string();
    for text in [key, as_json, twice] {
        let hit = ("key".to_owned(), Form::Base64);
        assert!(
            needles.found_in(text.as_bytes()).contains(&hit),
            "in:\n{text}"
        );
    }
    let certificate = std::fs::read(folder.path().join("planted.pem")).unwrap();
    assert!(
        needles.found_in(&certificate).is_empty(),
        "a certificate is no secret"
    );
}
