//! Discovery, drains and the control socket.

use std::net::Ipv4Addr;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::Value;

use super::{Scene, ip};
use crate::fakes::{Pages, Says, wait_until};

#[test]
fn the_endpoint_file_is_there_at_once_and_then_follows_dns() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Nothing);
    let _agent = scene.start(&scene.discovery(""));
    assert_eq!(scene.serving(), [] as [u8; 0], "nobody answered yet");

    scene.dns.say("app", Says::Addresses(vec![ip(2), ip(1)]));
    wait_until("both serve", || scene.serving() == [1, 2]);
    scene.dns.say("app", Says::Addresses(vec![ip(2)]));
    wait_until("one has left", || scene.serving() == [2]);
    let many: Vec<_> = (1..100).map(ip).collect();
    scene.dns.say("app", Says::Cut(many));
    wait_until("all serve, by TCP", || scene.serving().len() == 99);
    assert!(
        scene.metric("scalectl_endpoints_serving{service=\"app\"} 99"),
        "{}",
        scene.get("/metrics").1
    );
}

#[test]
fn instances_stay_while_nobody_answers_and_go_when_the_name_is_gone_for_a_while() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1)]));
    let _agent = scene.start(&scene.discovery(""));
    wait_until("it serves", || scene.serving() == [1]);
    scene.dns.say("app", Says::Nothing);
    wait_until("it is told", || {
        scene.log().contains("its instances stay as they are")
    });
    assert_eq!(scene.serving(), [1]);
    for says in [Says::Failure, Says::NoSuchName] {
        scene.dns.say("app", says);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(scene.serving(), [1], "it went too soon: {}", scene.log());
        wait_until("it goes", || scene.serving().is_empty());
        scene.dns.say("app", Says::Addresses(vec![ip(1)]));
        wait_until("it comes back", || scene.serving() == [1]);
    }
}

#[test]
fn an_address_outside_of_the_container_s_networks_is_no_instance() {
    let scene = Scene::new();
    scene
        .dns
        .say("app", Says::Addresses(vec![Ipv4Addr::new(203, 0, 113, 5)]));
    scene.local_only.set(true);
    let _agent = scene.start(&scene.discovery(""));
    wait_until("DNS was asked", || {
        scene
            .get("/metrics")
            .1
            .contains("scalectl_discovery_failures_total{service=\"app\"} 0")
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(scene.serving(), [] as [u8; 0]);
}

#[test]
fn a_drain_takes_an_instance_out_waits_and_holds_until_dns_forgets_it() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let _agent = scene.start(&scene.discovery(""));
    wait_until("both serve", || scene.serving() == [1, 2]);

    let started = std::time::Instant::now();
    let (code, told, _) = scene.verb(&["drain", "127.0.9.1", "--settle", "0.3"]);
    assert_eq!(
        (code, told.as_str()),
        (Some(0), "127.0.9.1 gets no new request\n")
    );
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "it did not settle"
    );
    assert_eq!(
        scene.serving(),
        [2],
        "the file was not written before the answer"
    );
    let (_, told, _) = scene.verb(&["endpoints"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told,
        serde_json::json!({"app": {"serving": ["127.0.9.2"], "drained": ["127.0.9.1"]}})
    );
    assert!(scene.metric("scalectl_endpoints_drained{service=\"app\"} 1"));

    let (code, _, told) = scene.verb(&["drain", "127.0.9.2", "--timeout", "0.3"]);
    assert_eq!(code, Some(3), "the last one was drained");
    assert!(
        told.starts_with("agent: error: refused: no other instance serves"),
        "{told}"
    );
    assert_eq!(scene.serving(), [2]);

    scene.dns.say("app", Says::Addresses(vec![ip(2)]));
    wait_until("it is forgotten", || {
        scene.metric("scalectl_endpoints_drained{service=\"app\"} 0")
    });
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    wait_until("a new instance with its address serves", || {
        scene.serving() == [1, 2]
    });
    assert_eq!(
        scene.verb(&["drain", "127.0.9.9", "--settle", "0"]).0,
        Some(0),
        "one that is not there is out already"
    );
}

#[test]
fn an_undrained_instance_serves_again_and_so_does_one_that_nobody_stopped() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let _agent = scene.start(&scene.discovery(""));
    wait_until("both serve", || scene.serving() == [1, 2]);
    scene.verb(&["drain", "127.0.9.1", "--settle", "0"]);
    assert_eq!(
        scene.verb(&["undrain", "127.0.9.1"]).1,
        "127.0.9.1 serves again\n"
    );
    assert_eq!(scene.serving(), [1, 2]);
    scene.verb(&["drain", "127.0.9.1", "--settle", "0", "--for", "1"]);
    wait_until("the drain is over", || scene.serving() == [1, 2]);
    assert!(
        scene
            .log()
            .contains("nobody finished the drain of 127.0.9.1"),
        "{}",
        scene.log()
    );
    assert_eq!(
        scene.verb(&["drain", "127.0.9.1", "--settle", "0"]).0,
        Some(0)
    );
    assert_eq!(
        scene
            .verb(&["drain", "127.0.9.2", "--settle", "0", "--even-last"])
            .0,
        Some(0)
    );
    assert_eq!(scene.serving(), [] as [u8; 0]);
}

