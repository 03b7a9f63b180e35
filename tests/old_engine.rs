//! The same on an engine that speaks API 1.41: a smaller run of phase 1.

#![allow(clippy::expect_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::{Stack, listed};

#[test]
#[ignore = "scripts/test runs it on an engine of API 1.41"]
fn phase_1_comes_up_quickly_serves_is_upgraded_and_goes_on_api_1_41() {
    let api = listed(&["version", "--format", "{{.Server.APIVersion}}"]);
    assert_eq!(api, ["1.41"], "this test is for the old engine");
    let stack = Stack::shop("old");
    let began = Instant::now();
    stack.must(&["up"]);
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(60),
        "checks of an interval of 30 s would take longer, but so did this: {took:?}"
    );
    let order =
        r#"{"id":"old","customer":"a@example.org","lines":[{"sku":"bag-blue","quantity":1}]}"#;
    let (code, body) = stack.request("POST", "/orders", order);
    assert_eq!(code / 100, 2, "an order through the edge: {code} {body}");
    let again = stack.must(&["up"]);
    assert!(again.err.contains("nothing to do"), "{}", again.err);

    let before = ids(&stack);
    stack.write(&stack.text().replace(
        "KEEP_ALIVE_SECONDS: 2",
        "KEEP_ALIVE_SECONDS: 2\n    EDITED: \"1\"",
    ));
    stack.must(&["up"]);
    let replaced: Vec<_> = before.difference(&ids(&stack)).cloned().collect();
    let of_the_app = |line: &String| {
        let mut services = ["-app-", "-release-", "-worker-"].iter();
        services.any(|it| line.contains(it))
    };
    assert!(
        !replaced.is_empty() && replaced.iter().all(of_the_app),
        "{replaced:?}"
    );
    let (code, body) = stack.request("GET", "/orders/old", "");
    assert_eq!(code, 200, "the order is still there: {body}");

    stack.must(&["down", "--volumes", "--yes"]);
    assert_eq!(stack.containers(), Vec::<String>::new());
    assert_eq!(stack.volumes(), Vec::<String>::new());
    assert_eq!(stack.networks(), Vec::<String>::new());
}

fn ids(stack: &Stack) -> BTreeSet<String> {
    let label = format!("label=dev.scalectl.project={}", stack.name);
    let format = "{{.Names}} {{.ID}}";
    listed(&[
        "ps",
        "-a",
        "--no-trunc",
        "--format",
        format,
        "--filter",
        &label,
    ])
    .into_iter()
    .collect()
}
