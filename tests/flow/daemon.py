# SPDX-License-Identifier: MIT
"""What the flow tests share: a daemon that is started, talked to, and always ended.

A test script gets the program or folder under test from its arguments; see meson.build.
"""
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PATIENCE = 20.0  # seconds for what must happen, however slow the machine or the sanitizer
SLOWNESS = float(os.environ.get("TEST_SLOWNESS", "1"))  # how many times slower a sanitizer is


class Daemon:
    """A process with its output in files; use it in a with statement."""

    def __init__(self, argv, preexec_fn=None, close_fds=True, **environment):
        self.output = tempfile.NamedTemporaryFile()
        self.errors = tempfile.NamedTemporaryFile()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.errors, env=dict(os.environ, **environment),
                                        preexec_fn=preexec_fn, close_fds=close_fds)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        self.errors.close()

    def said(self):
        """Return what it has printed on stdout."""
        with open(self.output.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def complained(self):
        """Return what it has printed on stderr."""
        with open(self.errors.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def until(self, condition, what):
        """Wait until condition() is true, and return that."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        raise AssertionError(f"not {what}: status {self.process.poll()}, said {self.said()!r}, "
                             f"complained {self.complained()!r}")

    def until_said(self, text, count=1):
        """Wait until text was printed count times on stdout."""
        self.until(lambda: self.said().count(text) >= count, f"saying {text!r}")

    def listening(self):
        """Return the ports of TCP that the process listens on, in the order they were opened."""
        inodes = {}
        folder = f"/proc/{self.pid}/fd"
        for fd in os.listdir(folder):
            try:
                match = re.match(r"socket:\[(\d+)\]", os.readlink(f"{folder}/{fd}"))
            except OSError:
                continue  # closed meanwhile
            if match:
                inodes[match.group(1)] = int(fd)
        found = []
        with open(f"/proc/{self.pid}/net/tcp", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    found.append((inodes[fields[9]], int(fields[1].split(":")[1], 16)))
        return [port for _, port in sorted(found)]

    def ports(self, count=1):
        """Wait until it listens on count ports, and return them."""
        self.until(lambda: len(self.listening()) >= count, f"listening on {count} ports")
        return self.listening()

    def signal(self, number):
        """Send a signal."""
        os.kill(self.pid, number)

    def end(self, number=None):
        """Send a signal, if one is given; wait for the end; return (status, seconds)."""
        begin = time.monotonic()
        if number is not None:
            self.signal(number)
        status = self.process.wait(PATIENCE)
        return status, time.monotonic() - begin


class Case(unittest.TestCase):
    """What the test cases share."""

    def stops(self, daemon, number=signal.SIGTERM):
        """Assert that the signal ends the daemon, with status 0, and nothing holds it up.

        It is a second that is promised.  What could hold it up waits for ten or more, so five tell
        the two apart on a machine that is busy with something else, too.
        """
        status, seconds = daemon.end(number)
        self.assertEqual((status, daemon.complained()), (0, ""))
        self.assertLess(seconds, 5.0 * SLOWNESS)

    def refuses(self, argv, pattern, **environment):
        """Assert that the program ends with status 2 and one line that matches."""
        with Daemon(argv, **environment) as daemon:
            status, _ = daemon.end()
            self.assertRegex(daemon.complained(), r"\A" + pattern + r"\n\Z")
            self.assertEqual((status, daemon.said()), (2, ""))


def is_there(pid):
    """True if a process with that id runs."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def connect(port):
    """Connect to the port of this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def get(connection, path):
    """Send a GET request."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())


def read_line(connection):
    """Read a line, or what comes before the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line.decode()


def read_response(connection):
    """Read a response that has a Content-Length; return (status, body)."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise AssertionError(f"the connection ended after {head!r}")
        head += byte
    status = int(head.split()[1])
    length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
    body = b""
    while len(body) < length:
        piece = connection.recv(length - len(body))
        if not piece:
            raise AssertionError(f"the connection ended after {body!r}")
        body += piece
    return status, body.decode()


def is_closed(connection):
    """Wait until the peer has closed the connection, and throw away what it had sent."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def is_quiet(connection):
    """True if nothing has arrived."""
    return not select.select([connection], [], [], 0)[0]


def write_file(test, text, name="test.conf"):
    """Write text to a file in a folder that ends with the test, and return its path."""
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)

    def remove():
        for entry in os.listdir(folder):
            os.unlink(os.path.join(folder, entry))
        os.rmdir(folder)
    test.addCleanup(remove)
    return path
