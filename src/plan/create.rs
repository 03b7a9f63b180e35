//! How one container is made: create, join, fill, start, wait.
//!
//! Creating waits only for what the call itself needs, so that it happens while
//! dependencies still start; starting waits for the dependencies' conditions.

use scalectl_documents::{Healthcheck, Service, Span};

use crate::operation::{Await, Call, Cause, FileContent, InjectedFile, OpId};
use crate::services::{Change, Planner, Standing};
use crate::spec::{self, Making};

/// Engines from this API version on take every network in the create call.
/// Source: Docker Engine API, version history of 1.44.
const MANY_NETWORKS_PER_CREATE: (u32, u32) = (1, 44);

/// How long a container without a health check runs before it counts as well,
/// where its service does not say: a program that cannot start ends sooner.
pub(crate) const SETTLE: Span = Span::seconds(1);
const INTERVAL_WITHOUT_START: Span = Span::seconds(3);

/// The operations after which a container is there, runs, and is well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub created: Option<OpId>,
    pub start: OpId,
    pub well: OpId,
}

impl<'a> Planner<'a, '_> {
    /// A new container: `before_create` guards its creation; its start waits
    /// for all that its service waits for, and for `before_start`.
    pub(crate) fn make(
        &mut self,
        change: &mut Change<'a>,
        number: u32,
        cause: &Cause,
        before_create: &[OpId],
        before_start: &[OpId],
    ) -> Made {
        let service = change.service;
        let image = self.observed.images.get(&service.image);
        let many = self.observed.engine.api >= MANY_NETWORKS_PER_CREATE;
        let making = Making {
            number,
            image_id: image.map_or("", |image| image.id.as_str()),
            holder: self.holder_name(service),
            networks_per_create: if many { usize::MAX } else { 1 },
            values: self.values.numbers(service),
        };
        let (mut spec, rest) = spec::container(self.goal.compose, change.name, making);
        if !many && let Some(check) = &mut spec.service.healthcheck {
            check_often(check);
        }
        let container = spec.name.clone();
        let mut after = self.needs(service);
        after.extend(before_create);
        after.extend(self.holder_created(service));
        let spec = Box::new(spec);
        let created = self.graph.add(Call::CreateContainer { spec }, cause, after);
        let mut after = vec![created];
        for place in rest {
            let container = container.clone();
            let call = Call::ConnectNetwork { container, place };
            after.push(self.graph.add(call, cause, [created]));
        }
        after.extend(self.upload(service, &container, cause, &[created]));
        after.extend(&change.before);
        after.extend(before_start);
        let mut made = self.run(service, &container, cause, after);
        made.created = Some(created);
        change.ready.add(&made);
        change.ready.fleet.push((container, Standing::New));
        made
    }

    /// The engine looks the holder up when it creates a member.
    fn holder_created(&self, service: &Service) -> Vec<OpId> {
        let holder = service.network_of();
        let ready = holder.and_then(|holder| self.ready.get(holder));
        ready.map(|ready| ready.created.clone()).unwrap_or_default()
    }

    /// Starts a container that is there, with its files as they are now: a
    /// variable of the caller's environment may have another value.
    pub(crate) fn start(&mut self, change: &Change<'a>, container: &str, cause: &Cause) -> Made {
        let mut after = change.before.clone();
        after.extend(self.upload(change.service, container, cause, &[]));
        self.run(change.service, container, cause, after)
    }

    /// Waits until `container` is well, and known to those in front of it;
    /// nothing for one of which neither can be told.
    pub(crate) fn await_well(
        &mut self,
        service: &Service,
        container: &str,
        cause: &Cause,
        after: Vec<OpId>,
    ) -> Option<OpId> {
        self.await_state(service, container, wait_of(service), cause, after)
    }

    /// The same for one of which it is not known whether it stays: it is waited
    /// for although its service says nothing of when it is well.
    pub(crate) fn await_settled(
        &mut self,
        service: &Service,
        container: &str,
        cause: &Cause,
        after: Vec<OpId>,
    ) -> Option<OpId> {
        let wait = wait_of(service).unwrap_or(Await::Well { settle: SETTLE });
        self.await_state(service, container, Some(wait), cause, after)
    }

    fn await_state(
        &mut self,
        service: &Service,
        container: &str,
        wait: Option<Await>,
        cause: &Cause,
        mut after: Vec<OpId>,
    ) -> Option<OpId> {
        let well = wait.map(|wait| {
            let call = Call::Await {
                container: container.to_owned(),
                wait,
                deadline: self.goal.wait_timeout,
            };
            self.graph.add(call, cause, after.clone())
        });
        after.extend(well);
        self.await_known(service, container, cause, after).or(well)
    }

    /// Waits until those in front of a container know it, where it says how.
    pub(crate) fn await_known(
        &mut self,
        service: &Service,
        container: &str,
        cause: &Cause,
        mut after: Vec<OpId>,
    ) -> Option<OpId> {
        let hook = service.extension.ready.as_ref()?;
        let (by, well) = self.drainer(&hook.service)?;
        after.extend(well);
        let words = hook.command.iter();
        let call = Call::Exec {
            container: by.clone(),
            command: words
                .map(|word| word.replace("{name}", container))
                .collect(),
            deadline: self.goal.wait_timeout,
        };
        let known = self.graph.add(call, cause, after);
        self.drains.entry(by).or_default().push(known);
        Some(known)
    }

    fn run(&mut self, service: &Service, container: &str, cause: &Cause, after: Vec<OpId>) -> Made {
        let call = Call::StartContainer {
            container: container.to_owned(),
        };
        let start = self.graph.add(call, cause, after);
        let well = self
            .await_well(service, container, cause, vec![start])
            .unwrap_or(start);
        Made {
            created: None,
            start,
            well,
        }
    }

    fn upload(
        &mut self,
        service: &Service,
        container: &str,
        cause: &Cause,
        after: &[OpId],
    ) -> Option<OpId> {
        let configs = &self.goal.compose.configs;
        let mounts = service.configs.iter();
        let files: Vec<_> = mounts
            .filter_map(|mount| {
                let config = configs.get(&mount.source)?;
                let content = match (&config.content, &config.environment) {
                    (Some(text), _) => FileContent::Text(text.clone()),
                    (None, Some(variable)) => FileContent::Environment(variable.clone()),
                    (None, None) => return None,
                };
                let path = mount.target.clone();
                Some(InjectedFile { path, content })
            })
            .collect();
        if files.is_empty() {
            return None;
        }
        let container = container.to_owned();
        let call = Call::UploadFiles { container, files };
        Some(self.graph.add(call, cause, after.iter().copied()))
    }
}

/// Below API 1.44 there is no interval of a container's start: its first check
/// comes after a whole interval, and `up` waits for it. So all come as often as
/// is still cheap (docs/decisions/0022-health-checks-of-old-engines.md).
fn check_often(check: &mut Healthcheck) {
    let is_rarer = check
        .interval
        .is_none_or(|it| it.0 > INTERVAL_WITHOUT_START.0);
    if check.start_interval.take().is_some() && is_rarer {
        check.interval = Some(INTERVAL_WITHOUT_START);
    }
}

/// How a wait for a service's containers ends well; `None` for one that says
/// nothing of it.
fn wait_of(service: &Service) -> Option<Await> {
    match (service.is_one_shot(), &service.healthcheck) {
        (true, _) => Some(Await::Completed),
        (false, Some(_)) => Some(Await::Healthy),
        (false, None) => {
            let settle = service.extension.settle?;
            Some(Await::Well { settle })
        }
    }
}
