"""Prints arguments and environment of every process in a container, each once.

One line each: container's id, process id, what it is, the bytes in hex.
"""
import os
import re
import time

CONTAINER = re.compile(rb"[0-9a-f]{64}")
# A process is moved into its container and becomes another program after it was
# made: young ones are looked at each round, others every fortieth.
YOUNG, SELDOM = 20, 40


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def look(pid, told):
    # The last one: the engine itself may run in a container.
    found = CONTAINER.findall(read(pid, "cgroup"))
    if not found:
        return
    container = found[-1].decode()
    for name, what in (("cmdline", "arguments"), ("environ", "environment")):
        content = read(pid, name)
        key = (container, what, content)
        if content and key not in told:
            told.add(key)
            print(container, pid, what, content.hex())


def main():
    ages, told, own = {}, set(), str(os.getpid())
    while True:
        pids = {pid for pid in os.listdir("/proc") if pid.isdigit() and pid != own}
        ages = {pid: ages.get(pid, -1) + 1 for pid in pids}
        for pid, age in ages.items():
            if age < YOUNG or age % SELDOM == 0:
                look(pid, told)
        time.sleep(0.05)


main()
