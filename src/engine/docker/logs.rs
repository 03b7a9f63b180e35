//! What containers wrote, of one or of many at once.
//!
//! What is there already comes in the order of its times, over all containers;
//! what is followed comes as it arrives, and a container that is started again
//! or made anew is followed on. Bytes are passed as they are.
//! Next: `lines.rs` (what is one line), `wait.rs` (the last lines of a container that failed).

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::stream::SelectAll;
use futures_util::{Stream, StreamExt};
use scalectl_engine::EngineError;
use scalectl_plan::LABELS;

use crate::DockerEngine;
use crate::changes::Change;
use crate::errors::Fault;
use crate::lines::whole_lines;
use crate::observe::own_name;

const TAIL_LIMIT: Duration = Duration::from_secs(10);

/// Whose lines, and which of them.
#[derive(Debug, Clone, Default)]
pub struct LogRequest {
    pub project: String,
    /// Services; none are all.
    pub services: Vec<String>,
    /// Go on with what is written from now on.
    pub follow: bool,
    /// Seconds since 1970 by the engine's clock.
    pub since: Option<u64>,
    /// At most this many lines of each container.
    pub tail: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    Stdout,
    Stderr,
}

/// One line of one container, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub container: String,
    pub service: String,
    pub source: LogSource,
    /// Nanoseconds since 1970 by the engine's clock; 0 if it told none.
    pub nanos: u64,
    pub bytes: Vec<u8>,
}

/// How much later than its first line a container's start can be told, in seconds.
const START_IS_TOLD_LATE: u64 = 5;

struct Following<'a> {
    lines: SelectAll<Lines<'a>>,
    changes: Pin<Box<dyn Stream<Item = Change> + 'a>>,
    /// The time of the last line told of each container.
    told: HashMap<String, u64>,
    request: LogRequest,
}

type Lines<'a> = Pin<Box<dyn Stream<Item = Result<LogLine, EngineError>> + 'a>>;

