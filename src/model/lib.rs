//! The app model: the text of a `scale.yaml` becomes an `App`.
//!
//! Every mistake is found at once, each with its place, its cause and a hint.
//! Pure: no disk, no environment, no clock; what must be known of the world is
//! asked of `Facts`. Must never print, and never see a secret's value.
//! Where next: `app.rs` (the types), `decode.rs` (what each key means),
//! `cause.rs` (all that can be wrong), `init.rs` (a first scale.yaml).

mod app;
mod cause;
mod choices;
mod decode;
mod decode_app;
mod decode_edge;
mod dockerfile;
mod facts;
mod fields;
mod forms;
mod image_name;
mod init;
mod layers;
mod mask;
mod mistakes;
mod node;
mod quantity;
mod references;
mod schema;
mod settings;
mod suggest;
mod syntax;
mod units;
mod values;
mod words;
mod yaml;

pub use app::{
    App, Build, Cache, Certificate, Command, Database, Edge, Monitoring, Program, Resources,
    SecretSource, Source, Worker,
};
pub use cause::Cause;
pub use choices::{CachePolicy, Component, SecretDelivery, Size};
pub use facts::{Facts, ListedFacts};
pub use init::{Folder, init};
pub use mistakes::{Mistake, Mistakes};
pub use quantity::{Bytes, Cpus, Retention};
pub use schema::json_schema;
pub use units::{EnvName, HostName, HttpPath, ImageName, Name, Port, Replicas};

use fields::{Decode, Reader};
use layers::Layers;

/// Reads `text`, which stands in `file`, as `phase` sees it.
///
/// All phases are checked, not only the one asked for.
///
/// # Errors
/// Every mistake of the file, in the order of the file.
pub fn load(text: &str, file: &str, facts: &dyn Facts, phase: u8) -> Result<App, Mistakes> {
    let mut mistakes = Vec::new();
    let Some(root) = yaml::parse(text, &mut mistakes) else {
        return Err(Mistakes::new(file, mask::by_lines(text), mistakes));
    };
    let shown = mask::by_tree(text, &root);
    let layers = Layers::of(root, facts, &mut mistakes);
    let mut asked_for = None;
    let mut by_phase = Vec::new();
    for number in facts.phases() {
        let mut reader = Reader::new(facts);
        let app = App::decode(&layers.for_phase(*number), &mut reader);
        by_phase.push((*number, reader.mistakes));
        if *number == phase {
            asked_for = app;
        }
    }
    mistakes.extend(merged(by_phase, &layers));
    match asked_for {
        Some(app) if mistakes.is_empty() => Ok(app),
        _ => {
            if mistakes.is_empty() {
                mistakes.push(phase_unknown(phase, facts));
            }
            Err(Mistakes::new(file, shown, mistakes))
        }
    }
}

/// The name that `text` says, whatever else is wrong with it: what is there of a stack
/// can be looked at and taken away without the secrets and folders that it was made of.
pub fn name(text: &str) -> Option<Name> {
    let root = yaml::parse(text, &mut Vec::new())?;
    let facts = ListedFacts::default();
    let mut reader = Reader::new(&facts);
    App::decode(&root, &mut reader);
    reader.name
}

/// The mistakes of all phases, each once; one that is not in an override but
/// in some phases alone says in which.
fn merged(by_phase: Vec<(u8, Vec<Mistake>)>, layers: &Layers) -> Vec<Mistake> {
    let count = by_phase.len();
    let mut merged: Vec<Mistake> = Vec::new();
    for (phase, mistakes) in by_phase {
        for mistake in mistakes {
            let same =
                |other: &&mut Mistake| other.cause == mistake.cause && other.at == mistake.at;
            match merged.iter_mut().find(same) {
                Some(other) if other.only_in.contains(&phase) => {}
                Some(other) => other.only_in.push(phase),
                None => merged.push(Mistake {
                    only_in: vec![phase],
                    ..mistake
                }),
            }
        }
    }
    for mistake in &mut merged {
        if mistake.only_in.len() == count || layers.overridden.contains(&mistake.at.offset()) {
            mistake.only_in.clear();
        }
    }
    merged
}

fn phase_unknown(phase: u8, facts: &dyn Facts) -> Mistake {
    let known: Vec<String> = facts.phases().iter().map(u8::to_string).collect();
    let hint = format!("there are phases {}", suggest::and(&known));
    Mistake::new(
        Cause::UnknownPhase {
            phase: phase.to_string(),
            hint,
        },
        (0, 0).into(),
        "for this",
    )
}
