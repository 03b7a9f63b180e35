"""Runs Patroni, with four differences that Patroni has no setting for.

- It waits for the store in steps of 50 ms (Patroni: 5 s), with its modules loaded meanwhile.
- A founder killed during its first start leaves an empty `initialize` key, for which Patroni
  would wait for ever; it is taken back.
- It looks for the end of a start or a stop of PostgreSQL every 50 ms (Patroni: 1 s).
- A heartbeat line that repeats the one before is not logged again.

Tried with Patroni 4.0.7. Must never change what Patroni decides once it runs.
"""

import functools
import logging
import os
import socket
import time

import patroni.api
import patroni.dcs.etcd3
import patroni.ha
import patroni.postgresql
import patroni.request
import patroni.watchdog
import psycopg2  # noqa: F401  (loaded now, used by Patroni)
from patroni.__main__ import Patroni
from patroni.daemon import abstract_main

STEP_SECONDS = 0.05
patroni.postgresql.STOP_POLLING_INTERVAL = STEP_SECONDS
patroni.postgresql.polling_loop = functools.partial(patroni.postgresql.polling_loop, interval=STEP_SECONDS)


class Member(Patroni):
    def __init__(self, config):
        wait_for_store(config["etcd3"]["hosts"])
        super().__init__(config)

    def ensure_dcs_access(self, sleep_time=STEP_SECONDS):
        cluster = super().ensure_dcs_access(sleep_time)
        if self.may_found() and cluster.initialize == "" and cluster.is_unlocked():
            logging.warning("an earlier first start was interrupted; founding the cluster again")
            self.dcs.cancel_initialization()
        return cluster

    def may_found(self):
        """Only one member has the section `bootstrap`, so an empty key can only be its own."""
        data = self.config["postgresql"]["data_dir"]
        return "bootstrap" in self.config and not os.path.exists(os.path.join(data, "PG_VERSION"))


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
    for name in ("patroni.__main__", "patroni.ha"):
        logging.getLogger(name).addFilter(OnlyNews())
    abstract_main(Member, settings)
