#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a process that has given up system calls still does all that it serves for, and no more.
Method: main_daemon (the argument) with seccomp="on" answers in coroutines, jobs and callbacks, over
TCP and a unix socket, logs, opens its logs anew, loads a configuration with another listener, shows
its coroutines, is replaced, explains a crash, and drains; every thread is under the filter.
"""
import os
import signal
import socket
import sys
import unittest

from daemon import PATIENCE, Case, Daemon, connect, get, read_response, write_file

PROGRAM = sys.argv.pop(1)
CONF = """<daemon seccomp="on">
  <eventer><config><concurrency>2</concurrency></config></eventer>
  <logs><log name="notice" type="file" path="{folder}/log"/></logs>
  <listeners strict="true">
    <listener type="http_rest_api" address="127.0.0.1" port="0"/>
    <listener type="http_rest_api" address="{folder}/socket"/>
    {more}
  </listeners>
  <rest><acl><rule type="allow"/></acl></rest>
</daemon>
"""


class Confined(Case):
    """One daemon a test."""

    def start(self, foreground):
        """Start it; return it."""
        self.path = write_file(self, "")
        self.folder = os.path.dirname(self.path)
        self.configure("")
        daemon = Daemon([PROGRAM, self.path, f"foreground={foreground}"])
        self.addCleanup(daemon.__exit__)
        self.port, *_ = daemon.ports()
        return daemon

    def configure(self, more):
        """Write the configuration."""
        with open(self.path, "w", encoding="ascii") as file:
            file.write(CONF.format(folder=self.folder, more=more))

    def ask(self, path):
        """Ask on a connection of its own; return the body."""
        with connect(self.port) as connection:
            get(connection, path)
            return read_response(connection)[1]

    def assert_confined(self, pid):
        """Assert that every thread of the process is under a filter."""
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
                self.assertIn("Seccomp:\t2\n", file.read())

    def serves(self, daemon, pid):
        """Assert that it does all that it does without the filter."""
        self.assertEqual(self.ask("/slow"), "done\n")  # a coroutine and a job
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(f"{self.folder}/socket")
            get(connection, "/log")
            self.assertEqual(read_response(connection)[0], 200)
        log = f"{self.folder}/log"
        daemon.until(lambda: os.path.getsize(log) > 0, "logging")
        os.rename(log, log + ".1")
        self.configure('<listener type="keep" address="127.0.0.1" port="0"/>')
        daemon.signal(signal.SIGHUP)
        other, = [port for port in daemon.ports(2) if port != self.port]
        with connect(other):
            daemon.until_said("kept")
        daemon.until(lambda: os.path.exists(log), "opening its log anew")
        daemon.signal(signal.SIGUSR1)

        def is_shown():
            with open(log, encoding="utf-8") as file:
                return "coroutines, at" in file.read()
        daemon.until(is_shown, "showing coroutines")
        self.assertEqual(self.ask("/start"), "Operation not permitted, Operation not permitted\n")
        self.assert_confined(pid)

    def test_a_process_alone_serves(self):
        daemon = self.start(1)
        self.ask("/id")
        self.serves(daemon, daemon.pid)
        self.stops(daemon)

    def test_a_child_serves_is_upgraded_crashes_and_is_replaced(self):
        daemon = self.start(2)
        first = int(self.ask("/id").split()[0])
        self.serves(daemon, first)
        daemon.signal(signal.SIGUSR2)
        pid = daemon.until(lambda: {int(self.ask("/id").split()[0])} - {first}, "upgraded").pop()
        self.assert_confined(pid)
        with connect(self.port) as connection:
            get(connection, "/crash")
            daemon.until(lambda: f"process {pid} was ended by signal 6" in daemon.complained(),
                         "told of the crash")
        self.assertIn("in the coroutine clumsy started at", daemon.complained())
        self.assert_confined(int(self.ask("/id").split()[0]))
        with connect(self.port) as connection:
            get(connection, "/slow")
            daemon.until_said("begun", 2)
            daemon.signal(signal.SIGTERM)
            self.assertEqual(read_response(connection), (200, "done\n"))
        self.assertEqual(daemon.end()[0], 0)


unittest.main()
