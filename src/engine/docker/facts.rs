//! Facts about the engine: for `doctor`.
//!
//! Only what the engine itself tells; the disk of its machine is not among it.
//! Next: `connect.rs` (the version).

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum};
use scalectl_engine::EngineError;

use crate::context::Kind;
use crate::{DockerEngine, time};

const LIMIT: u64 = 60;

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
