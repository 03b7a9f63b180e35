"""Runs Patroni, with nine differences that Patroni has no setting for.

- It waits for the store in steps of 50 ms (Patroni: 5 s), with its modules loaded meanwhile.
- A founder that was killed during its first start, or that never heard the store's answer, leaves
  an empty `initialize` key, for which Patroni would wait for ever; it is taken back.
- It looks for the end of a start or a stop of PostgreSQL every 50 ms (Patroni: 1 s).
- It ends while its REST API does, which takes up to half a second. The second that a primary gives to
  replicas which catch up is over once none is running.
- A heartbeat line that repeats the one before is not logged again.
- Settings, roles and certificates that change in /etc/scalectl are read again.
- Its REST API has the verbs of a planned move of the primary (handover.py).
- While the cluster follows another one, no member lets the app in (door.py).
- A copy that was interrupted is known as one: `start` begins again.

Tried with Patroni 4.0.7. Must never change what Patroni decides once it runs.
"""

import contextlib
import functools
import logging
import os
import pathlib
import socket
import subprocess
import threading
import time
import types

import patroni.api
import patroni.dcs.etcd3
import patroni.ha
import patroni.postgresql.bootstrap
import patroni.postgresql
import patroni.request
import patroni.watchdog
import psycopg2  # noqa: F401  (loaded now, used by Patroni)
from patroni.__main__ import Patroni
from patroni.daemon import abstract_main

import door
import handover

STEP_SECONDS = 0.05
SETTINGS = "/etc/scalectl"
ROLES = "/usr/local/lib/scalectl/roles"
COPYING = "/var/lib/postgresql/copying"
patroni.postgresql.STOP_POLLING_INTERVAL = STEP_SECONDS
patroni.postgresql.polling_loop = functools.partial(patroni.postgresql.polling_loop, interval=STEP_SECONDS)


class Member(Patroni):
    def __init__(self, config):
        wait_for_store(config["etcd3"]["hosts"])
        super().__init__(config)
        self.read = written()
        self.door = door.Door(self)
        handover.install(self)

    def _run_cycle(self):
        """Once a round of Patroni, and whenever something wakes it."""
        now = written()
        if now != self.read:
            self.take_over({file for file, *_ in now ^ self.read})
            self.read = now
        # As it was in the last round: Patroni itself is founding if it is busy.
        cluster = self.dcs.cluster
        if cluster is not None and not self.ha._async_executor.busy:
            self.take_founding_back(cluster)
        super()._run_cycle()
        self.door.follow_cluster()

    def _shutdown(self):
        patroni.ha.time = types.SimpleNamespace(time=time.time, sleep=self.give_replicas_time)
        api = threading.Thread(target=self.api.shutdown, daemon=True)
        api.start()
        try:
            self.ha.shutdown()
        except Exception:
            logging.exception("the end of the server")
        api.join(timeout=1)

    def give_replicas_time(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.is_alone():
                # Nobody is asked, and waited for, who has ended.
                self.ha.is_failover_possible = lambda **_: False
                return
            time.sleep(STEP_SECONDS)

    def is_alone(self):
        """Whether no other member has a server that runs, as the store says; not if it does not answer."""
        try:
            members = self.dcs.get_cluster().members
        except Exception:
            return False
        return all(it.name == self.postgresql.name or it.data.get("state") == "stopped" for it in members)

    def take_over(self, files):
        logging.warning("changed: %s", ", ".join(sorted(map(os.path.basename, files))))
        if any(not file.endswith(".sql") for file in files):
            self.reload_config(True, self.config.reload_local_configuration())
        if self.postgresql.is_primary() and any(file.endswith(".sql") for file in files):
            subprocess.Popen([ROLES, "on_reload", "primary", self.postgresql.scope])

    def ensure_dcs_access(self, sleep_time=STEP_SECONDS):
        cluster = super().ensure_dcs_access(sleep_time)
        self.take_founding_back(cluster)
        return cluster

    def take_founding_back(self, cluster):
        if self.may_found() and cluster.initialize == "" and cluster.is_unlocked():
            logging.warning("an earlier first start was interrupted; founding the cluster again")
            self.dcs.cancel_initialization()

    def may_found(self):
        """Only one member has the section `bootstrap`, so an empty key can only be its own."""
        data = self.config["postgresql"]["data_dir"]
        return "bootstrap" in self.config and not os.path.exists(os.path.join(data, "PG_VERSION"))


def written():
    """Every file of the settings with its time and number: one that is replaced has another."""
    found = set()
    for file in pathlib.Path(SETTINGS).rglob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                found.add((str(file), file.stat().st_mtime_ns, file.stat().st_ino))
    return found


def marked(copy):
    """A copy with a mark beside it from before its first byte to after its last."""

    def copied(bootstrap, member):
        with open(COPYING, "w") as mark:
            os.fsync(mark.fileno())
        handover.sync(os.path.dirname(COPYING))
        is_copied = copy(bootstrap, member)
        os.unlink(COPYING)
        handover.sync(os.path.dirname(COPYING))
        return is_copied

    return copied


def wait_for_store(hosts):
    while not any(answers(*host.rsplit(":", 1)) for host in hosts):
        time.sleep(STEP_SECONDS)


def answers(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
        return True
    except OSError:
        return False


class OnlyNews(logging.Filter):
    """Drops a line that says what the last line of the same logger said."""

    said = None

    def filter(self, record):
        before, self.said = self.said, record.getMessage()
        return self.said != before


def run(settings):
    clone = patroni.postgresql.bootstrap.Bootstrap.clone
    patroni.postgresql.bootstrap.Bootstrap.clone = marked(clone)
    for name in ("patroni.__main__", "patroni.ha"):
        logging.getLogger(name).addFilter(OnlyNews())
    abstract_main(Member, settings)
