//! Building an image on the engine, by its classic builder.
//!
//! The classic builder is in every engine from 20.10 on and needs no session;
//! what it lacks (mounts in RUN, heredocs) our Dockerfiles do not use. The
//! context comes as a tar stream and is never held whole. Next: `images.rs`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use scalectl_engine::{EngineError, LogTail};

use crate::DockerEngine;
use crate::errors::{Fault, is_disk_full};

/// A step may compile for long without a word.
const SILENCE: u64 = 3_600;
const KEPT_LINES: usize = 30;

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// `name:tag` of the image.
    pub reference: String,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    pub args: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Build every step anew.
    pub no_cache: bool,
}

/// What a build tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildProgress {
    Step { number: u32, of: u32, text: String },
    Line(String),
}

impl DockerEngine {
    /// Builds an image from a context (a tar stream) and gives its id.
    ///
    /// # Errors
    /// `BuildFailed` with the step and the last lines; no space; no answer.
    pub async fn build_image(
        &self,
        request: &BuildRequest,
        context: impl Stream<Item = Bytes> + Send + 'static,
        mut on_progress: impl FnMut(&BuildProgress),
    ) -> Result<String, EngineError> {
        let map =
            |pairs: &BTreeMap<String, String>| pairs.clone().into_iter().collect::<HashMap<_, _>>();
        let options = BuildImageOptionsBuilder::new()
            .t(&request.reference)
            .dockerfile(&request.dockerfile)
            .buildargs(&map(&request.args))
            .labels(&map(&request.labels))
            .nocache(request.no_cache)
            .rm(true)
            .forcerm(true);
        let parts =
            self.docker
                .build_image(options.build(), None, Some(bollard::body_stream(context)));
        let mut parts = std::pin::pin!(parts);
        let mut build = Build::default();
        loop {
            let part = tokio::time::timeout(Duration::from_secs(SILENCE), parts.next()).await;
            match part.unwrap_or_else(|_| Some(Err(late()))) {
                None => break,
                Some(Ok(part)) => build.take_in(part, &mut on_progress),
                Some(Err(error)) => return Err(self.build_failed(request, build, error.into())),
            }
        }
        build.id.ok_or_else(|| EngineError::Unknown {
            action: format!("build {}", request.reference),
            source: None,
        })
    }

    fn build_failed(&self, request: &BuildRequest, build: Build, fault: Fault) -> EngineError {
        match fault {
            Fault::Answered { message, .. } if !is_disk_full(&message) => {
                EngineError::BuildFailed {
                    image: request.reference.clone(),
                    step: build.step,
                    message,
                    tail: LogTail(build.lines),
                }
            }
            fault => self.changing(&format!("build {}", request.reference), fault),
        }
    }
}

fn late() -> bollard::errors::Error {
    bollard::errors::Error::RequestTimeoutError
}

/// What is known of a build so far.
#[derive(Default)]
struct Build {
    step: String,
    lines: Vec<String>,
    id: Option<String>,
    /// The beginning of a line whose end has not come yet.
    rest: String,
}

impl Build {
    fn take_in(&mut self, part: BuildInfo, on_progress: &mut impl FnMut(&BuildProgress)) {
        if let Some(id) = part.aux.and_then(|aux| aux.id) {
            self.id = Some(id);
        }
        self.rest
            .push_str(part.stream.as_deref().unwrap_or_default());
        while let Some(end) = self.rest.find('\n') {
            let line: String = self.rest.drain(..=end).collect();
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            let progress = step(line).unwrap_or_else(|| BuildProgress::Line(line.to_owned()));
            match &progress {
                BuildProgress::Step { text, .. } => {
                    (self.step, self.lines) = (text.clone(), Vec::new())
                }
                BuildProgress::Line(line) => self.keep(line),
            }
            on_progress(&progress);
        }
    }

    fn keep(&mut self, line: &str) {
        if self.lines.len() == KEPT_LINES {
            self.lines.remove(0);
        }
        self.lines.push(line.to_owned());
    }
}

/// `Step 3/7 : RUN make`
fn step(line: &str) -> Option<BuildProgress> {
    let (count, text) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, of) = count.split_once('/')?;
    Some(BuildProgress::Step {
        number: number.parse().ok()?,
        of: of.parse().ok()?,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> BuildInfo {
        BuildInfo {
            stream: Some(text.to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn a_build_is_read_into_steps_and_whole_lines() {
        let mut told = Vec::new();
        let mut build = Build::default();
        for part in [
            "Step 1/2 : FROM scalectl/base\n",
            " ---> 0a1b\n",
            "Step 2/2 : RUN make\n",
            "comp",
            "iling\n",
            "\n",
        ] {
            build.take_in(said(part), &mut |progress: &BuildProgress| {
                told.push(progress.clone())
            });
        }
        let line = |text: &str| BuildProgress::Line(text.to_owned());
        let step = |number, text: &str| BuildProgress::Step {
            number,
            of: 2,
            text: text.to_owned(),
        };
        assert_eq!(
            told,
            [
                step(1, "FROM scalectl/base"),
                line(" ---> 0a1b"),
                step(2, "RUN make"),
                line("compiling")
            ]
        );
        assert_eq!(
            (build.step.as_str(), build.lines),
            ("RUN make", vec!["compiling".to_owned()]),
            "of its last step"
        );
    }

    #[test]
    fn a_failure_keeps_only_the_last_lines() {
        let mut build = Build::default();
        for number in 0..100 {
            build.take_in(
                said(&format!("line {number}\n")),
                &mut |_: &BuildProgress| {},
            );
        }
        assert_eq!(build.lines.len(), KEPT_LINES);
        assert_eq!(build.lines.last().map(String::as_str), Some("line 99"));
    }
}
