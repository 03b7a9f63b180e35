//! `/metrics` in Prometheus' text format, and `/healthz`.
//!
//! Figures are read where they live at the moment of the question; only counts
//! are kept here. Source of the format: Prometheus, "Exposition formats".

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::database::Known;
use super::discovery::{STALE_AFTER, Services};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub struct Metrics {
    pub database_failures: Count,
    pub repoints: Count,
    pub reloads: Count,
    pub reload_failures: Count,
    pub settings_changes: Count,
    pub settings_failures: Count,
    pub restarts: Count,
    /// Whose certificate ends when (seconds since 1970).
    certificates: Mutex<BTreeMap<String, i64>>,
}

/// What there is to tell beside the counts; a part that is not done is not told.
pub struct Scene<'a> {
    pub services: &'a Services,
    pub database: Option<&'a Known>,
    pub has_pooler: bool,
}

impl Metrics {
    pub fn certificate(&self, owner: &str, until: i64) {
        let mut certificates = self
            .certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        certificates.insert(owner.to_owned(), until);
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self, scene: &Scene<'_>) -> String {
        let mut text = Text::default();
        text.metric("scalectl_agent_info", "gauge", "The agent's version.");
        text.sample(
            "scalectl_agent_info",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1,
        );
        services(&mut text, scene.services);
        if let Some(known) = scene.database {
            self.database(&mut text, known);
        }
        if scene.has_pooler {
            text.count(
                "scalectl_pooler_repoints_total",
                "Times that the pooler's database file changed.",
                &self.repoints,
            );
            text.count(
                "scalectl_pooler_reloads_total",
                "Reloads of a pooler that worked.",
                &self.reloads,
            );
            text.count(
                "scalectl_pooler_reload_failures_total",
                "Reloads of a pooler that did not.",
                &self.reload_failures,
            );
        }
        let certificates = self
            .certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let name = "scalectl_certificate_expires_timestamp_seconds";
        text.metric(name, "gauge", "When a component's certificate ends.");
        for (owner, until) in certificates {
            text.sample(name, &[("component", &owner)], until);
        }
        if let Some(bytes) = resident_bytes() {
            text.metric(
                "process_resident_memory_bytes",
                "gauge",
                "Memory of the agent itself.",
            );
            text.sample("process_resident_memory_bytes", &[], bytes);
        }
        text.0
    }

    fn database(&self, text: &mut Text, known: &Known) {
        let name = "scalectl_database_primary";
        text.metric(name, "gauge", "1 for the member that takes writes.");
        for member in &known.view.members {
            text.sample(
                name,
                &[("member", &member.name)],
                u8::from(known.primary.as_ref() == Some(&member.name)),
            );
        }
        text.metric(
            "scalectl_database_has_primary",
            "gauge",
            "Whether a member takes writes.",
        );
        text.sample(
            "scalectl_database_has_primary",
            &[],
            u8::from(known.primary.is_some()),
        );
        let name = "scalectl_database_member_running";
        text.metric(
            name,
            "gauge",
            "Whether a member runs, and follows if it is a standby.",
        );
        for member in &known.view.members {
            text.sample(
                name,
                &[("member", &member.name)],
                u8::from(member.is_running),
            );
        }
        let name = "scalectl_database_readable";
        text.metric(name, "gauge", "Whether reads are routed to a standby.");
        for member in &known.view.members {
            text.sample(
                name,
                &[("member", &member.name)],
                u8::from(known.readable.contains(&member.name)),
            );
        }
        let name = "scalectl_database_lag_bytes";
        text.metric(name, "gauge", "How far a standby is behind.");
        for (member, lag) in known
            .view
            .members
            .iter()
            .filter_map(|member| Some((member, member.lag_bytes?)))
        {
            text.sample(name, &[("member", &member.name)], lag);
        }
        let name = "scalectl_database_pending_restart";
        text.metric(
            name,
            "gauge",
            "Whether a member's settings wait for a restart.",
        );
        for member in &known.view.members {
            text.sample(
                name,
                &[("member", &member.name)],
                u8::from(member.pending_restart),
            );
        }
        text.metric(
            "scalectl_database_paused",
            "gauge",
            "Whether automatic failover is off.",
        );
        text.sample("scalectl_database_paused", &[], u8::from(known.view.paused));
        text.count(
            "scalectl_database_api_failures_total",
            "Questions to members that failed.",
            &self.database_failures,
        );
        text.count(
            "scalectl_database_settings_changes_total",
            "Changes of settings sent.",
            &self.settings_changes,
        );
        text.count(
            "scalectl_database_settings_failures_total",
            "Changes of settings that failed.",
            &self.settings_failures,
        );
        text.count(
            "scalectl_database_restarts_total",
            "Restarts for settings.",
            &self.restarts,
        );
    }
}

