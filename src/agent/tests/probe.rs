//! `probe` against servers of ours, over real sockets.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fakes::Pages;
use crate::stack;

/// A server that reads a little, answers and closes, for ever.
fn serve(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer);
        }
    });
    address
}

fn probe(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(stack::BINARY)
        .arg("probe")
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn is_healthy(arguments: &[&str]) -> bool {
    let (code, told) = probe(arguments);
    assert!(
        code == Some(0) || (code == Some(1) && told.starts_with("probe: error: ")),
        "{code:?} {told}"
    );
    code == Some(0)
}

#[test]
fn http_is_healthy_by_its_status() {
    let good = format!(
        "http://{}/health",
        serve(b"HTTP/1.1 204 No Content\r\n\r\n")
    );
    let bad = format!(
        "http://{}/health",
        serve(b"HTTP/1.0 503 No\r\nContent-Length: 6\r\n\r\nsecret")
    );
    let elsewhere = format!(
        "http://{}/",
        serve(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n")
    );
    assert!(is_healthy(&["http", &good]));
    assert!(is_healthy(&["http", &elsewhere]), "a redirect is an answer");
    assert!(!is_healthy(&["http", &bad]));
    assert!(is_healthy(&["http", &bad, "--expect", "503"]));
    assert!(!is_healthy(&["http", &good, "--expect", "200"]));
    let (_, told) = probe(&["http", &bad]);
    assert_eq!(told, format!("probe: error: {bad} answered 503\n"));
}

#[test]
fn what_is_no_http_or_nobody_is_not_healthy() {
    assert!(!is_healthy(&[
        "http",
        &format!("http://{}/", serve(b"SSH-2.0-x\r\n"))
    ]));
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(!is_healthy(&["http", &format!("http://{free}/")]));
    assert!(!is_healthy(&["tcp", &free.to_string()]));
}

#[test]
fn a_server_that_never_answers_is_given_up_at_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (code, told) = probe(&["http", &url, "--timeout", "0.3"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("no answer in time"), "{told}");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "took {:?}",
        started.elapsed()
    );
}

#[test]
fn tcp_and_file_and_unix_are_healthy_when_they_are_there() {
    assert!(is_healthy(&["tcp", &serve(b"")]));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("full"), "x").unwrap();
    std::fs::write(path("empty"), "").unwrap();
    assert!(is_healthy(&["file", &path("full")]));
    assert!(!is_healthy(&["file", &path("empty")]));
    assert!(!is_healthy(&["file", &path("none")]));
    let listener = std::os::unix::net::UnixListener::bind(path("sock")).unwrap();
    assert!(is_healthy(&["unix", &path("sock")]));
    std::thread::spawn(move || {
        for (count, mut stream) in listener.incoming().flatten().enumerate() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(if count == 1 {
                b"HTTP/1.1 200 OK\r\n\r\n"
            } else {
                b"HTTP/1.1 503 Draining\r\n\r\n"
            });
        }
    });
    assert!(is_healthy(&["unix", &path("sock"), "/ready"]), "200");
    assert!(!is_healthy(&["unix", &path("sock"), "/ready"]), "503");
}

#[test]
fn valkey_is_up_when_it_wants_a_login_and_not_while_it_loads() {
    for (answer, healthy) in [
        (&b"+PONG\r\n"[..], true),
        (b"-NOAUTH Authentication required.\r\n", true),
        (b"-NOPERM User default has no permissions\r\n", true),
        (
            b"-LOADING Valkey is loading the dataset in memory\r\n",
            false,
        ),
        (b"-MASTERDOWN Link with MASTER is down\r\n", false),
        (b"HTTP/1.1 200 OK\r\n", false),
        (b"", false),
    ] {
        assert_eq!(
            is_healthy(&["valkey", &serve(answer)]),
            healthy,
            "{:?}",
            String::from_utf8_lossy(answer)
        );
    }
}

#[test]
fn postgres_is_up_when_it_says_whether_it_speaks_tls() {
    for (answer, healthy) in [(&b"S"[..], true), (b"N", true), (b"E", false), (b"", false)] {
        assert_eq!(
            is_healthy(&["postgres", &serve(answer)]),
            healthy,
            "{:?}",
            String::from_utf8_lossy(answer)
        );
    }
}

#[test]
fn https_verifies_the_server_and_shows_its_own_certificate() {
    let (stack, other) = (stack::Stack::new(), stack::Stack::new());
    stack.bootstrap();
    other.bootstrap();
    let pages = Pages::default();
    pages.set("GET /health", 200, "");
    let url = format!("https://127.0.0.1:{}/health", pages.serve_tls(&stack));
    let file = |stack: &stack::Stack, name: &str| stack.out(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (
        file(&stack, "pooler/tls/ca.crt"),
        file(&stack, "pooler/tls/tls.crt"),
        file(&stack, "pooler/tls/tls.key"),
    );
    let mine = ["--cert", &cert, "--key", &key];

    assert!(is_healthy(
        &[&["http", &url, "--ca", &ca][..], &mine].concat()
    ));
    assert!(is_healthy(
        &[
            &["http", &url, "--ca", &ca, "--server-name", "db-1"][..],
            &mine
        ]
        .concat()
    ));
    assert!(
        !is_healthy(
            &[
                &["http", &url, "--ca", &ca, "--server-name", "db-2"][..],
                &mine
            ]
            .concat()
        ),
        "a wrong name"
    );
    assert!(
        !is_healthy(&["http", &url, "--ca", &ca]),
        "no client certificate"
    );
    assert!(
        !is_healthy(
            &[
                &["http", &url, "--ca", &file(&other, "pooler/tls/ca.crt")][..],
                &mine
            ]
            .concat()
        ),
        "another CA"
    );
    assert!(!is_healthy(&[&["http", &url][..], &mine].concat()), "no CA");
    let edge = [
        "--cert",
        &file(&stack, "edge/tls/tls.crt"),
        "--key",
        &file(&stack, "edge/tls/tls.key"),
    ];
    assert!(
        !is_healthy(&[&["http", &url, "--ca", &ca][..], &edge].concat()),
        "an edge's certificate is no client's"
    );
}