#[test]
fn an_agent_that_was_killed_goes_on_with_the_same_instances_and_drains() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let agent = scene.start(&scene.discovery(""));
    wait_until("both serve", || scene.serving() == [1, 2]);
    scene.verb(&["drain", "127.0.9.1", "--settle", "0"]);
    let before = std::fs::read(scene.path("app.json")).unwrap();
    drop(agent);
    std::fs::write(scene.path(".unfinished-1-0-app.json"), "half").unwrap();
    scene.dns.say("app", Says::Nothing);

    let _agent = scene.start(&scene.discovery(""));
    assert_eq!(std::fs::read(scene.path("app.json")).unwrap(), before);
    assert!(!scene.path(".unfinished-1-0-app.json").exists());
    scene
        .dns
        .say("app", Says::Addresses(vec![ip(1), ip(2), ip(3)]));
    wait_until("the new one serves", || scene.serving() == [2, 3]);
}

fn clusters(healthy: &[u8], sick: &[u8]) -> String {
    let host = |last: &u8, sick: bool| {
        let address = ip(*last);
        format!(
            r#"{{"address":{{"socket_address":{{"address":"{address}","port_value":8000}}}},"health_status":{{"failed_active_health_check":{sick}}}}}"#
        )
    };
    let hosts: Vec<_> = healthy
        .iter()
        .map(|last| host(last, false))
        .chain(sick.iter().map(|last| host(last, true)))
        .collect();
    format!(
        r#"{{"cluster_statuses":[{{"name":"app","host_statuses":[{}]}}]}}"#,
        hosts.join(",")
    )
}

#[test]
fn a_drain_waits_until_every_edge_sends_to_another_instance() {
    let scene = Scene::new();
    let (one, two) = (Pages::default(), Pages::default());
    const PAGE: &str = "GET /clusters?format=json";
    for edge in [&one, &two] {
        edge.set(PAGE, 200, &clusters(&[1], &[2]));
    }
    let edges = format!(
        "  edges: ['127.0.0.1:{}', '127.0.0.1:{}']\n",
        one.serve(),
        two.serve()
    );
    scene.dns.say("app", Says::Addresses(vec![ip(1), ip(2)]));
    let _agent = scene.start(&scene.discovery(&edges));
    wait_until("both are in the file", || scene.serving() == [1, 2]);

    let drain = ["drain", "127.0.9.1", "--settle", "0", "--timeout", "0.4"];
    assert_eq!(
        scene.verb(&drain).0,
        Some(3),
        "no edge sends to the new one"
    );
    one.set(PAGE, 200, &clusters(&[1, 2], &[]));
    assert_eq!(
        scene.verb(&drain).0,
        Some(3),
        "only one of two edges sends to the new one"
    );
    let (code, _, told) = scene.verb(&["ready", "127.0.9.2", "--timeout", "0.4"]);
    assert_eq!((code, scene.serving()), (Some(3), vec![1, 2]), "{told}");
    two.set(PAGE, 503, "");
    assert_eq!(
        scene.verb(&drain).0,
        Some(3),
        "an edge that cannot be asked"
    );
    two.set(PAGE, 200, &clusters(&[1, 2], &[]));
    assert_eq!(scene.verb(&["ready", "127.0.9.2"]).1, "127.0.9.2 serves\n");
    assert_eq!(scene.verb(&drain).0, Some(0));
    assert_eq!(scene.serving(), [2]);
}

#[test]
fn it_tells_its_health_and_refuses_what_it_does_not_know() {
    let scene = Scene::new();
    scene.dns.say("app", Says::Addresses(vec![ip(1)]));
    let _agent = scene.start(&scene.discovery(""));
    assert!(scene.get("/healthz").0);
    assert!(scene.get("/").1.starts_with("HTTP/1.1 404 "));
    assert!(scene.metric("scalectl_agent_info{version=\"0.1.0\"} 1"));
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(scene.path("control.sock")).unwrap();
    stream.write_all(b"{\"format_disk\":{}}\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with(r#"{"refused":"not a request of this version"#),
        "{answer}"
    );
}

#[test]
fn it_stops_at_once_when_told_and_takes_over_a_socket_that_was_left() {
    let scene = Scene::new();
    drop(UnixListener::bind(scene.path("control.sock")).unwrap());
    let mut agent = scene.start("");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&agent.0),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(agent.0.wait().unwrap().code(), Some(0), "{}", scene.log());
    let (code, _, told) = scene.verb(&["endpoints"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("hint: is the agent running?"), "{told}");
}
