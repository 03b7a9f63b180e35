//! The driver: takes the steps of a course, one after the other, each journaled before.
//!
//! Every step looks first and can be taken again, so that whoever comes after a crash
//! takes the step that was under way once more. Decides nothing about an engine.
//! Next: `journal.rs`, `course.rs`.

use std::collections::BTreeSet;

use scalectl_documents::Compose;
use scalectl_plan::{Migrating, Volumes};
use serde::Serialize;

use crate::census::Census;
use crate::course::{Step, course};
use crate::journal::{Entry, Event, Migration};
use crate::ladder::Ladder;

/// What a migration works on.
#[expect(
    async_fn_in_trait,
    reason = "one thread; no bound on the futures is wanted"
)]
pub trait Site {
    type Error: std::error::Error + 'static;

    /// Writes an entry; it is on disk when this returns.
    async fn write(&mut self, entry: &Entry) -> Result<(), Self::Error>;
    /// Plans towards a document and carries that out, until nothing is left to do.
    async fn settle(&mut self, to: &Compose, volumes: Volumes<'_>) -> Result<(), Self::Error>;
    async fn census(&mut self) -> Result<Census, Self::Error>;
    /// Moves the primary; how long writes waited, in milliseconds.
    async fn switch(&mut self, to: &str) -> Result<u64, Self::Error>;
    /// Moves the database to the cluster of that generation; how long writes waited.
    async fn cross(&mut self, generation: u32) -> Result<u64, Self::Error>;
    /// A moment, before it is looked again.
    ///
    /// # Errors
    /// Somebody wants no more of it.
    async fn pause(&mut self) -> Result<(), Self::Error>;
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// Why a step does not come to its end.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DriveError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Site(E),
    #[error("the new members cannot be relied on yet: {why}")]
    #[diagnostic(
        code(scalectl::migrate::not_following),
        help(
            "everything serves as before; `scalectl logs db-2` shows what a member says, `scalectl migrate resume` waits once more, `scalectl migrate abort` takes it back"
        )
    )]
    NotFollowing { why: String },
    #[error("the primary is {primary}, and no member that stays follows it closely")]
    #[diagnostic(
        code(scalectl::migrate::nobody_takes_over),
        help(
            "nothing was taken away; `scalectl migrate resume` tries again, `scalectl migrate abort` takes it back"
        )
    )]
    NobodyTakesOver { primary: String },
    #[error("the database is not in the cluster that stays")]
    #[diagnostic(
        code(scalectl::migrate::elsewhere),
        help(
            "nothing was taken away; `scalectl migrate resume` tries again, `scalectl migrate abort` takes it back"
        )
    )]
    Elsewhere,
    #[error("the primary is {primary}, which is about to be taken away")]
    #[diagnostic(
        code(scalectl::migrate::primary_leaves),
        help(
            "it moved there by itself, so nothing was taken away; `scalectl migrate abort` goes back, and then it can be tried again"
        )
    )]
    PrimaryLeaves { primary: String },
    #[error("the members that left are gone, and none that stays takes writes")]
    #[diagnostic(
        code(scalectl::migrate::nobody_writes),
        help(
            "their data is kept; `scalectl logs db-1` shows why, `scalectl migrate resume` looks again"
        )
    )]
    NobodyWrites,
    #[error("the members that left are not gone from the cluster: {}", members.join(", "))]
    #[diagnostic(
        code(scalectl::migrate::still_there),
        help("their data is kept; `scalectl migrate resume` looks again")
    )]
    StillThere { members: Vec<String> },
    #[error(
        "while members left, another one took over and back: the timeline was {before} and is {now}"
    )]
    #[diagnostic(
        code(scalectl::migrate::took_over),
        help(
            "what that one wrote may be in its volume alone, so no data was destroyed; `scalectl migrate abort` brings the members back"
        )
    )]
    TookOver { before: u64, now: u64 },
}

/// What happens while a course is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub enum Told {
    #[serde(rename = "step-started")]
    Started {
        number: usize,
        of: usize,
        #[serde(flatten)]
        step: Step,
    },
    #[serde(rename = "step-waits")]
    Waits { why: String },
    #[serde(rename = "step-done")]
    Done { took_ms: u64, held_ms: Option<u64> },
}

/// A migration in somebody's hands.
pub struct Drive<'a, S: Site> {
    pub ladder: &'a Ladder,
    pub site: &'a mut S,
    pub migration: Migration,
    /// How often it is looked before a wait is given up.
    pub looks: u32,
    /// A move of the database rests once it is done, with the cluster that was left
    /// following, until somebody says that it goes.
    pub rests: bool,
}

/// How taking the steps can end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Ended,
    /// It moved, and can be taken back at once.
    Rests,
}

