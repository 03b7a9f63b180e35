//! A plan that is kept in a file: it is carried out as it was read, or refused word for
//! word. Next: `plan/tests/plan/saved.rs` (what makes another plan of it).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use insta::assert_snapshot;
use support::project::{IMAGE, Project};
use support::said::{Place, scalectl};
use support::{listed, run};

/// One container, with another document each time that `edited` is another number.
fn body(edited: u32) -> String {
    format!(
        "services:
  web: {{image: '{IMAGE}', command: [sleep, '600'], environment: {{EDITED: '{edited}'}}, init: true, restart: always}}
networks: {{default: {{}}}}
"
    )
}

#[test]
fn a_saved_plan_is_what_up_does_until_what_is_there_has_changed() {
    let project = Project::new("saved", &body(1));
    let shown = project.must(&["plan", "-o", "first.plan"]);
    assert!(project.there().is_empty(), "a plan changes nothing");
    // What was read is what is done, whatever became of the document.
    project.document(&body(2));
    project.must(&["up", "first.plan"]);
    assert_eq!(edited(&project), ["EDITED=1"], "{}", shown.out);
    let first = project.there();

    let stale = project.says(&["up", "first.plan"]);
    assert_snapshot!(stale, @"
    error: what is there has changed since first.plan was made
    hint: make a new one with `scalectl plan -o first.plan` and read it
    exit code 4
    ");
    assert_eq!(project.there(), first, "nothing is changed");

    // Somebody stops what runs, after the plan was made.
    project.must(&["plan", "-o", "second.plan"]);
    listed(&["stop", "-t", "0", &format!("{}-web-1", project.name)]);
    let stopped = project.there();
    let refused = project.says(&["up", "second.plan"]);
    assert_eq!(refused, stale.replace("first.plan", "second.plan"));
    assert_eq!(project.there(), stopped, "nothing is changed");

    project.must(&["plan", "-o", "second.plan"]);
    project.must(&["up", "second.plan"]);
    assert_eq!(edited(&project), ["EDITED=2"]);
    let left = project.must(&["plan", "--detailed-exit-code"]);
    assert!(left.out.contains("nothing to do"), "{}", left.out);
    what_is_no_plan_is_refused(&project);
}

fn edited(project: &Project) -> Vec<String> {
    let web = format!("{}-web-1", project.name);
    let format = "{{range .Config.Env}}{{println .}}{{end}}";
    let mut all = listed(&["inspect", "-f", format, &web]);
    all.retain(|it| it.starts_with("EDITED"));
    all
}

fn what_is_no_plan_is_refused(project: &Project) {
    let before = project.there();
    assert_snapshot!(project.says(&["up", "compose.yaml"]), @"
    error: compose.yaml is not a plan of scalectl's
      caused by: expected ident at line 1 column 2
    hint: `up` takes what `scalectl plan -o FILE` wrote; an app model is named by `-f FILE`
    exit code 4
    ");
    assert_snapshot!(project.says(&["up", "none.plan"]), @"
    error: read none.plan
      caused by: No such file or directory (os error 2)
    exit code 4
    ");
    // A plan whose first step would wait for itself.
    project.document(&body(3));
    project.must(&["plan", "-o", "third.plan"]);
    let file = project.place.path().join("third.plan");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    plan["operations"][0]["after"] = serde_json::json!([1]);
    std::fs::write(&file, plan.to_string()).unwrap();
    assert_snapshot!(project.says(&["up", "third.plan"]), @"
    error: third.plan is not a plan of scalectl's
    hint: `up` takes what `scalectl plan -o FILE` wrote; an app model is named by `-f FILE`
    exit code 4
    ");
    assert_eq!(project.there(), before, "nothing is changed");
}

#[test]
fn a_plan_is_not_kept_while_images_that_up_makes_first_are_missing() {
    let name = support::Stack::full_name("unmade");
    let mut place = Place::new();
    place.redacted.push((name.clone(), "NAME"));
    place.write("Dockerfile", "FROM scratch\n");
    place.write(
        "scale.yaml",
        &format!("name: {name}\napp: {{build: ., command: run}}\n"),
    );
    let told = place.says(&mut scalectl(&["plan", "--phase", "1", "-o", "up.plan"]));
    assert_snapshot!(told, @"
    planned as if these images were there: `up` builds them first: NAME-app:latest
    error: the plan was not kept: `up` makes images first, and then it would no longer hold
    hint: missing: NAME-app:latest. `scalectl images build` builds scalectl's own, `docker build -t IMAGE FOLDER` the app's; or run `scalectl up` without a plan
    exit code 4
    ");
    assert!(!place.path().join("up.plan").exists(), "no file is written");
    let shown = run(scalectl(&["plan", "--phase", "1"]).current_dir(place.path()));
    assert_eq!(shown.code, 0, "shown it can be: {}", shown.err);
}
