//! Life: what happens on an engine by itself, or by another hand.
//!
//! A test says when: nothing here happens in between calls unasked.

use scalectl_documents::Restart;
use scalectl_plan::{ContainerState, Health, LABELS};

use crate::world::World;

impl World {
    /// Time passes: checks have run, one-shots have ended, what was between two
    /// restarts runs again.
    pub fn settle(&mut self) {
        let names: Vec<_> = self.containers.keys().cloned().collect();
        for name in names {
            self.settle_one(&name);
        }
    }

    pub(crate) fn settle_one(&mut self, name: &str) {
        let tick = self.tick();
        let Some(container) = self.containers.get(name) else {
            return;
        };
        let service = container.labels.get(LABELS.service).cloned();
        let service = service.unwrap_or_default();
        let is_stranded = self.is_stranded(name);
        let mut targets = container.spec.service.configs.iter();
        let has_files = targets.all(|mount| container.files.contains_key(&mount.target));
        let never_healthy = self.never_healthy.contains(&service);
        let asked = self.ends_with.get(&service).copied();
        let Some(container) = self.containers.get_mut(name) else {
            return;
        };
        if container.state == ContainerState::Restarting {
            container.state = ContainerState::Running;
            container.started_at = Some(tick);
        }
        if container.state != ContainerState::Running {
            return;
        }
        let is_one_shot = container.spec.service.is_one_shot() && !service.is_empty();
        match (asked, has_files) {
            (Some(code), _) => container.end(code),
            (None, false) => container.end(1),
            (None, true) if is_one_shot => container.end(0),
            (None, true) => {
                let is_well = !never_healthy && !is_stranded;
                container.health = match (&container.spec.service.healthcheck, is_well) {
                    (None, _) => Health::None,
                    (Some(_), true) => Health::Healthy,
                    (Some(_), false) => Health::Unhealthy,
                };
            }
        }
    }

    /// Whether the network that a container lives in is gone: its holder ended
    /// or was started again since.
    pub fn is_stranded(&self, name: &str) -> bool {
        let Some(container) = self.containers.get(name) else {
            return false;
        };
        let Some(id) = &container.joins else {
            return false;
        };
        match self.container_by_id(id) {
            Some(holder) => !holder.has_processes() || holder.started_at > container.started_at,
            None => true,
        }
    }

    /// The container's main process ends.
    pub fn kill(&mut self, name: &str, code: i64) {
        if let Some(container) = self.containers.get_mut(name)
            && container.is_alive()
        {
            container.end(code);
        }
    }

    /// The container ended and waits for its restart policy, if it has one.
    pub fn crash(&mut self, name: &str) {
        let found = self.containers.get(name);
        match found.is_some_and(|it| it.spec.service.restart == Restart::No) {
            true => self.kill(name, 1),
            false => self.change(name, ContainerState::Running, ContainerState::Restarting),
        }
    }

    pub fn pause(&mut self, name: &str) {
        self.change(name, ContainerState::Running, ContainerState::Paused);
    }

    /// Docker could not remove it wholly.
    pub fn leave_dead(&mut self, name: &str) {
        self.kill(name, 137);
        if let Some(container) = self.containers.get_mut(name) {
            container.state = ContainerState::Dead;
        }
    }

    /// The container is restarted: those in its network are left without one.
    pub fn restart(&mut self, name: &str) {
        let tick = self.tick();
        if let Some(container) = self.containers.get_mut(name)
            && container.has_processes()
        {
            container.state = ContainerState::Running;
            container.started_at = Some(tick);
        }
    }

    /// `docker rm -f`.
    pub fn remove_by_force(&mut self, name: &str) {
        self.containers.remove(name);
    }

    /// `docker network prune`: every network in which nothing runs.
    pub fn prune_networks(&mut self) {
        let used: Vec<_> = self
            .networks
            .values()
            .filter(|network| self.has_endpoints(&network.id))
            .map(|network| network.id.clone())
            .collect();
        self.networks
            .retain(|_, network| used.contains(&network.id));
    }

    fn change(&mut self, name: &str, from: ContainerState, to: ContainerState) {
        if let Some(container) = self.containers.get_mut(name)
            && container.state == from
        {
            container.state = to;
        }
    }
}
