//! The negative control: containers that show planted secrets, each in one place.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Place, Watch, of_engine};
use crate::support::{Stack, run};

/// Containers that show what nobody should, each in one place.
pub struct Control {
    stack: String,
    pub names: [&'static str; 3],
}

impl Control {
    pub fn start(stack: &str, texts: &[String]) -> Self {
        let control = Self {
            stack: stack.to_owned(),
            names: ["planted-argument", "planted-environment", "planted-log"],
        };
        let waits = "trap 'exit 0' TERM; sleep 600 & wait";
        let [argument, environment, log] = control.names;
        let mut command = control.docker_run(argument);
        started(command.args(["sh", "-c", waits, "planted"]).args(texts), "");
        let mut command = control.docker_run_with(environment, |command| {
            for (number, text) in texts.iter().enumerate() {
                command.args(["--env", &format!("PLANTED_{number}={text}")]);
            }
        });
        started(command.args(["sh", "-c", waits]), "");
        let mut command = control.docker_run_with(log, |command| {
            command.args(["--health-cmd", "cat /planted", "--health-interval", "300ms"]);
        });
        let tells = format!("until cat /planted; do sleep 0.1; done 2>/dev/null; {waits}");
        started(command.args(["sh", "-c", &tells]), "");
        let put = "cat > /planted.new && mv /planted.new /planted";
        let name = format!("{stack}-{log}");
        let mut exec = Command::new("docker");
        started(
            exec.args(["exec", "-i", &name, "sh", "-c", put]),
            &(texts.join("\n") + "\n"),
        );
        control
    }

    fn docker_run(&self, name: &str) -> Command {
        self.docker_run_with(name, |_| {})
    }

    fn docker_run_with(&self, name: &str, more: impl Fn(&mut Command)) -> Command {
        let image = std::env::var("SCALECTL_TEST_IMAGE")
            .unwrap_or_else(|_| "scalectl/base:trixie".to_owned());
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--network", "none", "--name"]);
        command.arg(format!("{}-{name}", self.stack));
        more(&mut command);
        command.arg(image);
        command
    }

    /// What is searched, once all of it is there: health checks and the watch take a moment.
    pub fn places(&self, stack: &Stack, watch: &Watch) -> Vec<Place> {
        let names = self.names.map(|name| format!("{}-{name}", self.stack));
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            let mut places = of_engine(stack, &names);
            places.extend(watch.places());
            let is_there = |name: &str, part: &str| {
                let place = places.iter().find(|place| place.name == name);
                place.is_some_and(|place| String::from_utf8_lossy(&place.content).contains(part))
            };
            let is_complete = is_there(
                &format!("docker inspect {}", names[2]),
                "\"Status\": \"healthy\"",
            ) && is_there(&format!("arguments of {}", names[0]), "planted")
                && is_there(&format!("environment of {}", names[1]), "PLANTED_0");
            if is_complete {
                return places;
            }
            assert!(Instant::now() < give_up, "the planted secrets show by now");
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        for name in self.names {
            let _ = run(Command::new("docker").args([
                "rm",
                "--force",
                &format!("{}-{name}", self.stack),
            ]));
        }
    }
}

fn started(command: &mut Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("docker starts");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "docker does it");
}
