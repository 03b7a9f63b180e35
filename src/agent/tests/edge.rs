//! `edge` with a stand-in for Envoy: a shell script and an admin socket of ours.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::process::Signal;

use crate::fakes::wait_until;
use crate::stack::BINARY;

const FAIL: &str = "POST /healthcheck/fail";

/// An admin address that tells `counts`, one a question, then the last for ever
/// (units: open connections, tens: requests in flight); and remembers what it
/// was asked.
struct Admin {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Admin {
    fn start(counts: &'static [u64]) -> Self {
        let admin = Self {
            folder: tempfile::tempdir().unwrap(),
            asked: Arc::default(),
        };
        let listener = UnixListener::bind(admin.socket()).unwrap();
        let asked = Arc::clone(&admin.asked);
        std::thread::spawn(move || {
            let mut next = 0;
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default().replace(" HTTP/1.1", "");
                for line in lines {
                    if line.is_empty() {
                        break;
                    }
                }
                let body = if request.starts_with("GET /stats") {
                    next += 1;
                    let count = counts[(next - 1).min(counts.len() - 1)];
                    format!(
                        "http.edge.downstream_rq_active: {}\nlistener.0.0.0.0_8443.downstream_cx_active: {}\nlistener.admin.downstream_cx_active: 1\n",
                        count / 10,
                        count % 10
                    )
                } else {
                    "OK\n".to_owned()
                };
                asked.lock().unwrap().push(request);
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                    body.len()
                );
            }
        });
        admin
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    fn changes(&self) -> Vec<String> {
        let mut asked = self.asked();
        asked.retain(|request| request.starts_with("POST"));
        asked
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Starts `edge` with that script as Envoy and waits until it runs.
    fn edge(&self, cap: &str, script: &str) -> Child {
        let up = self.folder.path().join("up");
        let mut command = Command::new(BINARY);
        command
            .arg("edge")
            .arg(format!("--admin=unix:{}", self.socket().display()))
            .arg(format!("--drain-cap={cap}"));
        let script =
            format!("{script}\necho $$ >up.new; mv up.new up; while :; do sleep 0.02; done");
        let child = command
            .args(["--", "sh", "-c", &script, "envoy", "--drain-time-s", "0"])
            .current_dir(self.folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("the script runs", || up.exists());
        child
    }
}

fn send(signal: Signal, child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_stop_drains_first_waits_for_the_last_connection_and_keeps_envoys_exit_code() {
    let admin = Admin::start(&[2, 2, 2, 1, 0]);
    let child = admin.edge("10", "trap 'exit 7' TERM");
    send(Signal::TERM, &child);
    let (code, told) = end(child);
    assert_eq!(code, Some(7), "{told}");
    assert_eq!(admin.changes(), [FAIL, "POST /drain_listeners?graceful"]);
    assert_eq!(
        admin.asked().len(),
        7,
        "it ended before or after the fifth look: {:?}",
        admin.asked()
    );
    assert!(told.contains("edge: drained in"), "{told}");
}

#[test]
fn with_nobody_connected_the_listeners_close_at_once() {
    let admin = Admin::start(&[0, 1, 0]);
    let child = admin.edge("10", "trap 'exit 7' TERM");
    send(Signal::TERM, &child);
    let (code, told) = end(child);
    assert_eq!(code, Some(7), "{told}");
    assert_eq!(admin.changes(), [FAIL, "POST /drain_listeners"]);
    assert_eq!(
        admin.asked().len(),
        5,
        "one that came at the last moment is waited for: {:?}",
        admin.asked()
    );
}

#[test]
fn a_connection_that_stays_is_cut_at_the_cap() {
    let admin = Admin::start(&[3]);
    let child = admin.edge("0.3", "trap 'exit 0' TERM");
    let started = Instant::now();
    send(Signal::TERM, &child);
    let (code, told) = end(child);
    assert_eq!(code, Some(0));
    assert!(
        told.contains("warning: 3 connections are still open"),
        "{told}"
    );
    assert!(
        (0.5..5.0).contains(&started.elapsed().as_secs_f64()),
        "took {:?}",
        started.elapsed()
    );
}

#[test]
fn a_request_in_flight_is_not_cut_at_the_cap_of_idle_connections() {
    let admin = Admin::start(&[13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 0]);
    let child = admin.edge("0.1", "trap 'exit 0' TERM");
    send(Signal::TERM, &child);
    let (code, told) = end(child);
    assert_eq!(code, Some(0));
    assert!(told.contains("edge: drained in"), "{told}");
    assert_eq!(admin.asked().len(), 15, "{:?}", admin.asked());
}

#[test]
fn a_second_stop_ends_it_at_once() {
    let admin = Admin::start(&[3]);
    let child = admin.edge("60", "trap 'exit 9' TERM");
    send(Signal::TERM, &child);
    wait_until("the drain has begun", || admin.asked().len() >= 2);
    send(Signal::TERM, &child);
    let (code, told) = end(child);
    assert_eq!(code, Some(9), "{told}");
}

#[test]
fn an_envoy_that_dies_by_itself_ends_it_with_its_code() {
    let admin = Admin::start(&[0]);
    let child = admin.edge("10", "trap 'exit 3' USR1");
    send(Signal::USR1, &child);
    assert_eq!(
        end(child).0,
        Some(3),
        "a signal that was handed on, then Envoy's code"
    );

    let child = admin.edge(
        "10",
        "rm up; (while [ ! -e up ]; do sleep 0.01; done; kill -9 $$) &",
    );
    assert_eq!(end(child).0, Some(137), "killed by signal 9");
    assert_eq!(
        admin.asked(),
        [] as [&str; 0],
        "there is nothing to drain in a dead Envoy"
    );
}

#[test]
fn an_envoy_that_dies_in_the_middle_of_its_drain_ends_it_at_once() {
    let admin = Admin::start(&[3]);
    let child = admin.edge("60", "trap 'exit 5' USR1; trap '' TERM");
    send(Signal::TERM, &child);
    wait_until("the drain has begun", || admin.asked().len() >= 3);
    send(Signal::USR1, &child);
    assert_eq!(end(child).0, Some(5));
}

#[test]
fn without_its_admin_address_a_stop_still_ends_envoy() {
    let admin = Admin::start(&[0]);
    let child = admin.edge("10", "trap 'exit 0' TERM");
    std::fs::remove_file(admin.socket()).unwrap();
    send(Signal::TERM, &child);
    let (code, told) = end(child);
    assert_eq!(code, Some(0));
    assert!(
        told.contains("error: drain Envoy by its admin address: connect to unix:"),
        "{told}"
    );
}
