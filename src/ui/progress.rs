//! A plan at work: a live line for each thing that is under way, and a line
//! that stays for each that is done. Without a terminal only the lines that stay.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use scalectl_execute::{Event, Outcome, Report};
use scalectl_plan::{Await, Call, OpId, Operation, Plan};
use serde::Serialize;

use crate::printer::{Format, Printer};

/// The live lines of this process: one set, whoever draws.
pub(crate) fn bars() -> MultiProgress {
    static BARS: std::sync::LazyLock<MultiProgress> = std::sync::LazyLock::new(MultiProgress::new);
    BARS.clone()
}

/// The display of one run.
pub struct Progress<'a> {
    printer: Printer,
    operations: BTreeMap<OpId, &'a Operation>,
    bars: MultiProgress,
    live: BTreeMap<OpId, ProgressBar>,
    done: usize,
}

/// An event as JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl<'a> Progress<'a> {
    /// A display for `plan`.
    pub fn new(printer: Printer, plan: &'a Plan) -> Self {
        let operations = plan
            .operations
            .iter()
            .map(|operation| (operation.id, operation))
            .collect();
        Self {
            printer,
            operations,
            bars: bars(),
            live: BTreeMap::new(),
            done: 0,
        }
    }

    /// Shows one event; as JSON it is data, too.
    pub fn show(&mut self, event: &Event) {
        if self.printer.format == Format::Json {
            // Nobody reading it is no reason to end what is under way.
            let _ = self.printer.data(&self.json(event));
        }
        match event {
            Event::Started { id } => self.started(*id),
            Event::Ended {
                id,
                outcome,
                elapsed,
            } => self.ended(*id, *outcome, *elapsed),
            Event::Stopping => self.line("stopping: waiting for the calls that are under way"),
        }
    }

    /// One line: the event, and of which operation it tells.
    fn json(&self, event: &Event) -> String {
        let operation = match event {
            Event::Started { id } | Event::Ended { id, .. } => self.operations.get(id),
            Event::Stopping => None,
        };
        let line = Line {
            event,
            call: operation.map(|it| it.call.verb()),
            subject: operation.map(|it| it.call.subject()),
            cause: operation.map(|it| it.cause.to_string()),
        };
        // Texts and numbers always serialise.
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }

    /// Takes the live lines away.
    pub fn finish(&mut self) {
        for (_, bar) in std::mem::take(&mut self.live) {
            bar.finish_and_clear();
        }
    }

    fn started(&mut self, id: OpId) {
        let Some(operation) = self.operations.get(&id).filter(|_| self.printer.is_live) else {
            return;
        };
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(present(&operation.call));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.live.insert(id, bar);
    }

    fn ended(&mut self, id: OpId, outcome: Outcome, elapsed: Duration) {
        if let Some(bar) = self.live.remove(&id) {
            bar.finish_and_clear();
        }
        let Some(operation) = self.operations.get(&id).copied() else {
            return;
        };
        self.done += 1;
        let (sign, style) = match outcome {
            Outcome::Done => ("+", "32"),
            Outcome::Failed => ("x", "31"),
            Outcome::Unknown => ("?", "33"),
            Outcome::GivenUp => return,
        };
        let words = match outcome {
            Outcome::Done => past(&operation.call),
            Outcome::Unknown => Some(format!("no reply: {}", present(&operation.call))),
            _ => Some(format!("failed: {}", present(&operation.call))),
        };
        let Some(words) = words else { return };
        let count = format!("[{}/{}]", self.done, self.operations.len());
        self.line(&format!(
            "{} {count:>9} {words} {}",
            self.printer.styled(sign, style),
            seconds(elapsed)
        ));
    }

    fn line(&self, text: &str) {
        match self.printer.is_live {
            // A closed stderr loses the line, as it would without live lines.
            true => drop(self.bars.println(text)),
            false => self.printer.say(text),
        }
    }
}

/// A length of time as people read it.
pub fn seconds(span: Duration) -> String {
    match span.as_millis() {
        millis @ 0..=999 => format!("{millis} ms"),
        millis => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
    }
}

/// Where the time went: the longest steps of the chain that the run waited for.
pub fn critical_path(plan: &Plan, report: &Report) -> String {
    let mut steps: Vec<_> = report
        .critical_path
        .iter()
        .filter(|step| step.elapsed.as_millis() >= 20)
        .collect();
    steps.sort_by_key(|step| std::cmp::Reverse(step.elapsed));
    steps.truncate(5);
    steps.sort_by_key(|step| step.id);
    let words = |id: OpId| {
        let operation = plan.operations.iter().find(|operation| operation.id == id);
        operation
            .map(|operation| present(&operation.call))
            .unwrap_or_default()
    };
    let parts: Vec<_> = steps
        .iter()
        .map(|step| format!("{} {}", words(step.id), seconds(step.elapsed)))
        .collect();
    format!(
        "{} in all; it waited for: {}",
        seconds(report.elapsed),
        parts.join(", ")
    )
}

