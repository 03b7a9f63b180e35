//! What containers wrote.
//!
//! Next: `wait.rs` (the last lines of a container that failed).

use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use crate::DockerEngine;
use crate::errors::Fault;

const TAIL_LIMIT: Duration = Duration::from_secs(10);

impl DockerEngine {
    /// The last `lines` lines that a container wrote, oldest first.
    pub(crate) async fn last_lines(&self, container: &str, lines: usize) -> Result<Vec<String>, Fault> {
        let tail = lines.to_string();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&tail).build();
        let read = async {
            let mut written = Vec::new();
            let mut parts = std::pin::pin!(self.docker.logs(container, Some(options)));
            while let Some(part) = parts.next().await {
                written.extend_from_slice(part?.as_ref());
            }
            Ok::<_, bollard::errors::Error>(written)
        };
        let written = tokio::time::timeout(TAIL_LIMIT, read).await.map_err(|_| Fault::late(TAIL_LIMIT.as_secs()))??;
        let text = String::from_utf8_lossy(&written);
        let all: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        Ok(all[all.len().saturating_sub(lines)..].to_vec())
    }
}
