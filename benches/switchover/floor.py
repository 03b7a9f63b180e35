#!/usr/bin/env python3
"""The floor of a switchover: its tuned steps, and nothing around them.

    benches/switchover/floor.py PROJECT [--without hold] [--without fence]

Hold the pooler; fence the old primary, with the pooler pointed elsewhere meanwhile; the new one has
replayed all; promote; release. No journal, no lock, no deadline, no way back, no look at who may: what
`scalectl db switchover` is measured against. Every session is open before the hold. Prints JSON.
Only for a stack of phase 2 that one can do without: killed in the middle it leaves a mess.

Without the hold requests fail; without hold and fence acknowledged writes are lost: the controls of the
checker (tests/checker). Next: hand.py (the steps themselves).
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

HAND = (Path(__file__).parent / "hand.py").read_text()
PATRONI = ("patronictl", "-c", "/etc/scalectl/patroni.yaml")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


class Hand:
    """One process in a container, told what to do by lines."""

    def __init__(self, kind: str, *command: str):
        words = ["docker", *command, "python3", "-c", HAND, kind]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answer("open")

    def ask(self, do: str, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self, do: str) -> dict:
        answer = json.loads(self.process.stdout.readline() or '{"error": "it ended"}')
        if "error" in answer:
            raise SystemExit(f"{do}: {answer['error']}")
        return answer

    def does(self, do: str, **arguments) -> dict:
        self.ask(do, **arguments)
        return self.answer(do)

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


class Stack:
    def __init__(self, project: str):
        self.project = project
        self.network = docker("inspect", "-f", "{{range $n, $_ := .NetworkSettings.Networks}}{{$n}}{{end}}",
                              f"{project}-db-1-1")

    def members(self) -> list[str]:
        names = docker("ps", "--format", "{{.Names}}", "--filter", f"label=dev.scalectl.project={self.project}")
        return sorted(name for name in names.split() if name.startswith(f"{self.project}-db-"))

    def is_primary(self, member: str) -> bool:
        sql = "SELECT pg_is_in_recovery()"
        return docker("exec", member, "psql", "-h", "/run/postgresql", "-U", "postgres", "-Atc", sql) == "f"

    def address(self, member: str) -> str:
        return docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{self.network}").IPAddress}}}}', member)

    def agent(self) -> str:
        label = ("--filter", f"label=dev.scalectl.project={self.project}")
        return docker("ps", "-q", *label, "--filter", "label=dev.scalectl.service=agent")

    def member(self, name: str) -> Hand:
        return Hand("member", "exec", "-i", name)

    def pooler(self, image: str) -> Hand:
        """As the agent does it: by the console's socket, which is in a volume, as the agent's user."""
        return Hand("pooler", "run", "-i", "--rm", "--network", "none", "--user", "65532:10111",
                    "--volume", f"{self.project}_pooler-run:/run/pgbouncer", "--entrypoint", "", image)


def switch(stack: Stack, without: set[str]) -> dict:
    members = stack.members()
    old = next(name for name in members if stack.is_primary(name))
    new, *others = (name for name in members if name != old)
    image = docker("inspect", "-f", "{{.Config.Image}}", old)
    source, target, pooler = stack.member(old), stack.member(new), stack.pooler(image)
    addresses = {name: stack.address(name) for name in members}
    readers = [addresses[name] for name in others] or [addresses[new]]
    docker("exec", old, *PATRONI, "pause", "--wait")
    # It would point the pooler back while the store still tells the old primary.
    agent = stack.agent()
    docker("stop", agent)
    steps = {}

    def note(step: str, answer: dict):
        steps[step] = round(answer["ms"], 1)

    try:
        for hand in (source, source, target):
            hand.does("checkpoint")
        begun = time.perf_counter()
        if "hold" not in without:
            note("hold", pooler.does("pause"))
        if "fence" not in without:
            source.ask("fence")
        pooler.ask("point", primary=addresses[new], readers=readers)
        if "fence" not in without:
            fenced = source.answer("fence")
            note("fence", fenced)
            note("replay", target.does("replayed", lsn=fenced["told"]))
        note("promote", target.does("promote"))
        note("re-point", pooler.answer("point"))
        if "hold" not in without:
            note("release", pooler.does("resume"))
        held = time.perf_counter() - begun
        if "fence" not in without:
            wait_for_leader(stack, new)
    finally:
        docker("start", agent)
    if "fence" not in without:
        docker("exec", new, *PATRONI, "resume", "--wait")
    for hand in (source, target, pooler):
        hand.end()
    name = len(stack.project) + 1
    return {"from": old[name:-2], "to": new[name:-2], "held_ms": round(held * 1000), "steps": steps}


def wait_for_leader(stack: Stack, member: str):
    deadline = time.monotonic() + 60
    name = member.removeprefix(f"{stack.project}-")[:-2]
    while time.monotonic() < deadline:
        told = json.loads(docker("exec", member, *PATRONI, "list", "-f", "json"))
        if any(one["Member"] == name and one["Role"] == "Leader" for one in told):
            return
        time.sleep(0.5)
    raise SystemExit(f"{name} does not lead after 60 s")


def main():
    words = argparse.ArgumentParser(description="the tuned steps of a switchover, and nothing around them")
    words.add_argument("project")
    words.add_argument("--without", action="append", choices=("hold", "fence"), default=[])
    told = words.parse_args()
    print(json.dumps(switch(Stack(told.project), set(told.without))))


if __name__ == "__main__":
    main()
