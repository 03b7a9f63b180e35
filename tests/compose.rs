//! `docker compose` and scalectl on one stack, and compose alone on a rendered one.

#![allow(clippy::expect_used, reason = "a test may panic")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use support::{Ran, Stack, listed, run};

#[test]
fn compose_shows_a_stack_of_scalectl_s_and_never_touches_its_data() {
    let stack = Stack::shop("compose");
    stack.must(&["up"]);
    place_an_order(&stack);

    let ls = compose(&stack, &["ls", "--all"]);
    // Other stacks of this engine may be warned about.
    let ours = format!("label=com.docker.compose.project={}", stack.name);
    for id in listed(&["ps", "-aq", "--no-trunc", "--filter", &ours]) {
        assert!(!ls.err.contains(&id), "without a warning:\n{}", ls.err);
    }
    let line = ls.out.lines().find(|line| line.starts_with(&stack.name));
    let line = line.expect("`ls` shows the stack");
    assert!(line.contains("running("), "{line}");
    let ps = compose(
        &stack,
        &["-p", &stack.name, "ps", "--all", "--format", "{{.Name}}"],
    );
    let mut shown: Vec<_> = ps.out.lines().map(str::to_owned).collect();
    shown.sort();
    let mut all = stack.containers();
    all.sort();
    assert_eq!(shown, all, "`ps` shows every container");
    let logs = compose(&stack, &["-p", &stack.name, "logs", "--no-color", "db-1"]);
    assert!(logs.out.contains("db-1"), "{}", logs.out);

    stack.must(&["render", "-o", "out"]);
    let file = ["-f", "out/compose.yaml"];
    let dry = compose(
        &stack,
        &[&file[..], &["up", "--detach", "--dry-run"]].concat(),
    );
    let told = format!("{}{}", dry.out, dry.err);
    for line in told.lines().filter(|line| line.contains("olume")) {
        let harmless = line.contains("already exists but was not created by Docker Compose");
        assert!(harmless, "compose would do something to a volume: {line}");
    }
    compose(&stack, &["-p", &stack.name, "down", "--volumes"]);
    assert_eq!(stack.containers(), Vec::<String>::new());
    stack.must(&["up"]);
    let (code, body) = stack.request("GET", "/orders/kept", "");
    assert_eq!(
        code, 200,
        "the data outlived `docker compose down -v`: {body}"
    );
}

#[test]
fn a_rendered_folder_of_phase_1_comes_up_and_goes_with_plain_compose() {
    let stack = Stack::shop("plain-one");
    comes_up_and_goes(&stack, "1", |_| {});
}

#[test]
fn a_rendered_folder_of_phase_2_comes_up_with_plain_compose_and_all_metrics_exist() {
    let stack = Stack::shop("plain-two");
    let image = grafana_stand_in(&stack);
    let grafana = format!(
        "monitoring: {{grafana: true, grafana_port: {}, ",
        stack.https + 2
    );
    let text = stack.text().replace("monitoring: {", &grafana);
    stack.write(&format!("{text}images: {{grafana: '{image}'}}\n"));
    comes_up_and_goes(&stack, "2", every_metric_exists);
}

fn comes_up_and_goes(stack: &Stack, phase: &str, check: impl Fn(&Stack)) {
    stack.build_app();
    stack.must(&["render", "--phase", phase, "-o", "out"]);
    let file = ["-f", "out/compose.yaml"];
    let up = [&file[..], &["up", "--detach", "--wait"]].concat();
    let taken_away = TakenAway(stack);
    let ran = run(support::compose().args(&up).current_dir(&stack.folder));
    let answered = (ran.code == 0).then(|| {
        // Compose does not wait, as `up` does, until the edge knows the app.
        let give_up = Instant::now() + Duration::from_secs(15);
        while stack.request("GET", "/healthz", "").0 == 503 && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(200));
        }
        place_an_order(stack);
        for verb in ["down", "status"] {
            let refused = stack.scalectl(&[verb]);
            assert_eq!(refused.code, 4, "it is compose's own:\n{}", refused.err);
            assert!(
                refused.err.contains("plain `docker compose` made"),
                "{}",
                refused.err
            );
        }
        check(stack);
    });
    drop(taken_away);
    assert!(
        answered.is_some(),
        "compose brings it up:\n{}{}",
        ran.out,
        ran.err
    );
    let label = format!("label=com.docker.compose.project={}", stack.name);
    for what in ["container", "volume", "network"] {
        let left = listed(&[what, "ls", "-q", "--filter", &label]);
        assert_eq!(left, Vec::<String>::new(), "no {what} stays");
    }
}

