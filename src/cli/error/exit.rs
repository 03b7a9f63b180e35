//! With which exit code a verb ends that did not end well. Next: `src/exit.rs`.

use std::io;

use scalectl_engine::EngineError;
use scalectl_engine_docker::LockError;
use scalectl_execute::{ExecuteError, Failure};
use scalectl_images::ImageError;
use scalectl_phase::PhaseError;

use super::CommandError;
use crate::exit::Exit;

impl CommandError {
    /// The exit code that says so.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Model(_)
            | Self::NoModel { .. }
            | Self::ModelExists { .. }
            | Self::NoCommand
            | Self::Phase(PhaseError::File { .. })
            | Self::Render(_) => Exit::BadModel,
            Self::Plan(_)
            | Self::NeedsYes { .. }
            | Self::Declined
            | Self::MoreToDestroy
            | Self::StalePlan { .. }
            | Self::PlanBeforeImages { .. }
            | Self::BadPlan { .. }
            | Self::NotReady(_) => Exit::Refused,
            Self::Migrate(error) => error.exit(),
            Self::Engine(error) | Self::Image(ImageError::Engine(error)) => of_engine(error),
            Self::Lock(LockError::Engine(error)) => of_engine(error),
            Self::Lock(LockError::Held { .. }) => Exit::Locked,
            Self::NotUp { .. }
            | Self::NotOurs { .. }
            | Self::UnknownService { .. }
            | Self::NotRunning { .. }
            | Self::NoPrimary { .. }
            | Self::NoDump { .. }
            | Self::DumpToTerminal => Exit::Refused,
            Self::EngineEnded => Exit::Unreachable,
            Self::DatabaseProgram { .. }
            | Self::NotAtRest { .. }
            | Self::SwitchoverUnheld { .. }
            | Self::SwitchoverWentBack { .. } => Exit::Failed,
            Self::SwitchoverRefused { .. } => Exit::Refused,
            Self::Phase(PhaseError::Unknown { .. }) => Exit::CommandLine,
            Self::LockLost | Self::SwitchoverUnknown { .. } => Exit::Unknown,
            Self::Interrupted | Self::EndedAtOnce { .. } => Exit::Interrupted,
            Self::Image(ImageError::Unknown { .. }) => Exit::CommandLine,
            Self::Image(
                ImageError::NoBase { .. }
                | ImageError::NotStatic
                | ImageError::NeedsBuildKit { .. },
            ) => Exit::Refused,
            Self::Image(_) => Exit::Failed,
            Self::Execute { source, .. } => of_execution(source),
            // A file that the command line names: nothing has been done yet.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::Refused,
            Self::Io { .. } => Exit::Failed,
        }
    }
}

fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Unreachable { .. }
        | EngineError::NoPermission { .. }
        | EngineError::Address { .. }
        | EngineError::TooOld { .. } => Exit::Unreachable,
        EngineError::Unknown { .. } => Exit::Unknown,
        EngineError::NameTaken { .. } | EngineError::PortTaken { .. } => Exit::Refused,
        _ => Exit::Failed,
    }
}

fn of_execution(error: &ExecuteError) -> Exit {
    match error {
        ExecuteError::Stopped { .. } => Exit::Interrupted,
        ExecuteError::Failed { failures, .. } => {
            let codes: Vec<_> = failures
                .iter()
                .map(|Failure { error, .. }| of_engine(error))
                .collect();
            codes
                .into_iter()
                .find(|code| *code == Exit::Unknown)
                .unwrap_or(Exit::Failed)
        }
    }
}
