//! How a plan reads: one line an operation, with its cause and what it waits for.

use std::fmt;

use crate::operation::{Call, Plan};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .operations
            .iter()
            .map(|it| it.call.subject().len())
            .max()
            .unwrap_or(0);
        let digits = self.operations.len().to_string().len();
        for operation in &self.operations {
            let (verb, subject) = (operation.call.verb(), operation.call.subject());
            write!(
                f,
                "{:>digits$} {subject:width$}  {verb:15}  {}",
                operation.id.0, operation.cause
            )?;
            match &operation.call {
                Call::Exec { command, .. } => write!(f, "  runs `{}`", command.join(" "))?,
                Call::ConnectNetwork { place, .. } => write!(f, "  to {}", place.network)?,
                _ => {}
            }
            if !operation.after.is_empty() {
                let after: Vec<_> = operation.after.iter().map(|id| id.0.to_string()).collect();
                write!(f, "  after {}", after.join(", "))?;
            }
            writeln!(f)?;
        }
        for volume in &self.keeps {
            writeln!(f, "keeps volume {volume}")?;
        }
        Ok(())
    }
}