/// Ends what compose brought up, also when the test fails in between.
struct TakenAway<'a>(&'a Stack);

impl Drop for TakenAway<'_> {
    fn drop(&mut self) {
        let down = [
            "-f",
            "out/compose.yaml",
            "down",
            "--volumes",
            "--timeout",
            "5",
        ];
        let _ = run(support::compose().args(down).current_dir(&self.0.folder));
    }
}

/// An image that does what is needed of Grafana to see that it finds its settings,
/// from the shop's, which has Python. Healthy only if all is where it looks.
fn grafana_stand_in(stack: &Stack) -> String {
    stack.build_app();
    let image = format!("{}-grafana:latest", stack.name);
    let folder = stack.folder.join("grafana");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grafana_stand_in.py");
    std::fs::copy(program, folder.join("stand_in.py")).expect("it can be copied");
    let recipe = format!(
        "FROM {}-app:latest\nCOPY stand_in.py /\nENTRYPOINT [\"python3\", \"/stand_in.py\"]\n",
        stack.name
    );
    std::fs::write(folder.join("Dockerfile"), recipe).expect("it can be written");
    let build = ["build", "--quiet", "--tag", &image];
    let built = run(Command::new("docker").args(build).arg(folder));
    assert_eq!(built.code, 0, "{}", built.err);
    image
}

/// What alert rules and the dashboard name is there once all was scraped twice.
fn every_metric_exists(stack: &Stack) {
    let root = env!("CARGO_MANIFEST_DIR");
    // The template is one raw block around the rules.
    let rules =
        std::fs::read_to_string(format!("{root}/templates/compose/prometheus/rules.yml.hbs"));
    let rules = rules.expect("the rules are there");
    let rules: Vec<_> = rules
        .lines()
        .filter(|line| !line.starts_with("{{{{"))
        .collect();
    std::fs::write(stack.folder.join("rules.yml"), rules.join("\n")).expect("they can be written");
    let give_up = Instant::now() + Duration::from_secs(90);
    loop {
        let checked = run(Command::new("python3")
            .arg(format!("{root}/tests/monitoring/check_metrics.py"))
            .arg(format!("http://127.0.0.1:{}", stack.https + 1))
            .arg("rules.yml")
            .arg(format!("{root}/monitoring/dashboard.json"))
            .current_dir(&stack.folder));
        if checked.code == 0 {
            return;
        }
        let told = format!("{}{}", checked.out, checked.err);
        assert!(Instant::now() < give_up, "{told}");
        std::thread::sleep(Duration::from_secs(3));
    }
}

fn place_an_order(stack: &Stack) {
    let order =
        r#"{"id":"kept","customer":"a@example.org","lines":[{"sku":"bag-blue","quantity":1}]}"#;
    let (code, body) = stack.request("POST", "/orders", order);
    assert_eq!(code / 100, 2, "an order through the edge: {code} {body}");
}

/// Runs compose and expects exit code 0.
fn compose(stack: &Stack, args: &[&str]) -> Ran {
    let ran = run(support::compose().args(args).current_dir(&stack.folder));
    assert_eq!(ran.code, 0, "compose {args:?}:\n{}{}", ran.out, ran.err);
    ran
}
