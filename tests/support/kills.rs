//! Kills of scalectl at each call that changes something, and what must follow.
//!
//! A scene runs once undisturbed and gives the calls; each of them is a kill at
//! three points. After a kill the next `up` must converge, or `down --volumes`
//! must leave nothing. Next: `proxy/mod.rs` (who counts and kills).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::proxy::{Kill, Point, Proxy};
use super::strays::Before;
use super::{Stack, listed, program};

/// The lock's heartbeat: the only call that comes by time.
const BEAT: &str = "PUT containers/archive @-scalectl-lock";

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// `up` where nothing is.
    Up,
    /// `up` of a stack whose app has changed.
    Upgrade,
    /// `down --volumes` of a stack that runs.
    Down,
}

impl Scene {
    pub const ALL: [Self; 3] = [Self::Up, Self::Upgrade, Self::Down];

    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Up | Self::Upgrade => &["up"],
            Self::Down => &["down", "--volumes", "--yes"],
        }
    }

    pub fn needs_stack(self) -> bool {
        self != Self::Up
    }

    /// The call whose answer is held back so that the lock's heart beats.
    fn held_back(self, project_call: &str) -> Option<String> {
        (project_call == BEAT).then(|| match self {
            Self::Up => "POST containers/create @-bootstrap-1".to_owned(),
            Self::Upgrade => "POST containers/start @-release-1".to_owned(),
            Self::Down => "POST containers/stop @-etcd-1-1".to_owned(),
        })
    }
}

/// What is done after a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Up,
    Down,
}

/// One kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub scene: Scene,
    pub call: String,
    pub point: Point,
    pub after: After,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scene = match self.scene {
            Scene::Up => "up",
            Scene::Upgrade => "upgrade",
            Scene::Down => "down",
        };
        let after = match self.after {
            After::Up => "up",
            After::Down => "down",
        };
        write!(f, "{scene} | {} | {} | then {after}", self.call, self.point)
    }
}

/// A small stack whose scalectl goes through the proxy.
pub struct Victim {
    pub stack: Stack,
    pub proxy: Proxy,
    before: Before,
    edits: u32,
    visits: u64,
    /// How a stack looks that nothing has disturbed.
    sound: Option<Look>,
}

/// Services with how often each is there; volumes; networks.
type Look = (BTreeMap<String, u32>, BTreeSet<String>, BTreeSet<String>);

impl Victim {
    pub fn new(name: &str) -> Self {
        let stack = Stack::tiny(name);
        let proxy = Proxy::start(&stack.name);
        Self {
            stack,
            proxy,
            before: Before::now(),
            edits: 0,
            visits: 0,
            sound: None,
        }
    }

