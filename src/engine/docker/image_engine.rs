//! The engine's images as the rooms above know them.
//!
//! Translates, and sends a build's context while it is written, so that a large
//! one is never held whole. A context that cannot be read to its end must never
//! look like one that ended: the engine would build what there is of it.
//! Next: `images.rs`, `image_build.rs`.

use std::io::{self, Write};

use bytes::Bytes;
use futures_util::Stream;
use scalectl_engine::{BuildContext, BuildTold, EngineError, ImageEngine, LogTail};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::DockerEngine;
use crate::image_build::{BuildProgress, BuildRequest};

const CHUNK: usize = 64 << 10;
/// Chunks that are written and not sent yet.
const AHEAD: usize = 8;

impl ImageEngine for DockerEngine {
    async fn image_config(
        &self,
        reference: &str,
    ) -> Result<Option<scalectl_engine::ImageConfig>, EngineError> {
        let found = DockerEngine::image_config(self, reference).await?;
        Ok(found.map(|image| scalectl_engine::ImageConfig {
            id: image.id,
            entrypoint: image.entrypoint,
            command: image.command,
            user: image.user,
            labels: image.labels,
            size_bytes: image.bytes,
        }))
    }

    async fn build_image(
        &self,
        request: &scalectl_engine::BuildRequest,
        tell: &dyn Fn(BuildTold),
    ) -> Result<(), EngineError> {
        let wanted = BuildRequest {
            reference: request.tag.clone(),
            dockerfile: request.dockerfile.clone(),
            args: request.args.clone(),
            labels: request.labels.clone(),
            no_cache: request.anew,
        };
        let (sender, receiver) = channel(AHEAD);
        let context = request.context.clone();
        let mut writing = tokio::task::spawn_blocking(move || write(&context, &sender));
        let build = self.build_image(&wanted, parts(receiver), |told| {
            if !is_builders_own(told) {
                tell(heard(told));
            }
        });
        let mut build = std::pin::pin!(build);
        tokio::select! {
            biased;
            written = &mut writing => match written {
                // The engine's answer tells why it took no more.
                Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(unreadable(&request.tag, &error))
                }
                _ => build.await.map(drop).map_err(without_builders_own),
            },
            built = &mut build => built.map(drop).map_err(without_builders_own),
        }
    }
}

/// What the builder says of its own containers and layers tells nobody anything.
fn is_builders_own(told: &BuildProgress) -> bool {
    matches!(told, BuildProgress::Line(line) if line.trim_start().starts_with("---> "))
}

fn without_builders_own(mut error: EngineError) -> EngineError {
    if let EngineError::BuildFailed { tail, .. } = &mut error {
        tail.0
            .retain(|line| !is_builders_own(&BuildProgress::Line(line.clone())));
    }
    error
}

fn heard(told: &BuildProgress) -> BuildTold {
    match told.clone() {
        BuildProgress::Step { number, of, text } => BuildTold::Step { number, of, text },
        BuildProgress::Line(line) => BuildTold::Line(line),
    }
}

fn unreadable(image: &str, error: &io::Error) -> EngineError {
    EngineError::BuildFailed {
        image: image.to_owned(),
        step: String::new(),
        message: format!("its folder could not be read: {error}"),
        tail: LogTail::default(),
    }
}

/// A part of a context, or that no further one will ever come.
enum Part {
    Bytes(Bytes),
    Broken,
}

fn write(context: &BuildContext, sender: &Sender<Part>) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(CHUNK, Parts(sender));
    let written = context.write(&mut out).and_then(|()| out.flush());
    // Nothing more is sent when it is dropped.
    drop(out.into_parts());
    if written.is_err() {
        drop(sender.blocking_send(Part::Broken));
    }
    written
}

struct Parts<'a>(&'a Sender<Part>);

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = Part::Bytes(Bytes::copy_from_slice(bytes));
        match self.0.blocking_send(part) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The parts as they come. After a broken one nothing ever comes, not even the
/// end.
fn parts(receiver: Receiver<Part>) -> impl Stream<Item = Bytes> + Send + 'static {
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        match receiver.recv().await? {
            Part::Bytes(bytes) => Some((bytes, receiver)),
            Part::Broken => std::future::pending().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_context_that_breaks_off_never_looks_like_one_that_ended() {
        let context = BuildContext::new(|to| {
            to.write_all(b"half of it")?;
            Err(io::Error::other("the disk is gone"))
        });
        let (sender, receiver) = channel(AHEAD);
        let writing = tokio::task::spawn_blocking(move || write(&context, &sender));
        let mut sent = Box::pin(parts(receiver));
        let next = tokio::time::timeout(Duration::from_millis(200), async {
            while sent.next().await.is_some() {}
        });
        assert!(next.await.is_err(), "the stream must not end");
        assert_eq!(
            writing.await.unwrap().unwrap_err().to_string(),
            "the disk is gone"
        );
    }

    #[tokio::test]
    async fn a_context_arrives_whole_and_ends() {
        let context = BuildContext::new(|to| (0..40).try_for_each(|_| to.write_all(&[7; 10_000])));
        let (sender, receiver) = channel(AHEAD);
        let writing = tokio::task::spawn_blocking(move || write(&context, &sender));
        let parts: Vec<_> = parts(receiver).collect().await;
        let length: usize = parts.iter().map(Bytes::len).sum();
        assert_eq!(length, 400_000, "every byte is sent once");
        writing.await.unwrap().unwrap();
    }
}
