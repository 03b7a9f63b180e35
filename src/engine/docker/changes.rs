//! What happens to a project's containers, as it happens: for a live view.
//!
//! Tells that something changed, not what is: who shows it looks again.
//! Next: `observe.rs`.

use bollard::models::EventMessage;
use futures_util::{Stream, StreamExt};
use scalectl_engine::EngineError;
use scalectl_plan::LABELS;

use crate::DockerEngine;
use crate::stream::EventStream;

/// One thing that happened to a container of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub container: String,
    pub id: String,
    pub service: String,
    /// The engine's word: `start`, `die`, `health_status: healthy`, ...
    pub action: String,
    /// When, in seconds since 1970 by the engine's clock.
    pub seconds: u64,
}

impl DockerEngine {
    /// Opens a stream of what happens to the containers of `project`, without
    /// the commands that run in them. It ends when the engine does.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn changes(
        &self,
        project: &str,
    ) -> Result<impl Stream<Item = Change> + use<>, EngineError> {
        let label = format!("{}={project}", LABELS.project);
        let filters = serde_json::json!({"type": ["container"], "label": [label]}).to_string();
        let stream = EventStream::open(&self.wire, &filters).await;
        let stream = stream.map_err(|fault| self.reading("tell its events", fault))?;
        let told = Vec::new().into_iter();
        // An unfold that has ended panics when it is asked again.
        let changes =
            futures_util::stream::unfold((stream, told), |(mut stream, mut told)| async move {
                loop {
                    match told.find_map(change) {
                        Some(change) => return Some((change, (stream, told))),
                        None => told = stream.next().await?.into_iter(),
                    }
                }
            });
        Ok(changes.fuse())
    }
}

fn change(event: EventMessage) -> Option<Change> {
    let action = event.action?;
    let actor = event.actor?;
    let seconds = event
        .time
        .and_then(|time| u64::try_from(time).ok())
        .unwrap_or_default();
    let mut attributes = actor.attributes.unwrap_or_default();
    (!action.starts_with("exec_")).then(|| Change {
        container: attributes.remove("name").unwrap_or_default(),
        id: actor.id.unwrap_or_default(),
        service: attributes.remove(LABELS.service).unwrap_or_default(),
        action,
        seconds,
    })
}