fn present(call: &Call) -> String {
    let subject = call.subject();
    match call {
        Call::PullImage { .. } => format!("pulling {subject}"),
        Call::CreateContainer { .. } => format!("creating {subject}"),
        Call::CreateNetwork { .. } => format!("creating network {subject}"),
        Call::CreateVolume { .. } => format!("creating volume {subject}"),
        Call::RemoveNetwork { .. } => format!("removing network {subject}"),
        Call::RemoveVolume { .. } => format!("destroying volume {subject}"),
        Call::ConnectNetwork { place, .. } => format!("joining {subject} to {}", place.network),
        Call::UploadFiles { .. } => format!("handing settings to {subject}"),
        Call::StartContainer { .. } => format!("starting {subject}"),
        Call::UnpauseContainer { .. } => format!("unpausing {subject}"),
        Call::StopContainer { .. } => format!("stopping {subject}"),
        Call::RemoveContainer { .. } => format!("removing {subject}"),
        Call::Exec { command, .. } => format!("running `{}` in {subject}", command.join(" ")),
        Call::AwaitEnd { .. } => format!("waiting until {subject} has ended"),
        Call::Await {
            wait: Await::Healthy,
            ..
        } => format!("waiting until {subject} is healthy"),
        Call::Await {
            wait: Await::Completed,
            ..
        } => format!("waiting until {subject} is done"),
        Call::Await {
            wait: Await::Well { .. },
            ..
        } => format!("waiting whether {subject} stays up"),
    }
}

/// Only what a person wants to see stays on the screen.
fn past(call: &Call) -> Option<String> {
    let subject = call.subject();
    match call {
        Call::PullImage { .. } => Some(format!("pulled {subject}")),
        Call::Await {
            wait: Await::Healthy,
            ..
        } => Some(format!("{subject} is healthy")),
        Call::Await {
            wait: Await::Completed,
            ..
        } => Some(format!("{subject} is done")),
        Call::Await {
            wait: Await::Well { .. },
            ..
        } => Some(format!("{subject} is well")),
        Call::StopContainer { .. } => Some(format!("stopped {subject}")),
        Call::RemoveVolume { .. } => Some(format!("destroyed volume {subject}")),
        Call::Exec { command, .. } => Some(format!("{subject}: `{}` is done", command.join(" "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use scalectl_execute::PathStep;
    use scalectl_plan::Cause;

    use super::*;

    /// Starts of those containers, numbered from 1.
    fn starts(containers: &[&str]) -> Plan {
        let start = |(id, container): (u32, &&str)| Operation {
            id: OpId(id),
            call: Call::StartContainer {
                container: (*container).to_owned(),
            },
            cause: Cause::Missing,
            after: Vec::new(),
        };
        Plan {
            project: "shop".to_owned(),
            operations: (1..).zip(containers).map(start).collect(),
            keeps: Vec::new(),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn the_five_longest_steps_of_the_critical_path_are_told_in_their_order() {
        let plan = starts(&["a", "b", "c", "d", "e", "f", "g"]);
        let millis = [40, 19, 1500, 30, 50, 20, 12_345];
        let step = |(id, millis): (u32, &u64)| PathStep {
            id: OpId(id),
            elapsed: Duration::from_millis(*millis),
        };
        let report = Report {
            elapsed: Duration::from_millis(14_004),
            critical_path: (1..).zip(&millis).map(step).collect(),
        };
        assert_eq!(
            critical_path(&plan, &report),
            "14.0 s in all; it waited for: starting a 40 ms, starting c 1.5 s, starting d 30 ms, starting e 50 ms, starting g 12.3 s"
        );
    }

    #[test]
    fn an_event_as_json_is_one_line_that_says_of_what_it_tells() {
        let plan = starts(&["shop-app-1"]);
        let progress = Progress::new(Printer::new(Format::Json), &plan);
        let ended = Event::Ended {
            id: OpId(1),
            outcome: Outcome::Done,
            elapsed: Duration::from_millis(7),
        };
        assert_eq!(
            progress.json(&ended),
            "{\"event\":\"ended\",\"id\":1,\"outcome\":\"done\",\"elapsed_ms\":7,\"call\":\"start\",\"subject\":\"shop-app-1\",\"cause\":\"missing\"}\n"
        );
        assert_eq!(
            progress.json(&Event::Stopping),
            "{\"event\":\"stopping\"}\n"
        );
    }
}
