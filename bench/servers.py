# SPDX-License-Identifier: MIT
"""What the drivers share that start servers: a core for each, their time on it, and their end."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

START_SECONDS_MAX = 10
STOP_SECONDS_MAX = 5


class BenchError(Exception):
    """A peer that is missing, does not start or gives a wrong answer."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def setting(name, default, least):
    text = os.environ.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < least:
        raise BenchError(f"{name}={text} is not a number from {least} to 9999")
    return int(text)


def tool(name, package):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise BenchError(f"{name} is missing: install {package}")
    return path


def processors():
    """The core of the servers and the core of the load."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        print("bench: one processor for servers and load: figures are not comparable",
              file=sys.stderr)
    return cores[0], cores[1 % len(cores)]


def processes_under(pid):
    """pid and its children (nginx: master and worker)."""
    found = [pid]
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
                if int(stat.read().rpartition(b")")[2].split()[1]) == pid:
                    found.append(int(name))
    return found


def cpu_ns(pids):
    """Nanoseconds on a processor, user and kernel, of all threads of all pids."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as schedstat:
                total += int(schedstat.read().split()[0])
    return total


def connect(port, process):
    """Connect as soon as the server listens."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX)
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{process.args[-1]}: nothing listens on 127.0.0.1:{port}")
        time.sleep(0.01)


@contextlib.contextmanager
def running(command, core=None, environment=(), **pipes):
    """Run it on core; it is ended on the way out, and by the kernel if this driver dies."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *pinned, *command],
        env={**os.environ, **dict(environment)},
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **pipes})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def in_order(entries, turn):
    """Another one first each time, and nobody twice in a row: its caches would still be warm."""
    first = turn % len(entries)
    return entries[first:] + entries[:first]


def report(**figures):
    """One line of JSON."""
    print(json.dumps(figures, separators=(",", ":")), flush=True)


def quartiles(values):
    low, _, high = statistics.quantiles(values, n=4)
    return [round(low, 3), round(high, 3)]


def drive(what, main):
    """Call main(); returns the status of the process."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        main()
    except BenchError as error:
        print(f"{what}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
