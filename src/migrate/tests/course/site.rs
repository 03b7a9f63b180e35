//! A site in memory: the fake engine, a cluster that follows it, and a death on demand.

use std::collections::BTreeSet;

use scalectl_documents::{Compose, Span};
use scalectl_engine::Scope;
use scalectl_engine_fake::FakeEngine;
use scalectl_migrate::{Census, Drive, DriveError, Entry, Event, Journal, Ladder, Migration};
use scalectl_migrate::{Seat, Site};
use scalectl_plan::{Call, Goal, Observed, Plan, Volumes, build};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process was killed")]
pub struct Killed;

/// When a process dies: right before its nth act, or right after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Before(usize),
    After(usize),
}

#[derive(Debug, Clone)]
pub struct FakeSite {
    pub engine: FakeEngine,
    pub journal: String,
    pub primary: String,
    pub timeline: u64,
    /// Of the cluster that takes writes.
    pub generation: u32,
    /// A move rests before the old cluster is given up.
    pub rests: bool,
    /// A member that never joins.
    pub never_joins: Option<String>,
    /// Another member takes over and back once this volume's container is gone.
    pub takes_over_at_leaving: bool,
    pub death: Option<Death>,
    pub acts: usize,
    pub destroyed: BTreeSet<String>,
}

impl FakeSite {
    /// Where a document was brought up.
    pub fn after(compose: &Compose) -> Self {
        let engine = FakeEngine::new();
        for image in ["agent", "app", "db"] {
            engine.world().add_image(image);
        }
        let site = Self {
            engine,
            journal: String::new(),
            primary: "db-1".to_owned(),
            timeline: 1,
            generation: 1,
            rests: false,
            never_joins: None,
            takes_over_at_leaving: false,
            death: None,
            acts: 0,
            destroyed: BTreeSet::new(),
        };
        let plan = site.plan(&Goal::up(compose, Span::seconds(60)));
        for operation in &plan.operations {
            site.engine.call(&operation.call).expect("it comes up");
        }
        site
    }

    pub fn look(&self, compose: &Compose) -> Observed {
        self.engine.look(&Scope::of(compose))
    }

    fn plan(&self, goal: &Goal<'_>) -> Plan {
        build(goal, &self.look(goal.compose)).expect("nothing stands in the way")
    }

    /// Whether `up` with this document has nothing to do.
    pub fn is_at(&self, compose: &Compose) -> bool {
        let goal = Goal::up(compose, Span::seconds(60));
        build(&goal, &self.look(compose)).is_ok_and(|plan| plan.is_empty())
    }

    pub fn volumes(&self) -> BTreeSet<String> {
        self.engine.world().volumes.keys().cloned().collect()
    }

    fn runs(&self, service: &str) -> bool {
        let seen = self.look(&Compose::none("shop"));
        let mut instances = seen.instances(service).into_iter();
        instances.any(|(_, it)| it.is_running())
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Result<T, Killed> {
        self.acts += 1;
        if self.death == Some(Death::Before(self.acts)) {
            return Err(Killed);
        }
        let done = act(self);
        match self.death == Some(Death::After(self.acts)) {
            true => Err(Killed),
            false => Ok(done),
        }
    }

    fn perform(&mut self, call: &Call) {
        if let Call::RemoveVolume { name } = call {
            let lost = format!("shop_{}-data", self.primary);
            assert_ne!(*name, lost, "the primary's data are destroyed");
            if name != "shop_migration" {
                self.destroyed.insert(name.clone());
            }
        }
        let done = self.engine.call(call);
        done.unwrap_or_else(|error| panic!("{call:?}: {error}"));
        if let (Call::RemoveContainer { name, .. }, true) = (call, self.takes_over_at_leaving)
            && name.contains("db-2")
        {
            self.timeline += 2;
        }
    }

    pub fn journal(&self) -> Journal {
        Journal::read(&self.journal)
    }
}

impl Site for FakeSite {
    type Error = Killed;

    async fn write(&mut self, entry: &Entry) -> Result<(), Killed> {
        let line = serde_json::to_string(entry).expect("an entry serialises") + "\n";
        self.act(|site| site.journal += &line)
    }

