//! A recording proxy before the engine's socket, which can kill its client at a call.
//!
//! It passes everything on (kept connections, chunked bodies, upgraded streams),
//! names each call that changes something, and at one of them it kills the
//! process that sent it: before the engine has the call, while the engine works
//! on it, or when its answer is there and nobody has read it. Must never answer
//! in the engine's place. Next: `framing.rs` (HTTP), `calls.rs` (names).

mod calls;
mod framing;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use framing::{Body, Peer};

/// When the client of a call is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The call never reaches the engine.
    Before,
    /// The engine has the call, and its client is gone before it answers.
    Sent,
    /// The engine has answered; the answer is never taken in.
    Replied,
}

impl Point {
    pub const ALL: [Self; 3] = [Self::Before, Self::Sent, Self::Replied];
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::Sent => "sent",
            Self::Replied => "replied",
        })
    }
}

/// Where the proxy listens, and what it has seen.
pub struct Proxy {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
}

/// At which call, and when, the client is killed.
#[derive(Debug, Clone)]
pub struct Kill {
    pub call: String,
    pub point: Point,
    /// The call whose answer waits until the kill, for calls that come by time.
    pub held_back: Option<String>,
}

/// What the proxy does at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Pass,
    /// Holds the answer back for long enough that a lock's heart beats.
    HoldBack,
    Kill(Point),
}

const HELD_BACK: Duration = Duration::from_secs(8);

struct Shared {
    engine: PathBuf,
    /// What stands for it in the names of calls: `@`.
    project: String,
    state: Mutex<State>,
    victim_is_known: Condvar,
}

#[derive(Default)]
struct State {
    /// Each call that changed something, in the order of their arrival.
    seen: Vec<String>,
    /// How often a name came, to tell equal calls apart.
    times: BTreeMap<String, u32>,
    kill: Option<Kill>,
    victim: Option<Pid>,
    is_killed: bool,
    open: Vec<UnixStream>,
}

impl Proxy {
    /// Before the engine of `DOCKER_HOST`.
    pub fn start(project: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the socket");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
        let shared = Arc::new(Shared {
            engine: engine_socket(),
            project: project.to_owned(),
            state: Mutex::default(),
            victim_is_known: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(client));
            }
        });
        Self { folder, shared }
    }

    /// What `DOCKER_HOST` must be for who goes through here.
    pub fn host(&self) -> String {
        format!(
            "unix://{}",
            self.folder.path().join("docker.sock").display()
        )
    }

    /// Forgets what was seen; at the call of `kill` the next victim is killed.
    pub fn arm(&self, kill: Option<Kill>) {
        let mut state = self.shared.state();
        let open = std::mem::take(&mut state.open);
        open.iter().for_each(cut);
        *state = State {
            kill,
            ..State::default()
        };
    }

    /// Who is to be killed.
    pub fn victim(&self, pid: u32) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        self.shared.state().victim = pid;
        self.shared.victim_is_known.notify_all();
    }

    /// The calls that changed something since the last `arm`.
    pub fn seen(&self) -> Vec<String> {
        self.shared.state().seen.clone()
    }
}

/// The socket of the engine that `DOCKER_HOST` names.
pub fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    Path::new(
        host.strip_prefix("unix://")
            .unwrap_or("/var/run/docker.sock"),
    )
    .to_owned()
}

/// A replaced app takes the next free number, so that of its calls is another one
/// each time.
fn without_number(name: &str) -> String {
    match name.rsplit_once("@-app-") {
        Some((before, number)) if number.bytes().all(|it| it.is_ascii_digit()) => {
            format!("{before}@-app")
        }
        _ => name.to_owned(),
    }
}

fn cut(stream: &UnixStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection, until one of both sides ends it.
    fn serve(&self, client: UnixStream) {
        let Ok(engine) = UnixStream::connect(&self.engine) else {
            return;
        };
        {
            let mut state = self.state();
            for stream in [&client, &engine] {
                state.open.extend(stream.try_clone());
            }
        }
        let both = (client.try_clone(), engine.try_clone());
        let (mut client, mut engine) = (Peer::new(client), Peer::new(engine));
        while let Ok(true) = self.exchange(&mut client, &mut engine) {}
        if let (Ok(client), Ok(engine)) = both {
            cut(&client);
            cut(&engine);
        }
    }

    /// One request and its answer; whether another one can follow.
    fn exchange(&self, client: &mut Peer, engine: &mut Peer) -> std::io::Result<bool> {
        let Some(head) = client.head()? else {
            return Ok(false);
        };
        // Names of volumes and networks stand in the body, which is small.
        let body = match head.body_of_request() {
            Body::Sized(size) if size < 1 << 20 => Some(client.take(size)?),
            _ => None,
        };
        let turn = self.record(&head.line, body.as_deref());
        if turn == Turn::Kill(Point::Before) {
            self.kill();
        }
        if self.state().is_killed {
            return Ok(false);
        }
        engine.write(&head.bytes)?;
        match body {
            Some(bytes) => engine.write(&bytes)?,
            // An engine that refuses early does not read all of it.
            None => drop(client.pass(head.body_of_request(), engine)),
        }
        if turn == Turn::Kill(Point::Sent) {
            self.kill();
            return Ok(false);
        }
        let answer = engine.answer()?;
        if turn == Turn::Kill(Point::Replied) {
            engine.drain(answer.body_of_answer(&head.line))?;
            self.kill();
            return Ok(false);
        }
        if turn == Turn::HoldBack {
            std::thread::sleep(HELD_BACK);
        }
        client.write(&answer.bytes)?;
        if answer.is_upgraded() {
            client.join(engine);
            return Ok(false);
        }
        let body = answer.body_of_answer(&head.line);
        engine.pass(body, client)?;
        Ok(body != Body::UntilEnd)
    }

    /// Counts the call if it changes something, and tells what is to be done.
    fn record(&self, line: &str, body: Option<&[u8]>) -> Turn {
        let Some(name) = calls::name(line, body, &self.engine) else {
            return Turn::Pass;
        };
        let name = without_number(&name.replace(&self.project, "@"));
        let mut state = self.state();
        let times = state.times.entry(name.clone()).or_default();
        *times += 1;
        let name = match *times {
            1 => name,
            times => format!("{name} #{times}"),
        };
        state.seen.push(name.clone());
        match &state.kill {
            Some(kill) if kill.call == name => Turn::Kill(kill.point),
            Some(kill) if kill.held_back.as_ref() == Some(&name) => Turn::HoldBack,
            _ => Turn::Pass,
        }
    }

    /// Kills the client, and closes its connections as its kernel would.
    fn kill(&self) {
        let state = self.state();
        let waited =
            self.victim_is_known
                .wait_timeout_while(state, Duration::from_secs(10), |it| it.victim.is_none());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.is_killed = true;
        if let Some(pid) = state.victim {
            let _ = kill_process(pid, Signal::KILL);
        }
        state.open.drain(..).for_each(|stream| cut(&stream));
    }
}
