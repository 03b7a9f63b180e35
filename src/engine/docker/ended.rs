//! Waiting until a container's process has ended, which is before a stop is done.
//!
//! A stop is answered when the engine has also taken the container's network and
//! mounts down, most of the time of a stop. What needs only the process gone need
//! not wait for that. The engine tells that by nothing but the end of a followed
//! log: it closes a container's log once the task is deleted in containerd, right
//! before it clears up, and it does not close it when a process merely closes its
//! own outputs. Source: moby, daemon/monitor.go, `handleContainerExit`; the same
//! since 20.10. Next: `wait.rs` (the other waits).

use std::time::Duration;

use bollard::query_parameters::WaitContainerOptionsBuilder;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use scalectl_engine::EngineError;

use crate::DockerEngine;
use crate::apply::LONGEST_GRACE;
use crate::connect::empty;
use crate::errors::Fault;

impl DockerEngine {
    /// Until the process of a container has ended, whoever ends it.
    pub(crate) async fn until_ended(&self, name: &str, id: &str) -> Result<(), EngineError> {
        let ended = async {
            match self.until_log_ends(id).await {
                // A logging driver that cannot be read, or a stream that broke.
                Err(fault) if fault.status() != Some(404) => self.until_stopped(id).await,
                ended => ended,
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(LONGEST_GRACE), ended).await;
        match ended.unwrap_or_else(|_| Err(Fault::late(LONGEST_GRACE))) {
            Err(fault) if fault.status() != Some(404) => Err(self.blind(name, fault)),
            _ => Ok(()),
        }
    }

    async fn until_log_ends(&self, id: &str) -> Result<(), Fault> {
        let path = format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1&tail=0");
        let request = hyper::Request::get(path)
            .body(empty())
            .map_err(|error| Fault::Lost(Box::new(error)))?;
        let answer = self.wire.send(request).await?;
        if !answer.status().is_success() {
            return Err(Fault::Answered {
                status: answer.status().as_u16(),
                message: format!("the log of {id} cannot be followed"),
            });
        }
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| Fault::Lost(Box::new(error)))?;
        }
        Ok(())
    }

    /// Until it does not run; one that is gone is an error, status 404.
    pub(crate) async fn until_stopped(&self, id: &str) -> Result<(), Fault> {
        let options = WaitContainerOptionsBuilder::new()
            .condition("not-running")
            .build();
        let mut ends = std::pin::pin!(self.docker.wait_container(id, Some(options)));
        match ends.next().await.transpose() {
            // An exit code other than 0 comes as an error of bollard's own.
            Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. }) => Ok(()),
            Err(error) => Err(Fault::from(error)),
        }
    }
}
