"""Waits for an entry of a journal, then sends signals to processes of containers: within 2 ms.

Runs in a container of its own that shares the engine's process ids and reads the journal's volume, so
that no program has to have a hook for being killed at a certain point. Arguments: the file, words that
the line of the entry must hold, milliseconds to wait after it, then SIGNAL:PID of each process. It keeps
a handle of each from the start: a number that somebody else got meanwhile is not hit. Prints `armed`, then
when it struck, in milliseconds since 1970.
"""

import os
import signal
import sys
import time

LOOK_SECONDS = 0.001
PATIENCE_SECONDS = 300


def main(file, words, wait_ms, *targets):
    handles = []
    for target in targets:
        name, pid = target.split(":")
        handles.append((signal.Signals[name], os.pidfd_open(int(pid))))
    wanted = words.encode()
    begin = size(file)
    print("armed", flush=True)
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not has_come(file, begin, wanted):
        if time.monotonic() > give_up:
            sys.exit("the entry did not come")
        time.sleep(LOOK_SECONDS)
    time.sleep(int(wait_ms) / 1000)
    for number, handle in handles:
        signal.pidfd_send_signal(handle, number)
    print(int(time.time() * 1000), flush=True)


def size(file):
    try:
        return os.stat(file).st_size
    except FileNotFoundError:
        return 0


def has_come(file, begin, wanted):
    if size(file) <= begin:
        return False
    with open(file, "rb") as journal:
        journal.seek(begin)
        lines = journal.read().split(b"\n")
    # The last one may not be whole yet.
    return any(wanted in line for line in lines[:-1])


main(*sys.argv[1:])
