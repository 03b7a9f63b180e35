//! Calls: what each does to the world, and what Docker would refuse.
//!
//! Next: `containers.rs` (the calls about containers).

use scalectl_engine::EngineError;
use scalectl_plan::{Call, LABELS, Ownership};

use crate::look::{Labels, ownership};
use crate::world::{Network, World};

pub(crate) type Ended = Result<(), EngineError>;

impl World {
    pub(crate) fn perform(&mut self, call: &Call) -> Ended {
        match call {
            Call::PullImage { reference } => self.pull(reference),
            Call::CreateNetwork { name, labels, .. } => self.create_network(name, labels),
            Call::RemoveNetwork { name, id } => self.remove_network(name, id),
            Call::CreateVolume { name, labels } => self.create_volume(name, labels),
            Call::RemoveVolume { name } => self.remove_volume(name),
            Call::CreateContainer { spec } => self.create(spec),
            Call::ConnectNetwork { container, place } => self.connect(container, place),
            Call::UploadFiles { container, files } => self.upload(container, files),
            Call::StartContainer { container } => self.start(container),
            Call::UnpauseContainer { container } => self.unpause(container),
            Call::StopContainer { id, .. } => self.stop(id),
            Call::RemoveContainer { name, id } => self.remove(name, id),
            Call::Exec {
                container, command, ..
            } => self.exec(container, command),
            Call::AwaitEnd { name, id } => match self.lives(id) {
                true => refused(&format!("wait for the end of {name}"), "nobody stops it"),
                false => Ok(()),
            },
            Call::Await {
                container,
                wait,
                deadline,
            } => self.wait(container, *wait, deadline.0.as_secs()),
        }
    }

    fn pull(&mut self, reference: &str) -> Ended {
        let Some(id) = self.registry.get(reference) else {
            return Err(EngineError::ImageMissing {
                reference: reference.to_owned(),
                hint: "no registry has it".to_owned(),
            });
        };
        self.images.insert(reference.to_owned(), id.clone());
        Ok(())
    }

    /// What is there is left as it is; it is a success if it is ours.
    fn create_network(&mut self, name: &str, labels: &Labels) -> Ended {
        if let Some(there) = self.networks.get(name) {
            return ours(name, labels, &there.labels);
        }
        let (id, labels) = (self.new_id("n"), labels.clone());
        self.networks
            .insert(name.to_owned(), Network { id, labels });
        Ok(())
    }

    fn remove_network(&mut self, name: &str, id: &str) -> Ended {
        if self.networks.get(name).is_none_or(|it| it.id != id) {
            return Ok(());
        }
        if self.has_endpoints(id) {
            return refused(
                &format!("remove the network {name}"),
                "it has active endpoints",
            );
        }
        self.networks.remove(name);
        Ok(())
    }

    fn create_volume(&mut self, name: &str, labels: &Labels) -> Ended {
        if let Some(there) = self.volumes.get(name) {
            return ours(name, labels, there);
        }
        self.volumes.insert(name.to_owned(), labels.clone());
        Ok(())
    }

    fn remove_volume(&mut self, name: &str) -> Ended {
        let mut containers = self.containers.values();
        if containers.any(|it| it.spec.volume_names.iter().any(|volume| volume == name)) {
            return refused(&format!("remove the volume {name}"), "volume is in use");
        }
        self.volumes.remove(name);
        Ok(())
    }
}

pub(crate) fn refused(action: &str, message: &str) -> Ended {
    Err(EngineError::Refused {
        action: action.to_owned(),
        message: message.to_owned(),
    })
}

fn ours(name: &str, labels: &Labels, there: &Labels) -> Ended {
    let project = labels.get(LABELS.project).cloned().unwrap_or_default();
    match ownership(&project, there) {
        Ownership::Ours => Ok(()),
        Ownership::Foreign { owner } => Err(EngineError::NameTaken {
            name: name.to_owned(),
            owner,
        }),
    }
}
