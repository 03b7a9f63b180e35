//! Migrate: a running stack moves from one phase to another, step by step, and back.
//!
//! A ladder of documents lies between the two; a step brings the stack to the next
//! rung by the same planning as `up`, or asks the database something. What is about to
//! be done stands in the journal before, so whoever comes later goes on from there.
//! Must never know a target, nor change anything but through a `Site`.
//! Next: `ladder.rs` (what lies between), `course.rs` (the steps), `drive.rs` (taking them).

mod census;
mod course;
mod drive;
mod estimate;
mod facts;
mod journal;
mod ladder;
mod outline;
mod report;
mod samples;

pub use census::{Census, Seat};
pub use course::{Step, course, stayers};
pub use drive::{Drive, DriveError, Ending, Site, Told};
pub use estimate::{Basis, Copies, Estimate, Expected, expected};
pub use facts::{Facts, PoolerWait, Prepared, Session, Standby, Timeout, Way};
pub use journal::{Ended, Entry, Event, Journal, Migration, Open};
pub use ladder::{Ladder, LadderError, Rung};
pub use outline::{Outline, OutlinedStep, outline};
pub use report::{Hold, Report, Summary, Taken, taken};
pub use samples::{Lag, Sample, read_samples, samples_file};
