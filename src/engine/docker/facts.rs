//! Facts about the engine and what containers use: for `doctor` and figures.
//!
//! Only what the engine itself tells; the disk of its machine is not among it.
//! Next: `connect.rs` (the version).

use bollard::models::{ContainerStatsResponse, SystemInfo, SystemInfoCgroupVersionEnum};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use scalectl_engine::EngineError;
use serde::{Deserialize, Deserializer};

use crate::context::Kind;
use crate::errors::Fault;
use crate::{DockerEngine, time};

const LIMIT: u64 = 60;
/// Counting what every image and volume takes reads much of a disk.
const SLOW: u64 = 300;

/// What an engine says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineReport {
    pub version: String,
    /// The newest API that it speaks, and the one that is used.
    pub newest_api: String,
    pub api: (u32, u32),
    pub system: String,
    pub kernel: String,
    pub architecture: String,
    /// 1 or 2; 0 if it tells neither.
    pub cgroup_version: u8,
    pub cgroup_driver: String,
    pub storage_driver: String,
    pub logging_driver: String,
    /// Where it keeps its data, on its own machine.
    pub root: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub has_memory_limit: bool,
    pub has_pids_limit: bool,
    pub has_cpu_quota: bool,
    pub live_restore: bool,
    pub is_rootless: bool,
    pub forwards_ipv4: bool,
    /// By its clock, in seconds since 1970.
    pub clock: Option<u64>,
    /// Whether this process runs on the same machine, as far as the address tells.
    pub is_local: bool,
    /// What the engine itself warns of.
    pub warnings: Vec<String>,
}

/// Bytes on the engine's disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    pub images: u64,
    pub containers: u64,
    pub volumes: u64,
    pub build_cache: u64,
}

/// What one container uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerUse {
    pub name: String,
    /// Without the cache of files, which the system takes back when it needs to.
    pub memory_bytes: u64,
    pub memory_limit_bytes: u64,
    /// Since its start, over all cores.
    pub cpu_nanos: u64,
    pub processes: u64,
}

impl DockerEngine {
    /// What the engine says of itself.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn report(&self) -> Result<EngineReport, EngineError> {
        let info = self.within(LIMIT, self.docker.info());
        let version = self.within(LIMIT, self.docker.version());
        let (info, version) = tokio::try_join!(info, version)
            .map_err(|fault| self.reading("tell about itself", fault))?;
        let is_local = matches!(self.wire.place().kind, Kind::Unix(_));
        let newest_api = version.api_version.unwrap_or_default();
        Ok(EngineReport {
            newest_api,
            api: self.api,
            is_local,
            ..report(info)
        })
    }

    /// What the engine keeps, by kind. Takes a while.
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn disk_use(&self) -> Result<DiskUse, EngineError> {
        let found: Counted = self
            .get("/system/df", SLOW)
            .await
            .map_err(|fault| self.reading("count what it keeps", fault))?;
        let sum = |sizes: Vec<Counts>| sizes.iter().map(Counts::bytes).sum();
        Ok(DiskUse {
            images: u64::try_from(found.layers_size).unwrap_or_default(),
            containers: sum(found.containers),
            volumes: sum(found.volumes),
            build_cache: sum(found.build_cache),
        })
    }

    /// What running containers use now, in the order given; one that is gone or
    /// does not run is left out, and so is every one where the engine cannot
    /// measure (seen: Docker 29 on cgroup v1).
    ///
    /// # Errors
    /// The engine cannot be reached or refuses.
    pub async fn usage(&self, containers: &[String]) -> Result<Vec<ContainerUse>, EngineError> {
        let each = try_join_all(containers.iter().map(|container| self.usage_of(container))).await;
        let each = each.map_err(|fault| self.reading("tell what containers use", fault))?;
        Ok(each.into_iter().flatten().collect())
    }

    async fn usage_of(&self, container: &str) -> Result<Option<ContainerUse>, Fault> {
        let options = StatsOptionsBuilder::new()
            .stream(false)
            .one_shot(true)
            .build();
        let first = async {
            Ok(std::pin::pin!(self.docker.stats(container, Some(options)))
                .next()
                .await)
        };
        let found = match self.within(LIMIT, first).await? {
            None => return Ok(None),
            Some(Ok(found)) => found,
            Some(Err(error)) => match Fault::from(error) {
                fault if fault.status() == Some(404) => return Ok(None),
                // It has just been started, is about to end, or nothing is measured.
                Fault::Answered { message, .. } if message.contains("no metrics") => {
                    return Ok(None);
                }
                fault => return Err(fault),
            },
        };
        Ok(used(found))
    }
}

