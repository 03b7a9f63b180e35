//! Down: those who use a container end first; what has ended is removed meanwhile.
//!
//! "Ended" is the end of its process, which the end of its log tells; its stop is
//! answered later (`src/engine/docker/ended.rs` says why).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use scalectl_documents::{Compose, Service};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::FloorError;
use crate::stack;
use crate::width::{Width, place};
use crate::wire::Wire;

/// A stop that lasts longer waits for the container and not for the engine: it
/// counts no more among those at once.
const PATIENCE: Duration = Duration::from_millis(250);

/// Stops and removes the document's containers and networks; volumes stay.
pub async fn down(compose: Compose, wire: Rc<Wire>, width: Width) -> Result<(), FloorError> {
    let compose = Rc::new(compose);
    // How many containers of each service still run.
    let services = compose.services.iter();
    let left = services.map(|(name, it)| (name.clone(), watch::channel(it.replicas()).0));
    let left: Rc<BTreeMap<_, _>> = Rc::new(left.collect());
    let mut tasks: JoinSet<Result<(), FloorError>> = JoinSet::new();
    for (service, _, name) in stack::containers(&compose) {
        let (compose, wire, width, left) = (
            Rc::clone(&compose),
            Rc::clone(&wire),
            width.clone(),
            Rc::clone(&left),
        );
        tasks.spawn_local(async move {
            for user in users(&compose, &service) {
                drop(left[user].subscribe().wait_for(|left| *left == 0).await);
            }
            let stop = stop(&wire, &width, &name);
            match uses_any(&compose.services[&service]) {
                false => stop.await?,
                true => {
                    let ended = async {
                        // Where the log cannot be followed, the stop tells.
                        if until_log_ends(&wire, &name).await.is_ok() {
                            left[&service].send_modify(|left| *left -= 1);
                            return true;
                        }
                        false
                    };
                    let (stopped, told) = tokio::join!(stop, ended);
                    stopped?;
                    if !told {
                        left[&service].send_modify(|left| *left -= 1);
                    }
                }
            }
            let _place = place(&width.removes).await;
            wire.json("DELETE", &format!("/containers/{name}?v=1"), None, &[404])
                .await?;
            Ok(())
        });
    }
    until_done(&mut tasks).await?;
    for key in stack::all_networks(&compose) {
        let (compose, wire) = (Rc::clone(&compose), Rc::clone(&wire));
        tasks.spawn_local(async move {
            let path = format!("/networks/{}", compose.network_name(&key));
            wire.json("DELETE", &path, None, &[404]).await.map(drop)
        });
    }
    until_done(&mut tasks).await
}

async fn stop(wire: &Wire, width: &Width, name: &str) -> Result<(), FloorError> {
    let held = place(&width.stops).await;
    let path = format!("/containers/{name}/stop");
    let mut stop = std::pin::pin!(wire.json("POST", &path, None, &[404]));
    let quick = tokio::time::timeout(PATIENCE, &mut stop).await;
    drop(held);
    match quick {
        Ok(ended) => ended.map(drop),
        Err(_) => stop.await.map(drop),
    }
}

async fn until_log_ends(wire: &Wire, name: &str) -> std::io::Result<()> {
    let path = format!("/containers/{name}/logs?follow=1&stdout=1&stderr=1&tail=0");
    let mut log = wire.stream(&path).await?;
    while log.chunk().await?.is_some() {}
    Ok(())
}

fn uses_any(service: &Service) -> bool {
    !service.depends_on.is_empty() || service.network_of().is_some()
}

async fn until_done(tasks: &mut JoinSet<Result<(), FloorError>>) -> Result<(), FloorError> {
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|_| FloorError::Blind)??;
    }
    Ok(())
}

fn users<'a>(compose: &'a Compose, service: &'a str) -> impl Iterator<Item = &'a String> {
    let uses =
        move |it: &Service| it.depends_on.contains_key(service) || it.network_of() == Some(service);
    let services = compose.services.iter();
    services
        .filter(move |(_, it)| uses(it))
        .map(|(name, _)| name)
}

/// Removes everything of the document by force, volumes too, whoever made it:
/// between two measurements, never in one.
pub async fn purge(compose: &Compose, wire: &Wire) -> Result<(), FloorError> {
    let filter = format!(
        "%7B%22label%22%3A%5B%22com.docker.compose.project%3D{}%22%5D%7D",
        compose.name
    );
    let found = wire
        .json(
            "GET",
            &format!("/containers/json?all=1&filters={filter}"),
            None,
            &[],
        )
        .await?;
    let found: serde_json::Value = serde_json::from_slice(&found).unwrap_or_default();
    for container in found.as_array().into_iter().flatten() {
        let id = container["Id"].as_str().unwrap_or_default();
        wire.json(
            "DELETE",
            &format!("/containers/{id}?v=1&force=1"),
            None,
            &[404],
        )
        .await?;
    }
    for key in stack::all_networks(compose) {
        wire.json(
            "DELETE",
            &format!("/networks/{}", compose.network_name(&key)),
            None,
            &[404],
        )
        .await?;
    }
    for key in compose.volumes.keys() {
        wire.json(
            "DELETE",
            &format!("/volumes/{}", compose.volume_name(key)),
            None,
            &[404],
        )
        .await?;
    }
    Ok(())
}
