//! Logs, commands with streams, facts: what people ask of an engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end so"
)]

mod common;

use std::time::Duration;

use common::{Project, create, engine, start, wait};
use futures_util::StreamExt;
use scalectl_engine::Engine;
use scalectl_engine_docker::{ExecRequest, LogRequest, LogSource};
use scalectl_plan::{Await, Call};
use tokio::io::AsyncWriteExt;

const SOON: Duration = Duration::from_secs(30);

async fn run(engine: &impl Engine, project: &Project, service: &str, script: &str) -> String {
    let spec = project.shell(service, script);
    engine.apply(&create(&spec)).await.unwrap();
    engine.apply(&start(&spec.name)).await.unwrap();
    spec.name
}

#[tokio::test]
async fn logs_of_several_containers_come_in_the_order_of_their_times() {
    let project = Project::new("logs");
    let engine = engine().await;
    let script = "for n in 1 2 3; do echo $0 $n; sleep 0.3; done; echo end >&2";
    for service in ["app", "worker"] {
        let name = run(&engine, &project, service, &script.replace("$0", service)).await;
        engine
            .apply(&wait(&name, Await::Completed, 60))
            .await
            .unwrap();
    }
    let request = LogRequest {
        project: project.name.clone(),
        ..LogRequest::default()
    };
    let all: Vec<_> = engine
        .logs(request.clone())
        .await
        .unwrap()
        .map(|line| line.unwrap())
        .collect()
        .await;
    assert_eq!(all.len(), 8);
    assert!(all.is_sorted_by_key(|line| line.nanos), "{all:?}");
    let ends = all
        .iter()
        .filter(|line| line.source == LogSource::Stderr && line.bytes == b"end");
    assert_eq!(ends.count(), 2, "both outputs are kept apart");

    let one = LogRequest {
        services: vec!["app".to_owned()],
        tail: Some(2),
        ..request
    };
    let one: Vec<_> = engine
        .logs(one)
        .await
        .unwrap()
        .map(|line| line.unwrap())
        .collect()
        .await;
    let told: Vec<_> = one
        .iter()
        .map(|line| (line.service.as_str(), line.bytes.as_slice()))
        .collect();
    assert_eq!(told, [("app", &b"app 3"[..]), ("app", b"end")]);
}

#[tokio::test]
async fn followed_logs_go_on_when_a_container_is_started_again() {
    let project = Project::new("follow");
    let engine = engine().await;
    let name = run(
        &engine,
        &project,
        "app",
        "echo life $(date +%s%N); sleep 600",
    )
    .await;
    let request = LogRequest {
        project: project.name.clone(),
        follow: true,
        ..LogRequest::default()
    };
    let mut lines = engine.logs(request).await.unwrap();
    let mut next = async || {
        tokio::time::timeout(SOON, lines.next())
            .await
            .expect("a line must come")
            .unwrap()
            .unwrap()
            .bytes
    };
    let first = next().await;
    let id = engine.observe(&project.scope()).await.unwrap().containers[&name]
        .id
        .clone();
    let grace = Some(scalectl_documents::Span::seconds(0));
    engine
        .apply(&Call::StopContainer {
            name: name.clone(),
            id,
            grace,
        })
        .await
        .unwrap();
    engine.apply(&start(&name)).await.unwrap();
    let second = next().await;
    assert!(
        second.starts_with(b"life ") && second != first,
        "the second life is followed, the first not repeated"
    );
}

#[tokio::test]
async fn a_piped_command_reads_to_the_end_and_gives_its_exit_code() {
    let project = Project::new("pipe");
    let engine = engine().await;
    let container = run(&engine, &project, "db", "sleep 600").await;
    // More than any buffer on the way.
    let input: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let command = ["sh", "-c", "cat; echo done >&2; exit 5"]
        .map(str::to_owned)
        .to_vec();
    let request = ExecRequest {
        container,
        command,
        stdin: true,
        ..ExecRequest::default()
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut unread = input.as_slice();
    let piped = engine.pipe(&request, &mut unread, &mut out, &mut err);
    let code = tokio::time::timeout(SOON, piped)
        .await
        .expect("its end of input must reach it")
        .unwrap();
    assert_eq!(code, 5);
    assert!(
        out == input,
        "{} bytes of {} came back",
        out.len(),
        input.len()
    );
    assert_eq!(err, b"done\n");
}

#[tokio::test]
async fn a_command_that_ends_without_reading_does_not_hang_who_writes_to_it() {
    let project = Project::new("deaf");
    let engine = engine().await;
    let container = run(&engine, &project, "db", "sleep 600").await;
    let command = ["sh", "-c", "exit 3"].map(str::to_owned).to_vec();
    let request = ExecRequest {
        container,
        command,
        stdin: true,
        ..ExecRequest::default()
    };
    let mut endless = tokio::io::repeat(7);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let piped = engine.pipe(&request, &mut endless, &mut out, &mut err);
    let code = tokio::time::timeout(SOON, piped)
        .await
        .expect("the command has ended")
        .unwrap();
    assert_eq!(code, 3);
}

#[tokio::test]
async fn a_command_with_a_terminal_sees_one_of_the_size_it_was_told() {
    let project = Project::new("tty");
    let engine = engine().await;
    let container = run(&engine, &project, "app", "sleep 600").await;
    let command = [
        "sh",
        "-c",
        "read line; stty size; test -t 0 && echo terminal",
    ]
    .map(str::to_owned)
    .to_vec();
    let request = ExecRequest {
        container,
        command,
        tty: true,
        stdin: true,
        ..ExecRequest::default()
    };
    let mut session = engine.open_exec(&request).await.unwrap();
    engine.resize(&session.id(), 111, 33).await.unwrap();
    session.input.write_all(b"go\n").await.unwrap();
    let mut told = Vec::new();
    while let Some(part) = tokio::time::timeout(SOON, session.output.next())
        .await
        .expect("it ends")
    {
        told.extend_from_slice(&part.unwrap().1);
    }
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(
        told.contains("33 111") && told.contains("terminal"),
        "{told:?}"
    );
    assert_eq!(engine.exit_code(&session).await.unwrap(), 0);
}

#[tokio::test]
async fn a_change_is_told_as_it_happens() {
    let project = Project::new("changes");
    let engine = engine().await;
    let mut changes = Box::pin(engine.changes(&project.name).await.unwrap());
    let name = run(&engine, &project, "app", "exit 0").await;
    let mut actions = Vec::new();
    while actions.last().is_none_or(|action| action != "die") {
        let change = tokio::time::timeout(SOON, changes.next())
            .await
            .expect("something happens")
            .unwrap();
        assert_eq!(
            (change.container.as_str(), change.service.as_str()),
            (name.as_str(), "app")
        );
        actions.push(change.action);
    }
    assert!(actions.contains(&"start".to_owned()), "{actions:?}");
}

#[tokio::test]
async fn the_engine_tells_about_itself() {
    let engine = engine().await;
    let report = engine.report().await.unwrap();
    assert!(
        !report.version.is_empty() && report.cpus > 0 && report.memory_bytes > 0,
        "{report:?}"
    );
    assert!(report.clock.is_some(), "{report:?}");
    assert!(matches!(report.cgroup_version, 1 | 2), "{report:?}");
    assert!(
        engine.clock_ahead_seconds().abs() <= 2,
        "the same machine has the same clock"
    );
}
