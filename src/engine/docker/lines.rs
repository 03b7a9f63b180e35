//! Lines from the parts in which an engine tells what a container wrote.
//!
//! A line is cut every 16 KiB: its parts end without `\n`, each has a time of its
//! own before it, and those of stdout and of stderr come in turns. Bytes are passed
//! as they are. Next: `logs.rs` (whose lines).

use bollard::container::LogOutput;
use futures_util::{Stream, StreamExt};
use scalectl_engine::EngineError;

use crate::logs::{LogLine, LogSource};
use crate::time;

/// A line that does not end is told in pieces of this size.
const LONGEST: usize = 1 << 20;

type Told<T> = Result<T, EngineError>;

/// The lines of one container.
pub(crate) fn whole_lines<'a>(
    container: String,
    service: String,
    parts: impl Stream<Item = Told<LogOutput>> + 'a,
) -> impl Stream<Item = Told<LogLine>> + 'a {
    // What was written last may have no end: it is a line when all has been told.
    let parts = parts.map(Some).chain(futures_util::stream::iter([None]));
    let mut open = Open::default();
    parts.flat_map(move |part| {
        let lines = match part {
            None => open.rest().map(Ok).collect(),
            Some(Err(error)) => vec![Err(error)],
            Some(Ok(part)) => {
                let (part, is_whole) = line(&container, &service, part);
                open.take_in(part, is_whole).map(Ok).into_iter().collect()
            }
        };
        futures_util::stream::iter(lines)
    })
}

/// Lines whose end has not come yet.
#[derive(Default)]
struct Open {
    stdout: Option<LogLine>,
    stderr: Option<LogLine>,
}

impl Open {
    fn take_in(&mut self, part: LogLine, is_whole: bool) -> Option<LogLine> {
        let place = match part.source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        };
        let mut line = match place.take() {
            None => part,
            Some(mut line) => {
                line.bytes.extend_from_slice(&part.bytes);
                line
            }
        };
        if is_whole && line.bytes.last() == Some(&b'\r') {
            line.bytes.pop();
        }
        if is_whole || line.bytes.len() >= LONGEST {
            return Some(line);
        }
        *place = Some(line);
        None
    }

    fn rest(&mut self) -> impl Iterator<Item = LogLine> + use<> {
        [self.stdout.take(), self.stderr.take()]
            .into_iter()
            .flatten()
    }
}

/// One part, and whether a line ends with it. The engine puts a time and a space
/// before it.
fn line(container: &str, service: &str, part: LogOutput) -> (LogLine, bool) {
    let source = if matches!(part, LogOutput::StdErr { .. }) {
        LogSource::Stderr
    } else {
        LogSource::Stdout
    };
    let bytes = part.into_bytes();
    let space = bytes
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or_default();
    let told = std::str::from_utf8(&bytes[..space])
        .ok()
        .and_then(time::nanos);
    let text = if told.is_some() {
        &bytes[space + 1..]
    } else {
        &bytes[..]
    };
    let whole = text.strip_suffix(b"\n");
    let line = LogLine {
        container: container.to_owned(),
        service: service.to_owned(),
        source,
        nanos: told.unwrap_or_default(),
        bytes: whole.unwrap_or(text).to_vec(),
    };
    (line, whole.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Told<LogOutput> {
        Ok(LogOutput::StdOut {
            message: text.to_owned().into(),
        })
    }

    fn err(text: &str) -> Told<LogOutput> {
        Ok(LogOutput::StdErr {
            message: text.to_owned().into(),
        })
    }

    async fn lines(parts: Vec<Told<LogOutput>>) -> Vec<LogLine> {
        let parts = futures_util::stream::iter(parts);
        let lines = whole_lines("web".to_owned(), "app".to_owned(), parts);
        lines.map(|line| line.unwrap()).collect().await
    }

    const FIRST: &str = "1970-01-01T00:00:01.000000002Z";
    const SECOND: &str = "1970-01-01T00:00:02.000000000Z";

    #[tokio::test]
    async fn a_line_is_split_into_its_time_and_its_bytes() {
        let read = lines(vec![err(&format!("{FIRST} a  b\r\n"))]).await;
        assert_eq!(
            (read[0].nanos, read[0].bytes.as_slice(), read[0].source),
            (1_000_000_002, &b"a  b"[..], LogSource::Stderr)
        );
        let bare = lines(vec![out("no time here\n")]).await;
        assert_eq!(
            (bare[0].nanos, bare[0].bytes.as_slice()),
            (0, &b"no time here"[..]),
            "nothing of a line is lost"
        );
    }

    #[tokio::test]
    async fn parts_of_a_long_line_are_one_line_with_its_first_time() {
        let read = lines(vec![
            out(&format!("{FIRST} {{\"a\": ")),
            err(&format!("{FIRST} beside\n")),
            out(&format!("{SECOND} 1}}\n")),
            out(&format!("{SECOND} next\n")),
            out(&format!("{SECOND} without an end")),
        ])
        .await;
        let told: Vec<_> = read
            .iter()
            .map(|line| {
                (
                    line.nanos,
                    String::from_utf8_lossy(&line.bytes).into_owned(),
                )
            })
            .collect();
        let expected = [
            (1_000_000_002, "beside"),
            (1_000_000_002, "{\"a\": 1}"),
            (2_000_000_000, "next"),
            (2_000_000_000, "without an end"),
        ];
        assert_eq!(told, expected.map(|(nanos, text)| (nanos, text.to_owned())));
    }

    #[tokio::test]
    async fn a_line_that_never_ends_does_not_fill_the_memory() {
        let part = format!("{FIRST} {}", "x".repeat(LONGEST / 4));
        let read = lines((0..9).map(|_| out(&part)).collect()).await;
        let lengths: Vec<_> = read.iter().map(|line| line.bytes.len()).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, LONGEST / 4]);
    }
}
