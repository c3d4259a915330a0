#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: signals at the wrong moment, and programs that are no good, have an answer in the log, and
cost neither the service nor a request to it.
Method: main_daemon (the argument) behind a monitor.  A child that is stopped makes a reload last,
and the word "late" of main_daemon makes an upgrade last, until the test has seen what it wants.
"""
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import unittest

from daemon import (PATIENCE, SLOWNESS, Case, Daemon, connect, get, is_closed, is_there,
                    read_response)

PROGRAM = sys.argv.pop(1)
CONF = """<daemon{root}>
  <eventer><config><concurrency>1</concurrency></config></eventer>
  <watchdog {watchdog}/>
  <listeners address="127.0.0.1" port="0" strict="true">
    <listener type="http_rest_api"/>
  </listeners>
  <rest><acl><rule type="allow"/></acl></rest>
  {more}
</daemon>
"""


LISTENER = """<listeners address="127.0.0.1" port="0" strict="true"><listener type="keep"/>
  </listeners>"""


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def children(pid):
    """Return the ids of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class Operator(Case):
    """One monitor a test."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(self.clear)
        self.path = os.path.join(self.folder, "daemon.conf")
        self.word_path = os.path.join(self.folder, "word")
        self.port = None

    def clear(self):
        """Leave nothing behind."""
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)

    def configure(self, root="", watchdog="", more=""):
        """Write the configuration."""
        with open(self.path, "w", encoding="ascii") as file:
            file.write(CONF.format(root=root, watchdog=watchdog, more=more))

    def start(self, *arguments, program=PROGRAM, watchdog="", more="", **environment):
        """Start it and wait until its child serves."""
        self.configure(watchdog=watchdog, more=more)
        daemon = Daemon([program, self.path, "foreground=2", *arguments], **environment)
        self.addCleanup(daemon.__exit__)
        self.port, = daemon.ports()
        return daemon

    def accepted(self, connection):
        """Wait until a connection is accepted; return the id of the process that has."""
        get(connection, "/id")
        return int(read_response(connection)[1].split()[0])

    def child(self):
        """Return the id of the process that serves."""
        with connect(self.port) as connection:
            return self.accepted(connection)

    def says(self, daemon, text, count=1):
        """Wait until it has complained so."""
        daemon.until(lambda: daemon.complained().count(text) >= count, f"saying {text!r}")

    def word(self, text):
        """Write what die=FILE of main_daemon reads; None: nothing is there."""
        if text is None:
            os.unlink(self.word_path)
            return
        with open(self.word_path, "w", encoding="ascii") as file:
            file.write(text)

    def stop(self, daemon, pid):
        """Stop a child."""
        os.kill(pid, signal.SIGSTOP)
        self.says(daemon, f"monitor: process {pid} was stopped by signal 19")

    def test_a_child_that_is_stopped_ends_all_the_same(self):
        for number in (signal.SIGTERM, signal.SIGQUIT):
            daemon = self.start()
            pid = self.child()
            self.stop(daemon, pid)
            status, seconds = daemon.end(number)
            self.assertEqual(status, 0)
            self.assertLess(seconds, 5.0 * SLOWNESS)
            self.assertFalse(is_there(pid))

    def test_a_child_that_is_stopped_is_not_stuck(self):
        daemon = self.start(MTEV_WATCHDOG_TIMEOUT=str(0.2 * SLOWNESS))
        pid = self.child()
        with connect(self.port) as connection:
            get(connection, "/stall")  # so that it is not asleep
            self.stop(daemon, pid)
            time.sleep(0.6 * SLOWNESS)  # in which nothing must happen
            self.assertNotIn("busy", daemon.complained())
            os.kill(pid, signal.SIGCONT)
            self.says(daemon, f"monitor: process {pid} goes on")
            self.says(daemon, "busy with one thing")
            self.assertNotEqual(self.child(), pid)

    def test_a_hundred_reloads_are_as_good_as_one(self):
        daemon = self.start()
        pid = self.child()
        self.configure(more=LISTENER)
        for _ in range(100):
            daemon.signal(signal.SIGHUP)
        daemon.ports(2)
        self.assertEqual(self.child(), pid)
        self.stops(daemon)

    def test_an_upgrade_waits_for_a_reload(self):
        daemon = self.start()
        pid = self.child()
        self.stop(daemon, pid)
        self.configure(more=LISTENER.replace('"0"', f'"{free_port()}"'))
        daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGUSR2)
        self.says(daemon, "monitor: the upgrade waits until the configuration is loaded")
        os.kill(pid, signal.SIGCONT)
        self.says(daemon, f"serves in place of process {pid}")  # it has the new socket, too
        self.assertEqual(len(daemon.ports(2)), 2)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_a_reload_waits_for_an_upgrade(self):
        daemon = self.start(f"die={self.word_path}")
        pid = self.child()
        self.word("late")
        daemon.signal(signal.SIGUSR2)
        daemon.until_said("late")
        daemon.signal(signal.SIGUSR2)
        self.says(daemon, "no upgrade now: one is under way")
        self.configure(more=LISTENER)
        daemon.signal(signal.SIGHUP)
        self.word(None)
        self.says(daemon, f"serves in place of process {pid}")
        daemon.ports(2)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_the_end_ends_an_upgrade_too(self):
        daemon = self.start(f"die={self.word_path}")
        self.word("hang")
        daemon.signal(signal.SIGUSR2)
        daemon.until_said("paused")
        pids = children(daemon.pid)
        self.assertEqual(len(pids), 2)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)
        self.assertEqual([pid for pid in pids if is_there(pid)], [])

    def test_one_that_crashes_while_it_drains_is_not_replaced(self):
        daemon = self.start()
        with connect(self.port) as connection:
            before = self.accepted(connection)
            connection.sendall(b"GET /crash HTTP/1.1\r\n")
            daemon.signal(signal.SIGUSR2)
            self.says(daemon, "serves in place of")
            after, = set(children(daemon.pid)) - {before}
            connection.sendall(b"Host: test\r\n\r\n")
            self.says(daemon, f"process {before} was ended by signal 6")
        self.assertEqual(self.child(), after)
        self.assertEqual(children(daemon.pid), [after])
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_who_drains_may_do_so_when_the_service_has_ended(self):
        daemon = self.start()
        with connect(self.port) as connection:
            before = self.accepted(connection)
            connection.sendall(b"GET /slow HTTP/1.1\r\n")
            daemon.signal(signal.SIGUSR2)
            self.says(daemon, "serves in place of")
            after, = set(children(daemon.pid)) - {before}
            connection.sendall(b"Host: test\r\n\r\n")
            daemon.until_said("begun")
            os.kill(after, signal.SIGQUIT)
            self.assertEqual(read_response(connection), (200, "done\n"))
        self.assertEqual(daemon.end()[0], 0)

    def test_a_program_that_may_not_be_executed_changes_nothing(self):
        program = os.path.join(self.folder, "program")
        os.symlink(os.path.realpath(PROGRAM), program)
        daemon = self.start(program=program)
        pid = self.child()
        os.unlink(program)
        with open(program, "w", encoding="ascii"):
            pass
        daemon.signal(signal.SIGUSR2)
        self.says(daemon, f"monitor: {program} cannot be executed: Permission denied")
        self.says(daemon, "the upgrade has failed")
        self.assertEqual(self.child(), pid)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_a_monitor_keeps_as_many_sockets_as_there_are(self):
        self.configure(more=LISTENER * 80)
        daemon = Daemon([PROGRAM, self.path, "foreground=2"], preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        self.addCleanup(daemon.__exit__)
        daemon.ports(81)
        self.stops(daemon)

    def test_the_console_ends_the_process_that_serves_or_the_service(self):
        path = os.path.join(self.folder, "console")
        log = os.path.join(self.folder, "log")
        daemon = self.start(more=f"""
          <logs><log name="notice" type="file" path="{log}"/></logs>
          <listeners><listener type="mtev_console" address="{path}"/></listeners>""")
        pid = self.child()

        def command(text):
            with socket.socket(socket.AF_UNIX) as console:
                console.settimeout(PATIENCE)
                console.connect(path)
                console.sendall(text)
                is_closed(console)
        command(b"restart\n")
        self.says(daemon, f"monitor: process {pid} ended with status 1")
        self.assertNotEqual(self.child(), pid)
        with open(log, encoding="utf-8") as file:
            self.assertIn("console: restart\n", file.read())
        command(b"shutdown\n")
        self.assertEqual(daemon.end()[0], 0)

    def test_a_glider_ends_with_all_that_it_has_started(self):
        glider = os.path.join(self.folder, "glider")
        started = os.path.join(self.folder, "started")
        with open(glider, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nsleep 1000 & echo $! >{started}.new\n"
                       f"mv {started}.new {started}\nwait\n")
        os.chmod(glider, 0o755)
        daemon = self.start(watchdog=f'glider="{glider}"')
        with connect(self.port) as connection:
            get(connection, "/crash")
            daemon.until(lambda: os.path.exists(started), "calling the glider")
            with open(started, encoding="ascii") as file:
                pid = int(file.read())
            self.says(daemon, "in the coroutine clumsy started at")  # while the glider looks
            self.addCleanup(lambda: is_there(pid) and os.kill(pid, signal.SIGKILL))
            daemon.signal(signal.SIGTERM)
            daemon.end()
        deadline = time.monotonic() + PATIENCE
        while is_there(pid):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)


unittest.main()
