//! `bootstrap --renew`: certificates of a stack that nobody touches.

use std::collections::BTreeMap;
use std::fs;

use crate::fakes::wait_until;
use crate::stack::Stack;

/// Seconds that a certificate of these tests lives: renewed with one left.
const LIFE: [&str; 2] = ["--certificate-life", "3"];

fn certificates(stack: &Stack) -> BTreeMap<String, String> {
    let mut found = stack.sensitive();
    found.retain(|path, _| path.ends_with("tls.crt"));
    found
}

fn others(stack: &Stack) -> BTreeMap<String, String> {
    let mut found = stack.sensitive();
    found.retain(|path, _| !path.contains("/tls/") || path.ends_with("ca.crt"));
    found
}

#[test]
fn certificates_are_renewed_before_they_end_from_the_state_alone_and_nothing_else_changes() {
    let stack = Stack::new();
    assert!(stack.command().args(LIFE).status().unwrap().success());
    let (before, others_before) = (certificates(&stack), others(&stack));
    assert_eq!(before.len(), 3, "db-1, pooler and edge have one");
    fs::remove_dir_all(stack.input("")).unwrap();

    let mut command = stack.command();
    let mut child = command
        .args(LIFE)
        .args(["--renew", "--every", "0.1"])
        .spawn()
        .unwrap();
    wait_until("every certificate is another one", || {
        let now = certificates(&stack);
        now.len() == before.len() && now.iter().all(|(path, text)| before[path] != *text)
    });
    assert_eq!(others(&stack), others_before, "only certificates change");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_agent_gets_another_certificate_with_any_other_s_for_it_tells_them() {
    let stack = Stack::new();
    let path = stack.input("bootstrap.json");
    let owner = r#"{"name":"edge","#;
    let agent = r#"{"name":"agent","uid":UID,"gid":GID,"last":true,"certificate":{"organization":"agent","dns":["agent"]}},"#
        .replace("UID", &rustix::process::geteuid().as_raw().to_string())
        .replace("GID", &rustix::process::getegid().as_raw().to_string());
    let spec = fs::read_to_string(&path).unwrap();
    let spec = spec.replace(owner, &(agent + owner));
    fs::write(&path, &spec).unwrap();
    stack.bootstrap();
    let before = certificates(&stack);
    stack.bootstrap();
    assert_eq!(certificates(&stack), before, "nobody has another");

    // One that is younger than the others from now on.
    let spec = spec.replace(r#"["db-1","localhost"]"#, r#"["db-1","db-one"]"#);
    fs::write(&path, spec).unwrap();
    stack.bootstrap();
    let now = certificates(&stack);
    let changed = now.iter().filter(|(path, text)| before[*path] != **text);
    let changed: Vec<_> = changed.map(|(path, _)| path.as_str()).collect();
    assert_eq!(changed, ["out/agent/tls/tls.crt", "out/db-1/tls/tls.crt"]);
}

#[test]
fn what_a_killed_renewal_did_not_write_the_next_one_does() {
    let stack = Stack::new();
    stack.bootstrap();
    let whole = stack.everything();
    fs::remove_file(stack.out("db-1/tls/tls.crt")).unwrap();
    fs::write(stack.out("edge/tls/sds.yaml"), "half").unwrap();
    assert!(stack.command().arg("--renew").status().unwrap().success());
    assert_eq!(stack.everything(), whole, "no certificate was made anew");
}

#[test]
fn a_renewal_before_the_first_whole_run_says_that_there_is_nothing_to_renew() {
    let stack = Stack::new();
    let output = stack
        .command()
        .arg("--renew")
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("spec.json"), "{told}");
}
