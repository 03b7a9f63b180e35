//! The journal: what migrations of a stack have done, an entry before each act.
//!
//! Kept with the target, one line of JSON an entry. Reading is a fold: the same
//! entries, the same state, whoever reads. Never holds a secret. Next: `drive.rs`
//! (who writes).

use scalectl_plan::Migrating;
use serde::{Deserialize, Serialize};

use crate::course::Step;
use crate::ladder::Ladder;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts the migrations of a stack, from 1.
    pub id: u64,
    /// Grows with everybody who takes a migration on.
    pub epoch: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whose it is: who works from where.
    pub owner: String,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Begun {
        from: u8,
        to: u8,
        /// Of the documents (`Ladder::fingerprint`).
        fingerprint: String,
        /// The rungs that it leads from and to.
        start: usize,
        goal: usize,
        /// The database's clusters that it leads from and to, where it moves that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generations: Option<(u32, u32)>,
        /// Its copy is not slowed down.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_fast: bool,
    },
    /// Somebody else goes on with it.
    TakenOver,
    /// It leads back to where it began.
    TurnedBack {
        start: usize,
        goal: usize,
    },
    /// The step is about to be taken.
    Started {
        index: usize,
        #[serde(flatten)]
        step: Step,
    },
    Done {
        index: usize,
        took_ms: u64,
        /// How long writes waited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_ms: Option<u64>,
        /// The primary's timeline, where the step notes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeline: Option<u64>,
    },
    /// The step did not come to its end; what it did may have happened.
    Failed {
        index: usize,
        why: String,
    },
    Ended {
        phase: u8,
    },
}

/// One migration, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    pub id: u64,
    pub from: u8,
    pub to: u8,
    #[serde(skip)]
    pub fingerprint: String,
    /// Who has it, or had it last, and since when.
    pub owner: String,
    pub epoch: u64,
    pub begun_at_ms: u64,
    pub last_at_ms: u64,
    /// It leads back to where it began.
    pub is_turned_back: bool,
    #[serde(skip)]
    pub start: usize,
    #[serde(skip)]
    pub goal: usize,
    /// The rung that it is at or on its way to.
    pub rung: usize,
    /// The next step of its course, from 0; started if `under_way`.
    pub next: usize,
    pub under_way: Option<Step>,
    /// Why the last step ended, if it failed and was not taken again.
    pub trouble: Option<String>,
    /// Data may be gone: it can only be finished.
    pub is_past_return: bool,
    #[serde(skip)]
    pub timeline: Option<u64>,
    /// The longest that writes waited, in milliseconds.
    pub held_ms: Option<u64>,
    pub ended: Option<Ended>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generations: Option<(u32, u32)>,
    #[serde(skip)]
    pub is_fast: bool,
}

/// A migration that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The phase that the stack was left in.
    pub phase: u8,
    pub at_ms: u64,
}

/// A migration that is not over.
pub type Open<'a> = &'a Migration;

/// All migrations of a stack, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    pub migrations: Vec<Migration>,
}

impl Journal {
    /// From the file's text. A line that was cut was never acted on.
    pub fn read(text: &str) -> Self {
        let mut journal = Self::default();
        for line in text.lines() {
            if let Ok(entry) = serde_json::from_str::<Entry>(line) {
                journal.take_in(&entry);
            }
        }
        journal
    }

    pub fn open(&self) -> Option<Open<'_>> {
        self.migrations.last().filter(|it| it.ended.is_none())
    }

    /// The open one of a stack that bears a mark, or none. Whoever began it may have died
    /// before the mark was there: then nothing has changed, and it never began.
    pub fn open_on(&self, mark: Option<Migrating>) -> Option<Open<'_>> {
        self.open()
            .filter(|it| mark.is_some() || !it.is_untouched())
    }

    /// Whether somebody else has taken that entry's migration on since its writer did:
    /// then it counts no more.
    pub fn is_overtaken(&self, entry: &Entry) -> bool {
        let same = self.migrations.iter().rfind(|it| it.id == entry.id);
        same.is_some_and(|it| entry.epoch < it.epoch)
    }

    /// The largest generation that any migration has led to.
    pub fn last_generation(&self) -> Option<u32> {
        let moves = self.migrations.iter().filter_map(|it| it.generations);
        moves.map(|(_, new)| new).max()
    }

    /// The number of the next migration.
    pub fn next_id(&self) -> u64 {
        self.migrations.last().map_or(0, |it| it.id) + 1
    }

    fn take_in(&mut self, entry: &Entry) {
        if self.is_overtaken(entry) {
            return;
        }
        match (Migration::begun(entry), self.migrations.last_mut()) {
            // The reply to its first entry was lost, and it was written again.
            (Some(begun), Some(last)) if last.id == begun.id => {}
            (Some(begun), _) => self.migrations.push(begun),
            (None, Some(last)) if last.id == entry.id => last.take_in(entry),
            // Of one whose beginning is lost: nothing can be said of it.
            (None, _) => {}
        }
    }
}

