//! How an error is printed: with the last lines of what failed, if it has any.

use scalectl_engine::EngineError;
use scalectl_execute::ExecuteError;
use scalectl_images::ImageError;
use scalectl_migrate::DriveError;
use scalectl_ui::{Printer, print_error, print_tail};

use super::CommandError;
use crate::cli::migrate::MigrateError;

/// How many of a failed build's last lines are shown.
const TAIL: usize = 20;

impl CommandError {
    /// Prints it for people.
    pub fn print(&self, printer: &Printer) {
        if let Self::Migrate(MigrateError::Step { step, source }) = self {
            match &**source {
                DriveError::Site(error) => error.print(printer),
                other => print_error(printer, other),
            }
            return printer.say(&format!(
                "step {step} of the migration did not come to its end; what serves goes on serving: `scalectl migrate resume` looks first and goes on, `scalectl migrate abort` takes it back"
            ));
        }
        let Self::Execute {
            source:
                ExecuteError::Failed {
                    failures,
                    done,
                    total,
                },
            ..
        } = self
        else {
            if let Self::Engine(error) | Self::Image(ImageError::Engine(error)) = self {
                let lines = error.tail();
                let last = &lines[lines.len().saturating_sub(TAIL)..];
                print_tail(printer, subject(error), last);
            }
            return print_error(printer, self);
        };
        for failure in failures {
            print_tail(
                printer,
                failure.operation.call.subject(),
                failure.error.tail(),
            );
            print_error(printer, &failure.error);
        }
        printer.say(&format!(
            "{done} of {total} operations are done and stay; the same command goes on from there"
        ));
    }
}

/// Whose last lines an error holds.
fn subject(error: &EngineError) -> &str {
    match error {
        EngineError::BuildFailed { image, .. } => image,
        EngineError::Ended { container, .. } | EngineError::Deadline { container, .. } => container,
        _ => "it",
    }
}
