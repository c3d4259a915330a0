#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: what is wrong with a configuration, an address, a lock or an argument is one line that
names it and its place, with status 2; what is only unknown is named and ignored.
Method: main_daemon and hello (the two arguments) with configurations that are wrong in one way.
"""
import fcntl
import os
import pwd
import signal
import socket
import struct
import sys
import unittest

from daemon import Case, Daemon, connect, get, read_response, write_file

PROGRAM, HELLO = sys.argv[1:3]
del sys.argv[1:3]
USAGE = r" \(see hello -h\)"
ACL = "<rest><acl><rule type='allow'/></acl></rest>"
LISTENER = """<{0}>
<listeners strict="true"><listener type="{1}" address="{2}" port="{3}"/></listeners>
""" + ACL + """
</{0}>
"""


class Start(Case):
    """One daemon a test."""

    def write(self, *lines):
        """Write a configuration of these lines, and return its path."""
        return write_file(self, "\n".join(lines))

    def is_wrong(self, *lines, at, reason):
        """Assert that a configuration of these lines is refused, at that line."""
        path = self.write(*lines)
        self.refuses([PROGRAM, path], f"{path}:{at}: {reason}")

    def test_a_file_that_is_not_there(self):
        self.refuses([PROGRAM, "/nowhere/x.conf"],
                     r"/nowhere/x\.conf: cannot be read: No such file or directory")

    def test_text_that_is_no_xml(self):
        self.is_wrong("<daemon>", "<logs>", "</daemon>", at=3, reason=r".*mismatch.*")

    def test_another_root_element(self):
        self.is_wrong("<other/>", at=1, reason="the root element is <other>, not <daemon>")

    def test_programs_to_start(self):
        self.is_wrong("<daemon>\n<managed><application exec='/bin/true'/></managed></daemon>", at=2,
                      reason="<managed>: other programs are the service manager's to start")

    def test_a_log_of_no_type(self):
        self.is_wrong("<daemon><logs>", "<log name='x' type='y' path='z'/>", "</logs></daemon>",
                      at=2, reason=r'<log> type="y": no type of log.*')

    def test_a_key_with_a_wrong_value(self):
        self.is_wrong("<daemon><eventer><config>", "<concurrency>many</concurrency>",
                      "</config></eventer></daemon>",
                      at=2, reason='<concurrency> "many": this value is not possible')

    def test_an_eventer_of_no_kind(self):
        self.is_wrong("<daemon>", "<eventer implementation='abacus'/>", "</daemon>",
                      at=2, reason='<eventer> implementation="abacus": '
                      'neither epoll nor poll nor io_uring')

    def test_a_wrong_port(self):
        self.is_wrong(*LISTENER.format("daemon", "keep", "127.0.0.1", "65536").split("\n"),
                      at=2, reason='<listener> port="65536": .*')

    def test_a_listener_of_no_type(self):
        self.is_wrong(*LISTENER.format("daemon", "nobody", "127.0.0.1", "0").split("\n"),
                      at=2, reason='<listener> type="nobody": .*')

    def test_an_unknown_key_is_named_and_ignored(self):
        path = self.write("<daemon><eventer><config>", "<concurency>1</concurency>",
                          "<concurrency>1</concurrency>", "</config></eventer>", ACL, "</daemon>")
        with Daemon([PROGRAM, path]) as daemon:
            daemon.until_said("ready")
            self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)
            self.assertEqual(daemon.complained(), f"{path}:2: <concurency> is no key of "
                             "<eventer><config>; it is ignored\n")

    def test_keys_below_included_and_nested_elements_count(self):
        path = self.write("<daemon><include><eventer><group><config>",
                          "<concurrency>-1</concurrency>",
                          "</config></group></eventer></include></daemon>")
        self.refuses([PROGRAM, path], f'{path}:2: <concurrency> "-1": .*')

    def test_another_user_is_for_root_to_become(self):
        path = self.write("<daemon><listeners strict='on'><listener type='keep' address='127.0.0.1'"
                          " port='0'/></listeners>", ACL, "</daemon>")
        if os.geteuid() != 0:
            self.refuses([PROGRAM, path, "user=0"], "user 0: Operation not permitted")
            return
        os.chmod(path, 0o644)
        os.chmod(os.path.dirname(path), 0o755)
        for foreground in ("1", "2"):
            with Daemon([PROGRAM, path, f"foreground={foreground}", "user=nobody"]) as daemon:
                daemon.ports()
                with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
                    status = dict(line.split(":\t") for line in file.read().strip().split("\n"))
                uid = str(pwd.getpwnam("nobody").pw_uid)
                self.assertEqual(status["Uid"].split("\t"), [uid] * 4)
                self.assertEqual(status["NoNewPrivs"], "1")
                self.stops(daemon)

    def test_debugging_is_logged_when_asked_for(self):
        path = self.write("<daemon>", ACL, "</daemon>")
        for arguments, wanted in (([], ""), (["debug=1"], "debugging\n"),
                                  (["enable=debug"], "debugging\n"),
                                  (["debug=1", "disable=debug"], "")):
            with Daemon([PROGRAM, path, *arguments]) as daemon:
                daemon.until_said("ready")
                self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)
                self.assertEqual(daemon.complained(), wanted)

    def test_the_switch_of_a_log_counts_more_than_the_file(self):
        path = self.write("<daemon><logs><log name='debug' disabled='true'/></logs>", ACL,
                          "</daemon>")
        with Daemon([PROGRAM, path, "debug=1"]) as daemon:
            daemon.until_said("ready")
            self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)
            self.assertEqual(daemon.complained(), "debugging\n")


class Lock(Case):
    """A lock file that somebody else holds."""

    def setUp(self):
        self.lock = write_file(self, "", "lock")
        self.path = write_file(self, f"<daemon lockfile='{self.lock}'>{ACL}</daemon>")
        self.holder = open(self.lock, "r+", encoding="ascii")
        self.addCleanup(self.holder.close)
        self.set_lock(fcntl.F_WRLCK)

    def set_lock(self, kind):
        """Lock the file or unlock it; fcntl(2) has what is packed."""
        fcntl.fcntl(self.holder, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, 0, 0, 0, 0))

    def runs(self, argument):
        """Assert that it starts."""
        with Daemon([PROGRAM, self.path, argument]) as daemon:
            daemon.until_said("ready")
            self.stops(daemon)

    def test_it_is_refused(self):
        self.refuses([PROGRAM, self.path, "lock=1"],
                     f'{self.path}:1: <daemon> lockfile="{self.lock}": another process holds it')

    def test_it_is_not_looked_at_when_no_lock_is_wanted(self):
        self.runs("lock=0")

    def test_it_is_taken_when_it_is_free_and_held_until_the_end(self):
        self.set_lock(fcntl.F_UNLCK)
        with Daemon([PROGRAM, self.path, "lock=1"]) as daemon:
            daemon.until_said("ready")
            with self.assertRaises(BlockingIOError):
                self.set_lock(fcntl.F_WRLCK)
            self.stops(daemon)
        self.set_lock(fcntl.F_WRLCK)

    def test_it_is_waited_for(self):
        def is_waiting():
            inode = f":{os.stat(self.lock).st_ino} "
            with open("/proc/locks", encoding="ascii") as file:
                return any("->" in line and inode in line for line in file)
        with Daemon([PROGRAM, self.path, "lock=2"]) as daemon:
            daemon.until(is_waiting, "waiting for the lock")
            self.assertEqual(daemon.said(), "")
            self.set_lock(fcntl.F_UNLCK)
            daemon.until_said("ready")
            self.stops(daemon)

    def test_a_file_that_cannot_be_made(self):
        path = write_file(self, "<daemon lockfile='/nowhere/x'/>")
        self.refuses([PROGRAM, path, "lock=1"],
                     f'{path}:1: <daemon> lockfile="/nowhere/x": No such file or directory')


class Run(Case):
    """eventer_run(), as hello uses it."""

    def setUp(self):
        self.busy = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.busy.close)
        self.port = self.busy.getsockname()[1]

    def test_it_says_where_it_listens(self):
        path = write_file(self, LISTENER.format("hello", "http_rest_api", "127.0.0.1", 0))
        for options in (["-c", path], ["-D", "-d", "-c", path], ["-Ddc" + path]):
            with Daemon([HELLO, *options]) as daemon:
                daemon.until_said("\n")
                port, = daemon.ports()
                self.assertEqual(daemon.said(), f"hello: listening on 127.0.0.1:{port}\n")
                with connect(port) as connection:
                    get(connection, "/hello")
                    self.assertEqual(read_response(connection)[0], 200)
                self.assertEqual(daemon.end(signal.SIGINT)[0], 0)

    def test_a_port_in_use_is_one_line_and_nothing_stays(self):
        path = write_file(self, f"""<hello><listeners address="127.0.0.1" type="listen_to_me">
