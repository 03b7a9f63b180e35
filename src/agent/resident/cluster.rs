//! What Patroni says of a cluster, read into one view.
//!
//! Pure, and the only place that knows Patroni's words. A member's name is what
//! the stack calls it. Next: `database.rs` (asking), `routes.rs` (using).

use std::collections::BTreeSet;

use serde::Deserialize;

/// The cluster as one member told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Who holds the leader's lock and runs.
    pub leader: Option<String>,
    /// The same of a cluster that follows another one, so it takes no writes.
    pub standby_leader: Option<String>,
    pub members: Vec<MemberView>,
    /// Automatic failover is off.
    pub paused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    pub name: String,
    pub is_leader: bool,
    pub is_standby_leader: bool,
    /// It gets the log from whom it follows now.
    pub is_streaming: bool,
    /// It runs, and follows if it is a standby.
    pub is_running: bool,
    /// How far a standby is behind; unknown for one that does not follow.
    pub lag_bytes: Option<u64>,
    pub timeline: Option<u64>,
    pub pending_restart: bool,
    /// Its owner wants no reads on it.
    pub keeps_out: bool,
}

#[derive(Deserialize)]
struct Cluster {
    #[serde(default)]
    members: Vec<ClusterMember>,
    #[serde(default)]
    pause: bool,
}

#[derive(Deserialize)]
struct ClusterMember {
    name: String,
    role: String,
    state: String,
    #[serde(default)]
    timeline: Option<u64>,
    /// Bytes, or the word "unknown".
    #[serde(default)]
    lag: Option<serde_json::Value>,
    #[serde(default)]
    pending_restart: bool,
    #[serde(default)]
    tags: Tags,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tags {
    noloadbalance: bool,
}

/// A member's answer about itself (`GET /patroni`).
#[derive(Debug, Deserialize)]
pub struct Own {
    role: String,
    state: String,
    /// As PostgreSQL writes it, so that texts compare as times do.
    #[serde(default)]
    pub postmaster_start_time: Option<String>,
    #[serde(default)]
    xlog: Xlog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Xlog {
    /// Of a primary.
    location: Option<u64>,
    /// Of a standby.
    replayed_location: Option<u64>,
}

impl Own {
    /// It is out of recovery and runs; Patroni reads that from the server.
    pub fn is_primary(&self) -> bool {
        // "master" until Patroni 3.
        matches!(self.role.as_str(), "primary" | "master") && self.state == "running"
    }

    /// Where its log ends, or how far it has replayed.
    pub fn place(&self) -> Option<u64> {
        self.xlog.location.or(self.xlog.replayed_location)
    }
}

impl View {
    /// From `GET /cluster`.
    pub fn parse(body: &[u8]) -> serde_json::Result<Self> {
        let cluster: Cluster = serde_json::from_slice(body)?;
        let members: Vec<_> = cluster.members.into_iter().map(MemberView::from).collect();
        let running = |is: fn(&MemberView) -> bool| {
            let mut running = members.iter().filter(|member| member.is_running);
            running.find(|it| is(it)).map(|it| it.name.clone())
        };
        Ok(Self {
            leader: running(|it| it.is_leader),
            standby_leader: running(|it| it.is_standby_leader),
            members,
            paused: cluster.pause,
        })
    }

    /// The standbys that could take over from the leader now.
    pub fn candidates(&self, limit_bytes: u64) -> impl Iterator<Item = &str> {
        let could = move |member: &&MemberView| {
            !member.is_leader
                && member.is_running
                && !member.keeps_out
                && member.lag_bytes.is_some_and(|lag| lag <= limit_bytes)
        };
        self.members
            .iter()
            .filter(could)
            .map(|member| member.name.as_str())
    }

    /// The standbys that may answer reads: they follow closely.
    ///
    /// One that is read from goes above the limit, another comes in below a
    /// quarter of it, so that a lag at the limit does not make it go and come.
    pub fn readable(&self, before: &BTreeSet<String>, limit_bytes: u64) -> BTreeSet<String> {
        let follows = |member: &&MemberView| {
            let limit = if before.contains(&member.name) {
                limit_bytes
            } else {
                limit_bytes / 4
            };
            !member.is_leader
                && member.is_running
                && !member.keeps_out
                && member.lag_bytes.is_some_and(|lag| lag <= limit)
        };
        self.members
            .iter()
            .filter(follows)
            .map(|member| member.name.clone())
            .collect()
    }
}

impl From<ClusterMember> for MemberView {
    fn from(member: ClusterMember) -> Self {
        Self {
            is_leader: member.role == "leader",
            is_standby_leader: member.role == "standby_leader",
            is_streaming: member.state == "streaming",
            is_running: matches!(member.state.as_str(), "running" | "streaming"),
            lag_bytes: member.lag.and_then(|lag| lag.as_u64()),
            timeline: member.timeline,
            pending_restart: member.pending_restart,
            keeps_out: member.tags.noloadbalance,
            name: member.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(view: &View, before: &[&str]) -> Vec<String> {
        let before = before.iter().map(|name| (*name).to_owned()).collect();
        view.readable(&before, 1000).into_iter().collect()
    }

    #[test]
    fn a_cluster_of_patroni_4_is_read() {
        let view = View::parse(
            br#"{"members":[
              {"name":"db-1","role":"leader","state":"running","api_url":"https://db-1:8008/patroni","host":"db-1","port":5432,"timeline":3,"pending_restart":true,"pending_restart_reason":{"max_connections":{"old_value":"60","new_value":"70"}}},
              {"name":"db-2","role":"quorum_standby","state":"streaming","timeline":3,"lag":0},
              {"name":"db-3","role":"replica","state":"start failed","lag":"unknown","tags":{"noloadbalance":true}}
            ],"scope":"database","pause":true}"#,
        )
        .unwrap();
        assert_eq!((view.leader.as_deref(), view.paused), (Some("db-1"), true));
        assert!(view.members[0].pending_restart);
        assert_eq!(view.members[2].lag_bytes, None);
        assert_eq!(names(&view, &[]), ["db-2"]);
    }

    #[test]
    fn a_leader_that_does_not_run_and_the_leader_of_a_standby_cluster_are_no_primary() {
        for member in [
            r#"{"name":"a","role":"leader","state":"starting"}"#,
            r#"{"name":"a","role":"standby_leader","state":"running"}"#,
        ] {
            let view = View::parse(format!(r#"{{"members":[{member}]}}"#).as_bytes()).unwrap();
            assert_eq!(view.leader, None, "{member}");
        }
    }

    #[test]
    fn reads_leave_a_standby_above_the_limit_and_come_back_well_below_it() {
        let at = |lag: u64| {
            View::parse(format!(r#"{{"members":[{{"name":"a","role":"replica","state":"streaming","lag":{lag}}}]}}"#).as_bytes()).unwrap()
        };
        assert_eq!(names(&at(1000), &["a"]), ["a"]);
        assert_eq!(names(&at(1001), &["a"]), [] as [&str; 0]);
        assert_eq!(names(&at(900), &[]), [] as [&str; 0]);
        assert_eq!(names(&at(250), &[]), ["a"]);
        let kept_out = br#"{"members":[{"name":"a","role":"replica","state":"streaming","lag":0,"tags":{"noloadbalance":true}}]}"#;
        assert_eq!(
            names(&View::parse(kept_out).unwrap(), &["a"]),
            [] as [&str; 0]
        );
    }
}
