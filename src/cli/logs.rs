//! `scalectl logs`: what the containers of a stack write.
//!
//! Lines are data: bytes go through as they are. Next: `engine/docker/logs.rs`
//! (their order), `ui/logs.rs` (names and colours).

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use scalectl_engine_docker::{DockerEngine, LogLine, LogRequest, LogSource};
use scalectl_plan::Observed;
use scalectl_ui::{Format, LogStyle, LogWriter};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::context::Context;
use crate::cli::error::CommandError;

/// Show what containers write
#[derive(clap::Args, Debug)]
pub struct LogsArgs {
    /// Only these services (`scalectl status` names them)
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Go on with what is written from now on
    #[arg(short = 'f', long)]
    follow: bool,
    /// Leave out what is older: than a span such as `10m`, or a time such as
    /// `2026-01-31T08:00:00Z`
    #[arg(long, value_name = "WHEN", value_parser = Since::parse)]
    since: Option<Since>,
    /// Only the last N lines of each container
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
    /// Put each line's time before it
    #[arg(short, long)]
    timestamps: bool,
    /// Leave out who wrote it
    #[arg(long)]
    no_prefix: bool,
    /// The app model (`-f` means `--follow` here; before `logs` it is the file)
    //
    // The definition of the global option of this id without its short form,
    // which would be taken twice. Clap hands its value on as the global one.
    #[arg(
        id = "file",
        long = "file",
        default_value = "scale.yaml",
        value_name = "FILE"
    )]
    _file: PathBuf,
}

/// The age or the time of the oldest line that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    /// Seconds since 1970.
    Time(u64),
}

impl Since {
    fn parse(text: &str) -> Result<Self, String> {
        let time = || {
            let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
            u64::try_from(time.unix_timestamp()).ok().map(Self::Time)
        };
        span(text).map(Self::Ago).or_else(time).ok_or_else(|| {
            "a span is numbers with d, h, m or s, such as `1h30m`; a time is `2026-01-31T08:00:00Z`"
                .to_owned()
        })
    }

    /// In seconds since 1970 by the engine's clock.
    fn on(self, engine: &DockerEngine) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let now = now.saturating_add_signed(engine.clock_ahead_seconds());
        match self {
            Self::Ago(span) => now.saturating_sub(span.as_secs()),
            Self::Time(seconds) => seconds,
        }
    }
}

fn span(text: &str) -> Option<Duration> {
    let (mut seconds, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let unit = rest.find(|it: char| !it.is_ascii_digit())?;
        let number: u64 = rest[..unit].parse().ok()?;
        let factor = match rest.as_bytes()[unit] {
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(factor)?)?;
        rest = rest.get(unit + 1..)?;
    }
    (!text.is_empty()).then_some(Duration::from_secs(seconds))
}

#[derive(Serialize)]
struct Line<'a> {
    container: &'a str,
    service: &'a str,
    stream: &'static str,
    time: Option<String>,
    text: String,
}

pub async fn run(args: &LogsArgs, context: &Context) -> Result<ExitCode, CommandError> {
    let engine = context.engine().await?;
    let project = context.project()?;
    let observed = context.look(&engine, &project).await?;
    context.refuse_unknown(&project, &observed, &args.services)?;
    let request = LogRequest {
        project: project.clone(),
        services: args.services.clone(),
        follow: args.follow,
        since: args.since.map(|since| since.on(&engine)),
        tail: args.tail,
    };
    let mut lines = engine.logs(request).await?;
    let prefix = format!("{project}-");
    let mut writer = LogWriter::new(LogStyle {
        width: width(args, &observed, &prefix),
        has_names: !args.no_prefix && matches!(context.printer.format, Format::Text),
    });
    while let Some(line) = lines.next().await {
        let line = line?;
        let written = match context.printer.format {
            Format::Json => writer.line("", None, &json(&line)),
            Format::Text => {
                let name = line.container.strip_prefix(&prefix);
                let time = args.timestamps.then(|| time(line.nanos)).flatten();
                let name = name.unwrap_or(&line.container);
                writer.line(name, time.as_deref(), &line.bytes)
            }
        };
        match written.and_then(|()| if args.follow { writer.flush() } else { Ok(()) }) {
            Ok(()) => {}
            Err(error) => return ended(error),
        }
    }
    writer
        .flush()
        .map_or_else(ended, |()| Ok(ExitCode::SUCCESS))
}

/// Whoever read has seen enough: that is no failure.
fn ended(error: io::Error) -> Result<ExitCode, CommandError> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(CommandError::io("print the lines", error)),
    }
}

/// That of the longest name that can come.
fn width(args: &LogsArgs, observed: &Observed, prefix: &str) -> usize {
    let wanted = |service: &String| args.services.is_empty() || args.services.contains(service);
    let names = observed.ours().filter(|(_, it)| wanted(&it.service));
    let widths = names.map(|(name, _)| name.strip_prefix(prefix).unwrap_or(name).len());
    widths.max().unwrap_or_default()
}

fn time(nanos: u64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos.into()).ok()?;
    (nanos > 0).then(|| time.format(&Rfc3339).ok()).flatten()
}

fn json(line: &LogLine) -> Vec<u8> {
    let line = Line {
        container: &line.container,
        service: &line.service,
        stream: match line.source {
            LogSource::Stdout => "stdout",
            LogSource::Stderr => "stderr",
        },
        time: time(line.nanos),
        text: String::from_utf8_lossy(&line.bytes).into_owned(),
    };
    // Texts always serialise.
    serde_json::to_vec(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_or_a_time_says_how_old_lines_may_be() {
        let ago = |seconds| Ok(Since::Ago(Duration::from_secs(seconds)));
        assert_eq!(Since::parse("90s"), ago(90));
        assert_eq!(Since::parse("1h30m"), ago(5400));
        assert_eq!(Since::parse("1d"), ago(86_400));
        assert_eq!(
            Since::parse("1970-01-01T01:00:00+01:00"),
            Ok(Since::Time(0))
        );
        for text in ["", "10", "h", "5w", "-5m", "5mé", "yesterday"] {
            assert!(Since::parse(text).is_err(), "`{text}` says nothing");
        }
    }

    #[test]
    fn a_line_s_time_is_shown_to_the_nanosecond() {
        let shown = time(1_000_000_002).unwrap();
        assert_eq!(shown, "1970-01-01T00:00:01.000000002Z");
        assert_eq!(time(0), None, "the engine told none");
    }
}
