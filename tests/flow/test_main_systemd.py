#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a service manager is told what sd_notify(3) knows, its sockets are taken, and the example
units are as closed as they say.
Method: main_daemon (the first argument) with NOTIFY_SOCKET and LISTEN_FDS as systemd sets them; the
units in the folder of the second argument are read, and judged by systemd-analyze where it is.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from daemon import PATIENCE, Case, Daemon, connect, get, read_response, write_file

PROGRAM, UNITS = sys.argv[1:3]
del sys.argv[1:3]
EXPOSURE_MAX = 2.0
CONF = """<daemon>
  <eventer><config><concurrency>1</concurrency></config></eventer>
  <listeners address="127.0.0.1" port="{port}" strict="true">
    <listener type="http_rest_api"/>
  </listeners>
  <rest><acl><rule type="allow"/></acl></rest>
</daemon>
"""
# Executes the rest of its arguments with LISTEN_PID as systemd sets it, and fd 3 as it is.
WITH_SOCKET = ["/bin/sh", "-c",
               'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec "$@"', "sh"]


def passing(listener):
    """Return what makes the listener fd 3 of a child."""
    def pass_it():
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
    return pass_it


class Manager:
    """What systemd has at the other end of NOTIFY_SOCKET."""

    def __init__(self, test):
        self.folder = tempfile.mkdtemp()
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE)
        test.addCleanup(self.end)

    def end(self):
        """Leave nothing behind."""
        self.socket.close()
        os.unlink(self.path)
        os.rmdir(self.folder)

    def hears(self):
        """Return the next message as {key: value}."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def hears_of(self, key):
        """Return the next message with that key."""
        while True:
            message = self.hears()
            if key in message:
                return message


class Notify(Case):
    """One daemon a test."""

    def start(self, *arguments, **environment):
        """Start it; return it and the manager."""
        manager = Manager(self)
        daemon = Daemon([PROGRAM, write_file(self, CONF.format(port=0)), *arguments],
                        NOTIFY_SOCKET=manager.path, **environment)
        self.addCleanup(daemon.__exit__)
        return daemon, manager

    def lives(self, *arguments):
        """Assert what is heard from the start to the end."""
        daemon, manager = self.start(*arguments)
        message = manager.hears_of("READY")
        self.assertEqual((message["READY"], message["MAINPID"]), ("1", str(daemon.pid)))
        self.assertEqual(len(daemon.ports()), 1)  # it is bound by then
        before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.signal(signal.SIGHUP)
        message = manager.hears_of("RELOADING")
        self.assertGreaterEqual(int(message["MONOTONIC_USEC"]), before_us)
        self.assertLessEqual(int(message["MONOTONIC_USEC"]),
                             time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        manager.hears_of("READY")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(manager.hears_of("STOPPING")["STOPPING"], "1")
        self.assertEqual(daemon.end()[0], 0)

    def test_a_process_alone_tells_its_life(self):
        self.lives()

    def test_a_monitor_tells_the_life_of_the_service(self):
        self.lives("foreground=2")

    def test_an_upgrade_ends_with_the_id_of_the_same_monitor(self):
        daemon, manager = self.start("foreground=2")
        manager.hears_of("READY")
        daemon.signal(signal.SIGUSR2)
        manager.hears_of("STATUS")
        self.assertEqual(manager.hears_of("READY")["MAINPID"], str(daemon.pid))
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_the_manager_hears_that_all_is_well(self):
        for arguments in ([], ["foreground=2"]):
            daemon, manager = self.start(*arguments, WATCHDOG_USEC="100000")
            for _ in range(3):
                self.assertEqual(manager.hears_of("WATCHDOG")["WATCHDOG"], "1")
            self.stops(daemon)

    def test_an_abstract_name_is_a_manager_too(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            name = f"eventer-test-{os.getpid()}"
            manager.bind("\0" + name)
            manager.settimeout(PATIENCE)
            with Daemon([PROGRAM, write_file(self, CONF.format(port=0))],
                        NOTIFY_SOCKET="@" + name) as daemon:
                self.assertIn(b"READY=1\n", manager.recv(4096))
                self.stops(daemon)

    def test_what_is_meant_for_another_process_is_left_alone(self):
        daemon, _ = self.start(LISTEN_PID="1", LISTEN_FDS="1000", WATCHDOG_PID="1",
                               WATCHDOG_USEC="1")
        daemon.ports()
        self.stops(daemon)


class Sockets(Case):
    """A socket that is there before the service."""

    def serves(self, *arguments):
        """Assert that the socket is taken, and outlives the service."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            path = write_file(self, CONF.format(port=port))
            for _ in range(2):
                with Daemon([*WITH_SOCKET, PROGRAM, path, *arguments],
                            preexec_fn=passing(listener), close_fds=False) as daemon:
                    with connect(port) as connection:  # it may come before the service
                        get(connection, "/id")
                        self.assertEqual(read_response(connection)[0], 200)
                    self.stops(daemon)

    def test_it_is_taken_by_the_listener_with_its_address(self):
        self.serves()

    def test_a_monitor_gives_it_to_its_child(self):
        self.serves("foreground=2")

    def test_one_that_nobody_takes_is_named(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            path = write_file(self, CONF.format(port=0).replace("127.0.0.1", "127.0.0.2"))
            with Daemon([*WITH_SOCKET, PROGRAM, path],
                        preexec_fn=passing(listener), close_fds=False) as daemon:
                daemon.until_said("ready")
                port = listener.getsockname()[1]
                daemon.until(lambda: daemon.complained() == "no listener takes the inherited "
                             f"socket of 127.0.0.1:{port}; it is closed\n", "naming it")
                self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)


class Units(unittest.TestCase):
    """The example units."""
    service = os.path.join(UNITS, "eventer-example.service")

    def test_the_service_is_closed_where_it_can_be(self):
        with open(self.service, encoding="ascii") as file:
            lines = set(file.read().split("\n"))
        for line in ("Type=notify", "KillMode=mixed", "NoNewPrivileges=yes", "ProtectSystem=strict",
                     "CapabilityBoundingSet=", "PrivateDevices=yes", "ProtectHome=yes",
                     "RestrictNamespaces=yes", "SystemCallFilter=@system-service",
                     "SystemCallArchitectures=native", "MemoryDenyWriteExecute=yes",
                     "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "DynamicUser=yes"):
            self.assertIn(line, lines)
        if shutil.which("systemd-analyze") is None:
            return  # the lines above are what it counts
        result = subprocess.run(["systemd-analyze", "security", "--offline=yes", self.service],
                                capture_output=True, text=True, check=False)
        level = re.search(r"Overall exposure level for .*: ([\d.]+) ", result.stdout)
        self.assertIsNotNone(level, result.stderr)
        self.assertLess(float(level.group(1)), EXPOSURE_MAX)


unittest.main()
