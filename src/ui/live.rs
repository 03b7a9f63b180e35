//! How a stack does while it is moved: one line that changes, beside those of a plan.

use indicatif::{ProgressBar, ProgressStyle};
use scalectl_migrate::Sample;
use serde::Serialize;

use crate::printer::{Format, Printer};
use crate::progress::bars;
use crate::quantity::size;

/// The live line of one migration; nothing where nobody looks.
pub struct Live {
    printer: Printer,
    bar: Option<ProgressBar>,
}

/// A sample as one line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    #[serde(flatten)]
    sample: &'a Sample,
}

impl Live {
    pub fn new(printer: Printer) -> Self {
        let bar = printer.is_live.then(|| {
            let bar = bars().add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { printer, bar }
    }

    pub fn show(&self, sample: &Sample) {
        let event = "sample";
        self.tell(&Line { event, sample });
        if let Some(bar) = &self.bar {
            bar.set_message(sample_text(sample));
        }
    }

    /// What happens, as one line of JSON where that is wanted.
    pub fn tell(&self, event: &impl Serialize) {
        if self.printer.format == Format::Json {
            // Texts and numbers always serialise; nobody reading it ends nothing.
            let line = serde_json::to_string(event).unwrap_or_default();
            let _unread = self.printer.data(&(line + "\n"));
        }
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        match self.bar {
            // A closed stderr loses the line, as it would without live lines.
            Some(_) => drop(bars().println(line)),
            None => self.printer.say(line),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One look in a few words.
pub fn sample_text(sample: &Sample) -> String {
    let mut parts = Vec::new();
    if let Some(rate) = sample.per_second {
        parts.push(format!("{rate:.0} transactions/s"));
    }
    if let Some(took) = sample.took_ms {
        parts.push(format!("{took:.1} ms each"));
    }
    if sample.waiting > 0 || sample.is_held {
        let held = if sample.is_held {
            "writes are held: "
        } else {
            ""
        };
        parts.push(format!(
            "{held}{} wait, the first for {} ms",
            sample.waiting, sample.longest_wait_ms
        ));
    }
    for (member, lag) in &sample.lag {
        let ms = lag.ms.map(|ms| format!(", {:.1} s", ms as f64 / 1000.0));
        let ms = ms.unwrap_or_default();
        parts.push(format!("{member} {}{ms} behind", size(lag.bytes)));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use scalectl_migrate::Lag;

    use super::*;

    #[test]
    fn a_sample_is_told_in_one_line() {
        let lag = Lag {
            bytes: 3 << 20,
            ms: Some(1200),
        };
        let sample = Sample {
            per_second: Some(241.6),
            took_ms: Some(2.31),
            waiting: 3,
            longest_wait_ms: 140,
            is_held: true,
            lag: [("db-2".to_owned(), lag)].into(),
            ..Sample::default()
        };
        assert_eq!(
            sample_text(&sample),
            "242 transactions/s; 2.3 ms each; writes are held: 3 wait, the first for 140 ms; db-2 3.0 MiB, 1.2 s behind"
        );
        assert_eq!(sample_text(&Sample::default()), "");
    }
}
