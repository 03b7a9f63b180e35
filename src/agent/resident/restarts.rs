//! In which order members restart for their settings.
//!
//! Pure: time is handed in. Standbys go before the leader: a limit that grows
//! (max_connections and its like) must be there first. One that shrinks must
//! not: a standby then still waits after its restart, and goes once more after
//! the leader. What a member says of itself comes late, so it is never asked
//! twice in a short time, and not for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cluster::MemberView;
use super::database::Known;

/// After any restart: until the cluster has told how it ended.
const SETTLE: Duration = Duration::from_secs(6);
/// After a member's own restart: several of Patroni's rounds.
const SAME_AGAIN: Duration = Duration::from_secs(40);
const AT_MOST: u32 = 3;

#[derive(Debug, Default)]
pub struct Restarts {
    done: BTreeMap<String, (u32, Instant)>,
}

impl Restarts {
    /// Who restarts now, if anybody; nobody while a member is away, automatic
    /// failover is off or there is no primary.
    pub fn next(&mut self, known: &Known, now: Instant) -> Option<String> {
        let members = &known.view.members;
        if members.iter().all(|member| !member.pending_restart) {
            self.done
                .retain(|_, (_, when)| now.duration_since(*when) < SAME_AGAIN);
            return None;
        }
        let is_well = !known.view.paused
            && known.primary.is_some()
            && members.iter().all(|member| member.is_running);
        let settled = self
            .done
            .values()
            .all(|(_, when)| now.duration_since(*when) >= SETTLE);
        if !(is_well && settled) {
            return None;
        }
        let waiting = members
            .iter()
            .filter(|member| member.pending_restart && self.may_go(member, now));
        waiting
            .min_by_key(|member| (self.times(member), member.is_leader))
            .map(|member| member.name.clone())
    }

    /// Remembers a restart that was asked for, however it ended.
    pub fn done(&mut self, name: String, now: Instant) {
        let times = self.done.get(&name).map_or(0, |(times, _)| *times);
        self.done.insert(name, (times + 1, now));
    }

    fn times(&self, member: &MemberView) -> u32 {
        self.done.get(&member.name).map_or(0, |(times, _)| *times)
    }

    fn may_go(&self, member: &MemberView, now: Instant) -> bool {
        self.done
            .get(&member.name)
            .is_none_or(|(times, when)| *times < AT_MOST && now.duration_since(*when) >= SAME_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resident::cluster::View;

    fn known(members: &[String], primary: Option<&str>) -> Known {
        let view =
            View::parse(format!(r#"{{"members":[{}]}}"#, members.join(",")).as_bytes()).unwrap();
        Known {
            view,
            primary: primary.map(str::to_owned),
            ..Known::default()
        }
    }

    fn leader(pending: bool) -> String {
        format!(
            r#"{{"name":"db-1","role":"leader","state":"running","pending_restart":{pending}}}"#
        )
    }

    fn standby(name: &str, state: &str, pending: bool) -> String {
        format!(
            r#"{{"name":"{name}","role":"replica","state":"{state}","lag":0,"pending_restart":{pending}}}"#
        )
    }

    /// Who restarts in which second, if that tells who waits and a restart helps
    /// as `helps` says (its name, how often the leader has restarted).
    fn run(helps: impl Fn(&str, u32) -> bool) -> Vec<String> {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        let mut waits: BTreeMap<&str, bool> =
            [("db-1", true), ("db-2", true), ("db-3", true)].into();
        let (mut order, mut leader_restarts) = (Vec::new(), 0);
        for second in 0..300 {
            let now = start + Duration::from_secs(second);
            let members = [
                leader(waits["db-1"]),
                standby("db-2", "streaming", waits["db-2"]),
                standby("db-3", "streaming", waits["db-3"]),
            ];
            if let Some(name) = restarts.next(&known(&members, Some("db-1")), now) {
                leader_restarts += u32::from(name == "db-1");
                if helps(&name, leader_restarts) {
                    for (waiting, waits) in &mut waits {
                        *waits &= *waiting != name;
                    }
                }
                order.push(name.clone());
                restarts.done(name, now);
            }
        }
        order
    }

    #[test]
    fn standbys_go_before_the_leader() {
        assert_eq!(run(|_, _| true), ["db-2", "db-3", "db-1"]);
    }

    #[test]
    fn standbys_that_still_wait_go_once_more_after_the_leader() {
        assert_eq!(
            run(|name, leader| name == "db-1" || leader > 0),
            ["db-2", "db-3", "db-1", "db-2", "db-3"]
        );
    }

    #[test]
    fn a_restart_that_never_helps_is_not_tried_for_ever() {
        let order = run(|_, _| false);
        assert_eq!(order.len(), 9, "{order:?}");
        assert_eq!(order.iter().filter(|name| *name == "db-1").count(), 3);
    }

    #[test]
    fn nobody_restarts_while_a_member_is_away_or_there_is_no_primary() {
        let mut restarts = Restarts::default();
        let well = [leader(true), standby("db-2", "streaming", true)];
        let away = [leader(true), standby("db-2", "stopped", true)];
        let now = Instant::now();
        assert_eq!(restarts.next(&known(&away, Some("db-1")), now), None);
        assert_eq!(restarts.next(&known(&well, None), now), None);
        let mut paused = known(&well, Some("db-1"));
        paused.view.paused = true;
        assert_eq!(restarts.next(&paused, now), None);
        assert_eq!(
            restarts.next(&known(&well, Some("db-1")), now).as_deref(),
            Some("db-2")
        );
    }
}
