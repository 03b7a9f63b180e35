//! Fetching an image from its registry.
//!
//! Ends as the registry says; a layer that was fetched before is not fetched
//! again, so that a pull that broke goes on where it was. Next: `apply.rs`.

use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use scalectl_engine::EngineError;

use crate::apply::image_missing;
use crate::errors::{Fault, is_disk_full};
use crate::{DockerEngine, registry};

/// Between two words of the engine; a large layer is told of all the time.
const SILENCE: u64 = 300;
const QUICK: u64 = 30;

impl DockerEngine {
    pub(crate) async fn pull(&self, reference: &str) -> Result<(), EngineError> {
        // Without a tag the engine would fetch every tag that there is.
        let name = if has_tag(reference) {
            reference.to_owned()
        } else {
            format!("{reference}:latest")
        };
        let options = CreateImageOptionsBuilder::new().from_image(&name).build();
        let credentials = self.credentials(reference).await;
        let mut steps = std::pin::pin!(self.docker.create_image(Some(options), None, credentials));
        let failed = |fault| self.pull_failed(reference, fault);
        loop {
            let next = tokio::time::timeout(Duration::from_secs(SILENCE), steps.next()).await;
            match next.map_err(|_| failed(Fault::late(SILENCE)))? {
                None => return Ok(()),
                Some(step) => drop(step.map_err(|error| failed(error.into()))?),
            }
        }
    }

    async fn credentials(&self, reference: &str) -> Option<DockerCredentials> {
        let registry = match registry::host(reference) {
            Some(host) => host.to_owned(),
            // Under which name the login of the default registry is kept.
            None => {
                self.within(QUICK, self.docker.info())
                    .await
                    .ok()?
                    .index_server_address?
            }
        };
        registry::credentials(self.folder.as_deref(), &registry).await
    }

    fn pull_failed(&self, reference: &str, fault: Fault) -> EngineError {
        match fault {
            Fault::Answered {
                status: 404 | 401 | 403,
                message,
            } => image_missing(reference, message),
            Fault::Answered { message, .. } if is_unknown(&message) => {
                image_missing(reference, message)
            }
            Fault::Answered { message, .. } if !is_disk_full(&message) => EngineError::PullFailed {
                reference: reference.to_owned(),
                message,
            },
            fault => self.changing(&format!("fetch {reference}"), fault),
        }
    }
}

/// In the middle of an answer there is no status, only the registry's words.
fn is_unknown(message: &str) -> bool {
    [
        "manifest unknown",
        "not found",
        "access denied",
        "denied:",
        "unauthorized",
        // Docker 20.10 answers so with status 500.
        "no basic auth credentials",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// A colon after the last slash is a tag; one before is a registry's port.
fn has_tag(reference: &str) -> bool {
    reference.contains('@')
        || reference
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_is_told_from_a_registry_with_a_port() {
        for (reference, tagged) in [
            ("valkey", false),
            ("valkey:8.1", true),
            ("localhost:5000/shop", false),
            ("localhost:5000/shop:1", true),
            ("shop@sha256:0123", true),
        ] {
            assert_eq!(has_tag(reference), tagged, "{reference}");
        }
    }
}
