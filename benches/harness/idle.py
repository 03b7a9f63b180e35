"""What a stack costs while nobody uses it: memory and CPU of its containers and of the engine for them."""

import json
import os
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def containers(project: str) -> list[str]:
    label = f"label=com.docker.compose.project={project}"
    ended = subprocess.run(["docker", "ps", "-q", "--no-trunc", "--filter", label], capture_output=True, text=True, check=True)
    return ended.stdout.split()


def inspected(ids: list[str]) -> list[dict]:
    ended = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def processes_of(container: str) -> list[int]:
    ended = subprocess.run(["docker", "top", container, "-eo", "pid"], capture_output=True, text=True, check=True)
    return [int(line) for line in ended.stdout.split()[1:]]


def pss_bytes(pid: int) -> int:
    """Memory of a process, with its share of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def cpu_seconds(pid: int) -> float:
    """CPU of a process and of those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def container_cpu(container: str) -> float:
    """CPU of a container, as the engine counts it. Where the kernel counts nothing for a container, that of
    its processes: the health checks then stand with the shims, whose children they are."""
    ended = subprocess.run(
        ["curl", "-s", "--unix-socket", os.environ["DOCKER_HOST"].removeprefix("unix://"),
         f"http://docker/containers/{container}/stats?stream=false&one-shot=true"],
        capture_output=True, text=True, check=True,
    )
    told = json.loads(ended.stdout)
    if "cpu_stats" not in told:
        return sum(cpu_seconds(pid) for pid in processes_of(container))
    return told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9


def engine_processes(ids: set[str]) -> tuple[list[int], list[int]]:
    """The shims of these containers; and the engine itself with its containerd."""
    shims, engine = [], []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = os.path.basename(command[0])
        if name.startswith("containerd-shim") and any(word in ids for word in command):
            shims.append(int(folder.name))
        elif name == "dockerd" and any(os.environ["DOCKER_HOST"] in word for word in command):
            engine.append(int(folder.name))
    # The containerd of an engine of ours is its child.
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1) if folder.name.isdigit() else None
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields and fields[0].endswith("(containerd") and int(fields[1].split()[1]) in engine:
            engine.append(int(folder.name))
    return shims, engine


def idle_cost(project: str, settle: float, seconds: float) -> dict:
    """Memory in bytes and CPU in cores, by service, over some seconds."""
    time.sleep(settle)
    found = inspected(containers(project))
    names = {it["Id"]: it["Config"]["Labels"]["com.docker.compose.service"] for it in found}
    shims, engine = engine_processes(set(names))

    def cpus() -> tuple[dict[str, float], float]:
        own = {name: container_cpu(container) for container, name in names.items()}
        return own, sum(cpu_seconds(pid) for pid in shims + engine)

    before, engine_before = cpus()
    time.sleep(seconds)
    after, engine_after = cpus()
    services = {
        name: {
            "memory": sum(pss_bytes(pid) for pid in processes_of(container)),
            "cores": (after[name] - before[name]) / seconds,
        }
        for container, name in sorted(names.items(), key=lambda it: it[1])
    }
    return {
        "services": services,
        "shims_memory": sum(pss_bytes(pid) for pid in shims),
        "shims": len(shims),
        "engine_memory": sum(pss_bytes(pid) for pid in engine),
        "engine_cores": (engine_after - engine_before) / seconds,
        "seconds": seconds,
    }
