"""Who is measured, and what each is told to do."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import shapes


@dataclass
class Programs:
    scalectl: str
    floor: str
    compose: str


@dataclass
class Place:
    """Where a shape is measured: its folder, and the one file that all read."""

    shape: shapes.Shape
    folder: Path
    file: Path
    programs: Programs
    floor_options: list[str]

    def command(self, who: str, work: str) -> list[str]:
        if who == "scalectl":
            given = [] if self.shape.phase else ["--document", str(self.file)]
            phase = ["--phase", str(self.shape.phase)] if self.shape.phase and work != "down" else []
            verbs = {
                "up": ["up", *phase],
                "no-op": ["up", *phase],
                "status": ["status"],
                "down": ["down"],
            }
            return [self.programs.scalectl, *given, *verbs[work]]
        if who == "compose":
            wait = ["--wait"] if self.shape.waits else []
            verbs = {
                "up": ["up", "--detach", *wait],
                # Without --wait, which only makes it slower where nothing is to be done.
                "no-op": ["up", "--detach"],
                "status": ["ps"],
                "down": ["down"],
            }
            # A user's progress display costs more than a file's.
            return [self.programs.compose, "--progress", "plain", "--file", str(self.file), *verbs[work]]
        return [self.programs.floor, work, str(self.file), *self.floor_options]

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.purge()

    def purge(self) -> None:
        subprocess.run([self.programs.floor, "purge", str(self.file)], check=True)


def prepare(shape: shapes.Shape, base: Path, programs: Programs, project: str, port: int, api: str, floor_options: list[str]) -> Place:
    """Writes what a shape needs into a folder of its own."""
    folder = base / shape.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "compose.yaml"
    place = Place(shape, folder, file, programs, [*floor_options, f"api={api}"])
    if not shape.phase:
        file.write_text(shape.document(project, api))
        return place
    shop = Path(__file__).resolve().parents[2] / "examples/shop"
    text = (shop / "scale.yaml").read_text()
    text = text.replace("name: shop", f"name: {project}").replace("build: .", f"build: {shop}")
    text += f"edge: {{http: {port}, https: {port + 1}, address: 127.0.0.1}}\nmonitoring: {{port: {port + 2}}}\n"
    (folder / "scale.yaml").write_text(text)
    run_once([programs.scalectl, "up", "--phase", str(shape.phase)], folder)
    run_once([programs.scalectl, "down", "--volumes", "--yes"], folder)
    run_once([programs.scalectl, "render", "--phase", str(shape.phase), "-o", str(folder)], folder)
    # The image is there: nobody is to build it in a measurement.
    file.write_text(re.sub(r"^    build: .*\n", "", file.read_text(), flags=re.M))
    return place


def run_once(command: list[str], folder: Path) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def engine_api() -> str:
    ended = subprocess.run(
        ["docker", "version", "--format", "{{.Server.APIVersion}} {{.Server.Version}}"],
        capture_output=True, text=True, check=True, env=os.environ,
    )
    return ended.stdout.strip()
