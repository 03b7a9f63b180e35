//! `up`, its upgrades and `down`, on a real engine with the example shop.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod load;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use load::Load;
use support::Stack;

fn order(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","customer":"a@example.org","lines":[{{"sku":"bag-blue","quantity":1}}]}}"#
    )
}

#[test]
fn phase_1_serves_and_an_env_edit_replaces_only_the_app_without_losing_a_request() {
    let stack = Stack::shop("one");
    let first = stack.must(&["up", "--phase", "1"]);
    it_ends_with_where_the_time_went_and_the_address_to_open(&stack, &first.err);
    let (code, body) = stack.request("POST", "/orders", &order("first"));
    assert_eq!(
        code / 100,
        2,
        "an order through the edge is accepted, but: {code} {body}"
    );

    let again = stack.must(&["up", "--phase", "1"]);
    assert!(
        again.err.contains("nothing to do"),
        "a second `up` changes nothing, but said: {}",
        again.err
    );

    let before: BTreeSet<_> = ids(&stack);
    stack.write(&stack.text().replace(
        "KEEP_ALIVE_SECONDS: 2",
        "KEEP_ALIVE_SECONDS: 2\n    EDITED: \"1\"",
    ));
    // At the full rate: traffic.rs.
    let load = Load {
        rate: 100,
        ..Load::on(stack.https, &stack.name)
    };
    let load = load.start();
    std::thread::sleep(Duration::from_secs(2));
    stack.must(&["up", "--phase", "1"]);
    std::thread::sleep(Duration::from_secs(2));
    let report = load.finish();
    assert!(
        report.failures.is_empty() && report.requests > 400,
        "no request fails while the app is replaced, but: {report}"
    );

    let after = ids(&stack);
    let replaced: Vec<_> = before
        .difference(&after)
        .map(|(name, _)| name.clone())
        .collect();
    let of_the_app = |name: &String| {
        ["app-", "release-", "worker-"]
            .iter()
            .any(|it| name.contains(it))
    };
    assert!(!replaced.is_empty(), "the app is replaced");
    assert!(
        replaced.iter().all(of_the_app),
        "only the app's processes are replaced, but: {replaced:?}"
    );
    let (code, body) = stack.request("GET", "/orders/first", "");
    assert_eq!(code, 200, "the order is still there, but: {body}");
    a_larger_phase_keeps_the_data_when_the_app_may_be_away(&stack);
}

fn it_ends_with_where_the_time_went_and_the_address_to_open(stack: &Stack, said: &str) {
    let lines: Vec<_> = said.lines().rev().take(2).collect();
    let (name, port) = (&stack.name, stack.https);
    assert_eq!(
        lines[0],
        format!("app          https://{name}.localhost:{port}")
    );
    let path = lines[1].split_once(" in all; it waited for: ");
    let (elapsed, path) = path.unwrap_or_else(|| panic!("the critical path is told:\n{said}"));
    assert!(
        elapsed.ends_with(" s"),
        "a first start takes seconds: {elapsed}"
    );
    let healthy = format!("waiting until {name}-db-1-1 is healthy ");
    assert!(path.contains(&healthy), "it waits for the database: {path}");
}

fn a_larger_phase_keeps_the_data_when_the_app_may_be_away(stack: &Stack) {
    let refused = stack.scalectl(&["up", "--phase", "2"]);
    assert_eq!(refused.code, 4, "a running stack stays in its phase");
    assert!(
        refused.err.contains("scalectl migrate --to 2"),
        "it is told what moves it: {}",
        refused.err
    );
    stack.must(&["down"]);
    stack.must(&["up", "--phase", "2"]);
    let (code, body) = stack.request("GET", "/orders/first", "");
    assert_eq!(code, 200, "the order came along, but: {body}");
}

fn ids(stack: &Stack) -> BTreeSet<(String, String)> {
    let lines = support::listed(&[
        "ps",
        "-a",
        "--no-trunc",
        "--format",
        "{{.Names}} {{.ID}}",
        "--filter",
        &format!("label=dev.scalectl.project={}", stack.name),
    ]);
    lines
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, id)| (name.to_owned(), id.to_owned()))
        .collect()
}