<listener port="0"/>
<listener port="{self.port}"/>
</listeners>{ACL}</hello>
""")
        self.refuses([HELLO, "-c", path], f"{path}:3: cannot listen on 127.0.0.1:{self.port}: "
                     "Address already in use")

    def test_it_is_strict_without_being_told(self):
        path = write_file(self, LISTENER.format("hello", "nobody", "127.0.0.1", 0).replace(
            ' strict="true"', ""))
        self.refuses([HELLO, "-c", path], f'{path}:2: <listener> type="nobody": .*')

    def test_the_usage_is_printed_when_asked_for(self):
        for option in ("-h", "--help"):
            with Daemon([HELLO, option]) as daemon:
                self.assertEqual(daemon.end()[0], 0)
                self.assertRegex(daemon.said(), r"\Ausage: hello \[OPTION\]")
                self.assertEqual(daemon.complained(), "")

    def test_arguments_that_are_wrong_are_one_line(self):
        for wrong in ("-x", "--wrong", "--help=me"):
            self.refuses([HELLO, wrong], f"hello: unknown option {wrong}" + USAGE)
        self.refuses([HELLO, "-c"], "hello: nothing follows -c" + USAGE)
        self.refuses([HELLO, "more"], "hello: more than options was given" + USAGE)
        self.refuses([HELLO, "-D", "--", "more"], "hello: more than options was given" + USAGE)

    def test_a_wrong_file_is_one_line(self):
        path = write_file(self, "<hello>\n<hello>\n")
        self.refuses([HELLO, "-c", path], f"{path}:[0-9]+: .*")


unittest.main()
