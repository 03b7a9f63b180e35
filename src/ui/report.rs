//! The report of a migration in words, and as one page that needs nothing beside it.
//!
//! The picture is an inline SVG: no script, nothing that is loaded. Every text in it goes
//! through `escape`.

use std::fmt::Write as _;
use std::time::Duration;

use scalectl_migrate::{Report, Sample};

use crate::migration::step_text;
use crate::progress::seconds;
use crate::quantity::size;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 90.0;
const LANE: f64 = 110.0;
const GAP: f64 = 34.0;

/// For a terminal.
pub fn report_text(report: &Report) -> String {
    let it = &report.migration;
    let mut text = format!(
        "migration {}, {}: {}, {}\n",
        it.id,
        it.way(),
        ended(report),
        took(report.summary.took_ms)
    );
    for step in &report.steps {
        let took = step.took_ms.map_or("not ended".to_owned(), took);
        let held = step.held_ms.map(|ms| format!("; writes waited {ms} ms"));
        let held = held.unwrap_or_default();
        text += &format!(
            "{:>2} {}: {took}{held}\n",
            step.number,
            step_text(&step.step)
        );
    }
    for (name, value) in figures(report) {
        text += &format!("{name}: {value}\n");
    }
    text
}

/// One page.
pub fn report_html(report: &Report) -> String {
    let it = &report.migration;
    let title = format!("Migration {} {}", it.id, it.way());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<p>{}, {}.</p>\n",
        ended(report),
        took(report.summary.took_ms)
    );
    page += &picture(report);
    page += "<h2>Figures</h2>\n<table>\n";
    for (name, value) in figures(report) {
        let _ = writeln!(
            page,
            "<tr><th>{}</th><td>{}</td></tr>",
            escape(name),
            escape(&value)
        );
    }
    page += "</table>\n<h2>Steps</h2>\n<table>\n<tr><th>Step</th><th>What</th><th>Took</th><th>Writes waited</th></tr>\n";
    for step in &report.steps {
        let cells = [
            step.number.to_string(),
            step_text(&step.step),
            step.took_ms.map_or("not ended".to_owned(), took),
            step.held_ms.map_or("-".to_owned(), |ms| format!("{ms} ms")),
        ];
        let cells = cells.map(|cell| format!("<td>{}</td>", escape(&cell)));
        let _ = writeln!(page, "<tr>{}</tr>", cells.concat());
    }
    page + "</table>\n</body></html>\n"
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2330;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid #e3e6ec;vertical-align:top}svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:#5a6475}.line{fill:none;stroke:#2563a8;stroke-width:1.5}.axis{stroke:#d5d9e0}.hold{fill:#c2410c;opacity:.35}.step{fill:#dbe6f3;stroke:#fff}svg .name{fill:#1c2330;font-weight:600}@media(prefers-color-scheme:dark){body{background:#14181f;color:#e3e6ec}td,th{border-color:#2c3440}svg text{fill:#9aa4b5}svg .name{fill:#e3e6ec}.axis{stroke:#2c3440}.step{fill:#26364b;stroke:#14181f}.line{stroke:#7ab0ea}}";

fn ended(report: &Report) -> String {
    match report.migration.ended {
        None => "open".to_owned(),
        Some(_) if report.migration.is_turned_back => "taken back".to_owned(),
        Some(_) => "done".to_owned(),
    }
}

fn took(ms: u64) -> String {
    seconds(Duration::from_millis(ms))
}

fn figures(report: &Report) -> Vec<(&'static str, String)> {
    let summary = &report.summary;
    let mut all = Vec::new();
    let held = summary.held_ms.map(|ms| format!("{ms} ms"));
    all.push((
        "writes waited for moves of the primary",
        held.unwrap_or("never".to_owned()),
    ));
    if summary.samples > 0 {
        all.push((
            "longest wait seen at the pooler",
            format!("{} ms", summary.longest_wait_ms),
        ));
    }
    if let Some(median) = summary.median_per_second {
        all.push(("transactions a second, median", format!("{median:.0}")));
    }
    if let Some(median) = summary.median_took_ms {
        all.push((
            "a transaction at the server, median",
            format!("{median:.1} ms"),
        ));
    }
    if let Some(bytes) = summary.largest_lag_bytes {
        all.push(("a standby was behind by at most", size(bytes)));
    }
    all.push(("samples", summary.samples.to_string()));
    all
}