fn services(text: &mut Text, services: &Services) {
    type Read = fn(&super::discovery::Watched) -> u64;
    let figures: [(&str, &str, &str, Read); 4] = [
        (
            "scalectl_endpoints_serving",
            "gauge",
            "Instances that get traffic.",
            |one| one.endpoints.serving().count() as u64,
        ),
        (
            "scalectl_endpoints_drained",
            "gauge",
            "Instances that drain.",
            |one| one.endpoints.drained().count() as u64,
        ),
        (
            "scalectl_endpoints_changes_total",
            "counter",
            "Changes of the endpoint file.",
            |one| one.changes,
        ),
        (
            "scalectl_discovery_failures_total",
            "counter",
            "Looks at DNS that got no answer.",
            |one| one.failures,
        ),
    ];
    for (name, kind, help, read) in figures {
        text.metric(name, kind, help);
        for service in services.names() {
            if let Some(watched) = services.lock(service) {
                text.sample(name, &[("service", service)], read(&watched));
            }
        }
    }
}

/// What is wrong, if anything is.
pub fn unhealthy(services: &Services, has_pointed: bool, up: Duration) -> Option<String> {
    if !has_pointed {
        return Some("no pooler has been pointed at a primary yet".to_owned());
    }
    services.names().find_map(|name| {
        let answered = services.lock(name)?.last_answer;
        let age = answered.map_or(up, |when| when.elapsed());
        (age > STALE_AFTER).then(|| format!("no DNS answer about {name} for {} s", age.as_secs()))
    })
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn count(&mut self, name: &str, help: &str, count: &Count) {
        self.metric(name, "counter", help);
        self.sample(name, &[], count.now());
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Source: Linux, proc_pid_status(5): `VmRSS:   1234 kB`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resident::cluster::View;

    #[test]
    fn a_hostile_label_stays_one_label() {
        let mut text = Text::default();
        text.sample("m", &[("a", "x\"} 1\nevil 2\\")], 3);
        assert_eq!(text.0, "m{a=\"x\\\"} 1\\nevil 2\\\\\"} 3\n");
    }

    #[test]
    fn each_member_is_told_with_its_role_lag_and_certificate() {
        let view = View::parse(
            br#"{"members":[{"name":"db-1","role":"leader","state":"running"},
                {"name":"db-2","role":"replica","state":"streaming","lag":7,"pending_restart":true}]}"#,
        )
        .unwrap();
        let known = Known {
            view,
            primary: Some("db-1".to_owned()),
            readable: ["db-2".to_owned()].into(),
        };
        let metrics = Metrics::default();
        metrics.certificate("db-2", 1_900_000_000);
        let services = Services::open(&[]).unwrap();
        let text = metrics.text(&Scene {
            services: &services,
            database: Some(&known),
            has_pooler: true,
        });
        for line in [
            "scalectl_database_primary{member=\"db-1\"} 1",
            "scalectl_database_primary{member=\"db-2\"} 0",
            "scalectl_database_lag_bytes{member=\"db-2\"} 7",
            "scalectl_database_readable{member=\"db-2\"} 1",
            "scalectl_database_pending_restart{member=\"db-2\"} 1",
            "scalectl_certificate_expires_timestamp_seconds{component=\"db-2\"} 1900000000",
            "scalectl_pooler_reloads_total 0",
        ] {
            assert!(
                text.lines().any(|told| told == line),
                "no {line:?} in\n{text}"
            );
        }
    }
}
