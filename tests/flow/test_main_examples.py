#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: the example programs do what their first lines say, with the default number of shared
stacks and with a single one.
Method: each program of the folder BIN runs with its configuration from the folder CONF, on a port
that the kernel chooses, and is talked to.  hello and smallest also run as they are, on their own
ports, unless somebody else has these.
"""
import http.client
import os
import signal
import socket
import sys
import unittest

from daemon import (PATIENCE, Case, Daemon, connect, get, is_closed, is_quiet, read_line,
                    read_response, write_file)

BIN, CONF = sys.argv[1:3]
del sys.argv[1:3]
MANY = 50
SERVED = """<{0}><listeners address="127.0.0.1" port="0">
<listener type="http_rest_api"/>{1}</listeners>
<eventer><config><aco_shared_stacks>{{{{ENV:0:{{ACO_STACKS}}}}}}</aco_shared_stacks></config>
</eventer>
<rest><acl><rule type="allow"/></acl></rest></{0}>
"""


def say(connection, text):
    """Send a line and return the answer."""
    connection.sendall(text.encode() + b"\n")
    return read_line(connection)


def fibonacci(n):
    """Return the nth number."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def are_free(*ports):
    """True if nobody listens on these ports."""
    for port in ports:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


class Examples(Case):
    """One program a test."""

    def start(self, name, *arguments):
        """Start a program."""
        daemon = Daemon([os.path.join(BIN, name), *arguments], PORT="0")
        self.addCleanup(daemon.__exit__)
        return daemon

    def serve(self, name):
        """Start a program with its configuration; return (daemon, port)."""
        daemon = self.start(name, os.path.join(CONF, name + ".conf"))
        return daemon, daemon.ports()[0]

    def test_coroutines_count_down_side_by_side(self):
        daemon = self.start("coroutine", os.path.join(CONF, "coroutine.conf"))
        self.assertEqual(daemon.end()[0], 0)
        said = daemon.said().splitlines()
        for name, count in (("quick", 6), ("slow", 3)):
            self.assertEqual([line for line in said if line.startswith(name)],
                             [f"{name} {n}" for n in range(count, 0, -1)])
        self.assertLess(said.index("slow 3"), said.index("quick 5"))
        self.assertEqual(sorted(daemon.complained().splitlines()),
                         ["quick is done", "slow is done"])

    def test_a_moved_connection_has_its_dialogue(self):
        daemon, port = self.serve("move")
        with connect(port) as one, connect(port) as other, connect(port) as rude:
            self.assertEqual(say(one, "hello"), "who are you?\n")
            self.assertEqual(say(other, "Hi"), "who are you?\n")
            self.assertEqual(say(one, "Ada"), "where from?\n")
            self.assertEqual(say(other, "Alan"), "where from?\n")
            self.assertEqual(say(other, "Wilmslow"), "welcome, Alan from Wilmslow\n")
            self.assertEqual(say(one, "London"), "welcome, Ada from London\n")
            rude.sendall(b"you there\n")
            for connection in (one, other, rude):
                self.assertTrue(is_closed(connection))
        self.stops(daemon)

    def test_many_listener_coroutines_keep_their_sums(self):
        daemon, port = self.serve("listener")
        connections = [connect(port) for _ in range(MANY)]
        for turn in (1, 2, 3):
            for i, connection in enumerate(connections):
                connection.sendall(f"{i}\n".encode())
            for i, connection in enumerate(connections):
                self.assertEqual(read_line(connection), f"{i * turn}\n")
        connections[0].sendall(b"1\n2\n3")
        self.assertEqual(read_line(connections[0]), "1\n")
        self.assertEqual(read_line(connections[0]), "3\n")
        self.assertTrue(is_quiet(connections[0]))
        self.assertEqual(say(connections[0], "4"), "37\n")
        for connection in connections:
            connection.close()
        self.stops(daemon)

    def test_a_silent_peer_is_told_and_closed(self):
        daemon, port = self.serve("listener")
        with connect(port) as connection:
            self.assertEqual(say(connection, "5"), "5\n")
            self.assertEqual(read_line(connection), "too slow\n")
            self.assertTrue(is_closed(connection))
        self.stops(daemon)

    def test_rest_handlers_compute_side_by_side(self):
        daemon, port = self.serve("rest")
        connections = [connect(port) for _ in range(MANY)]
        for i, connection in enumerate(connections):
            get(connection, f"/fibonacci/{i % 25}")
        for i, connection in enumerate(connections):
            self.assertEqual(read_response(connection), (200, f"{fibonacci(i % 25)}\n"))
            connection.close()
        with connect(port) as connection:
            get(connection, "/fibonacci/40")
            self.assertEqual(read_response(connection)[0], 404)
        self.stops(daemon)

    def test_a_body_is_read_and_answered(self):
        daemon, port = self.serve("rest")
        body = "abc" * 30000
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        for _ in range(2):
            connection.request("POST", "/upper", body)
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read().decode()), (200, body.upper()))
        connection.close()
        self.stops(daemon)

    def talk_to_hello(self, http, talk):
        """Try what hello says of itself."""
        with connect(http) as connection:
            for path in ("/", "/hello", "/sleep/50"):
                get(connection, path)
                status, body = read_response(connection)
                self.assertEqual((status, body.count("curl")), (200, 3))
            get(connection, "/sleep/99999")
            self.assertEqual(read_response(connection)[0], 404)
        with connect(talk) as connection:
            self.assertEqual(say(connection, "hi"), "thanks!\n")
            self.assertEqual(say(connection, "QUIT now"), "quitter!\n")
            self.assertTrue(is_closed(connection))

    def test_hello_serves_as_a_file_says(self):
        daemon = self.start("hello", "-c", write_file(
            self, SERVED.format("hello", '<listener type="listen_to_me"/>')))
        self.talk_to_hello(*daemon.ports(2))
        self.assertNotIn("curl", daemon.said())
        self.stops(daemon, signal.SIGINT)

    def test_hello_serves_as_it_is(self):
        if not are_free(8080, 9999):
            self.skipTest("port 8080 or 9999 is taken")
        daemon = self.start("hello")
        daemon.until_said("telnet")
        self.assertEqual(sorted(daemon.said().splitlines()[:2]),
                         [f"hello: listening on 127.0.0.1:{port}" for port in (8080, 9999)])
        self.assertEqual(daemon.said().count("curl"), 3)
        self.talk_to_hello(8080, 9999)
        self.refuses([os.path.join(BIN, "hello")], "built-in configuration:1: cannot listen on "
                     "127.0.0.1:(8080|9999): Address already in use")
        self.stops(daemon, signal.SIGINT)

    def test_smallest_serves_as_it_is(self):
        if not are_free(8080):
            self.skipTest("port 8080 is taken")
        daemon = self.start("smallest")
        daemon.until_said("smallest: listening on 127.0.0.1:8080\n")
        with connect(8080) as connection:
            get(connection, "/hello/you")
            self.assertEqual(read_response(connection), (200, "Hello you.\n"))
        self.stops(daemon, signal.SIGINT)


unittest.main()
