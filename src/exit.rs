//! Exit codes: their one home. `docs/exit-codes.md` is generated from this list.

use std::process::ExitCode;

/// How a run of scalectl can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Bug,
    CommandLine,
    BadModel,
    Refused,
    Unreachable,
    Failed,
    Unknown,
    Changes,
    Locked,
    Unwell,
    Interrupted,
}

impl Exit {
    /// Every code with its meaning, in order.
    pub const ALL: [(Self, u8, &'static str); 12] = [
        (Self::Done, 0, "done, or there was nothing to do"),
        (
            Self::Bug,
            1,
            "a mistake of scalectl's own; please report it",
        ),
        (Self::CommandLine, 2, "the command line is not understood"),
        (
            Self::BadModel,
            3,
            "scale.yaml, or a file it names, has mistakes; nothing was changed",
        ),
        (
            Self::Refused,
            4,
            "refused: something is in the way, or the answer was no; nothing was changed",
        ),
        (Self::Unreachable, 5, "the engine cannot be reached or used"),
        (
            Self::Failed,
            6,
            "an operation failed; the same command goes on from there",
        ),
        (
            Self::Unknown,
            7,
            "no reply: it may have happened; the same command looks first and goes on",
        ),
        (
            Self::Changes,
            8,
            "`plan --detailed-exit-code`: there are changes",
        ),
        (Self::Locked, 9, "somebody else is changing this stack"),
        (
            Self::Unwell,
            10,
            "`status --exit-code`, `doctor` or `images check`: something is not as it should be",
        ),
        (
            Self::Interrupted,
            130,
            "stopped by Ctrl-C; the same command goes on from there",
        ),
    ];

    /// The number for the operating system.
    pub fn code(self) -> u8 {
        Self::ALL
            .iter()
            .find(|(exit, _, _)| *exit == self)
            .map_or(1, |(_, code, _)| *code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
