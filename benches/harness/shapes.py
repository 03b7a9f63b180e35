"""The shapes that are measured: what a document looks like and how it is run.

A generated document is written as JSON, which is YAML, with the keys that
scalectl renders, so that scalectl, docker compose and the floor read one file.
"""

import json
from dataclasses import dataclass, field

IMAGE = "scalectl/base:trixie"
# Ends at once when it is asked to, as a server should.
POLITE = ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait"]
# Process 1 without a handler: the kernel drops the signal.
DEAF = ["sleep", "infinity"]


@dataclass
class Shape:
    """One row of the tables."""

    name: str
    about: str
    services: dict = field(default_factory=dict)
    phase: int = 0
    # Whether `docker compose up` is asked to wait for health, as scalectl always does.
    waits: bool = False
    # The bound on down against compose (docs/benchmarks.md).
    down_limit: float = 0.95

    def document(self, project: str, api: str) -> str:
        services = json.loads(json.dumps(self.services))
        if int(api.split(".")[1]) < 44:
            # Without start_interval a first check at 30 s would be all that is measured.
            for it in services.values():
                it.get("healthcheck", {}).update(interval="1s")
        return json.dumps({"name": project, "services": services}, indent=1)


def service(command=None, **more) -> dict:
    return {"image": IMAGE, "restart": "always", "command": command or POLITE, **more}


def checked(**more) -> dict:
    """A service with a health check that succeeds at its first run."""
    check: dict = {
        "test": ["CMD", "true"],
        "start_period": "30s",
        "start_interval": "100ms",
        # Seldom, as in the phases: checks of those that are well already cost time, too.
        "interval": "30s",
        "timeout": "5s",
        "retries": 3,
    }
    return service(healthcheck=check, **more)


def independent(count: int, **more) -> dict:
    return {f"s{number:03}": service(**more) for number in range(1, count + 1)}


def star(dependents: int) -> dict:
    services = {"hub": checked()}
    for number in range(1, dependents + 1):
        services[f"s{number:03}"] = service(depends_on={"hub": {"condition": "service_healthy"}})
    return services


def chain(length: int) -> dict:
    services = {}
    for number in range(1, length + 1):
        before = {f"s{number - 1:03}": {"condition": "service_healthy"}} if number > 1 else {}
        services[f"s{number:03}"] = checked(depends_on=before)
    return services


def all_shapes() -> list[Shape]:
    return [
        Shape("phase-1", "phase 1 of the example shop", phase=1, waits=True),
        Shape("phase-2", "phase 2 of the example shop", phase=2, waits=True),
        Shape("flat-20", "20 independent services", independent(20)),
        Shape("star-30", "one service, healthy, then its 30 dependents", star(30), waits=True),
        Shape("chain-10", "a chain of 10, each waits for the health of the one before", chain(10), waits=True, down_limit=0.7),
        Shape("deaf-20", "20 services that ignore SIGTERM, killed after 2 s", independent(20, command=DEAF, stop_grace_period="2s"), down_limit=0.7),
        Shape("flat-50", "50 independent services", independent(50)),
        Shape("flat-100", "100 independent services", independent(100)),
        # For the commit tier: whether the programs work, not how quick they are.
        Shape("pair", "two services, one waits for the other", chain(2), waits=True),
    ]