/// What a step found out.
#[derive(Default)]
struct Found {
    held_ms: Option<u64>,
    timeline: Option<u64>,
}

impl<S: Site> Drive<'_, S> {
    /// Writes what happens, then takes it in.
    ///
    /// # Errors
    /// The journal cannot be written: then nothing is done.
    pub async fn note(&mut self, event: Event) -> Result<(), S::Error> {
        let entry = Entry {
            id: self.migration.id,
            epoch: self.migration.epoch,
            at_ms: self.site.now_ms(),
            owner: self.migration.owner.clone(),
            event,
        };
        self.site.write(&entry).await?;
        self.migration.take_in(&entry);
        Ok(())
    }

    /// Takes the steps that are left.
    ///
    /// # Errors
    /// The step that did not come to its end. The journal says so, too, if it can.
    pub async fn run(
        &mut self,
        mut tell: impl FnMut(Told),
    ) -> Result<Ending, DriveError<S::Error>> {
        let steps = course(self.ladder, self.migration.start, self.migration.goal);
        if self.migration.is_untouched() {
            self.mark().await?;
        }
        for (index, step) in steps.iter().enumerate().skip(self.migration.next) {
            if self.rests && self.leaves_the_old(step) {
                return Ok(Ending::Rests);
            }
            tell(Told::Started {
                number: index + 1,
                of: steps.len(),
                step: step.clone(),
            });
            let began = self.site.now_ms();
            let step = step.clone();
            let event = Event::Started { index, step };
            self.note(event).await.map_err(DriveError::Site)?;
            match self.take(&steps[index], &mut tell).await {
                Ok(found) => {
                    let took_ms = self.site.now_ms().saturating_sub(began);
                    let held_ms = found.held_ms;
                    let event = Event::Done {
                        index,
                        took_ms,
                        held_ms,
                        timeline: found.timeline,
                    };
                    self.note(event).await.map_err(DriveError::Site)?;
                    tell(Told::Done { took_ms, held_ms });
                }
                Err(error) => {
                    let why = error.to_string();
                    // It failed, whether or not that can be written down.
                    let _unwritten = self.note(Event::Failed { index, why }).await;
                    return Err(error);
                }
            }
        }
        let phase = self.migration.leads_to();
        let ended = self.note(Event::Ended { phase }).await;
        ended.map_err(DriveError::Site)?;
        Ok(Ending::Ended)
    }

    fn leaves_the_old(&self, step: &Step) -> bool {
        let new = self.ladder.generations().map(|(_, new)| new);
        matches!(step, Step::Affirm { generation } if Some(*generation) == new)
    }

    async fn take(
        &mut self,
        step: &Step,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        match step {
            Step::Settle { rung, .. } => {
                self.settle(*rung, Volumes::Keep).await?;
                Ok(Found::default())
            }
            Step::Follow { members } => self.follow(members, tell).await,
            Step::Gather { stay } => self.gather(stay, tell).await,
            Step::Pin { stay } => self.pin(stay, tell).await,
            Step::Alone { stay } => self.alone(stay, tell).await,
            Step::Cross { generation } => self.cross(*generation, tell).await,
            Step::Affirm { generation } => self.affirm(*generation, tell).await,
            Step::Discard { volumes } => {
                self.settle(self.migration.goal, Volumes::Discard(volumes))
                    .await?;
                Ok(Found::default())
            }
            Step::Finish => {
                let (ladder, goal) = (self.ladder, self.migration.goal);
                let beside = ladder.beside_mark(self.mark_at(goal));
                let settled = self.site.settle(&beside, Volumes::Keep).await;
                settled.map_err(DriveError::Site)?;
                let mark = BTreeSet::from([ladder.mark_volume()]);
                let own = &ladder.rungs()[goal].compose;
                let settled = self.site.settle(own, Volumes::Discard(&mark)).await;
                settled.map_err(DriveError::Site)?;
                Ok(Found::default())
            }
        }
    }

    /// Puts the mark beside what is there.
    async fn mark(&mut self) -> Result<(), DriveError<S::Error>> {
        let document = self.ladder.beside_mark(self.mark_at(self.migration.start));
        let marked = self.site.settle(&document, Volumes::Keep).await;
        marked.map_err(DriveError::Site)
    }

    fn mark_at(&self, rung: usize) -> Migrating {
        self.migration.mark(rung)
    }

    /// Brings the stack to a rung that bears the migration's mark.
    ///
    /// # Errors
    /// What the site gives.
    pub async fn settle(
        &mut self,
        rung: usize,
        volumes: Volumes<'_>,
    ) -> Result<(), DriveError<S::Error>> {
        let document = self.ladder.marked(self.mark_at(rung));
        let done = self.site.settle(&document, volumes).await;
        done.map_err(DriveError::Site)
    }

    async fn follow(
        &mut self,
        members: &BTreeSet<String>,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        let mut look = 0;
        while let Some(why) = self.census().await?.reason_not_followed(members) {
            look = self.again(look, &why, tell).await?;
            if look > self.looks {
                return Err(DriveError::NotFollowing { why });
            }
        }
        Ok(Found::default())
    }

    async fn gather(
        &mut self,
        stay: &BTreeSet<String>,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        let mut look = 0;
        loop {
            let census = self.census().await?;
            let primary = census.primary.clone();
            if primary.as_ref().is_some_and(|it| stay.contains(it)) {
                return Ok(Found::default());
            }
            let heir = census.readable.intersection(stay).next();
            if let (Some(_), Some(heir)) = (&primary, heir) {
                let held = self.site.switch(heir).await.map_err(DriveError::Site)?;
                let held_ms = Some(held);
                return Ok(Found {
                    held_ms,
                    timeline: None,
                });
            }
            let primary = primary.unwrap_or_else(|| "nobody".to_owned());
            look = self
                .again(look, "a member that stays does not follow yet", tell)
                .await?;
            if look > self.looks {
                return Err(DriveError::NobodyTakesOver { primary });
            }
        }
    }

    async fn cross(
        &mut self,
        generation: u32,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        let mut look = 0;
        loop {
            let census = self.census().await?;
            match census.generation {
                Some(_) if census.paused => {
                    look = self.again(look, "somebody is at work on it", tell).await?;
                }
                Some(now) if now == generation => return Ok(Found::default()),
                Some(_) => {
                    let held = self.site.cross(generation).await;
                    let held_ms = Some(held.map_err(DriveError::Site)?);
                    return Ok(Found {
                        held_ms,
                        timeline: None,
                    });
                }
                None => look = self.again(look, "no member takes writes", tell).await?,
            }
            if look > self.looks {
                return Err(DriveError::NobodyWrites);
            }
        }
    }

    async fn affirm(
        &mut self,
        generation: u32,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        let mut look = 0;
        loop {
            let census = self.census().await?;
            if census.generation == Some(generation) && !census.paused {
                return Ok(Found::default());
            }
            look = self.again(look, "the database is elsewhere", tell).await?;
            if look > self.looks.min(20) {
                return Err(DriveError::Elsewhere);
            }
        }
    }

    async fn pin(
        &mut self,
        stay: &BTreeSet<String>,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        let mut look = 0;
        loop {
            let census = self.census().await?;
            let primary = census.primary.clone();
            let primary = primary.unwrap_or_else(|| "nobody".to_owned());
            let timeline = census.timeline();
            if stay.contains(&primary) && timeline.is_some() {
                return Ok(Found {
                    held_ms: None,
                    timeline,
                });
            }
            look = self.again(look, "the primary is elsewhere", tell).await?;
            if look > self.looks.min(20) {
                return Err(DriveError::PrimaryLeaves { primary });
            }
        }
    }

    /// A member that stayed primary all the time has the timeline it had.
    async fn alone(
        &mut self,
        stay: &BTreeSet<String>,
        tell: &mut impl FnMut(Told),
    ) -> Result<Found, DriveError<S::Error>> {
        let mut look = 0;
        loop {
            let census = self.census().await?;
            if let Some(before) = self.migration.timeline
                && let Some(now) = census.timeline_beside(before)
            {
                return Err(DriveError::TookOver { before, now });
            }
            let left = census.members.iter();
            let members = left.filter(|(name, it)| it.is_running && !stay.contains(*name));
            let members: Vec<_> = members.map(|(name, _)| name.clone()).collect();
            let is_primary = census.primary.as_ref().is_some_and(|it| stay.contains(it));
            if members.is_empty() && is_primary && census.timeline().is_some() {
                return Ok(Found::default());
            }
            look = self
                .again(look, "the cluster still knows who left", tell)
                .await?;
            if look > self.looks && members.is_empty() {
                return Err(DriveError::NobodyWrites);
            }
            if look > self.looks {
                return Err(DriveError::StillThere { members });
            }
        }
    }

    async fn census(&mut self) -> Result<Census, DriveError<S::Error>> {
        self.site.census().await.map_err(DriveError::Site)
    }

    async fn again(
        &mut self,
        look: u32,
        why: &str,
        tell: &mut impl FnMut(Told),
    ) -> Result<u32, DriveError<S::Error>> {
        let why = why.to_owned();
        tell(Told::Waits { why });
        self.site.pause().await.map_err(DriveError::Site)?;
        Ok(look + 1)
    }
}
