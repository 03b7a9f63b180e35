//! What the edges think of an instance: only they know whom they send to.
//!
//! An instance that the engine calls healthy gets nothing until the edge's own
//! check has passed. Taking the old one out before would leave nobody.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Deserialize;

use super::http::Client;
use crate::wire::Address;

const PATIENCE: Duration = Duration::from_secs(2);
const CLUSTERS: &str = "/clusters?format=json";

/// Envoy's answer, as much of it as is needed.
/// Source: envoy.admin.v3.Clusters.
#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    #[serde(default)]
    host_statuses: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    address: HostAddress,
    #[serde(default)]
    health_status: Health,
}

#[derive(Deserialize)]
struct HostAddress {
    socket_address: Option<SocketAddress>,
}

#[derive(Deserialize)]
struct SocketAddress {
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Health {
    failed_active_health_check: bool,
    failed_outlier_check: bool,
    pending_dynamic_removal: bool,
}

/// The instances that every edge finds healthy; why it cannot be said otherwise.
pub async fn healthy_at_all(
    client: &Client,
    edges: &[Address],
    service: &str,
) -> Result<BTreeSet<Ipv4Addr>, String> {
    let mut common: Option<BTreeSet<Ipv4Addr>> = None;
    for edge in edges {
        let answer = client
            .get_plain(edge, CLUSTERS, PATIENCE)
            .await
            .map_err(|error| format!("{edge}: {error}"))?;
        if answer.status != 200 {
            return Err(format!("{edge} answered {} to {CLUSTERS}", answer.status));
        }
        let healthy = healthy_in(&answer.body, service)
            .map_err(|error| format!("{edge}{CLUSTERS}: {error}"))?;
        common = Some(match common {
            Some(others) => &others & &healthy,
            None => healthy,
        });
    }
    Ok(common.unwrap_or_default())
}

fn healthy_in(body: &[u8], service: &str) -> serde_json::Result<BTreeSet<Ipv4Addr>> {
    let clusters: Clusters = serde_json::from_slice(body)?;
    let hosts = clusters
        .cluster_statuses
        .into_iter()
        .filter(|cluster| cluster.name == service);
    let healthy = hosts
        .flat_map(|cluster| cluster.host_statuses)
        .filter(|host| {
            let health = &host.health_status;
            !(health.failed_active_health_check
                || health.failed_outlier_check
                || health.pending_dynamic_removal)
        });
    Ok(healthy
        .filter_map(|host| host.address.socket_address?.address.parse().ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_without_any_failed_check_are_healthy() {
        let host = |address: &str, health: &str| {
            format!(
                r#"{{"address":{{"socket_address":{{"address":"{address}","port_value":8000}}}},"stats":[],"health_status":{health},"weight":1}}"#
            )
        };
        let body = format!(
            r#"{{"cluster_statuses":[{{"name":"admin","host_statuses":[{{"address":{{"pipe":{{"path":"/x"}}}}}}]}},
               {{"name":"app","added_via_api":true,"host_statuses":[{},{},{}]}}]}}"#,
            host("10.0.0.1", r#"{"eds_health_status":"HEALTHY"}"#),
            host(
                "10.0.0.2",
                r#"{"failed_active_health_check":true,"eds_health_status":"HEALTHY"}"#
            ),
            host("10.0.0.3", r#"{"pending_dynamic_removal":true}"#),
        );
        assert_eq!(
            healthy_in(body.as_bytes(), "app").unwrap(),
            BTreeSet::from([Ipv4Addr::new(10, 0, 0, 1)])
        );
        assert_eq!(
            healthy_in(body.as_bytes(), "other").unwrap(),
            BTreeSet::new()
        );
        assert!(healthy_in(b"no", "app").is_err());
    }
}
