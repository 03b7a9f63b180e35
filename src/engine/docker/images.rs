//! Images: what one is set to do, and how one goes.
//!
//! Next: `image_build.rs` (how one is made), `pull.rs` (how one is fetched).

use bollard::query_parameters::RemoveImageOptionsBuilder;
use scalectl_engine::EngineError;

use crate::DockerEngine;
use crate::errors::Fault;

const LIMIT: u64 = 120;

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    pub id: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    /// The TCP ports that it exposes, lowest first.
    pub ports: Vec<u16>,
    /// Empty is root.
    pub user: String,
    pub environment: Vec<String>,
    pub labels: std::collections::BTreeMap<String, String>,
    pub bytes: u64,
}

impl DockerEngine {
    /// What `reference` says of itself; none if the engine does not have it.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn image_config(&self, reference: &str) -> Result<Option<ImageConfig>, EngineError> {
        let found = match self
            .within(LIMIT, self.docker.inspect_image(reference))
            .await
        {
            Ok(found) => found,
            Err(fault) if fault.status() == Some(404) => return Ok(None),
            Err(fault) => return Err(self.reading(&format!("describe {reference}"), fault)),
        };
        let config = found.config.unwrap_or_default();
        let ports = config.exposed_ports.unwrap_or_default();
        let mut ports: Vec<_> = ports.iter().filter_map(|port| tcp_port(port)).collect();
        ports.sort_unstable();
        Ok(Some(ImageConfig {
            id: found.id.unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            ports,
            user: config.user.unwrap_or_default(),
            environment: config.env.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            bytes: found
                .size
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or_default(),
        }))
    }

    /// Takes a name from an image, and the image away with its last name.
    /// Missing is a success; one that a container uses is refused.
    ///
    /// # Errors
    /// It is in use, or the engine does not answer.
    pub async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::new().build();
        match self
            .within(
                LIMIT,
                self.docker.remove_image(reference, Some(options), None),
            )
            .await
        {
            Ok(_) => Ok(()),
            Err(Fault::Answered { status: 404, .. }) => Ok(()),
            Err(fault) => Err(self.changing(&format!("remove the image {reference}"), fault)),
        }
    }
}

/// `8000/tcp` or `8000`.
fn tcp_port(text: &str) -> Option<u16> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    (protocol == "tcp").then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tcp_ports_count() {
        assert_eq!(tcp_port("8000/tcp"), Some(8000));
        assert_eq!(tcp_port("8000"), Some(8000));
        assert_eq!(tcp_port("53/udp"), None);
    }
}
