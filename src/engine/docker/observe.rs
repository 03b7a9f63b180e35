//! Observing: four kinds of list calls at once become one `Observed`.
//!
//! No inspect per container, but for those that share a network: what the plan
//! needs stands in the lists. Says whose each object is and leaves nothing out,
//! for any object can hold a name or a port. Must never decide what follows from it. Next: `status.rs`, `plan/`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{ContainerSummary, Network, Volume};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures_util::future::try_join_all;
use scalectl_engine::{EngineError, Scope};
use scalectl_plan::{
    Data, EngineFacts, ImageFacts, LABELS, Observed, ObservedContainer, ObservedNetwork,
    ObservedVolume, Ownership, read_values, used_services,
};

use crate::errors::Fault;
use crate::{DockerEngine, status, time};

/// A list reads something of every container: a busy engine takes its time.
const LIMIT: u64 = 120;

pub(crate) type Labels = HashMap<String, String>;
type Filters<'a> = HashMap<&'a str, Vec<&'a str>>;

impl DockerEngine {
    pub(crate) async fn look(&self, scope: &Scope) -> Result<Observed, EngineError> {
        self.look_through(scope, HashMap::new()).await
    }

    /// Only what is the project's own, which is quicker on an engine with much
    /// else. Not for planning: it shows no name or port that others hold.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn observe_own(&self, scope: &Scope) -> Result<Observed, EngineError> {
        let label = format!("{}={}", LABELS.project, scope.project);
        self.look_through(scope, HashMap::from([("label", vec![label.as_str()])]))
            .await
    }

    /// The generations of the project's database clusters, by the volumes of their members.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn generations(&self, project: &str) -> Result<BTreeSet<u32>, EngineError> {
        let labels = [(LABELS.project, project), (LABELS.data, "member")];
        let labels = labels.map(|(name, value)| format!("{name}={value}"));
        let filters = HashMap::from([("label", labels.iter().map(String::as_str).collect())]);
        let found = self.volumes(filters).await;
        let found = found.map_err(|fault| self.reading("tell which volumes are there", fault))?;
        // Those of the first cluster do not say so.
        let generation = |it: &Volume| {
            it.labels
                .get(LABELS.generation)
                .map_or(Ok(1), |it| it.parse())
        };
        Ok(found.iter().filter_map(|it| generation(it).ok()).collect())
    }

    async fn look_through(
        &self,
        scope: &Scope,
        filters: Filters<'_>,
    ) -> Result<Observed, EngineError> {
        let (found, networks, volumes) = tokio::try_join!(
            self.containers(filters.clone()),
            self.networks(filters.clone()),
            self.volumes(filters),
        )
        .map_err(|fault| self.reading("tell what is there", fault))?;
        let project = &scope.project;
        let ours = found
            .iter()
            .filter(|it| whose(project, it) == Ownership::Ours);
        let ours: Vec<_> = ours.filter_map(|it| it.labels.as_ref()).collect();
        let stage = said(&ours, LABELS.stage);
        let migrating = said(&ours, LABELS.migration);
        let newest = found
            .iter()
            .filter(|it| whose(project, it) == Ownership::Ours)
            .filter_map(|it| Some((it.created, it.labels.as_ref()?.get(LABELS.phase)?)))
            .max();
        let phase = stage.or_else(|| newest.and_then(|(_, phase)| phase.parse().ok()));
        let ours = volumes
            .iter()
            .map(|it| &it.labels)
            .filter(|it| it.get(LABELS.project) == Some(project));
        let ours: Vec<_> = ours.collect();
        let migrating = migrating.or_else(|| said(&ours, LABELS.migration));
        let phase_of_volumes = self::phase(ours.into_iter());
        let witnessed = witnessed(&scope.images, &found);
        let mut containers: BTreeMap<_, _> = found
            .into_iter()
            .filter_map(|summary| container(project, summary))
            .collect();
        let unknown = scope
            .images
            .iter()
            .filter(|reference| !witnessed.contains_key(*reference));
        let images = try_join_all(unknown.map(|reference| self.image(reference)));
        let looks = async {
            self.add_starts(&mut containers).await?;
            self.add_outdated(&scope.given, &mut containers).await
        };
        let (images, ()) = tokio::try_join!(images, looks)
            .map_err(|fault| self.reading("tell what is there", fault))?;
        Ok(Observed {
            engine: EngineFacts { api: self.api },
            phase,
            migrating,
            phase_of_volumes,
            containers,
            networks: networks
                .into_iter()
                .filter_map(|found| network(project, found))
                .collect(),
            volumes: volumes
                .into_iter()
                .map(|found| volume(project, found))
                .collect(),
            images: images.into_iter().flatten().chain(witnessed).collect(),
        })
    }

    /// When those were started that share a network: a list does not tell, so
    /// these few are inspected.
    async fn add_starts(
        &self,
        containers: &mut BTreeMap<String, ObservedContainer>,
    ) -> Result<(), Fault> {
        let joined: BTreeSet<_> = containers
            .values()
            .filter(|it| it.ownership == Ownership::Ours)
            .filter_map(|it| it.network_of.clone())
            .collect();
        let shares = |name: &String, it: &ObservedContainer| {
            it.ownership == Ownership::Ours
                && (it.network_of.is_some() || joined.contains(&it.id) || joined.contains(name))
        };
        let sharing = containers.iter_mut().filter(|(name, it)| shares(name, it));
        let looks = sharing.map(|(_, container)| async move {
            match self.inspect(&container.id).await {
                Ok(found) => {
                    let started = found.state.and_then(|state| state.started_at);
                    container.started_at = started.as_deref().and_then(time::nanos);
                    Ok(())
                }
                // Removed since the list was made.
                Err(fault) if fault.status() == Some(404) => Ok(()),
                Err(fault) => Err(fault),
            }
        });
        try_join_all(looks).await.map(drop)
    }

    /// Every container, or those that a filter leaves.
    pub(crate) async fn containers(
        &self,
        filters: Filters<'_>,
    ) -> Result<Vec<ContainerSummary>, Fault> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        self.within(LIMIT, self.docker.list_containers(Some(options)))
            .await
    }

    pub(crate) async fn networks(&self, filters: Filters<'_>) -> Result<Vec<Network>, Fault> {
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        self.within(LIMIT, self.docker.list_networks(Some(options)))
            .await
    }

    async fn volumes(&self, filters: Filters<'_>) -> Result<Vec<Volume>, Fault> {
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let found = self
            .within(LIMIT, self.docker.list_volumes(Some(options)))
            .await?;
        Ok(found.volumes.unwrap_or_default())
    }

    /// The content that a reference stands for; none if the engine lacks it.
    async fn image(&self, reference: &str) -> Result<Option<(String, ImageFacts)>, Fault> {
        match self
            .within(LIMIT, self.docker.inspect_image(reference))
            .await
        {
            Ok(found) => Ok(found.id.map(|id| (reference.to_owned(), ImageFacts { id }))),
            Err(fault) if fault.status() == Some(404) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Whose an object is, by its labels; `what` it is where they tell nothing.
pub(crate) fn ownership(
    project: &str,
    labels: &Labels,
    what: impl FnOnce() -> String,
) -> Ownership {
    let get = |name: &str| labels.get(name).map(String::as_str);
    let owner = match (get(LABELS.project), get(LABELS.compose_project)) {
        (Some(found), _) if found == project => return Ownership::Ours,
        (Some(other), _) => format!("scalectl project {other}"),
        (None, _) if get(LABELS.lock).is_some() => "the lock of scalectl".to_owned(),
        (None, Some(other)) => return Ownership::composed(other),
        (None, None) => what(),
    };
    Ownership::Foreign { owner }
}

/// The images whose content the list of containers tells by the way: where it
/// shows a container's image by name, the engine has just found that this name
/// still stands for the content that the container was made from, and else it
/// shows the id. Saves an image call (10 ms of the engine's work on the
/// containerd store, 5 times what naming one container's image takes).
/// Source: moby, daemon/list.go, `refreshImage`; the same since Docker 1.13.
fn witnessed(
    references: &[String],
    containers: &[ContainerSummary],
) -> BTreeMap<String, ImageFacts> {
    let shown = containers.iter().filter_map(|summary| {
        let reference = summary
            .image
            .as_ref()
            .filter(|image| references.contains(image))?;
        Some((
            reference.clone(),
            ImageFacts {
                id: summary.image_id.clone()?,
            },
        ))
    });
    shown.collect()
}

/// What the first container says that has this label.
fn said<T: std::str::FromStr>(all: &[&Labels], label: &str) -> Option<T> {
    all.iter().find_map(|it| it.get(label)?.parse().ok())
}

fn phase<'a>(labels: impl Iterator<Item = &'a Labels>) -> Option<u8> {
    let phases = labels.filter_map(|labels| labels.get(LABELS.phase)?.parse().ok());
    phases.max()
}

/// Whose a container is: labels alone do not tell, for `docker commit` hands them
/// on to an image, and the image to whatever is run from it.
fn whose(project: &str, summary: &ContainerSummary) -> Ownership {
    let none = Labels::new();
    let labels = summary.labels.as_ref().unwrap_or(&none);
    let image = || format!("image {}", summary.image.as_deref().unwrap_or_default());
    let found = ownership(project, labels, image);
    let get = |name: &str| labels.get(name).map_or("", String::as_str);
    let (service, number) = (get(LABELS.service), get(LABELS.number));
    let name = format!("{project}-{service}-{number}");
    match found == Ownership::Ours && own_name(summary) != Some(&name) {
        true => Ownership::Foreign {
            owner: format!("with the labels of {name}"),
        },
        false => found,
    }
}

fn container(project: &str, summary: ContainerSummary) -> Option<(String, ObservedContainer)> {
    let (state, health) = (status::state(&summary), status::health(&summary));
    let name = own_name(&summary)?.to_owned();
    let ownership = whose(project, &summary);
    let labels = summary.labels.unwrap_or_default();
    let is_ours = ownership == Ownership::Ours;
    let label = |name: &str| {
        labels
            .get(name)
            .filter(|_| is_ours)
            .cloned()
            .unwrap_or_default()
    };
    let networks = summary
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default();
    let address = |ip: Option<String>| ip.filter(|ip| !ip.is_empty());
    let mode = summary.host_config.and_then(|config| config.network_mode);
    let mounts = summary.mounts.unwrap_or_default();
    let volumes = mounts
        .iter()
        .filter(|mount| mount.typ.as_deref() == Some("volume"));
    let ports = summary.ports.unwrap_or_default().into_iter();
    let observed = ObservedContainer {
        id: summary.id.unwrap_or_default(),
        ownership,
        service: label(LABELS.service),
        number: label(LABELS.number).parse().unwrap_or_default(),
        hash: label(LABELS.hash),
        image_id: summary.image_id.unwrap_or_default(),
        state,
        health,
        depends_on: used_services(label),
        network_of: mode.and_then(|mode| mode.strip_prefix("container:").map(str::to_owned)),
        started_at: None,
        networks: networks
            .iter()
            .map(|(name, place)| (name.clone(), place.network_id.clone().unwrap_or_default()))
            .collect(),
        addresses: networks
            .into_iter()
            .filter_map(|(name, place)| Some((name, address(place.ip_address)?)))
            .collect(),
        volumes: volumes
            .clone()
            .filter_map(|mount| mount.name.clone())
            .collect(),
        writes: volumes
            .filter(|mount| mount.rw == Some(true))
            .filter_map(|mount| mount.name.clone())
            .collect(),
        published: ports
            .filter_map(|port| Some((port.ip.unwrap_or_default(), port.public_port?)))
            .collect(),
        values: read_values(&label(LABELS.values)),
        outdated: BTreeSet::new(),
    };
    Some((name, observed))
}

/// A container that others link to is listed under their names for it, too.
pub(crate) fn own_name(summary: &ContainerSummary) -> Option<&str> {
    let names = summary.names.as_deref().unwrap_or_default().iter();
    names
        .map(|name| name.trim_start_matches('/'))
        .find(|name| !name.contains('/'))
}

fn network(project: &str, found: Network) -> Option<(String, ObservedNetwork)> {
    let labels = found.labels.unwrap_or_default();
    let ownership = ownership(project, &labels, || {
        "a network without an owner's label".to_owned()
    });
    Some((
        found.name?,
        ObservedNetwork {
            id: found.id?,
            ownership,
        },
    ))
}

fn volume(project: &str, found: Volume) -> (String, ObservedVolume) {
    let ownership = ownership(project, &found.labels, || {
        "a volume without an owner's label".to_owned()
    });
    let data = Data::of(found.labels.get(LABELS.data).map(String::as_str));
    (found.name, ObservedVolume { ownership, data })
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
