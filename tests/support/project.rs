//! A small document of a project of the test's own, gone with all that it made: most
//! of what scalectl says and does needs no more than one container of the base image.

use std::process::Command;

use super::said::{Place, scalectl};
use super::{Ran, Stack, listed, run};

pub const IMAGE: &str = "scalectl/base:trixie";

pub struct Project {
    pub name: String,
    pub place: Place,
    /// Removed with it: the kind of object and its name.
    others: Vec<(&'static str, String)>,
}

impl Project {
    /// `NAME` in the document's body becomes the project's name.
    pub fn new(test: &str, body: &str) -> Self {
        let name = Stack::full_name(test);
        let mut place = Place::new();
        place.redacted.push((name.clone(), "NAME"));
        let project = Self {
            name,
            place,
            others: Vec::new(),
        };
        project.document(body);
        project
    }

    /// Writes another document.
    pub fn document(&self, body: &str) {
        let text = format!("name: {}\n{}", self.name, body.replace("NAME", &self.name));
        self.place.write("compose.yaml", &text);
    }

    /// scalectl in the project's folder, with its document.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = scalectl(&["--document", "compose.yaml"]);
        command.args(args).current_dir(self.place.path());
        command
    }

    /// Runs scalectl and expects exit code 0.
    pub fn must(&self, args: &[&str]) -> Ran {
        let ran = run(&mut self.command(args));
        let shown = args.join(" ");
        assert_eq!(ran.code, 0, "`{shown}` must succeed:\n{}", ran.err);
        ran
    }

    /// The error, from a failed container's last lines on, without what was done before
    /// it, which takes its own time and turn.
    pub fn says(&self, args: &[&str]) -> String {
        let text = self.place.says(&mut self.command(args));
        let begins = ["last lines of", "error:"];
        let from = begins.iter().filter_map(|it| text.find(it)).min();
        let error = &text[from.unwrap_or(0)..];
        let goes_on = "operations are done and stay; the same command goes on from there";
        let line = |line: &str| match line.contains(goes_on) {
            true => format!("SOME {goes_on}"),
            false => line.to_owned(),
        };
        error.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Something of somebody else's.
    pub fn docker(&mut self, kind: &'static str, name: &str, args: &[&str]) {
        self.others.push((kind, name.to_owned()));
        listed(args);
    }

    /// Names, ids and states of its containers, and the names of its volumes.
    pub fn there(&self) -> Vec<String> {
        let label = format!("label=dev.scalectl.project={}", self.name);
        let format = "{{.Names}} {{.ID}} {{.State}}";
        let mut there = listed(&["ps", "-a", "--format", format, "--filter", &label]);
        there.extend(listed(&["volume", "ls", "-q", "--filter", &label]));
        there.sort();
        there
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let ran = run(&mut self.command(&["down", "--volumes", "--yes"]));
        if ran.code != 0 {
            eprintln!("{} could not be taken away:\n{}", self.name, ran.err);
        }
        for (kind, name) in &self.others {
            let force: &[&str] = match *kind {
                "container" => &["-f", "-v"],
                _ => &[],
            };
            let _ = run(Command::new("docker").args([kind, "rm", name]).args(force));
        }
    }
}
