//! Images while they are built: a live line for each that is under way, and a
//! line that stays for each that is done. Without a terminal every step is a line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use scalectl_images::BuildEvent;

use crate::printer::Printer;
use crate::progress::seconds;

/// Longer steps are cut: the whole text is in the Dockerfile.
const WIDTH: usize = 90;

/// The display of some builds.
pub struct Builds {
    printer: Printer,
    bars: MultiProgress,
    under_way: RefCell<BTreeMap<String, UnderWay>>,
}

struct UnderWay {
    began: Instant,
    bar: Option<ProgressBar>,
    step: String,
}

impl Builds {
    pub fn new(printer: Printer) -> Self {
        Self {
            printer,
            bars: MultiProgress::new(),
            under_way: RefCell::default(),
        }
    }

    /// Shows one event.
    pub fn show(&self, event: BuildEvent) {
        match event {
            BuildEvent::Current { image } => self.line(&format!("= {image} is current")),
            BuildEvent::Started { image } => self.started(image),
            BuildEvent::Step {
                image,
                number,
                of,
                text,
            } => self.step(&image, format!("{number}/{of} {text}")),
            BuildEvent::Line { image, line } => self.wrote(&image, &line),
            BuildEvent::Done { image } => self.done(&image),
        }
    }

    /// Takes the live lines away.
    pub fn finish(&self) {
        for (_, one) in self.under_way.take() {
            one.bar.inspect(ProgressBar::finish_and_clear);
        }
    }

    fn started(&self, image: String) {
        let bar = self.printer.is_live.then(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix} {msg} {elapsed}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(image.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            self.line(&format!("building {image}"));
        }
        let one = UnderWay {
            began: Instant::now(),
            bar,
            step: String::new(),
        };
        self.under_way.borrow_mut().insert(image, one);
    }

    fn step(&self, image: &str, step: String) {
        let mut under_way = self.under_way.borrow_mut();
        let Some(one) = under_way.get_mut(image) else {
            return;
        };
        one.step = cut(&step, WIDTH);
        match &one.bar {
            Some(bar) => bar.set_message(one.step.clone()),
            None => self.printer.say(&format!("  {image} {}", one.step)),
        }
    }

    /// What a step writes shows that it goes on; it is kept nowhere.
    fn wrote(&self, image: &str, line: &str) {
        if let Some(one) = self.under_way.borrow().get(image)
            && let Some(bar) = &one.bar
        {
            bar.set_message(cut(&format!("{} | {line}", cut(&one.step, 40)), WIDTH));
        }
    }

    fn done(&self, image: &str) {
        let Some(one) = self.under_way.borrow_mut().remove(image) else {
            return;
        };
        one.bar.inspect(ProgressBar::finish_and_clear);
        let sign = self.printer.styled("+", "32");
        self.line(&format!(
            "{sign} built {image} {}",
            seconds(one.began.elapsed())
        ));
    }

    fn line(&self, text: &str) {
        match self.printer.is_live {
            true => drop(self.bars.println(text)),
            false => self.printer.say(text),
        }
    }
}

/// The text in one line, at most `width` characters.
fn cut(text: &str, width: usize) -> String {
    let words: Vec<_> = text
        .split(|it: char| it.is_whitespace() || it.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let text = words.join(" ");
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_step_becomes_one_short_line() {
        assert_eq!(cut("RUN a  \t b\u{1b}[2J", 50), "RUN a b [2J");
        assert_eq!(cut("äöüß", 2), "äö...");
    }
}
