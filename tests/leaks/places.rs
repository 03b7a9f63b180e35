//! Where is looked: what the engine tells of a stack, files, what programs print.

use std::path::Path;
use std::process::Command;

use crate::support::{Ran, Stack, listed};

/// Something that people or programs may see, by a name for a finding.
pub struct Place {
    pub name: String,
    pub content: Vec<u8>,
}

impl Place {
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
        }
    }
}

/// Everything that the engine tells of these containers, of the stack's volumes and
/// networks, and of every image that one of them is made from. Health logs are
/// part of what it tells of a container.
pub fn of_engine(stack: &Stack, containers: &[String]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut images = Vec::new();
    for name in containers {
        places.push(docker(&["inspect", name]));
        places.push(docker(&["logs", "--timestamps", name]));
        images.extend(listed(&["inspect", "-f", "{{.Image}}", name]));
    }
    for name in stack.volumes() {
        places.push(docker(&["volume", "inspect", &name]));
    }
    for name in stack.networks() {
        places.push(docker(&["network", "inspect", &name]));
    }
    images.sort();
    images.dedup();
    for image in images {
        places.push(docker(&["image", "inspect", &image]));
        places.push(docker(&[
            "history",
            "--no-trunc",
            "--format",
            "json",
            &image,
        ]));
    }
    places
}

fn docker(args: &[&str]) -> Place {
    Place::new(
        format!("docker {}", args.join(" ")),
        bytes(Command::new("docker").args(args)),
    )
}

/// Every byte that a command that succeeds writes.
pub fn bytes(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("the command starts");
    assert!(
        output.status.success(),
        "{command:?} must succeed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    [output.stdout, output.stderr].concat()
}

/// Every file below a folder.
pub fn of_folder(folder: &Path) -> Vec<Place> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut places = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            places.extend(of_folder(&path));
        } else {
            let content = std::fs::read(&path).expect("the file can be read");
            places.push(Place::new(path.display().to_string(), content));
        }
    }
    places
}

/// What one run of scalectl printed.
pub fn of_run(what: &str, ran: &Ran) -> Place {
    Place::new(
        format!("scalectl {what}"),
        format!("{}\n{}", ran.out, ran.err),
    )
}