    /// The calls of each scene, from one undisturbed run of all of them.
    pub fn calls(&mut self) -> Result<Vec<(Scene, Vec<String>)>, String> {
        let mut all = Vec::new();
        for scene in Scene::ALL {
            self.prepare(scene)?;
            self.proxy.arm(None);
            let status = self.command(scene.command(), &self.proxy.host()).status();
            if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
                return Err(format!("{scene:?} undisturbed: {status:?}"));
            }
            let mut calls = self.proxy.seen();
            calls.retain(|it| !it.starts_with(BEAT));
            calls.push(BEAT.to_owned());
            // The order in which they come is another one each time.
            calls.sort();
            all.push((scene, calls));
            match scene {
                Scene::Down => {
                    self.visits = 0;
                    self.nothing_is_left()?;
                }
                _ => self.is_sound()?,
            }
        }
        Ok(all)
    }

    /// One kill and what must follow; `is_up` tells and is told whether the
    /// stack is there.
    pub fn run(&mut self, case: &Case, is_up: &mut bool) -> Result<(), String> {
        if case.scene.needs_stack() != *is_up {
            self.then(if *is_up { After::Down } else { After::Up }, is_up)?;
        }
        self.prepare(case.scene)?;
        if case.call.starts_with("POST build") {
            let image = format!("{}-app:latest", self.stack.name);
            listed(&["image", "rm", "-f", &image]);
        }
        self.proxy.arm(Some(Kill {
            call: case.call.clone(),
            point: case.point,
            held_back: case.scene.held_back(&case.call),
        }));
        let mut child = self.command(case.scene.command(), &self.proxy.host());
        let mut child = child.spawn().map_err(|error| error.to_string())?;
        self.proxy.victim(child.id());
        let ended = child.wait().map_err(|error| error.to_string())?;
        *is_up = true;
        if case.scene == Scene::Down {
            // Its data may be destroyed already.
            self.visits = 0;
        }
        if ended.signal() != Some(9) {
            let seen = self.proxy.seen().join("\n  ");
            return Err(format!("it never came to that call ({ended}):\n  {seen}"));
        }
        self.then(case.after, is_up)
    }

    /// What is done after a kill, and that it does what it must.
    fn then(&mut self, after: After, is_up: &mut bool) -> Result<(), String> {
        match after {
            After::Up => {
                self.succeeds(&["up"])?;
                *is_up = true;
                self.is_sound()
            }
            After::Down => {
                self.succeeds(&["down", "--volumes", "--yes"])?;
                *is_up = false;
                self.visits = 0;
                self.nothing_is_left()
            }
        }
    }

    /// Its data are gone: visits are counted from the beginning.
    pub fn forget(&mut self) {
        self.visits = 0;
    }

    /// A file that has changed is what an upgrade is about.
    fn prepare(&mut self, scene: Scene) -> Result<(), String> {
        if scene == Scene::Upgrade {
            let text = self.stack.text();
            let edited = |number| format!("EDITED: \"{number}\"");
            self.stack
                .write(&text.replace(&edited(self.edits), &edited(self.edits + 1)));
            self.edits += 1;
        }
        Ok(())
    }

    /// scalectl in the stack's folder, on the engine at `host`; what it says is not kept.
    pub fn command(&self, args: &[&str], host: &str) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(&self.stack.folder);
        command.env("DOCKER_HOST", host);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn succeeds(&self, args: &[&str]) -> Result<(), String> {
        let ran = self.stack.scalectl(args);
        match ran.code {
            0 => Ok(()),
            code => Err(format!(
                "`scalectl {}` ends with {code}:\n{}{}",
                args.join(" "),
                ran.out,
                ran.err
            )),
        }
    }

    /// All that is wanted is there once, nothing is to do, and the app answers.
    pub fn is_sound(&mut self) -> Result<(), String> {
        self.succeeds(&["plan", "--detailed-exit-code"])?;
        let (code, body) = self.stack.request("GET", "/visit", "");
        let visit = body.strip_prefix("visit ").and_then(|it| it.parse().ok());
        match visit {
            // A sequence has gaps after a crash, and never goes back.
            Some(visit) if code == 200 && visit > self.visits => self.visits = visit,
            _ => {
                return Err(format!(
                    "the app answers {code} {body} after {}",
                    self.visits
                ));
            }
        }
        let look = self.look();
        let sound = self.sound.get_or_insert_with(|| look.clone());
        match *sound == look {
            true => self.no_lock(),
            false => Err(format!("{look:?}\nis there, in place of\n{sound:?}")),
        }
    }

    fn look(&self) -> Look {
        let mut services: BTreeMap<String, u32> = BTreeMap::new();
        for service in self.named("container", "{{.Label \"dev.scalectl.service\"}}") {
            *services.entry(service).or_default() += 1;
        }
        let set = |lines: Vec<String>| lines.into_iter().collect();
        let names = |kind| set(self.named(kind, "{{.Name}}"));
        (services, names("volume"), names("network"))
    }

    /// Whatever bears the project's name, with labels or without.
    fn named(&self, kind: &str, format: &str) -> Vec<String> {
        let filter = format!("name={}", self.stack.name);
        let all: &[&str] = if kind == "container" { &["-a"] } else { &[] };
        listed(&[&[kind, "ls", "--format", format, "--filter", &filter], all].concat())
    }

    pub fn no_lock(&self) -> Result<(), String> {
        let names = self.named("container", "{{.Names}}");
        match names.iter().find(|name| name.contains("scalectl-lock")) {
            None => Ok(()),
            Some(lock) => Err(format!("the lock {lock} is left")),
        }
    }

    /// Neither what bears its name, nor a volume without one.
    pub fn nothing_is_left(&self) -> Result<(), String> {
        let names = [
            ("container", "{{.Names}}"),
            ("volume", "{{.Name}}"),
            ("network", "{{.Name}}"),
        ]
        .map(|(kind, format)| self.named(kind, format));
        let strays = self.before.strays(&self.stack.name);
        match [names.concat(), strays].concat() {
            none if none.is_empty() => Ok(()),
            left => Err(format!("left behind: {}", left.join(", "))),
        }
    }

    /// Nothing of before is left for the next case, whatever happened.
    pub fn start_anew(&mut self, is_up: &mut bool) {
        for kind in ["container", "volume", "network"] {
            let format = if kind == "container" {
                "{{.Names}}"
            } else {
                "{{.Name}}"
            };
            for name in self.named(kind, format) {
                let force: &[&str] = match kind {
                    "container" => &["-f", "-v"],
                    "volume" => &["-f"],
                    _ => &[],
                };
                let args = [&[kind, "rm", name.as_str()], force].concat();
                let _ = super::run(Command::new("docker").args(&args));
            }
        }
        for stray in self.before.strays(&self.stack.name) {
            let _ = super::run(Command::new("docker").args(["volume", "rm", &stray]));
        }
        self.visits = 0;
        *is_up = false;
    }
}