impl DockerEngine {
    /// The lines that a request asks for.
    ///
    /// # Errors
    /// The engine cannot be reached, or a container writes to a place that the
    /// engine cannot read (its logging driver).
    pub async fn logs(&self, request: LogRequest) -> Result<Lines<'_>, EngineError> {
        // Before the list, so that no start between the two is missed.
        let changes = match request.follow {
            true => Some(self.changes(&request.project).await?),
            false => None,
        };
        let found = self.log_sources(&request).await?;
        let each = found
            .into_iter()
            .map(|(id, name, service)| self.lines_of(&id, name, service, &request, request.since));
        match changes {
            None => Ok(Box::pin(by_time(each.collect()))),
            Some(changes) => Ok(Box::pin(self.followed(
                each.collect(),
                Box::pin(changes),
                request,
            ))),
        }
    }

    /// Id, name and service of each container that is asked for.
    async fn log_sources(
        &self,
        request: &LogRequest,
    ) -> Result<Vec<(String, String, String)>, EngineError> {
        let label = format!("{}={}", LABELS.project, request.project);
        let found = self
            .containers(HashMap::from([("label", vec![label.as_str()])]))
            .await;
        let found = found.map_err(|fault| self.reading("list the containers", fault))?;
        let source = found.into_iter().filter_map(|summary| {
            let name = own_name(&summary)?.to_owned();
            let service = summary
                .labels
                .and_then(|mut labels| labels.remove(LABELS.service))
                .unwrap_or_default();
            request
                .wants(&service)
                .then_some((summary.id?, name, service))
        });
        let mut sources: Vec<_> = source.collect();
        sources.sort_by(|a, b| a.1.cmp(&b.1));
        Ok(sources)
    }

    fn lines_of(
        &self,
        id: &str,
        name: String,
        service: String,
        request: &LogRequest,
        since: Option<u64>,
    ) -> Lines<'_> {
        let tail = request
            .tail
            .map_or("all".to_owned(), |lines| lines.to_string());
        let mut options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(request.follow)
            .tail(&tail);
        if let Some(since) = since {
            options = options.since(i32::try_from(since).unwrap_or(i32::MAX));
        }
        let action = format!("tell what {name} wrote");
        let parts = self.docker.logs(id, Some(options.build()));
        let parts = parts.filter_map(move |part| {
            let part = match part {
                Ok(part) => Some(Ok(part)),
                Err(error) => match Fault::from(error) {
                    // Removed since the list was made.
                    fault if fault.status() == Some(404) => None,
                    fault => Some(Err(self.reading(&action, fault))),
                },
            };
            std::future::ready(part)
        });
        Box::pin(whole_lines(name, service, parts))
    }

    fn followed<'a>(
        &'a self,
        lines: Vec<Lines<'a>>,
        changes: Pin<Box<dyn Stream<Item = Change> + 'a>>,
        request: LogRequest,
    ) -> impl Stream<Item = Result<LogLine, EngineError>> + 'a {
        let following = Following {
            lines: lines.into_iter().collect(),
            changes,
            told: HashMap::new(),
            request,
        };
        futures_util::stream::unfold(following, move |mut following| async move {
            loop {
                tokio::select! {
                    Some(line) = following.lines.next() => {
                        if let Ok(line) = &line {
                            following.told.insert(line.container.clone(), line.nanos);
                        }
                        return Some((line, following));
                    }
                    change = following.changes.next() => {
                        let change = change?;
                        if change.action == "start" && following.request.wants(&change.service) {
                            following.lines.push(self.next_life(&following, change));
                        }
                    }
                }
            }
        })
    }

    /// The lines of a container from this start on. Its first lines can be older
    /// than the news of its start, so they are asked for from a little before,
    /// and what has been told already is left out.
    fn next_life(&self, following: &Following<'_>, change: Change) -> Lines<'_> {
        let told = following.told.get(&change.container).copied();
        let least = told.unwrap_or_default();
        let request = LogRequest {
            tail: None,
            ..following.request.clone()
        };
        let since = change.seconds.saturating_sub(START_IS_TOLD_LATE);
        let lines = self.lines_of(
            &change.id,
            change.container,
            change.service,
            &request,
            Some(since),
        );
        Box::pin(lines.filter(move |line| {
            let is_new = line.as_ref().map_or(true, |line| line.nanos > least);
            std::future::ready(is_new)
        }))
    }

    /// The last `lines` lines that a container wrote, oldest first.
    pub(crate) async fn last_lines(
        &self,
        container: &str,
        lines: usize,
    ) -> Result<Vec<String>, Fault> {
        let tail = lines.to_string();
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&tail)
            .build();
        let read = async {
            let mut written = Vec::new();
            let mut parts = std::pin::pin!(self.docker.logs(container, Some(options)));
            while let Some(part) = parts.next().await {
                written.extend_from_slice(part?.as_ref());
            }
            Ok::<_, bollard::errors::Error>(written)
        };
        let written = tokio::time::timeout(TAIL_LIMIT, read)
            .await
            .map_err(|_| Fault::late(TAIL_LIMIT.as_secs()))??;
        let text = String::from_utf8_lossy(&written);
        let all: Vec<_> = text
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        Ok(all[all.len().saturating_sub(lines)..].to_vec())
    }
}

impl LogRequest {
    fn wants(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|wanted| wanted == service)
    }
}

/// Merges streams that are each in order into one that is.
fn by_time(streams: Vec<Lines<'_>>) -> impl Stream<Item = Result<LogLine, EngineError>> {
    let streams = streams
        .into_iter()
        .map(|stream| Box::pin(stream.peekable()))
        .collect::<Vec<_>>();
    futures_util::stream::unfold(streams, |mut streams| async move {
        let mut first: Option<(u64, usize)> = None;
        for (index, stream) in streams.iter_mut().enumerate() {
            // An error is told at once.
            let Some(head) = stream.as_mut().peek().await else {
                continue;
            };
            let nanos = head.as_ref().map_or(0, |line| line.nanos);
            if first.is_none_or(|(least, _)| nanos < least) {
                first = Some((nanos, index));
            }
        }
        let (_, index) = first?;
        Some((streams[index].next().await?, streams))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(container: &'static str, nanos: &[u64]) -> Lines<'static> {
        let lines = nanos.iter().map(|&nanos| {
            Ok(LogLine {
                container: container.to_owned(),
                service: String::new(),
                source: LogSource::Stdout,
                nanos,
                bytes: Vec::new(),
            })
        });
        Box::pin(futures_util::stream::iter(lines.collect::<Vec<_>>()))
    }

    #[tokio::test]
    async fn lines_of_several_containers_come_in_the_order_of_their_times() {
        let merged = by_time(vec![
            lines("a", &[1, 4, 5]),
            lines("b", &[2, 3]),
            lines("c", &[]),
        ]);
        let order: Vec<_> = merged.map(|line| line.unwrap().nanos).collect().await;
        assert_eq!(order, [1, 2, 3, 4, 5]);
    }
}
