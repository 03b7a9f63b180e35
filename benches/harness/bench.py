"""Measures scalectl against docker compose and the floor. Called by scripts/bench.

Next: shapes.py (what is measured), contenders.py (who does it), measure.py
(how), report.py (medians and ratios).
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import contenders
import idle
import measure
import report
import shapes


def main() -> int:
    args = arguments()
    # So that what is up is taken away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    known = {shape.name: shape for shape in shapes.all_shapes()}
    wanted = args.shapes or [name for name in known if name != "pair"]
    extras = [name for name in ("programs", "idle") if name in wanted or not args.shapes]
    programs = contenders.Programs(args.scalectl, args.floor, args.compose)
    who = args.only.split(",") if args.only else ["floor", "scalectl", "compose"]
    result = {"engine": contenders.engine_api(), "machine": report.machine(), "shapes": {}}
    with tempfile.TemporaryDirectory(prefix="scalectl-bench-") as folder:
        base = Path(folder)

        def prepared(name: str) -> contenders.Place:
            api = result["engine"].split()[0]
            project = f"{args.project}-{name}"
            if known[name].phase:
                tell(f"{name}: coming up once, so that the app's image is there")
            return contenders.prepare(known[name], base, programs, project, args.port, api, args.floor_option)

        for name in wanted:
            if name in known:
                place = prepared(name)
                tell(f"{name}: {known[name].about}")
                found = {"about": known[name].about, "down_limit": known[name].down_limit, "runs": args.runs}
                with place:
                    found["seconds"] = measure.alternate(place, who, args.runs, args.calm, tell)
                    if args.memory:
                        found["memory"] = measure.memories(place, who)
                result["shapes"][name] = found
        if "programs" in extras:
            result["programs"] = measure_program(prepared("phase-1"), prepared("phase-2"))
        if "idle" in extras:
            place = prepared("phase-1")
            with place:
                contenders.run_once(place.command("scalectl", "up"), place.folder)
                tell(f"idle: phase 1, {args.idle_seconds} s after a minute of rest")
                result["idle"] = idle.idle_cost(f"{args.project}-phase-1", 60, args.idle_seconds)
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(report.text(result))
    if args.update:
        report.update(Path(args.update), result)
    return 0


def measure_program(one: contenders.Place, two: contenders.Place) -> dict[str, float]:
    """Start-up and rendering, without an engine."""
    scalectl = one.programs.scalectl
    return {
        "start-up (`--version`)": measure.repeated([scalectl, "--version"], one.folder),
        "render phase 1": measure.repeated([scalectl, "render", "--phase", "1"], one.folder),
        "render phase 2": measure.repeated([scalectl, "render", "--phase", "2"], two.folder),
    }


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    names = [shape.name for shape in shapes.all_shapes()] + ["programs", "idle"]
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Without a shape: all of them, with programs and idle.")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", choices=[[], *names], help=", ".join(names))
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender (5)")
    parser.add_argument("--calm", type=float, default=30, help="seconds to wait at most before each until the machine is at rest (30)")
    parser.add_argument("--only", help="contenders, separated by commas: floor,scalectl,compose")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="leave out peak memory")
    parser.add_argument("--json", metavar="FILE", help="write every figure")
    parser.add_argument("--update", metavar="FILE", help="put the tables into a page (docs/benchmarks.md)")
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--floor-option", action="append", default=[], metavar="NAME=N", help="another width of the floor")
    parser.add_argument("--project", default="bench", help="what names of projects start with (bench)")
    parser.add_argument("--port", type=int, default=21500, help="the first of three ports of the phases (21500)")
    for program in ("scalectl", "floor", "compose"):
        parser.add_argument(f"--{program}", required=program not in os.environ, default=os.environ.get(program), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
