//! `launch` as an app's container starts it.

use std::fs;
use std::process::Command;

use crate::stack::BINARY;

fn launch(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("launch").arg("--env-dir").arg(folder.path());
    command
}

fn folder_with_a_password() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("PASSWORD"), "p4ss w0rd\n").unwrap();
    folder
}

#[test]
fn the_command_has_the_variables_its_own_process_id_and_exit_code() {
    let folder = folder_with_a_password();
    let child = launch(&folder)
        .args([
            "--",
            "sh",
            "-c",
            "printf '%s|%s|%s' \"$PASSWORD\" \"$OTHER\" $$; exit 42",
        ])
        .env("OTHER", "kept")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("p4ss w0rd\n|kept|{id}")
    );
    assert_eq!(output.status.code(), Some(42));
}

#[test]
fn the_stack_s_value_wins_over_the_container_s() {
    let output = launch(&folder_with_a_password())
        .args(["--", "printenv", "PASSWORD"])
        .env("PASSWORD", "stale")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "p4ss w0rd\n\n");
}

#[test]
fn with_files_no_value_is_in_the_environment() {
    let folder = folder_with_a_password();
    let output = launch(&folder)
        .args(["--files", "--", "env"])
        .output()
        .unwrap();
    let environment = String::from_utf8_lossy(&output.stdout);
    assert!(!environment.contains("p4ss"), "{environment}");
    assert!(environment.contains(&format!(
        "PASSWORD_FILE={}\n",
        folder.path().join("PASSWORD").display()
    )));
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_start_126() {
    let folder = folder_with_a_password();
    for (program, code) in [("no-such-program", 127), ("/", 126)] {
        let output = launch(&folder).args(["--", program]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(
            told.starts_with(&format!("launch: error: start {program}")),
            "{told}"
        );
        assert!(!told.contains("p4ss"), "{told}");
    }
}
