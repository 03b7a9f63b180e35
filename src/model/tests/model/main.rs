//! What the app model promises: which files load as what, and how each mistake
//! reads. Whole messages are compared, because people read whole messages.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod hostile;
mod init;
mod loads;
mod mistakes;
mod schema;

use miette::{GraphicalReportHandler, GraphicalTheme};
use scalectl_model::{App, ListedFacts, load};

/// A folder with a Dockerfile, where STRIPE_KEY is set.
fn facts() -> ListedFacts {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ListedFacts {
        folders: set(&[".", "api"]),
        files: set(&[
            "Dockerfile",
            "api/Dockerfile.prod",
            "./smtp-password",
            "shop.pem",
            "old.pem",
            "empty-secret",
            "shop.key",
        ]),
        env: set(&["STRIPE_KEY"]),
        empty_files: set(&["empty-secret"]),
        bad_certificates: [("old.pem".to_owned(), "it ended on 2020-01-01".to_owned())].into(),
        phases: vec![1, 2],
        database_versions: vec!["17".to_owned()],
    }
}

/// The app that `text` describes in a phase.
fn app(text: &str, phase: u8) -> App {
    load(text, "scale.yaml", &facts(), phase)
        .unwrap_or_else(|mistakes| panic!("{}", printed(&mistakes)))
}

/// Everything that is wrong with `text`, as it is printed.
fn mistakes(text: &str) -> String {
    match load(text.trim_start_matches('\n'), "scale.yaml", &facts(), 1) {
        Ok(app) => panic!("expected mistakes, found none: {app:?}"),
        Err(mistakes) => printed(&mistakes),
    }
}

/// The same with the smallest right beginning before `text`.
fn mistakes_after_start(text: &str) -> String {
    mistakes(&format!(
        "name: shop\napp: {{build: .}}\n{}",
        text.trim_start()
    ))
}

/// The same inside of the section `app`.
fn mistakes_in_app(text: &str) -> String {
    mistakes(&format!(
        "name: shop\napp:\n  build: .\n{}",
        text.trim_start_matches('\n')
    ))
}

fn printed(mistakes: &scalectl_model::Mistakes) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .with_width(100)
        .without_syntax_highlighting()
        .render_report(&mut text, mistakes)
        .expect("a text takes everything");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}