/// From when to when, in milliseconds since 1970, and where that lies in the picture.
struct Time {
    from: u64,
    until: u64,
}

impl Time {
    fn of(report: &Report) -> Self {
        let from = report.migration.begun_at_ms;
        let until = from + report.summary.took_ms.max(1000);
        Self { from, until }
    }

    fn at(&self, ms: u64) -> f64 {
        let passed = ms.clamp(self.from, self.until) - self.from;
        LEFT + passed as f64 / (self.until - self.from) as f64 * (WIDTH - LEFT)
    }
}

type Value = fn(&Sample) -> Option<f64>;

fn picture(report: &Report) -> String {
    let lanes: [(&str, &str, Value); 4] = [
        ("transactions/s", "", |it| it.per_second),
        ("transaction", " ms", |it| it.took_ms),
        ("longest wait", " ms", |it| Some(it.longest_wait_ms as f64)),
        ("lag", " KiB", |it| {
            let lags = it.lag.values().map(|lag| lag.bytes as f64 / 1024.0);
            lags.fold(None, |most: Option<f64>, one| {
                Some(most.map_or(one, |it| it.max(one)))
            })
        }),
    ];
    let time = Time::of(report);
    let top = steps_height();
    let height = top + lanes.len() as f64 * (LANE + GAP);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"timeline\">\n");
    svg += &steps(report, &time);
    for (at, (name, unit, value)) in lanes.into_iter().enumerate() {
        let y = top + at as f64 * (LANE + GAP);
        svg += &lane(&report.samples, &time, y, (name, unit), value);
    }
    for hold in &report.holds {
        let (from, until) = (time.at(hold.began_at_ms), time.at(hold.ended_at_ms));
        let _ = writeln!(
            svg,
            "<rect class=\"hold\" x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{height:.0}\"><title>writes held for {} ms: {} to {}</title></rect>",
            (until - from).max(1.5),
            hold.ended_at_ms.saturating_sub(hold.began_at_ms),
            escape(&hold.from),
            escape(&hold.to)
        );
    }
    svg + "</svg>\n"
}

fn steps_height() -> f64 {
    46.0
}

fn steps(report: &Report, time: &Time) -> String {
    let mut svg = "<text class=\"name\" x=\"0\" y=\"16\">steps</text>\n".to_owned();
    for step in &report.steps {
        let began = step.began_at_ms;
        let ended = step.took_ms.map_or(began, |took| began + took);
        let (from, until) = (time.at(began), time.at(ended));
        let _ = writeln!(
            svg,
            "<rect class=\"step\" x=\"{from:.1}\" y=\"2\" width=\"{:.1}\" height=\"20\"><title>{}: {}, {}</title></rect><text x=\"{:.1}\" y=\"16\">{}</text>",
            (until - from).max(2.0),
            step.number,
            escape(&step_text(&step.step)),
            took(ended - began),
            from + 3.0,
            step.number
        );
    }
    for part in 0..=4_u64 {
        let ms = time.from + (time.until - time.from) * part / 4;
        let anchor = if part == 4 { "end" } else { "start" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"37\" text-anchor=\"{anchor}\">{}</text>",
            time.at(ms),
            took(ms - time.from)
        );
    }
    svg
}