    async fn settle(&mut self, to: &Compose, volumes: Volumes<'_>) -> Result<(), Killed> {
        let goal = Goal {
            volumes,
            migrates: true,
            ..Goal::up(to, Span::seconds(60))
        };
        for operation in self.plan(&goal).operations {
            self.act(|site| site.perform(&operation.call))?;
        }
        Ok(())
    }

    async fn census(&mut self) -> Result<Census, Killed> {
        let mut census = Census {
            primary: Some(self.primary.clone()),
            generation: Some(self.generation),
            ..Census::default()
        };
        for member in ["db-1", "db-2", "db-3", "db2-1"].map(str::to_owned) {
            if self.runs(&member) && self.never_joins.as_ref() != Some(&member) {
                let seat = Seat {
                    is_running: true,
                    lag_bytes: Some(0),
                    timeline: Some(self.timeline),
                };
                census.members.insert(member.clone(), seat);
                if member != self.primary {
                    census.readable.insert(member);
                }
            }
        }
        Ok(census)
    }

    async fn switch(&mut self, to: &str) -> Result<u64, Killed> {
        assert!(self.runs(to), "the primary moves to one that runs");
        self.act(|site| {
            site.primary = to.to_owned();
            site.timeline += 1;
            250
        })
    }

    async fn cross(&mut self, generation: u32) -> Result<u64, Killed> {
        for member in ["db-1", "db2-1"] {
            assert!(self.runs(member), "{member} leads or follows");
        }
        self.act(|site| {
            site.generation = generation;
            site.primary = if generation == 1 { "db-1" } else { "db2-1" }.to_owned();
            130
        })
    }

    async fn pause(&mut self) -> Result<(), Killed> {
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.acts as u64
    }
}

/// What `migrate`, `resume` and `abort` do.
pub struct Hand<'a> {
    pub ladder: &'a Ladder,
    pub site: &'a mut FakeSite,
}

impl Hand<'_> {
    pub async fn begin(&mut self, from: u8, to: u8) -> Result<(), DriveError<Killed>> {
        let rungs = (self.ladder.rung_of(from), self.ladder.rung_of(to));
        self.begin_between((from, to), rungs).await
    }

    /// Moves the database, and gives the old cluster up.
    pub async fn begin_move(&mut self) -> Result<(), DriveError<Killed>> {
        self.begin_between((1, 1), (0, self.ladder.top())).await
    }

    async fn begin_between(
        &mut self,
        (from, to): (u8, u8),
        (start, goal): (usize, usize),
    ) -> Result<(), DriveError<Killed>> {
        let entry = Entry {
            id: self.site.journal().next_id(),
            epoch: 1,
            at_ms: self.site.now_ms(),
            owner: "first".to_owned(),
            event: Event::Begun {
                from,
                to,
                fingerprint: self.ladder.fingerprint(),
                start,
                goal,
                generations: self.ladder.generations(),
                is_fast: false,
            },
        };
        self.site.write(&entry).await.map_err(DriveError::Site)?;
        let migration = Migration::begun(&entry).expect("it begins one");
        self.run(migration).await
    }

    /// Nothing, if none is open.
    pub async fn resume(&mut self) -> Result<(), DriveError<Killed>> {
        match self.site.journal().open().cloned() {
            Some(open) => self.run(open).await,
            None => Ok(()),
        }
    }

    pub async fn abort(&mut self) -> Result<(), DriveError<Killed>> {
        let open = self.site.journal().open().cloned();
        let migration = open.expect("one is open");
        let (start, goal) = migration.turn(self.ladder);
        let event = Event::TurnedBack { start, goal };
        let mut drive = self.drive(migration);
        drive.note(event).await.map_err(DriveError::Site)?;
        drive.run(|_| ()).await.map(drop)
    }

    async fn run(&mut self, migration: Migration) -> Result<(), DriveError<Killed>> {
        self.drive(migration).run(|_| ()).await.map(drop)
    }

    fn drive(&mut self, migration: Migration) -> Drive<'_, FakeSite> {
        Drive {
            ladder: self.ladder,
            rests: self.site.rests,
            site: self.site,
            migration,
            looks: 3,
        }
    }
}
