//! The floor: what the engine itself needs to bring a document up or down.
//!
//! Sends the engine calls that a compose.yaml asks for, each as soon as what it
//! depends on holds, and does nothing else: it looks at nothing first, takes no
//! lock, plans, checks and prints nothing, and gives up at the first fault. No
//! tool that keeps promises can be quicker; how close one comes is its ratio
//! (docs/benchmarks.md). Shares only the parser of documents with scalectl.
//! Next: `up.rs`, `down.rs`, `wire.rs` (the thinnest HTTP), `width.rs`.

mod bodies;
mod down;
mod error;
mod events;
mod stack;
mod up;
mod width;
mod wire;

use std::process::ExitCode;
use std::rc::Rc;

use scalectl_documents::Compose;

use error::FloorError;
use width::Width;
use wire::Wire;

const USAGE: &str = "scalectl-floor up|down|purge FILE [creates=N] [starts=N] [stops=N] [removes=N] [api=MAJOR.MINOR]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program of its own, without a ui")]
fn complain(error: &FloorError) {
    eprintln!("scalectl-floor: {error}");
}

fn run() -> Result<(), FloorError> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [verb, file, options @ ..] = args.as_slice() else {
        return Err(FloorError::Usage(USAGE));
    };
    let text = std::fs::read_to_string(file).map_err(|source| FloorError::Read {
        file: file.clone(),
        source,
    })?;
    let compose = Compose::parse(&text).map_err(|source| FloorError::Document(Box::new(source)))?;
    let width = Width::from_options(options)?;
    let wire = Rc::new(Wire::from_env()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(FloorError::Wire)?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        match verb.as_str() {
            "up" => up::up(compose, wire, width).await,
            "down" => down::down(compose, wire, width).await,
            "purge" => down::purge(&compose, &wire).await,
            _ => Err(FloorError::Usage(USAGE)),
        }
    })
}