impl Migration {
    /// What an entry begins, if it begins one.
    pub fn begun(entry: &Entry) -> Option<Self> {
        let Event::Begun {
            from,
            to,
            fingerprint,
            start,
            goal,
            generations,
            is_fast,
        } = &entry.event
        else {
            return None;
        };
        Some(Self {
            generations: *generations,
            is_fast: *is_fast,
            fingerprint: fingerprint.clone(),
            owner: entry.owner.clone(),
            epoch: entry.epoch,
            begun_at_ms: entry.at_ms,
            last_at_ms: entry.at_ms,
            ..Self::untaken((entry.id, *from, *to), (*start, *goal))
        })
    }

    /// What can be told of one whose journal is lost: it goes on a rung before its mark,
    /// so that nothing which that rung waits for is passed over.
    pub fn of_mark(mark: Migrating) -> Self {
        let Migrating {
            id,
            from,
            to,
            rung,
            generations,
        } = mark;
        let start = match from < to || generations.is_some() {
            true => rung.saturating_sub(1),
            false => rung + 1,
        };
        Self {
            rung,
            generations,
            ..Self::untaken((id, from, to), (start, usize::MAX))
        }
    }

    /// One of which no step is known.
    fn untaken((id, from, to): (u64, u8, u8), (start, goal): (usize, usize)) -> Self {
        Self {
            id,
            from,
            to,
            fingerprint: String::new(),
            owner: "unknown: the journal is lost".to_owned(),
            epoch: 1,
            begun_at_ms: 0,
            last_at_ms: 0,
            is_turned_back: false,
            start,
            goal,
            rung: start,
            next: 0,
            under_way: None,
            trouble: None,
            is_past_return: false,
            timeline: None,
            held_ms: None,
            ended: None,
            generations: None,
            is_fast: false,
        }
    }

    /// It was begun, and nothing was done: not even its mark need be there.
    pub fn is_untouched(&self) -> bool {
        let is_begun = self.next > 0 || self.under_way.is_some() || self.is_turned_back;
        self.is_journaled() && self.ended.is_none() && !is_begun
    }

    /// Its mark, when the stack is brought towards that rung.
    pub fn mark(&self, rung: usize) -> Migrating {
        Migrating {
            id: self.id,
            from: self.from,
            to: self.to,
            rung,
            generations: self.generations,
        }
    }

    /// What it does, in a few words.
    pub fn way(&self) -> String {
        self.mark(self.rung).way()
    }

    /// Of one whose journal is lost nothing is known but its mark.
    pub fn is_journaled(&self) -> bool {
        !self.fingerprint.is_empty()
    }

    /// Keeps its course on the ladder, which a mark alone does not tell.
    pub fn fit(&mut self, ladder: &Ladder) {
        if !self.is_journaled() {
            self.start = self.start.min(ladder.top());
            self.goal = match ladder.generations() {
                Some(_) => ladder.top(),
                None => ladder.rung_of(self.to),
            };
        }
    }

    /// The state after one more entry.
    pub fn take_in(&mut self, entry: &Entry) {
        self.owner.clone_from(&entry.owner);
        self.epoch = entry.epoch;
        self.last_at_ms = entry.at_ms;
        match &entry.event {
            Event::Begun { .. } => {}
            Event::TakenOver => self.trouble = None,
            Event::TurnedBack { start, goal } => {
                (self.start, self.goal, self.next) = (*start, *goal, 0);
                self.is_turned_back = !self.is_turned_back;
                (self.under_way, self.trouble) = (None, None);
                // Noted for the other way.
                self.timeline = None;
            }
            Event::Started { index, step } => {
                self.next = *index;
                self.trouble = None;
                if let Step::Settle { rung, .. } = step {
                    self.rung = *rung;
                }
                self.is_past_return |= step.is_point_of_no_return() || *step == Step::Finish;
                self.under_way = Some(step.clone());
            }
            Event::Done {
                index,
                held_ms,
                timeline,
                ..
            } => {
                self.next = index + 1;
                self.under_way = None;
                self.held_ms = self.held_ms.max(*held_ms);
                self.timeline = timeline.or(self.timeline);
            }
            Event::Failed { why, .. } => self.trouble = Some(why.clone()),
            Event::Ended { phase } => {
                self.under_way = None;
                self.ended = Some(Ended {
                    phase: *phase,
                    at_ms: entry.at_ms,
                });
            }
        }
    }

    /// The rungs from and to which it leads once it is turned back: to where it began,
    /// or, if it was turned already, to where it was to go first.
    pub fn turn(&self, ladder: &Ladder) -> (usize, usize) {
        if ladder.generations().is_some() {
            let goal = if self.is_turned_back { ladder.top() } else { 0 };
            return (self.rung, goal);
        }
        let to = if self.is_turned_back {
            self.to
        } else {
            self.from
        };
        (self.rung, ladder.rung_of(to))
    }