fn lane(
    samples: &[Sample],
    time: &Time,
    y: f64,
    (name, unit): (&str, &str),
    value: Value,
) -> String {
    let values = samples.iter().filter_map(|it| Some((it.at_ms, value(it)?)));
    let values: Vec<_> = values.collect();
    let most = values.iter().map(|(_, it)| *it).fold(0.0, f64::max);
    let (top, bottom) = (y + 14.0, y + 14.0 + LANE);
    let scale = if most > 0.0 { LANE / most } else { 0.0 };
    let points = values
        .iter()
        .map(|(at, it)| format!("{:.1},{:.1}", time.at(*at), bottom - it * scale));
    let points: Vec<_> = points.collect();
    format!(
        "<text class=\"name\" x=\"0\" y=\"{:.0}\">{name}</text><text x=\"0\" y=\"{:.0}\">up to {}{unit}</text>\n<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{bottom:.0}\" y2=\"{bottom:.0}\"/>\n<polyline class=\"line\" points=\"{}\"/>\n",
        top + 10.0,
        top + 25.0,
        round(most),
        points.join(" ")
    )
}

fn round(number: f64) -> String {
    match number {
        _ if number >= 100.0 => format!("{number:.0}"),
        _ => format!("{number:.1}"),
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::new();
    for one in text.chars() {
        match one {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            _ => safe.push(one),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use scalectl_migrate::Journal;

    use super::*;

    fn report() -> Report {
        let journal = r#"{"id":3,"epoch":1,"at_ms":1000,"owner":"o","event":"begun","from":2,"to":1,"fingerprint":"f","start":3,"goal":0}
{"id":3,"epoch":1,"at_ms":1100,"owner":"o","event":"started","index":0,"step":"gather","stay":["<db&1>"]}
{"id":3,"epoch":1,"at_ms":2900,"owner":"o","event":"done","index":0,"took_ms":1800,"held_ms":140}
{"id":3,"epoch":1,"at_ms":3000,"owner":"o","event":"started","index":1,"step":"finish"}
"#;
        let handovers = r#"{"epoch":8,"from":"<db&2>","to":"db-1","stage":"holding","at_ms":2000}
{"epoch":8,"from":"<db&2>","to":"db-1","stage":"promoted","at_ms":2140}
"#;
        let samples = r#"{"at_ms":1500,"per_second":240.0,"took_ms":2.0,"lag":{"db-2":{"bytes":70}}}
{"at_ms":2500,"per_second":200.0,"took_ms":3.0,"waiting":4,"longest_wait_ms":150}
"#;
        let all = Journal::read(journal);
        Report::of(&all.migrations[0], journal, handovers, samples)
    }

    #[test]
    fn a_report_tells_steps_and_figures() {
        insta::assert_snapshot!(report_text(&report()), @"
        migration 3, from phase 2 to phase 1: open, 2.0 s
         1 move the primary to <db&1>, if another member has it (writes wait, 2 s at most): 1.8 s; writes waited 140 ms
         2 take the mark of the migration off: not ended
        writes waited for moves of the primary: 140 ms
        longest wait seen at the pooler: 150 ms
        transactions a second, median: 240
        a transaction at the server, median: 3.0 ms
        a standby was behind by at most: 70 B
        samples: 2
        ");
    }

    #[test]
    fn a_page_needs_nothing_beside_it_and_shows_steps_holds_and_lines() {
        let page = report_html(&report());
        for part in [
            "<rect class=\"hold\"",
            "<rect class=\"step\"",
            "&lt;db&amp;2&gt;",
            "points=\"",
        ] {
            assert!(page.contains(part), "no {part} in\n{page}");
        }
        for part in ["<db&", "<script", "http", "NaN", "inf"] {
            assert!(!page.contains(part), "{part} in\n{page}");
        }
        assert_eq!(page.matches("<polyline").count(), 4);
    }

    #[test]
    fn a_migration_without_samples_has_a_page_too() {
        let empty = Report {
            samples: Vec::new(),
            steps: Vec::new(),
            holds: Vec::new(),
            ..report()
        };
        assert!(!report_html(&empty).contains("NaN"));
    }
}
