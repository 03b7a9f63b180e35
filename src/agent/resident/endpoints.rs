//! Which instances of a service get traffic: what DNS knows, less what drains.
//!
//! Pure: time is handed in. Its memory is the endpoint file itself (the drains
//! stand in its version text), so an agent that was restarted goes on with what
//! Envoy has, and no instance comes back for a moment in the middle of a drain.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// How long a name must be gone before its last instances are taken out.
///
/// An engine that is just starting knows no name yet. Waiting costs nothing:
/// the edge's own health checks find a dead instance sooner.
const GONE_AFTER: Duration = Duration::from_secs(3);
const TYPE: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const DRAINED: &str = "drained";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    service: String,
    port: u16,
    known: BTreeSet<Ipv4Addr>,
    /// Until when, in seconds since 1970.
    drained: BTreeMap<Ipv4Addr, u64>,
    none_since: Option<SystemTime>,
}

/// Why an instance is not drained.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainRefused {
    #[error("{0} is the last instance that serves")]
    Last(Ipv4Addr),
}

impl Endpoints {
    /// Goes on from the file as it was left, if it can be read.
    pub fn resume(service: &str, port: u16, file: Option<&[u8]>) -> Self {
        let file: Value = file
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or_default();
        let drained = file["version_info"]
            .as_str()
            .map(parse_drained)
            .unwrap_or_default();
        let served = file["resources"][0]["endpoints"][0]["lb_endpoints"]
            .as_array()
            .into_iter()
            .flatten();
        let mut known: BTreeSet<_> = served.filter_map(address_in).collect();
        known.extend(drained.keys());
        Self {
            service: service.to_owned(),
            port,
            known,
            drained,
            none_since: None,
        }
    }

    pub fn service(&self) -> &str {
        &self.service
    }

    /// Those that get traffic.
    pub fn serving(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.known
            .iter()
            .filter(|address| !self.drained.contains_key(address))
            .copied()
    }

    /// Those that are there but get none.
    pub fn drained(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.drained.keys().copied()
    }

    /// Takes in what DNS knows now.
    pub fn learn(&mut self, found: BTreeSet<Ipv4Addr>, now: SystemTime) {
        if found.is_empty() && !self.known.is_empty() {
            let since = *self.none_since.get_or_insert(now);
            if now
                .duration_since(since)
                .is_ok_and(|gone| gone < GONE_AFTER)
            {
                return;
            }
        }
        self.none_since = None;
        self.known = found;
        self.drained
            .retain(|address, _| self.known.contains(address));
    }

    /// Lets drains end that were never finished: whoever asked is gone.
    pub fn expire(&mut self, now: SystemTime) -> Vec<Ipv4Addr> {
        let now = unix(now);
        let over: Vec<_> = self
            .drained
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(address, _)| *address)
            .collect();
        self.drained.retain(|_, until| *until > now);
        over
    }

    /// Takes an instance out; one that is not known is out already.
    ///
    /// The last that serves stays in unless `even_last`.
    pub fn drain(
        &mut self,
        address: Ipv4Addr,
        until: SystemTime,
        even_last: bool,
    ) -> Result<(), DrainRefused> {
        if !self.known.contains(&address) {
            return Ok(());
        }
        if !even_last
            && self.serving().all(|other| other == address)
            && !self.drained.contains_key(&address)
        {
            return Err(DrainRefused::Last(address));
        }
        self.drained.insert(address, unix(until));
        Ok(())
    }

    /// Puts it back in; whether it was out.
    pub fn undrain(&mut self, address: Ipv4Addr) -> bool {
        self.drained.remove(&address).is_some()
    }

    /// Envoy's endpoint file.
    pub fn file(&self) -> Vec<u8> {
        let endpoints: Vec<_> = self
            .serving()
            .map(|address| {
                let socket = json!({"address": address.to_string(), "port_value": self.port});
                json!({"endpoint": {"address": {"socket_address": socket}}})
            })
            .collect();
        let groups = if endpoints.is_empty() {
            json!([])
        } else {
            json!([{"lb_endpoints": endpoints}])
        };
        let resource = json!({"@type": TYPE, "cluster_name": self.service, "endpoints": groups});
        let file = json!({"version_info": self.drained_text(), "resources": [resource]});
        format!("{file:#}\n").into_bytes()
    }

    fn drained_text(&self) -> String {
        let drained: Vec<_> = self
            .drained
            .iter()
            .map(|(address, until)| format!(" {address} until {until}"))
            .collect();
        format!(
            "{DRAINED}:{}",
            if drained.is_empty() {
                " none".to_owned()
            } else {
                drained.join(",")
            }
        )
    }
}

fn parse_drained(text: &str) -> BTreeMap<Ipv4Addr, u64> {
    let Some(list) = text
        .strip_prefix(DRAINED)
        .and_then(|rest| rest.strip_prefix(':'))
    else {
        return BTreeMap::new();
    };
    list.split(',')
        .filter_map(|one| {
            let (address, until) = one.trim().split_once(" until ")?;
            Some((address.parse().ok()?, until.parse().ok()?))
        })
        .collect()
}

