//! What scalectl says of a wrong scale.yaml and of an engine that it cannot use, word for
//! word, with its exit code: each message says where, why, and what to do.
//! Next: `obstacles.rs` (what is in the way on an engine that works), `limits.rs`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use support::program;
use support::said::{Place, scalectl};

#[test]
fn every_kind_of_mistake_in_scale_yaml_is_told_at_once_with_its_place_and_a_hint() {
    let place = Place::new();
    place.write(
        "scale.yaml",
        r#"name: My Shop
app:
  build: ./missing
  prot: 8000
  port: 70000
  health: [a, b]
  env: {A: "${B}", B: "${A}", C: "${NOBODY}"}
  secrets: {KEY: {env: NO_SUCH_SECRET}}
edge: {http: 9000, https: 9000}
database: {version: "9"}
phases: {"7": {app: {replicas: 2}}}
"#,
    );
    assert_snapshot!(place.says(&mut scalectl(&["check"])), @r#"
    scalectl::model::mistakes

      × scale.yaml has 11 mistakes

    Error: scalectl::model::bad_name

      × `My Shop` is no name
       ╭─[scale.yaml:1:7]
     1 │ name: My Shop
       ·       ───┬───
       ·          ╰── this
     2 │ app:
       ╰────
      help: did you mean `my-shop`? a name has a-z, 0-9 and `-`, starts with a letter, does not end
            with `-` and has at most 40 characters

    Error: scalectl::model::missing_folder

      × there is no folder `./missing`
       ╭─[scale.yaml:3:10]
     2 │ app:
     3 │   build: ./missing
       ·          ────┬────
       ·              ╰── no such folder
     4 │   prot: 8000
       ╰────
      help: paths are relative to the folder of scale.yaml; make the folder or correct the path

    Error: scalectl::model::unknown_key

      × unknown key `prot` in `app`
       ╭─[scale.yaml:4:3]
     3 │   build: ./missing
     4 │   prot: 8000
       ·   ──┬─
       ·     ╰── not a key here
     5 │   port: 70000
       ╰────
      help: did you mean `port`?

    Error: scalectl::model::port_out_of_range

      × port 70000 is out of range
       ╭─[scale.yaml:5:9]
     4 │   prot: 8000
     5 │   port: 70000
       ·         ──┬──
       ·           ╰── this
     6 │   health: [a, b]
       ╰────
      help: a port is 1 to 65535

    Error: scalectl::model::wrong_type

      × `app.health` is a list, but must be text
       ╭─[scale.yaml:6:11]
     5 │   port: 70000
     6 │   health: [a, b]
       ·           ───┬──
       ·              ╰── must be text
     7 │   env: {A: "${B}", B: "${A}", C: "${NOBODY}"}
       ╰────
      help: write one value, without `-` and `[`

    Error: scalectl::model::cyclic_reference

      × `A` refers to itself: `A` -> `B` -> `A`
       ╭─[scale.yaml:7:12]
     6 │   health: [a, b]
     7 │   env: {A: "${B}", B: "${A}", C: "${NOBODY}"}
       ·            ───┬──
       ·               ╰── in here
     8 │   secrets: {KEY: {env: NO_SUCH_SECRET}}
       ╰────
      help: give one of them a value of its own; `$${` stands for a literal `${`

    Error: scalectl::model::unknown_reference

      × unknown reference `${NOBODY}`
       ╭─[scale.yaml:7:34]
     6 │   health: [a, b]
     7 │   env: {A: "${B}", B: "${A}", C: "${NOBODY}"}
       ·                                  ─────┬─────
       ·                                       ╰── in here
     8 │   secrets: {KEY: {env: NO_SUCH_SECRET}}
       ╰────
      help: a value can use other entries of `env` and `${PORT}`, not the environment of who runs
            scalectl; `$${` stands for a literal `${`

    Error: scalectl::model::secret_without_value

      × secret `KEY` has no value: the variable `NO_SUCH_SECRET` is not set where scalectl runs
       ╭─[scale.yaml:8:24]
     7 │   env: {A: "${B}", B: "${A}", C: "${NOBODY}"}
     8 │   secrets: {KEY: {env: NO_SUCH_SECRET}}
       ·                        ───────┬──────
       ·                               ╰── not set
     9 │ edge: {http: 9000, https: 9000}
       ╰────
      help: set it (`export NO_SUCH_SECRET=...`), or take the value from a file

    Error: scalectl::model::port_used_twice

      × port 9000 is used twice: by `edge.http` and by `edge.https`
        ╭─[scale.yaml:9:27]
      8 │   secrets: {KEY: {env: NO_SUCH_SECRET}}
      9 │ edge: {http: 9000, https: 9000}
        ·              ──┬─         ──┬─
        ·                │            ╰── used twice
        ·                ╰── first here
     10 │ database: {version: "9"}
        ╰────
      help: give `edge.http` or `edge.https` another port

    Error: scalectl::model::unknown_version

      × no image has PostgreSQL 9
        ╭─[scale.yaml:10:21]
      9 │ edge: {http: 9000, https: 9000}
     10 │ database: {version: "9"}
        ·                     ─┬─
        ·                      ╰── this version
     11 │ phases: {"7": {app: {replicas: 2}}}
        ╰────
      help: there are images for: 17

    Error: scalectl::model::unknown_phase

      × there is no phase `7`
        ╭─[scale.yaml:11:10]
     10 │ database: {version: "9"}
     11 │ phases: {"7": {app: {replicas: 2}}}
        ·          ─┬─
        ·           ╰── no such phase
        ╰────
      help: there are phases 1 and 2
    exit code 3
    "#);
}

#[test]
fn no_engine_is_told_with_where_it_was_looked_for_and_who_said_so() {
    let place = Place::new();
    let socket = place.path().join("docker.sock");
    let host = format!("unix://{}", socket.display());
    assert_snapshot!(place.says_at(&host, &["up"]), @"
    error: no Docker engine answers at unix://FOLDER/docker.sock
      caused by: No such file or directory (os error 2)
    hint: DOCKER_HOST points there: is that engine running, and is that its address?
    exit code 5
    ");
    // The socket of an engine that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    assert_snapshot!(place.says_at(&host, &["plan"]), @"
    error: no Docker engine answers at unix://FOLDER/docker.sock
      caused by: Connection refused (os error 111)
    hint: DOCKER_HOST points there: is that engine running, and is that its address?
    exit code 5
    ");
    assert_snapshot!(place.says_at("tcp://127.0.0.1:1", &["status"]), @"
    error: no Docker engine answers at tcp://127.0.0.1:1
      caused by: Connection refused (os error 111)
    hint: DOCKER_HOST points there: is that engine running, and is that its address?
    exit code 5
    ");
    assert_snapshot!(place.says_at("npipe:////./pipe/docker_engine", &["up"]), @"
    error: DOCKER_HOST names no engine that can be used: `npipe://` is not spoken here: use unix://, tcp:// or ssh://
    hint: an address is unix:///path, tcp://host:port or ssh://user@host; `docker context ls` lists contexts
    exit code 5
    ");
}

#[test]
fn a_socket_that_one_may_not_use_is_told_with_how_to_get_there() {
    let place = Place::new();
    let socket = place.path().join("docker.sock");
    let _engine = UnixListener::bind(&socket).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&socket, 0o000);
    mode(place.path(), 0o755);
    let mut command = scalectl(&["up"]);
    if rustix::process::geteuid().is_root() {
        // Root may use every socket, and nobody else may enter every folder on the way.
        let copy = place.path().join("scalectl");
        std::fs::copy(program(), &copy).unwrap();
        mode(&copy, 0o755);
        command = Command::new(copy);
        command.arg("up").uid(65_534).gid(65_534);
    }
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    assert_snapshot!(place.says(&mut command), @"
    error: no permission to use the Docker engine at unix://FOLDER/docker.sock
    hint: add yourself to the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or run as root
    exit code 5
    ");
}

#[test]
fn an_engine_that_is_too_old_is_refused_with_what_is_needed() {
    let place = Place::new();
    let host = answering(
        &place,
        "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK",
    );
    assert_snapshot!(place.says_at(&host, &["up"]), @"
    error: the Docker engine speaks API 1.40, and scalectl needs 1.41 or newer
    hint: upgrade the engine to Docker 20.10 or newer; the current one is quicker, too
    exit code 5
    ");
}

#[test]
fn something_that_is_no_engine_is_told_so() {
    let place = Place::new();
    let host = answering(
        &place,
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    );
    assert_snapshot!(place.says_at(&host, &["up"]), @"
    error: no Docker engine answers at unix://FOLDER/docker.sock
      caused by: what answers there does not speak as an engine does (status 404)
    hint: is that the address of a Docker engine? `docker version` asks it, too
    exit code 5
    ");
}

/// A socket that answers one request with that text.
fn answering(place: &Place, answer: &'static str) -> String {
    let socket = place.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    format!("unix://{}", socket.display())
}

#[test]
fn a_phase_that_does_not_exist_is_a_mistake_of_the_command_line_not_of_the_file() {
    assert_snapshot!(Place::new().says(&mut scalectl(&["render", "--phase", "7"])), @"
    error: there is no phase 7
    hint: scalectl has the phases 1, 2; `scalectl phases` explains them
    exit code 2
    ");
}

#[test]
fn a_reader_that_has_read_enough_of_completions_is_no_error() {
    let mut command = scalectl(&["completions", "bash"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success());
}
