//! What is in the way on an engine, word for word: told with its owner, and never touched.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::TcpListener;

use insta::assert_snapshot;
use support::listed;
use support::ports::Block;
use support::project::{IMAGE, Project};

#[test]
fn everything_in_the_way_is_told_at_once_with_its_owner_and_never_touched() {
    let port = Block::free().first.to_string();
    let mut project = Project::new(
        "way",
        &format!(
            "services:
  web: {{image: '{IMAGE}', command: [sleep, '9'], ports: [{{target: 80, published: '{port}', host_ip: 127.0.0.1}}]}}
  job: {{image: 'scalectl/no-such-image:0', pull_policy: never, volumes: [{{type: volume, source: data, target: /data}}]}}
networks: {{default: {{}}}}
volumes: {{data: {{}}}}
"
        ),
    );
    project.place.redacted.push((port.clone(), "PORT"));
    let name = project.name.clone();
    let (web, data, net) = (
        format!("{name}-web-1"),
        format!("{name}_data"),
        format!("{name}_default"),
    );
    let (holder, publish) = (format!("{name}-holder"), format!("127.0.0.1:{port}:80"));
    project.docker(
        "container",
        &web,
        &["create", "--name", &web, IMAGE, "true"],
    );
    project.docker(
        "volume",
        &data,
        &[
            "volume",
            "create",
            "--label",
            "com.docker.compose.project=other",
            &data,
        ],
    );
    project.docker("network", &net, &["network", "create", &net]);
    let held = [
        "run",
        "--detach",
        "--rm",
        "--stop-timeout",
        "0",
        "--name",
        &holder,
        "--publish",
        &publish,
        IMAGE,
        "sleep",
        "600",
    ];
    listed(&held);
    let before = theirs(&web, &data, &net);
    let told = project.says(&["plan"]);
    let refused = project.says(&["up"]);
    let left = project.says(&["down", "--volumes", "--yes"]);
    let after = theirs(&web, &data, &net);
    listed(&["stop", &holder]);
    assert_snapshot!(told, @"
    error: nothing was changed: 5 things stand in the way
      - the container name NAME-web-1 is taken by something that scalectl did not make for NAME (image scalectl/base:trixie)
        hint: it is left as it is: rename or remove it, or use another project name with `-p NAME`
      - the network name NAME_default is taken by something that scalectl did not make for NAME (a network without an owner's label)
        hint: it is left as it is: rename or remove it, or use another project name with `-p NAME`
      - the volume name NAME_data is taken by something that scalectl did not make for NAME (compose project other)
        hint: it is left as it is: rename or remove it, or use another project name with `-p NAME`
      - port PORT on 127.0.0.1 is already in use by container NAME-holder
        hint: stop that container, or choose another port in scale.yaml (`edge:` and `monitoring:` have them)
      - the engine does not have the image scalectl/no-such-image:0
        hint: `scalectl images build` makes the images of this project; `scalectl images list` shows which are there
    exit code 4
    ");
    assert_eq!(refused, told, "`up` says the same");
    assert_snapshot!(left, @"
    NAME is down, nothing to do
    exit code 0
    ");
    assert_eq!(after, before, "what is not ours stays as it is");
}

fn theirs(container: &str, volume: &str, network: &str) -> Vec<Vec<String>> {
    let inspect = |kind, name, format| listed(&[kind, "inspect", "--format", format, name]);
    vec![
        inspect(
            "container",
            container,
            "{{.Id}} {{.State.Status}} {{.State.StartedAt}}",
        ),
        inspect("volume", volume, "{{.CreatedAt}} {{json .Labels}}"),
        inspect("network", network, "{{.Id}} {{json .Containers}}"),
    ]
}

#[test]
fn a_port_that_a_process_has_is_told_with_that_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut project = Project::new(
        "port",
        &format!(
            "services:
  web: {{image: '{IMAGE}', command: [sleep, '9'], ports: [{{target: 80, published: '{port}', host_ip: 127.0.0.1}}]}}
networks: {{default: {{}}}}
"
        ),
    );
    let own = std::fs::read_to_string("/proc/self/comm").unwrap();
    let process = format!("{} ({})", own.trim(), std::process::id());
    project
        .place
        .redacted
        .extend([(port, "PORT"), (process, "PROCESS")]);
    assert_snapshot!(project.says(&["up"]), @"
    error: port PORT on 127.0.0.1 is already in use by the process PROCESS
    hint: stop it (`ss -ltnp` on the engine's machine shows processes), or choose another port in scale.yaml (`edge:` and `monitoring:` have them)
    SOME operations are done and stay; the same command goes on from there
    exit code 6
    ");
}

#[test]
fn an_image_that_no_registry_gives_is_told_with_what_was_asked() {
    let project = Project::new(
        "image",
        "services: {web: {image: '127.0.0.1:1/nobody/has:this'}}\n",
    );
    let told = project.says(&["up"]);
    let (before, rest) = told.split_once("has:this: ").unwrap();
    let (reason, after) = rest.split_once('\n').unwrap();
    assert!(
        reason.contains("connection refused"),
        "the engine's words: {reason}"
    );
    assert_snapshot!(format!("{before}has:this: REASON\n{after}"), @"
    error: the engine could not fetch the image 127.0.0.1:1/nobody/has:this: REASON
    hint: can the engine's machine reach that registry? `docker pull 127.0.0.1:1/nobody/has:this` tries it again; an image that is on another machine comes by `docker save` and `docker load`
    SOME operations are done and stay; the same command goes on from there
    exit code 6
    ");
}

#[test]
fn a_secret_that_is_gone_since_is_named_and_never_shown() {
    let project = Project::new(
        "secret",
        &format!(
            "services:
  web: {{image: '{IMAGE}', command: [sleep, '9'], configs: [{{source: key, target: /key}}]}}
configs: {{key: {{environment: NO_SUCH_SECRET}}}}
"
        ),
    );
    assert_snapshot!(project.says(&["up"]), @"
    error: the environment variable NO_SUCH_SECRET is not set
    hint: set it to the secret's value and run the same command again
    SOME operations are done and stay; the same command goes on from there
    exit code 6
    ");
}

#[test]
fn what_a_container_that_fails_says_last_is_told_with_what_to_try() {
    let project = Project::new(
        "failing",
        &format!(
            "services:
  once: {{image: '{IMAGE}', command: [sh, -c, 'echo one; echo two; exit 1']}}
  web: {{image: '{IMAGE}', command: [sleep, '9'], depends_on: {{once: {{condition: service_completed_successfully}}}}}}
"
        ),
    );
    assert_snapshot!(project.says(&["up"]), @"
    last lines of NAME-once-1:
      | one
      | two
    error: NAME-once-1 ended with exit code 1 before it was done
    hint: its last lines are above; all of them: `scalectl logs once`
    SOME operations are done and stay; the same command goes on from there
    exit code 6
    ");
    // One that should stay. The engine starts it again and again: it speaks the first time.
    project.document(&format!(
        "services:
  web: {{image: '{IMAGE}', command: [sh, -c, 'test -e /said || echo no such host; touch /said; exit 3'], restart: unless-stopped, x-scalectl: {{settle: 2s}}}}
"
    ));
    assert_snapshot!(project.says(&["up"]), @"
    last lines of NAME-web-1:
      | no such host
    error: NAME-web-1 ended with exit code 3 before it was well
    hint: its last lines are above; all of them: `scalectl logs web`
    SOME operations are done and stay; the same command goes on from there
    exit code 6
    ");
}

#[test]
fn data_is_not_destroyed_where_nobody_can_be_asked_and_it_is_named() {
    let project = Project::new(
        "asked",
        &format!(
            "services:
  web: {{image: '{IMAGE}', command: [sleep, '600'], init: true, restart: always, volumes: [{{type: volume, source: data, target: /data}}, {{type: volume, source: more, target: /more}}]}}
volumes: {{data: {{}}, more: {{}}}}
"
        ),
    );
    project.must(&["up"]);
    let before = project.there();
    assert_snapshot!(project.says(&["down", "--volumes"]), @"
    error: nobody can be asked, and this needs an answer: This destroys the data in NAME_data, NAME_more for good.
    hint: `--yes` answers it
    exit code 4
    ");
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(project.there(), before, "all is there as it was");
}