    /// The phase that its course leads to now.
    pub fn leads_to(&self) -> u8 {
        if self.is_turned_back {
            self.from
        } else {
            self.to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: Event, epoch: u64) -> String {
        let entry = Entry {
            id: 4,
            epoch,
            at_ms: 1000 + epoch,
            owner: format!("owner {epoch}"),
            event,
        };
        serde_json::to_string(&entry).unwrap() + "\n"
    }

    fn begun() -> String {
        line(
            Event::Begun {
                from: 1,
                to: 2,
                fingerprint: "f".to_owned(),
                start: 0,
                goal: 3,
                generations: None,
                is_fast: false,
            },
            1,
        )
    }

    fn settle(rung: usize) -> Step {
        Step::Settle {
            rung,
            takes_back: false,
            what: "it".to_owned(),
        }
    }

    fn started(index: usize, rung: usize) -> String {
        let step = settle(rung);
        line(Event::Started { index, step }, 1)
    }

    #[test]
    fn an_entry_is_one_line_of_plain_json() {
        insta::assert_snapshot!(begun() + &started(0, 1), @r#"
        {"id":4,"epoch":1,"at_ms":1001,"owner":"owner 1","event":"begun","from":1,"to":2,"fingerprint":"f","start":0,"goal":3}
        {"id":4,"epoch":1,"at_ms":1001,"owner":"owner 1","event":"started","index":0,"step":"settle","rung":1,"takes_back":false,"what":"it"}
        "#);
    }

    #[test]
    fn whoever_comes_after_a_crash_finds_the_step_that_was_under_way() {
        let text = begun() + &started(0, 1) + "{\"id\":4,\"epo";
        let journal = Journal::read(&text);
        let open = journal.open().unwrap();
        assert_eq!((open.next, open.rung), (0, 1));
        assert_eq!(open.under_way, Some(settle(1)));
        assert_eq!(journal.next_id(), 5);
    }

    #[test]
    fn one_that_was_begun_and_never_marked_is_not_open_and_the_next_one_counts_on() {
        let mark = Some(Migrating {
            id: 4,
            from: 1,
            to: 2,
            rung: 0,
            generations: None,
        });
        let journal = Journal::read(&begun());
        assert_eq!(journal.open_on(None), None);
        assert!(journal.open_on(mark).is_some(), "its mark may be there");
        assert_eq!(journal.next_id(), 5);
        let journal = Journal::read(&(begun() + &line(Event::TakenOver, 2)));
        assert_eq!(journal.open_on(None), None);
        let journal = Journal::read(&(begun() + &started(0, 1)));
        assert!(
            journal.open_on(None).is_some(),
            "a lost mark closes nothing"
        );
    }

    #[test]
    fn one_that_was_turned_back_leads_to_where_it_began_and_can_be_turned_again() {
        let back = line(Event::TurnedBack { start: 1, goal: 0 }, 2);
        let journal = Journal::read(&(begun() + &started(0, 1) + &back));
        let open = journal.open().unwrap();
        assert_eq!((open.next, open.goal, open.leads_to()), (0, 0, 1));
        assert_eq!((open.epoch, open.owner.as_str()), (2, "owner 2"));
        let again = line(Event::TurnedBack { start: 1, goal: 3 }, 3);
        let journal = Journal::read(&(begun() + &back + &again));
        assert_eq!(journal.open().unwrap().leads_to(), 2);
    }

    #[test]
    fn what_an_owner_writes_after_another_has_taken_on_counts_no_more() {
        let taken = line(Event::TakenOver, 2);
        let text = begun() + &started(0, 1) + &taken;
        let before = Journal::read(&text);
        let late = started(1, 2);
        let entry: Entry = serde_json::from_str(&late).unwrap();
        assert!(before.is_overtaken(&entry));
        assert_eq!(Journal::read(&(text + &late)), before);
        let new: Entry = serde_json::from_str(&taken).unwrap();
        assert!(!before.is_overtaken(&new), "its own entries count");
    }

    #[test]
    fn entries_that_were_written_twice_and_lines_of_another_migration_change_nothing() {
        let end = line(Event::Ended { phase: 2 }, 1);
        let text = begun() + &begun() + &started(0, 1) + &started(0, 1) + &end;
        let journal = Journal::read(&text);
        assert_eq!(journal.migrations.len(), 1);
        assert_eq!(journal.open(), None);
        let stray = text.replace("\"id\":4", "\"id\":3");
        let both = Journal::read(&(text.clone() + &stray.replace("begun", "taken-over")));
        assert_eq!(both.migrations, journal.migrations);
    }
}
