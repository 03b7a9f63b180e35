//! What is in the way on an engine, word for word: told with its owner, and never touched.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::TcpListener;
use std::process::Command;

use insta::assert_snapshot;
use support::ports::Block;
use support::said::{Place, scalectl};
use support::{listed, run};

const IMAGE: &str = "scalectl/base:trixie";

/// A small document of a project of the test's own, gone with all that it made.
struct Project {
    name: String,
    place: Place,
    /// Removed with it: the kind of object and its name.
    others: Vec<(&'static str, String)>,
}

impl Project {
    fn new(test: &str, body: &str) -> Self {
        let name = format!("sctl-test-{test}-{}", std::process::id());
        let mut place = Place::new();
        place.write(
            "compose.yaml",
            &format!("name: {name}\n{}", body.replace("NAME", &name)),
        );
        place.redacted.push((name.clone(), "NAME"));
        Self {
            name,
            place,
            others: Vec::new(),
        }
    }

    /// The error without what was done before it, which takes its own time and turn.
    fn says(&self, args: &[&str]) -> String {
        let mut command = scalectl(&["--document", "compose.yaml"]);
        let text = self.place.says(command.args(args));
        let error = &text[text.find("error:").unwrap_or(0)..];
        let goes_on = "operations are done and stay; the same command goes on from there";
        let line = |line: &str| match line.contains(goes_on) {
            true => format!("SOME {goes_on}"),
            false => line.to_owned(),
        };
        error.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Something of somebody else's.
    fn docker(&mut self, kind: &'static str, name: &str, args: &[&str]) {
        self.others.push((kind, name.to_owned()));
        listed(args);
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.says(&["down", "--volumes", "--yes"]);
        for (kind, name) in &self.others {
            let _ = run(Command::new("docker").args([kind, "rm", name]));
        }
    }
}

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