/// None where nothing was measured: it does not run, or the engine cannot.
fn used(found: ContainerStatsResponse) -> Option<ContainerUse> {
    let memory = found.memory_stats.unwrap_or_default();
    let bytes = memory.usage.filter(|bytes| *bytes > 0)?;
    let stats = memory.stats.unwrap_or_default();
    // cgroup v2 and v1 name it differently.
    let cache = stats
        .get("inactive_file")
        .or_else(|| stats.get("total_inactive_file"))
        .copied();
    let cpu = found
        .cpu_stats
        .and_then(|cpu| cpu.cpu_usage)
        .and_then(|cpu| cpu.total_usage);
    Some(ContainerUse {
        name: found
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        memory_bytes: bytes.saturating_sub(cache.unwrap_or_default()),
        memory_limit_bytes: memory.limit.unwrap_or_default(),
        cpu_nanos: cpu.unwrap_or_default(),
        processes: found
            .pids_stats
            .and_then(|pids| pids.current)
            .unwrap_or_default(),
    })
}

/// The answer of `/system/df` in the form that every engine so far gives;
/// bollard knows only a newer one, which engines do not give unasked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Counted {
    layers_size: i64,
    #[serde(deserialize_with = "none_is_empty")]
    containers: Vec<Counts>,
    #[serde(deserialize_with = "none_is_empty")]
    volumes: Vec<Counts>,
    #[serde(deserialize_with = "none_is_empty")]
    build_cache: Vec<Counts>,
}

/// A container's own layer, a volume, or an entry of the build cache.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Counts {
    size_rw: Option<i64>,
    size: Option<i64>,
    usage_data: Option<Box<Counts>>,
}

impl Counts {
    /// -1 stands for what the engine did not count.
    fn bytes(&self) -> u64 {
        let within = self.usage_data.as_ref().and_then(|usage| usage.size);
        u64::try_from(self.size_rw.or(self.size).or(within).unwrap_or_default()).unwrap_or_default()
    }
}

fn none_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Counts>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn report(info: SystemInfo) -> EngineReport {
    let count = |number: Option<i64>| {
        number
            .and_then(|number| u64::try_from(number).ok())
            .unwrap_or_default()
    };
    let options = info.security_options.unwrap_or_default();
    let driver = info
        .cgroup_driver
        .map(|driver| driver.to_string())
        .unwrap_or_default();
    EngineReport {
        version: info.server_version.unwrap_or_default(),
        system: info.operating_system.unwrap_or_default(),
        kernel: info.kernel_version.unwrap_or_default(),
        architecture: info.architecture.unwrap_or_default(),
        cgroup_version: match info.cgroup_version {
            Some(SystemInfoCgroupVersionEnum::_1) => 1,
            Some(SystemInfoCgroupVersionEnum::_2) => 2,
            Some(SystemInfoCgroupVersionEnum::EMPTY) | None => 0,
        },
        cgroup_driver: driver,
        storage_driver: info.driver.unwrap_or_default(),
        logging_driver: info.logging_driver.unwrap_or_default(),
        root: info.docker_root_dir.unwrap_or_default(),
        cpus: u32::try_from(count(info.ncpu)).unwrap_or_default(),
        memory_bytes: count(info.mem_total),
        has_memory_limit: info.memory_limit.unwrap_or_default(),
        has_pids_limit: info.pids_limit.unwrap_or_default(),
        has_cpu_quota: info.cpu_cfs_quota.unwrap_or_default(),
        live_restore: info.live_restore_enabled.unwrap_or_default(),
        is_rootless: options.iter().any(|option| option.contains("rootless")),
        forwards_ipv4: info.ipv4_forwarding.unwrap_or_default(),
        clock: info
            .system_time
            .as_deref()
            .and_then(time::nanos)
            .map(|nanos| nanos / 1_000_000_000),
        warnings: info.warnings.unwrap_or_default(),
        ..EngineReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_keeps_is_counted_whatever_it_left_out() {
        let text = r#"{"LayersSize": 100, "Containers": [{"SizeRw": 5}, {}], "BuildCache": null,
            "Volumes": [{"UsageData": {"Size": 7}}, {"UsageData": {"Size": -1}}]}"#;
        let found: Counted = serde_json::from_str(text).unwrap();
        let sum = |sizes: &[Counts]| sizes.iter().map(Counts::bytes).sum::<u64>();
        assert_eq!(found.layers_size, 100);
        assert_eq!(
            (
                sum(&found.containers),
                sum(&found.volumes),
                sum(&found.build_cache)
            ),
            (5, 7, 0)
        );
    }

    #[test]
    fn memory_is_counted_without_the_cache_of_files() {
        for cache in ["inactive_file", "total_inactive_file"] {
            let text = format!(
                r#"{{"name": "/shop-app-1", "pids_stats": {{"current": 4}},
                    "memory_stats": {{"usage": 1000, "limit": 4096, "stats": {{"{cache}": 300}}}},
                    "cpu_stats": {{"cpu_usage": {{"total_usage": 77}}}}}}"#
            );
            let expected = ContainerUse {
                name: "shop-app-1".to_owned(),
                memory_bytes: 700,
                memory_limit_bytes: 4096,
                cpu_nanos: 77,
                processes: 4,
            };
            assert_eq!(
                used(serde_json::from_str(&text).unwrap()),
                Some(expected),
                "{cache}"
            );
        }
        let nothing = r#"{"name": "/shop-app-1", "memory_stats": {}}"#;
        assert_eq!(
            used(serde_json::from_str(nothing).unwrap()),
            None,
            "not measured is not zero"
        );
    }
}