fn address_in(endpoint: &Value) -> Option<Ipv4Addr> {
    endpoint["endpoint"]["address"]["socket_address"]["address"]
        .as_str()?
        .parse()
        .ok()
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn set(last: &[u8]) -> BTreeSet<Ipv4Addr> {
        last.iter().map(|last| ip(*last)).collect()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn app(known: &[u8]) -> Endpoints {
        let mut app = Endpoints::resume("app", 8000, None);
        app.learn(set(known), at(0));
        app
    }

    fn serving(app: &Endpoints) -> BTreeSet<Ipv4Addr> {
        app.serving().collect()
    }

    #[test]
    fn the_file_is_what_envoy_reads() {
        let file: Value = serde_json::from_slice(&app(&[2]).file()).unwrap();
        assert_eq!(
            file,
            json!({"version_info": "drained: none", "resources": [{
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": "app",
                "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 8000}}}}
                ]}],
            }]})
        );
        let empty: Value = serde_json::from_slice(&app(&[]).file()).unwrap();
        assert_eq!(empty["resources"][0]["endpoints"], json!([]));
    }

    #[test]
    fn a_drained_instance_stays_out_until_dns_forgets_it() {
        let mut app = app(&[1, 2]);
        app.drain(ip(1), at(100), false).unwrap();
        app.learn(set(&[1, 2]), at(1));
        assert_eq!(serving(&app), set(&[2]));
        app.learn(set(&[2]), at(2));
        app.learn(set(&[1, 2]), at(3));
        assert_eq!(
            serving(&app),
            set(&[1, 2]),
            "an address that came back is a new instance"
        );
    }

    #[test]
    fn a_drain_that_nobody_finished_ends_by_itself() {
        let mut app = app(&[1, 2]);
        app.drain(ip(1), at(100), false).unwrap();
        assert_eq!(app.expire(at(99)), [] as [Ipv4Addr; 0]);
        assert_eq!(app.expire(at(100)), [ip(1)]);
        assert_eq!(serving(&app), set(&[1, 2]));
    }

    #[test]
    fn the_last_that_serves_is_only_drained_when_that_is_meant() {
        let mut app = app(&[1, 2]);
        app.drain(ip(1), at(100), false).unwrap();
        assert_eq!(
            app.drain(ip(2), at(100), false),
            Err(DrainRefused::Last(ip(2)))
        );
        assert_eq!(app.drain(ip(1), at(200), false), Ok(()), "asked again");
        assert_eq!(
            app.drain(ip(9), at(100), false),
            Ok(()),
            "one that is not there is out already"
        );
        assert_eq!(app.drain(ip(2), at(100), true), Ok(()));
        assert_eq!(serving(&app), set(&[]));
    }

    #[test]
    fn a_name_must_be_gone_for_a_while_before_its_last_instances_go() {
        let mut app = app(&[1, 2]);
        app.learn(set(&[]), at(10));
        app.learn(set(&[]), at(12));
        assert_eq!(serving(&app), set(&[1, 2]), "gone for two seconds");
        app.learn(set(&[1]), at(13));
        app.learn(set(&[]), at(14));
        assert_eq!(serving(&app), set(&[1]), "the wait starts anew");
        app.learn(set(&[]), at(17));
        assert_eq!(serving(&app), set(&[]));
    }

    #[test]
    fn an_agent_that_was_restarted_goes_on_from_its_file() {
        let mut before = app(&[1, 2, 3]);
        before.drain(ip(1), at(100), false).unwrap();
        let after = Endpoints::resume("app", 8000, Some(&before.file()));
        assert_eq!(after, before);
        let fresh = Endpoints::resume("app", 8000, Some(b"not json"));
        assert_eq!(serving(&fresh), set(&[]));
    }

    proptest::proptest! {
        /// Whatever happens in whatever order, no drained instance gets traffic,
        /// and the file alone is enough to go on.
        #[test]
        fn no_order_of_events_sends_traffic_to_a_drained_instance(
            events in proptest::collection::vec((0u8..4, 0u8..5, proptest::collection::btree_set(0u8..5, 0..5)), 0..30)
        ) {
            let mut app = app(&[0, 1]);
            for (step, (event, who, known)) in events.into_iter().enumerate() {
                let now = at(step as u64);
                match event {
                    0 => app.learn(known.into_iter().map(ip).collect(), now),
                    1 => { let _ = app.drain(ip(who), at(step as u64 + 3), false); }
                    2 => { app.undrain(ip(who)); }
                    _ => { app.expire(now); }
                }
                let drained: BTreeSet<_> = app.drained().collect();
                proptest::prop_assert!(serving(&app).is_disjoint(&drained));
                let mut resumed = Endpoints::resume("app", 8000, Some(&app.file()));
                resumed.none_since = app.none_since;
                proptest::prop_assert_eq!(resumed, app.clone());
            }
        }
    }
}
