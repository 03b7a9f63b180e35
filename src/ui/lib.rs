//! Ui: events, plans, errors and tables become words. Only here is printed.
//!
//! Stdout carries data (plans, tables, documents, JSON), stderr is for people
//! (progress, questions, warnings, errors). Must never decide what happens.
//! Next: `printer.rs` (where words go), `progress.rs` (a plan at work),
//! `error.rs` (what went wrong), `plan.rs`, `table.rs`.

mod builds;
mod confirm;
mod error;
mod estimates;
mod finding;
mod live;
mod logs;
mod migration;
mod plan;
mod printer;
mod progress;
mod quantity;
mod report;
mod table;
mod terminal;
mod transfer;
mod watch;

pub use builds::Builds;
pub use confirm::{Answer, confirm};
pub use error::{print_error, print_tail};
pub use estimates::expected_text;
pub use finding::{Mark, finding_text};
pub use live::{Live, sample_text};
pub use logs::{LogStyle, LogWriter};
pub use migration::{outline_text, step_text};
pub use plan::{plan_text, summary};
pub use printer::{Format, Printer};
pub use progress::{Progress, critical_path, seconds};
pub use quantity::size;
pub use report::{report_html, report_text};
pub use table::table;
pub use terminal::{
    RawMode, has_terminal, pass_on, stdin_parts, terminal_size, writes_to_terminal,
};
pub use transfer::{Counting, Transfer};
pub use watch::Screen;
