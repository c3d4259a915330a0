#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a reload and an upgrade lose no request, one that is wrong changes nothing, and a process
that drains ends what it has begun.
Method: main_daemon (the argument) with foreground=2 is sent HUP and USR2 while clients keep asking.
A client does what HTTP allows: it asks again only on a connection that was closed while it idled,
before any byte of an answer (RFC 9112 section 9.3.1).
"""
import os
import signal
import sys
import tempfile
import threading
import unittest

from daemon import (PATIENCE, Case, Daemon, connect, get, is_closed, is_there, read_response,
                    write_file)

PROGRAM = sys.argv.pop(1)
CLIENTS = 8
CONF = """<daemon>
  <eventer><config><concurrency>2</concurrency><drain_seconds>{drain}</drain_seconds></config>
  </eventer>
  <watchdog ready_seconds="{ready}"/>
  <listeners address="127.0.0.1" port="0" strict="true">
    <listener type="http_rest_api"/>
    {more}
  </listeners>
  <rest><acl><rule type="allow"/></acl></rest>
</daemon>
"""


class Client(threading.Thread):
    """Asks all the time, on a connection that is kept, or on a new one each time."""

    def __init__(self, port, keeps):
        super().__init__()
        self.port, self.keeps = port, keeps
        self.answers, self.again = 0, 0
        self.failures = []
        self.pids = set()
        self.is_over = threading.Event()

    def ask(self, connection):
        """Return (id of the process, whether the connection goes on); None: nothing came."""
        get(connection, "/id")
        text = b""
        while b"\r\n\r\n" not in text or not text.endswith(b"\n"):
            try:
                piece = connection.recv(4096)
            except ConnectionResetError:
                piece = b""
            if not piece and not text:
                return None
            if not piece:
                raise OSError(f"cut after {text!r}")
            text += piece
        head, _, body = text.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise OSError(head.decode())
        return int(body.split()[0]), b"\r\nconnection: close" not in head.lower()

    def use(self, connection):
        """Ask on a connection as long as it goes on."""
        is_new, goes_on = True, True
        while goes_on and not self.is_over.is_set():
            try:
                answer = self.ask(connection)
            except BrokenPipeError:
                answer = None
            if answer is None and is_new:
                raise OSError("a new connection was closed without an answer")
            if answer is None:
                self.again += 1
                return
            self.answers += 1
            self.pids.add(answer[0])
            is_new, goes_on = False, self.keeps and answer[1]

    def run(self):
        while not self.is_over.is_set():
            try:
                with connect(self.port) as connection:
                    self.use(connection)
            except OSError as error:
                self.failures.append(repr(error))
                return


class Upgrade(Case):
    """One monitor a test."""

    def start(self, *arguments, drain=10, ready=60, more="", count=1):
        """Start it and wait until its child serves; self.port is where HTTP is."""
        self.path = write_file(self, CONF.format(drain=drain, ready=ready, more=more))
        daemon = Daemon([PROGRAM, self.path, "foreground=2", *arguments])
        self.addCleanup(daemon.__exit__)
        self.port, *self.others = daemon.ports(count)
        return daemon

    def child(self):
        """Return the id of the process that serves."""
        with connect(self.port) as connection:
            get(connection, "/id")
            return int(read_response(connection)[1].split()[0])

    def under_load(self, daemon, number, times, is_done, prepare=lambda count: None):
        """Send a signal some times while clients ask; return the clients when they have ended."""
        clients = [Client(self.port, i % 2 == 0) for i in range(CLIENTS)]
        for client in clients:
            client.start()
        try:  # an upgrade may take less time than the clients' first requests
            daemon.until(lambda: all(client.answers for client in clients), "answering all")
            for count in range(1, times + 1):
                before = sum(client.answers for client in clients)
                prepare(count)
                daemon.signal(number)
                daemon.until(lambda: is_done(count, clients), f"done {count} times")
                daemon.until(lambda: sum(client.answers for client in clients) > before + CLIENTS,
                             "answering")
        finally:
            for client in clients:
                client.is_over.set()
            for client in clients:
                client.join(PATIENCE)
        self.assertEqual([client.failures for client in clients], [[]] * CLIENTS)
        return clients

    def test_upgrades_lose_no_request(self):
        daemon = self.start()

        def is_upgraded(count, clients):
            said = daemon.complained().count(" serves in place of process ")
            seen = set().union(*(client.pids.copy() for client in clients))
            return said == count and len(seen) == count + 1
        clients = self.under_load(daemon, signal.SIGUSR2, 3, is_upgraded)
        self.assertEqual(len(set().union(*(client.pids for client in clients))), 4)
        daemon.until(lambda: len(daemon.listening()) == 1, "holding one socket")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_reloads_lose_no_request(self):
        daemon = self.start()

        def change(count):
            more = '<listener type="keep"/>' * (count % 2)
            with open(self.path, "w", encoding="ascii") as file:
                file.write(CONF.format(drain=10, ready=60, more=more))
        clients = self.under_load(daemon, signal.SIGHUP, 5,
                                  lambda count, _: len(daemon.listening()) == 1 + count % 2,
                                  change)
        self.assertEqual(len(set().union(*(client.pids for client in clients))), 1)
        self.stops(daemon)

    def test_a_successor_that_is_never_ready_is_given_up(self):
        word = os.path.join(tempfile.mkdtemp(), "word")
        daemon = self.start(f"die={word}", ready=1)
        pid = self.child()
        for text, said in (("7", "ended with status 7 before it was ready"),
                           ("crash", "was ended by signal 9 (Killed) before it was ready"),
                           ("hang", "was not ready after 1 s")):
            with open(word, "w", encoding="ascii") as file:
                file.write(text)
            daemon.signal(signal.SIGUSR2)
            daemon.until(lambda: said in daemon.complained(), f"saying {said!r}")
            daemon.until(lambda: "the upgrade has failed" in daemon.complained(), "giving up")
            self.assertEqual(self.child(), pid)
        os.unlink(word)
        os.rmdir(os.path.dirname(word))
        daemon.until(lambda: daemon.complained().count("the upgrade has failed") == 3, "done")
        daemon.signal(signal.SIGUSR2)
        daemon.until(lambda: "serves in place of" in daemon.complained(), "upgraded after all")
        daemon.until(lambda: self.child() != pid, "served by the new one alone")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_the_program_on_disk_is_what_is_started(self):
        folder = tempfile.mkdtemp()
        program = os.path.join(folder, "daemon")
        os.symlink(os.path.realpath(PROGRAM), program)
        self.path = write_file(self, CONF.format(drain=10, ready=60, more=""))
        daemon = Daemon([program, self.path, "foreground=2"])
        self.addCleanup(daemon.__exit__)
        self.port, = daemon.ports()
        pid = self.child()
        os.unlink(program)
        daemon.signal(signal.SIGUSR2)
        daemon.until(lambda: "cannot be executed: No such file" in daemon.complained(), "failing")
        self.assertEqual(self.child(), pid)
        with open(program, "w", encoding="ascii") as file:  # another version
            file.write(f"#!/bin/sh\nexec {os.path.realpath(PROGRAM)} \"$@\" status=9\n")
        os.chmod(program, 0o755)
        daemon.until(lambda: "the upgrade has failed" in daemon.complained(), "failing")
        daemon.signal(signal.SIGUSR2)
        daemon.until(lambda: "serves in place of" in daemon.complained(), "upgraded")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 9)
        os.unlink(program)
        os.rmdir(folder)

    def test_one_that_dies_after_an_upgrade_is_replaced(self):
        daemon = self.start()
        first = self.child()
        daemon.signal(signal.SIGUSR2)
        pid = daemon.until(lambda: {self.child()} - {first}, "upgraded").pop()
        os.kill(pid, signal.SIGKILL)
        daemon.until(lambda: self.child() not in (first, pid), "replaced")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_a_wrong_configuration_changes_nothing(self):
        daemon = self.start()
        pid = self.child()
        with open(self.path, "w", encoding="ascii") as file:
            file.write("<daemon>\n<oops></daemon>\n")
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: "the configuration that was there before stays" in
                     daemon.complained(), "refusing it")
        self.assertRegex(daemon.complained(), rf"\A{self.path}:2: ")
        self.assertEqual(self.child(), pid)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_without_a_monitor_an_upgrade_is_refused(self):
        daemon = Daemon([PROGRAM, write_file(self, CONF.format(drain=10, ready=60, more=""))])
        self.addCleanup(daemon.__exit__)
        self.port, = daemon.ports()
        pid = self.child()
        daemon.signal(signal.SIGUSR2)
        daemon.until(lambda: daemon.complained() == "SIGUSR2: only a program that has a monitor "
                     "can be upgraded\n", "refusing it")
        self.assertEqual(self.child(), pid)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_an_idle_connection_may_send_one_more_request(self):
        daemon = self.start()
        with connect(self.port) as idle, connect(self.port) as other, connect(self.port) as new:
            for connection in (idle, other):
                get(connection, "/log")
                read_response(connection)
            get(new, "/slow")  # holds the drain up
            daemon.until_said("begun")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(read_response(new), (200, "done\n"))
            get(idle, "/id")
            self.assertEqual(read_response(idle)[0], 200)
            for connection in (idle, other, new):
                self.assertTrue(is_closed(connection))
        self.assertEqual(daemon.end()[0], 0)

    def test_coroutines_that_ask_have_time_to_end(self):
        daemon = self.start(more='<listener type="talk"/>', count=2)
        with connect(self.others[0]) as talk:
            daemon.until_said("talking")
            daemon.signal(signal.SIGUSR2)
            self.assertEqual(talk.recv(16), b"bye\n")
            self.assertTrue(is_closed(talk))
            daemon.until(lambda: "serves in place of" in daemon.complained(), "upgraded")
        with connect(self.others[0]) as talk:
            daemon.until_said("talking", 2)
            daemon.signal(signal.SIGTERM)
            self.assertEqual(talk.recv(16), b"bye\n")
        self.assertEqual(daemon.end()[0], 0)

    def test_a_reload_follows_the_listeners(self):
        daemon = self.start()
        with open(self.path, "w", encoding="ascii") as file:
            file.write(CONF.format(drain=10, ready=60, more='<listener type="keep"/>'))
        daemon.signal(signal.SIGHUP)
        port, other = daemon.ports(2)  # the monitor has the new one, too
        self.assertEqual(port, self.port)
        pid = self.child()
        os.kill(pid, signal.SIGKILL)
        self.assertNotEqual(self.child(), pid)
        with connect(other):
            daemon.until_said("kept")
        with open(self.path, "w", encoding="ascii") as file:
            file.write(CONF.format(drain=10, ready=60, more=""))
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: daemon.listening() == [self.port], "closing the other")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_a_reload_follows_access_control(self):
        daemon = self.start()
        with open(self.path, encoding="ascii") as file:
            open_to_all = file.read()
        closed = open_to_all.replace('<rule type="allow"/>', '<rule type="deny"/>')
        broken = closed.replace('type="deny"', 'type="deny" url="("')
        for text, status in ((closed, 403), (broken, 403), (open_to_all, 200)):
            with open(self.path, "w", encoding="ascii") as file:
                file.write(text)
            daemon.signal(signal.SIGHUP)
            if text == broken:
                daemon.until(lambda: "the configuration that was there before stays" in
                             daemon.complained(), "refusing it")
            daemon.until(lambda: self.is_answered(status), "changing its mind")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def is_answered(self, status):
        """True if a request is answered with that status now."""
        with connect(self.port) as connection:
            get(connection, "/id")
            return read_response(connection)[0] == status

    def test_a_reload_follows_the_logs(self):
        daemon = self.start()
        log = self.path + ".log"
        self.addCleanup(lambda: os.path.exists(log) and os.unlink(log))
        logs = (f'<logs><log name="file" type="file" path="{log}"/>'
                '<log name="notice"><outlet name="file"/></log></logs></daemon>')
        with open(self.path, "w", encoding="ascii") as file:
            file.write(CONF.format(drain=10, ready=60, more="").replace("</daemon>", logs))
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: os.path.exists(log), "opening its new log")
        self.child()  # it answers
        with connect(self.port) as connection:
            daemon.until(lambda: self.says_a_line_in(connection, log), "using its new log")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    @staticmethod
    def says_a_line_in(connection, log):
        """Have the daemon log a line; True if it is in that file, or one said before is."""
        get(connection, "/log")
        read_response(connection)
        with open(log, encoding="ascii") as file:
            return "a line\n" in file.read()

    def test_what_does_not_end_is_cut_at_the_limit(self):
        daemon = self.start("pause=no", drain=1)
        with connect(self.port) as connection:
            connection.sendall(b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nx")
            with connect(self.port) as slow:
                get(slow, "/slow")
                daemon.until_said("begun")
                status, seconds = daemon.end(signal.SIGTERM)
        self.assertEqual(status, 0)
        self.assertLess(seconds, 10.0)


unittest.main()
