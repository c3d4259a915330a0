#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a signal ends the daemon as mtev_main(3) says, whatever it is busy with, and HUP opens its
logs anew.
Method: main_daemon (the argument) is given connections and requests, then signals; what it has said
tells when it is in the state that a test is about.
"""
import os
import signal
import socket
import sys
import unittest

from daemon import Case, Daemon, connect, get, is_closed, read_response, write_file

PROGRAM = sys.argv.pop(1)
CONF = """<daemon>
  <eventer><config><concurrency>2</concurrency></config></eventer>
  <logs><log name="notice" type="file" path="{log}"/></logs>
  <listeners address="127.0.0.1" port="0" strict="true">
    <listener type="http_rest_api"/>
    <listener type="keep"/>
  </listeners>
  <rest><acl><rule type="allow"/></acl></rest>
</daemon>
"""


class Stop(Case):
    """One daemon a test."""

    def start(self, *arguments):
        """Start it and wait until it is ready."""
        self.log = write_file(self, "", "log")
        daemon = Daemon([PROGRAM, write_file(self, CONF.format(log=self.log)), *arguments])
        self.addCleanup(daemon.__exit__)
        return daemon

    def serve(self, *arguments):
        """Start it; return (daemon, port of HTTP, port of the kept connections)."""
        daemon = self.start(*arguments)
        http, keep = daemon.ports(2)
        with connect(http) as connection:  # an answer: the loops run
            get(connection, "/nothing")
            read_response(connection)
        return daemon, http, keep

    def test_an_idle_daemon_stops_at_sigterm(self):
        daemon, _, _ = self.serve()
        self.stops(daemon, signal.SIGTERM)

    def test_an_idle_daemon_stops_at_sigint(self):
        daemon, _, _ = self.serve()
        self.stops(daemon, signal.SIGINT)

    def test_what_the_child_returns_is_the_status(self):
        daemon, _, _ = self.serve("status=7")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 7)

    def test_open_connections_do_not_hold_it_up(self):
        daemon, http, keep = self.serve()
        with connect(keep) as kept, connect(http) as idle, connect(http) as partial:
            daemon.until_said("kept")
            get(idle, "/nothing")
            read_response(idle)
            partial.sendall(b"GET /slow HT")
            self.stops(daemon)
            for connection in (kept, idle, partial):
                self.assertTrue(is_closed(connection))

    def test_a_request_in_flight_is_answered(self):
        daemon, http, _ = self.serve()
        with connect(http) as connection:
            get(connection, "/slow")
            daemon.until_said("begun")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(read_response(connection), (200, "done\n"))
            self.assertTrue(is_closed(connection))
        self.assertEqual(daemon.end()[0], 0)

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            daemon, _, _ = self.serve("pause=after")
            daemon.signal(first)
            daemon.until_said("paused")  # it would stay there
            self.stops(daemon, second)

    def test_a_signal_before_the_loop_ends_it_at_once(self):
        daemon = self.start("pause=before")
        daemon.until_said("paused")
        self.stops(daemon)

    def test_sigquit_ends_it_with_a_request_in_flight(self):
        daemon, http, _ = self.serve()
        with connect(http) as connection:
            get(connection, "/slow")
            daemon.until_said("begun")
            self.stops(daemon, signal.SIGQUIT)
            self.assertTrue(is_closed(connection))

    def test_no_signal_is_blocked(self):
        daemon, _, _ = self.serve()
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
            blocked = [line for line in file if line.startswith("SigBlk")]
        self.assertEqual(blocked, ["SigBlk:\t0000000000000000\n"])
        self.stops(daemon)

    def test_sighup_opens_the_log_anew(self):
        daemon, http, _ = self.serve()
        os.rename(self.log, self.log + ".1")
        daemon.signal(signal.SIGHUP)
        with connect(http) as connection:
            count = 0
            while not os.path.exists(self.log) or os.path.getsize(self.log) == 0:
                get(connection, "/log")
                read_response(connection)
                count += 1
        self.stops(daemon)
        lines = []
        for path in (self.log + ".1", self.log):
            with open(path, encoding="utf-8") as file:
                lines += file.readlines()
        self.assertEqual(lines, ["a line\n"] * count)

    def test_a_port_is_free_again_afterwards(self):
        daemon, http, _ = self.serve()
        with connect(http) as connection:
            self.stops(daemon)
            self.assertTrue(is_closed(connection))
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", http))
            listener.listen()


unittest.main()
