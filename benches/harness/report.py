"""Figures become medians, ratios and the tables of docs/benchmarks.md."""

import os
import statistics
from pathlib import Path

BEGIN, END = "<!-- figures: scripts/bench --update -->", "<!-- end of figures -->"
UP_OF_FLOOR, DOWN_OF_FLOOR, QUICK_OF_COMPOSE = 1.15, 1.15, 0.3
# Where compose takes this much of the floor there is something to win.
ROOM, WITH_ROOM, WITHOUT_ROOM = 1.45, 0.8, 1.05
MEMORY_OF_COMPOSE, MEMORY_LIMIT = 0.5, 40 * 2**20


def machine() -> str:
    """The class of machine: how many cores, how much memory."""
    kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} cores ({model}), {kilobytes / 2**20:.0f} GiB of memory"


def ratio(of: list[float], to: list[float]) -> float:
    """The median of the ratios of runs that were made side by side."""
    return statistics.median(one / other for one, other in zip(of, to))


def text(result: dict) -> str:
    parts = [f"Engine API {result['engine']}; {result['machine']}.\n"]
    rows = result["shapes"]
    if rows:
        parts += [works(rows, "up"), works(rows, "down"), quick(rows), memory(rows)]
    if "programs" in result:
        parts.append(table(["the program alone", "median"], [[name, f"{seconds * 1000:.1f} ms"] for name, seconds in result["programs"].items()]))
    if "idle" in result:
        parts.append(idle(result["idle"]))
    return "\n".join(part for part in parts if part)


def works(rows: dict, work: str) -> str:
    lines = []
    for name, row in rows.items():
        seconds = {who: it[work] for who, it in row["seconds"].items()}
        if "scalectl" not in seconds:
            lines.append([name, *(f"{who} {statistics.median(it):.2f} s" for who, it in seconds.items())])
            continue
        line = [name] + [shown(seconds.get(who)) for who in ("floor", "scalectl", "compose")]
        own = seconds["scalectl"]
        of_floor = ratio(own, seconds["floor"]) if "floor" in seconds else None
        of_compose = ratio(own, seconds["compose"]) if "compose" in seconds else None
        limit = row["down_limit"]
        if work == "up" and of_floor and of_compose:
            limit = WITH_ROOM if ratio(seconds["compose"], seconds["floor"]) >= ROOM else WITHOUT_ROOM
        line += [judged(of_floor, UP_OF_FLOOR if work == "up" else DOWN_OF_FLOOR), judged(of_compose, limit)]
        lines.append(line)
    return table([work, "floor", "scalectl", "compose", "of floor", "of compose"], lines)


def quick(rows: dict) -> str:
    lines = []
    for name, row in rows.items():
        own, theirs = row["seconds"].get("scalectl"), row["seconds"].get("compose")
        if not own or not theirs:
            continue
        line = [name]
        for work in ("no-op", "status"):
            line += [milliseconds(own[work]), milliseconds(theirs[work]), judged(ratio(own[work], theirs[work]), QUICK_OF_COMPOSE)]
        lines.append(line)
    head = ["nothing to do", "`up` again", "compose", "ratio", "`status`", "compose `ps`", "ratio"]
    return table(head, lines) if lines else ""


def memory(rows: dict) -> str:
    lines = []
    for name, row in rows.items():
        found = row.get("memory", {})
        if "scalectl" not in found or "compose" not in found:
            continue
        own, theirs = max(found["scalectl"].values()), max(found["compose"].values())
        verdict = judged(own / theirs, MEMORY_OF_COMPOSE)
        lines.append([name, megabytes(own) + ("" if own < MEMORY_LIMIT else " (over 40)"), megabytes(theirs), verdict])
    return table(["peak memory", "scalectl", "compose", "ratio"], lines) if lines else ""


def idle(found: dict) -> str:
    services = found["services"]
    rows = [[name, megabytes(it["memory"]), f"{it['cores'] * 100:.2f} %"] for name, it in services.items()]
    total, cores = sum(it["memory"] for it in services.values()), sum(it["cores"] for it in services.values())
    rows.append(["**all of the stack**", f"**{megabytes(total)}**", f"**{cores * 100:.2f} %**"])
    rows.append([f"{found['shims']} shims of the engine", megabytes(found["shims_memory"]), ""])
    rows.append(["engine, containerd, shims (and health checks, where the kernel does not count containers)", megabytes(found["engine_memory"] + found["shims_memory"]), f"{found['engine_cores'] * 100:.2f} %"])
    return table(["phase 1 at rest", "memory (PSS)", f"of one core, over {found['seconds']:.0f} s"], rows)


def shown(seconds: list[float] | None) -> str:
    return f"{statistics.median(seconds):.2f} s" if seconds else "-"


def milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms"


def megabytes(count: float) -> str:
    return f"{count / 2**20:.1f} MiB"


def judged(value: float | None, limit: float) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} (≤ {limit})" if round(value, 2) <= limit else f"**{value:.2f}** (not ≤ {limit})"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def update(page: Path, result: dict) -> None:
    """Puts the tables between the page's two marks."""
    before, rest = page.read_text().split(BEGIN, 1)
    _, after = rest.split(END, 1)
    page.write_text(f"{before}{BEGIN}\n{text(result)}{END}{after}")
