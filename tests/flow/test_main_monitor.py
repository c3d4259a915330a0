#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a monitor starts its child, looks after it and starts it again, as mtev_main(3) says; and
nobody who wants to connect is refused meanwhile, and nothing is left behind.
Method: main_daemon (the argument) with foreground=2, or 0, which is told to crash, to stall and to
end; every process of it is killed with the test.
"""
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from daemon import (PATIENCE, SLOWNESS, Case, Daemon, connect, get, is_there, read_response,
                    write_file)

PROGRAM = sys.argv.pop(1)
CONF = """<daemon{root}>
  <eventer><config><concurrency>2</concurrency></config></eventer>
  <watchdog {watchdog}/>
  <listeners address="127.0.0.1" port="0" strict="true">
    <listener type="http_rest_api"/>
  </listeners>
  <rest><acl><rule type="allow"/></acl></rest>
</daemon>
"""


class Monitored(Case):
    """One monitor a test."""

    def start(self, *arguments, watchdog="", root="", foreground=2, **environment):
        """Start it and wait until its child serves; self.port is where."""
        self.path = write_file(self, CONF.format(watchdog=watchdog, root=root))
        daemon = Daemon([PROGRAM, self.path, f"foreground={foreground}", *arguments], **environment)
        self.addCleanup(daemon.__exit__)
        if foreground == 2:
            self.port, = daemon.ports()  # the monitor has them once the child is ready
        return daemon

    def ask(self, path="/id"):
        """Ask on a connection of its own; return the body."""
        with connect(self.port) as connection:
            get(connection, path)
            return read_response(connection)[1]

    def child(self):
        """Return (id of the process that serves, how many there were)."""
        pid, starts = self.ask().split()
        return int(pid), int(starts)

    def wait_for_end(self, daemon, pid):
        """Wait until the monitor has said how that child ended."""
        daemon.until(lambda: f"process {pid} was ended by signal 6" in daemon.complained(),
                     f"the end of {pid}")

    def asked_to(self, path):
        """Send a request that is not answered."""
        connection = connect(self.port)
        self.addCleanup(connection.close)
        get(connection, path)

    def test_a_child_that_is_killed_is_replaced_and_nobody_is_refused(self):
        daemon = self.start(watchdog='retries="100"')
        for count in range(1, 6):
            pid, starts = self.child()
            self.assertEqual(starts, count)
            self.assertNotEqual(pid, daemon.pid)
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            after, _ = self.child()
            if SLOWNESS == 1:
                self.assertLess(time.monotonic() - begin, 2.0)
            self.assertNotEqual(pid, after)
            self.assertFalse(is_there(pid))
        status, _ = daemon.end(signal.SIGTERM)
        self.assertEqual(status, 0)
        self.assertFalse(is_there(after))
        self.assertEqual(daemon.complained().count("was ended by signal 9 (Killed)"), 5)

    def test_a_log_that_nobody_reads_or_has_no_room_for_ends_nobody(self):
        log = tempfile.NamedTemporaryFile()
        self.addCleanup(log.close)
        unread, errors = os.pipe()
        self.path = write_file(self, CONF.format(watchdog="", root="").replace(
            "</daemon>", f"""<logs><log name="notice" type="file_synch" path="{log.name}"/></logs>
            </daemon>"""))
        daemon = Daemon([PROGRAM, self.path, "foreground=2"],
                        preexec_fn=lambda: os.dup2(errors, 2))
        self.addCleanup(daemon.__exit__)
        self.port, = daemon.ports()
        os.close(errors)
        os.close(unread)
        before, _ = self.child()
        os.kill(before, signal.SIGKILL)  # which the monitor wants to say
        pid, starts = self.child()
        self.assertEqual(starts, 2)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
        self.ask("/log")
        self.assertEqual(self.child(), (pid, 2))
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_a_crash_is_explained_with_every_thread_and_coroutine(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        daemon = self.start(watchdog=f'tracedir="{folder}"')
        pid, _ = self.child()
        self.asked_to("/wait")
        daemon.until_said("waiting")
        self.asked_to("/crash")
        self.wait_for_end(daemon, pid)
        said = daemon.complained()
        for wanted in (f"daemon[{pid}]: Aborted", "in the coroutine clumsy started at",
                       "loop e:default/0", "loop e:default/1", "coroutine patient started at",
                       "waiting for: time"):
            self.assertIn(wanted, said)
        trace = os.path.join(folder, f"daemon.{pid}.trace")
        with open(trace, encoding="utf-8", errors="replace") as file:
            self.assertIn("in the coroutine clumsy started at", file.read())
        self.assertEqual(os.stat(trace).st_mode & 0o777, 0o600)
        os.unlink(trace)
        self.assertNotEqual(self.child()[0], pid)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_a_thread_that_stalls_is_named_with_its_stack_and_the_child_replaced(self):
        daemon = self.start(MTEV_WATCHDOG_TIMEOUT=str(0.5 * SLOWNESS))
        pid, _ = self.child()
        self.asked_to("/stall")
        self.wait_for_end(daemon, pid)
        said = daemon.complained()
        self.assertRegex(said, r"monitor: e:default/[01] of process \d+ has been busy with one "
                         r"thing for [\d.]+ s: it is ended\n")
        self.assertRegex(said, r"(?s)a thread stalls\nthread \d+, loop e:default/[01]:\n"
                         r".*?main_daemon\(")
        self.assertNotEqual(self.child()[0], pid)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def test_what_sleeps_or_works_in_short_turns_does_not_stall(self):
        daemon = self.start(MTEV_WATCHDOG_TIMEOUT=str(0.2 * SLOWNESS))
        pid, _ = self.child()
        end = time.monotonic() + 1.0 * SLOWNESS
        while time.monotonic() < end:
            self.assertEqual(self.child(), (pid, 1))
        self.stops(daemon)

    def test_a_glider_looks_at_the_child_before_it_ends(self):
        folder = tempfile.mkdtemp()
        script = os.path.join(folder, "glider")
        with open(script, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nkill -0 $1 && echo $1 $2 >>{folder}/called\n")
        os.chmod(script, 0o755)
        daemon = self.start(watchdog=f'glider="{script}"',
                            MTEV_WATCHDOG_TIMEOUT=str(0.5 * SLOWNESS))
        crashed, _ = self.child()
        self.asked_to("/crash")
        self.wait_for_end(daemon, crashed)
        stalled, _ = self.child()
        self.asked_to("/stall")
        self.wait_for_end(daemon, stalled)
        with open(f"{folder}/called", encoding="ascii") as file:
            self.assertEqual(file.read(), f"{crashed} crash\n{stalled} crash\n")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)
        for name in ("glider", "called"):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)

    def test_too_many_deaths_end_the_monitor(self):
        daemon = self.start(watchdog='retries="2" span="60"')
        for _ in range(3):
            os.kill(self.child()[0], signal.SIGKILL)
        self.assertEqual(daemon.end()[0], 0)
        self.assertIn("monitor: more than 2 deaths in 60 s: it gives up\n", daemon.complained())

    def test_statuses_0_and_2_are_not_started_again(self):
        for status in ("0", "2"):
            word = write_file(self, status, "word")
            with Daemon([PROGRAM, write_file(self, CONF.format(watchdog="", root="")),
                         "foreground=2", f"die={word}"]) as daemon:
                self.assertEqual(daemon.end()[0], int(status))

    def test_a_start_that_fails_ends_the_first_child_and_is_tried_again_for_others(self):
        word = write_file(self, "terminate", "word")
        with Daemon([PROGRAM, write_file(self, CONF.format(watchdog="", root="")),
                     "foreground=2", f"die={word}"]) as daemon:
            self.assertEqual(daemon.end()[0], 2)
            self.assertRegex(daemon.complained(), r"\A\[TERMINATE\]\[.*main_daemon.c:\d+\] no s")
        os.unlink(word)
        daemon = self.start(f"die={word}", watchdog='retries="100"')
        pid, _ = self.child()
        with open(word, "w", encoding="ascii") as file:
            file.write("terminate")
        os.kill(pid, signal.SIGKILL)
        daemon.until(lambda: daemon.complained().count("[FATAL][") >= 2, "failing")
        os.unlink(word)
        self.assertGreaterEqual(self.child()[1], 4)
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)
        with open(word, "w", encoding="ascii"):
            pass  # for who removes it

    def test_a_child_that_cannot_begin_is_started_again_ever_more_slowly(self):
        word = write_file(self, "3", "word")
        begin = time.monotonic()
        with Daemon([PROGRAM, write_file(self, CONF.format(watchdog='retries="3"', root="")),
                     "foreground=2", f"die={word}"]) as daemon:
            self.assertEqual(daemon.end()[0], 3)
            self.assertGreater(time.monotonic() - begin, 0.3)  # at once, 0.1 s, 0.2 s
            self.assertEqual(daemon.complained().count("ended with status 3"), 4)

    def test_a_child_does_not_outlive_its_monitor(self):
        daemon = self.start()
        pid, _ = self.child()
        daemon.process.kill()
        daemon.process.wait()
        deadline = time.monotonic() + PATIENCE
        while is_there(pid):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def test_a_request_in_flight_is_answered_when_the_monitor_is_told_to_end(self):
        daemon = self.start()
        with connect(self.port) as connection:
            get(connection, "/slow")
            daemon.until_said("begun")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(read_response(connection), (200, "done\n"))
        self.assertEqual(daemon.end()[0], 0)

    def test_a_signal_to_every_process_counts_once(self):
        daemon = self.start()
        pid, _ = self.child()
        with connect(self.port) as connection:
            get(connection, "/slow")
            daemon.until_said("begun")
            os.kill(pid, signal.SIGTERM)
            daemon.signal(signal.SIGTERM)
            self.assertEqual(read_response(connection), (200, "done\n"))
        self.assertEqual(daemon.end()[0], 0)

    def test_a_second_signal_ends_it_at_once(self):
        daemon = self.start("pause=after")
        daemon.signal(signal.SIGTERM)
        daemon.until_said("paused")
        self.stops(daemon, signal.SIGINT)

    def test_quit_ends_it_at_once(self):
        daemon = self.start()
        self.asked_to("/slow")
        daemon.until_said("begun")
        self.stops(daemon, signal.SIGQUIT)

    def test_dump_is_passed_on(self):
        daemon = self.start()
        daemon.signal(signal.SIGUSR1)
        daemon.until(lambda: "coroutines, at" in daemon.complained(), "showing coroutines")
        self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)


class Background(Case):
    """A daemon that has no terminal."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.lock = os.path.join(self.folder, "pid")
        self.log = os.path.join(self.folder, "log")
        self.port = None

    def tearDown(self):
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)

    def configure(self, extra=""):
        """Write a configuration with a log, which tells the port."""
        return write_file(self, CONF.format(watchdog="", root=f' lockfile="{self.lock}"').replace(
            "<watchdog", f"<logs><log name='error' type='file' path='{self.log}'/></logs>{extra}"
            "<watchdog"))

    def run_program(self, *arguments):
        """Run it until the process that was started ends; return what subprocess has of it."""
        return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, timeout=PATIENCE,
                              capture_output=True, text=True, check=False)

    def monitor(self):
        """Return the id in the lock file."""
        with open(self.lock, encoding="ascii") as file:
            return int(file.read())

    def test_the_process_that_was_started_waits_until_it_is_ready(self):
        path = self.configure()
        result = self.run_program(path, "foreground=0", "lock=1")
        self.addCleanup(self.run_program, path, "stop=1")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "ready\n", ""))
        monitor = self.monitor()
        with open(f"/proc/{monitor}/task/{monitor}/children", encoding="ascii") as file:
            child, = [int(word) for word in file.read().split()]
        for pid in (monitor, child):
            for fd in (0, 1, 2):
                self.assertEqual(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null")
            self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
            self.assertNotEqual(os.getsid(pid), os.getsid(0))
        self.assertNotEqual(os.getsid(monitor), monitor)  # it cannot get a terminal
        again = self.run_program(path, "foreground=0", "lock=1")
        self.assertEqual(again.returncode, 2)
        self.assertRegex(again.stderr, "another process holds it")
        result = self.run_program(path, "running=1")
        self.assertEqual((result.returncode, result.stdout), (0, f"{monitor}\n"))
        self.assertEqual(self.run_program(path, "stop=1").returncode, 0)
        self.assertFalse(is_there(monitor) or is_there(child))
        self.assertEqual(self.run_program(path, "running=1").returncode, 3)
        self.assertEqual(self.run_program(path, "stop=1").returncode, 0)  # there is none

    def test_what_is_wrong_is_said_where_it_was_started(self):
        for text, wanted in (("<wrong/>", "the root element is <wrong>"),
                             ("<daemon workingdir='/nowhere'/>", 'workingdir="/nowhere": No'),
                             ("<daemon><listeners strict='on'><listener type='keep' port='0' "
                              "address='x'/></listeners></daemon>", 'address="x"')):
            result = self.run_program(write_file(self, text), "foreground=0")
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(wanted, result.stderr)

    def test_a_child_that_dies_before_it_is_ready_is_a_failed_start(self):
        word = write_file(self, "5", "word")
        path = write_file(self, CONF.format(watchdog='retries="0"', root=""))
        result = self.run_program(path, "foreground=0", f"die={word}")
        self.assertEqual(result.returncode, 5)
        self.assertIn("ended with status 5", result.stderr)


unittest.main()
