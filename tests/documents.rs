//! Rendered documents, held against the real `docker compose`.

#![allow(clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use support::{Stack, run};

#[test]
fn docker_compose_reads_what_scalectl_renders_for_every_phase() {
    let stack = Stack::shop("doc");
    for phase in ["1", "2"] {
        stack.must(&["render", "--phase", phase, "-o", "out"]);
        let file = stack.folder.join("out/compose.yaml");
        let ran = run(support::compose()
            .arg("-f")
            .arg(&file)
            .args(["config", "--quiet"]));
        assert_eq!(
            ran.code, 0,
            "compose accepts phase {phase}, but: {}",
            ran.err
        );
        let first = std::fs::read(&file).expect("it was written");
        stack.must(&["render", "--phase", phase, "-o", "out"]);
        assert_eq!(
            first,
            std::fs::read(&file).expect("it was written"),
            "same input, same bytes"
        );
    }
}

/// Pieces that mean something to YAML, to Compose, to handlebars or to a shell.
const PIECES: [&str; 50] = [
    "$",
    "$$",
    "${HOME}",
    "${",
    "}",
    "$HOME",
    "\"",
    "'",
    "\\",
    "\n",
    "\r",
    "\t",
    "{{",
    "}}",
    "{{{x}}}",
    "{{> app-common}}",
    ": ",
    ":",
    "# ",
    " #",
    "- ",
    "&a ",
    "*a",
    "!tag ",
    "|",
    ">",
    "%",
    "@",
    "`",
    "? ",
    "é",
    "日本",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "🦀",
    " ",
    "yes",
    "null",
    "~",
    "0x1F",
    "1e3",
    "=",
    ",",
    "[",
    "]",
    "\u{1b}",
    "\u{7f}",
    "x",
    "...\n---\n",
];

#[test]
fn any_text_of_the_user_s_reaches_compose_as_it_was() {
    let stack = Stack::shop("hostile");
    let texts = hostile_texts(600);
    let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    let (values, words) = quoted.split_at(400);
    // In a value `${` is a reference of scale.yaml's own unless its `$` is doubled.
    let values = values.iter().enumerate();
    let env: String = values
        .map(|(i, text)| format!("    V{i}: {}\n", text.replace("${", "$${")))
        .collect();
    let words = words.join(", ");
    let text = format!(
        "name: {}\napp:\n  image: shop:1\n  command: [run, {words}]\n  release: [once, {words}]\n  workers: {{w: {{command: [work, {words}]}}}}\n  env:\n{env}",
        stack.name
    );
    stack.write(&text);
    let read = read_by_compose(&stack);
    for (service, first) in [("app", "run"), ("release", "once"), ("worker-w", "work")] {
        let service = &read["services"][service];
        for (i, text) in texts[..400].iter().enumerate() {
            let found = &service["environment"][format!("V{i}")];
            assert_eq!(unescaped(found), *text, "V{i}");
        }
        let command = service["command"].as_array().expect("a list of words");
        let found: Vec<_> = command.iter().map(unescaped).collect();
        assert_eq!(found[0], first);
        assert_eq!(found[1..], texts[400..], "the words of a command");
    }
}

#[test]
fn hostile_text_of_builds_settings_and_paths_reaches_its_place_as_it_was() {
    let stack = Stack::shop("hostile-more");
    let texts = hostile_texts(300);
    let entry =
        |name: &str, (i, text): (usize, &&String)| format!("    {name}{i}: {}\n", quoted(text));
    // A setting is one line.
    let lines = texts.iter().filter(|it| !it.contains(char::is_control));
    let lines: Vec<_> = lines.collect();
    let args: String = texts
        .iter()
        .enumerate()
        .map(|(i, text)| entry("A", (i, &text)))
        .collect();
    let settings: String = lines
        .iter()
        .enumerate()
        .map(|it| entry("my.v", it))
        .collect();
    // A path takes every sign that one sees, and no other.
    let path: String = texts
        .concat()
        .chars()
        .filter(char::is_ascii_graphic)
        .take(400)
        .collect();
    let (health, metrics) = (format!("/h{path}"), format!("/m{path}"));
    let (quoted_health, quoted_metrics) = (quoted(&health), quoted(&metrics));
    stack.write(&format!(
        "name: {}\napp:\n  command: run\n  health: {quoted_health}\n  metrics: {quoted_metrics}\n  build:\n   context: .\n   args:\n{args}database:\n  settings:\n{settings}",
        stack.name
    ));
    std::fs::write(stack.folder.join("Dockerfile"), "FROM scratch\n").expect("it can be written");
    let read = read_by_compose(&stack);

    let app = &read["services"]["app"];
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(
            unescaped(&app["build"]["args"][format!("A{i}")]),
            *text,
            "A{i}"
        );
    }
    let probe = unescaped(&app["healthcheck"]["test"][4]);
    assert_eq!(probe, format!("http://127.0.0.1:8000{health}"));
    // In a file of settings bootstrap takes `${` for a placeholder unless its `$` is doubled.
    let doubled = |text: &str| Value::from(text.replace("${", "$${"));
    let config = |name: &str| unescaped(&read["configs"][name]["content"]);
    let founding = values(&config("db-1.patroni.yaml"), "dcs").remove(0);
    let agent = config("agent.database.yaml");
    let agent: Value = serde_json::from_str(agent.trim()).expect("it is JSON");
    for (i, text) in lines.iter().enumerate() {
        let name = format!("my.v{i}");
        for dynamic in [&founding, &agent] {
            assert_eq!(
                dynamic["postgresql"]["parameters"][&name],
                doubled(text),
                "{name}"
            );
        }
    }
    let edge = values(&config("edge.envoy.yaml"), "path");
    assert!(edge.contains(&doubled(&health)), "{edge:?}");
    let prometheus = values(&config("prometheus.prometheus.yml"), "metrics_path");
    assert!(prometheus.contains(&doubled(&metrics)), "{prometheus:?}");
}

/// The values of a key of a YAML text, of those that are written as JSON is.
fn values(text: &str, key: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| {
        let value = line.trim().strip_prefix(key)?.strip_prefix(": ")?;
        serde_json::from_str(value).ok()
    });
    lines.collect()
}

/// What compose makes of the rendered phase 2.
fn read_by_compose(stack: &Stack) -> Value {
    stack.must(&["render", "--phase", "2", "-o", "out"]);
    let file = stack.folder.join("out/compose.yaml");
    let read = run(support::compose()
        .arg("-f")
        .arg(&file)
        .args(["config", "--format", "json"]));
    assert_eq!(read.code, 0, "compose reads it: {}", read.err);
    serde_json::from_str(&read.out).expect("it prints JSON")
}

/// What compose prints is a file for compose again: a `$` stands there as two.
fn unescaped(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace("$$", "$")
}

/// The same texts at each run, from a generator of Knuth's (MMIX).
fn hostile_texts(count: usize) -> Vec<String> {
    let mut state = 20_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let mut texts: Vec<_> = PIECES.iter().map(|piece| (*piece).to_owned()).collect();
    while texts.len() < count {
        let pieces = 1 + next(6);
        texts.push((0..pieces).map(|_| PIECES[next(PIECES.len())]).collect());
    }
    texts
}

/// As a YAML text in double quotes, all but plain ASCII escaped.
fn quoted(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        _ => format!("\\U{:08X}", u32::from(letter)),
    });
    format!("\"{}\"", letters.collect::<String>())
}
