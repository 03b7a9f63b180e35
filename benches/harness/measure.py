"""Measuring: wall time of whole commands, in alternation, and their peak memory."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from contenders import Place

# A run that takes longer is no measurement.
LIMIT_SECONDS = 300
# How often `status` and an `up` with nothing to do are repeated in each run.
REPEATS = 5
SAMPLE_SECONDS = 0.002
# Of all cores together.
AT_REST = 0.15


def timed(command: list[str], folder: Path) -> float:
    """Seconds from the start of a command to its end."""
    log = folder / "log.txt"
    with log.open("wb") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        # Not `wait(timeout)`, which only looks now and then: up to 50 ms too late.
        limit = threading.Timer(LIMIT_SECONDS, process.kill)
        limit.start()
        try:
            process.wait()
            took = time.perf_counter() - began
        finally:
            # Also when this process is told to end: neither outlives it.
            limit.cancel()
            process.kill()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()}")
    return took


def rest(limit: float) -> float:
    """Waits until the machine has nothing else to do, for what the last one left behind costs the next.

    Gives the share of all cores that is busy all the same.
    """
    give_up = time.monotonic() + limit
    while True:
        before = busy_and_all()
        time.sleep(0.3)
        busy, everything = (now - then for now, then in zip(busy_and_all(), before))
        share = busy / max(1, everything)
        if share < AT_REST or time.monotonic() > give_up:
            return share


def busy_and_all() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def cycle(place: Place, who: str, calm: float) -> tuple[dict[str, float], float]:
    """One contender brings the shape up and down again, from nothing to nothing."""
    place.purge()
    busy = rest(calm)
    took = {"up": timed(place.command(who, "up"), place.folder)}
    if who != "floor":
        for work in ("no-op", "status"):
            seconds = [timed(place.command(who, work), place.folder) for _ in range(REPEATS)]
            took[work] = sorted(seconds)[REPEATS // 2]
    rest(calm)
    took["down"] = timed(place.command(who, "down"), place.folder)
    place.purge()
    return took, busy


def alternate(place: Place, contenders: list[str], runs: int, calm: float, tell) -> dict[str, dict[str, list[float]]]:
    """Every contender once in each run, in another order each time."""
    results: dict[str, dict[str, list[float]]] = {who: {} for who in contenders}
    for run in range(runs):
        turn = run % len(contenders)
        for who in contenders[turn:] + contenders[:turn]:
            took, busy = cycle(place, who, calm)
            for work, seconds in took.items():
                results[who].setdefault(work, []).append(seconds)
            told = ", ".join(f"{work} {seconds:.3f}" for work, seconds in took.items())
            tell(f"{place.shape.name} run {run + 1}: {who:9} {told}" + (f" (others use {busy:.0%})" if busy > AT_REST else ""))
    return results


def peak_memory(command: list[str], folder: Path) -> int:
    """The most memory that a command had, in bytes; looked at every 2 ms, so never too much."""
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        peak = 0
        while process.poll() is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()}")
    return peak


def high_water(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024


def memories(place: Place, contenders: list[str]) -> dict[str, dict[str, int]]:
    """Peak memory of each verb of each contender."""
    found: dict[str, dict[str, int]] = {}
    for who in contenders:
        place.purge()
        works = ["up", "down"] if who == "floor" else ["up", "no-op", "status", "down"]
        found[who] = {work: peak_memory(place.command(who, work), place.folder) for work in works}
    place.purge()
    return found


def repeated(command: list[str], folder: Path, runs: int = 21) -> float:
    """The median of many runs of a short command."""
    seconds = sorted(timed(command, folder) for _ in range(runs))
    return seconds[runs // 2]
