#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: what `eventer new NAME` makes can be built, tested and installed at once, by whoever has
the installed library; and a name that is none changes nothing.
Method: the build folder (second argument) is installed to a temporary place; there the command
makes a service, whose own Makefile builds it, tests it, and installs it.
"""
import glob
import os
import socket
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1:3]
del sys.argv[1:3]


def run(command, folder, **environment):
    """Run a command; return (status, what it printed on stdout, on stderr)."""
    result = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, check=False, env=dict(os.environ, **environment))
    return result.returncode, result.stdout, result.stderr


class New(unittest.TestCase):
    """One installation for all tests."""

    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(place.cleanup)
        os.chmod(place.name, 0o755)
        root = os.path.join(place.name, "root")
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir",
                        root], check=True, stdout=subprocess.DEVNULL)
        pc_file, = glob.glob(root + "/**/eventer.pc", recursive=True)
        library, = glob.glob(root + "/**/libeventer.so", recursive=True)
        cls.eventer, = glob.glob(root + "/**/bin/eventer", recursive=True)
        cls.environment = {"PKG_CONFIG_SYSROOT_DIR": root, "PKG_CONFIG_PATH":
                           os.path.dirname(pc_file), "LD_LIBRARY_PATH": os.path.dirname(library)}

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = place.name

    def new(self, *words):
        """Run `eventer new`."""
        return run([self.eventer, "new", *words], self.folder)

    def make(self, name, *words):
        """Run make in the folder of a service; fail with what it printed."""
        status, said, complained = run(["make", "CFLAGS=-O1 -Wall -Wextra -Werror", *words],
                                       os.path.join(self.folder, name), **self.environment)
        self.assertEqual(status, 0, said + complained)
        return said

    def test_a_service_is_built_tested_and_installed(self):
        name = "my-service2"
        self.assertEqual(self.new(name), (0, f"made the service {name}: cd {name} && make test\n",
                                          ""))
        self.assertIn("all is well\n", self.make(name, "test"))
        configuration = os.path.join(self.folder, name, name + ".conf")
        self.assertEqual(run([self.eventer, "check", "-n", name, configuration], self.folder),
                         (0, "", ""))
        root = os.path.join(self.folder, "root")
        self.make(name, "install", "DESTDIR=" + root, "PREFIX=/opt")
        installed = root + f"/etc/{name}/{name}.conf"
        self.assertEqual(os.stat(installed).st_mode & 0o777, 0o644)
        with open(installed, "w", encoding="utf-8") as file:
            file.write("changed")
        self.make(name, "install", "DESTDIR=" + root, "PREFIX=/opt")
        with open(installed, encoding="utf-8") as file:
            self.assertEqual(file.read(), "changed")
        with open(root + f"/etc/systemd/system/{name}.service", encoding="utf-8") as file:
            self.assertIn(f"ExecStart=/opt/bin/{name} -m -c /etc/{name}/{name}.conf\n",
                          file.read())
        self.assertTrue(os.access(root + f"/opt/bin/{name}", os.X_OK))
        self.make(name, "clean")
        left = sorted(os.listdir(os.path.join(self.folder, name)))
        self.assertEqual(left, ["Makefile", "README.md", name + ".c", name + ".conf",
                                name + ".service", "tests"])
        for file in glob.glob(os.path.join(self.folder, name, "**"), recursive=True):
            if os.path.isfile(file):
                with open(file, encoding="utf-8") as text:
                    self.assertNotRegex(text.read(), "@NAME@|@ENV@|SPDX")

    def heard(self, connection, end):
        """What comes over a connection until it ends with end, or is at its end."""
        text = b""
        while not text.endswith(end.encode()) or not end:
            piece = connection.recv(4096)
            if not piece:
                break
            text += piece
        return text.decode()

    def test_the_console_of_a_service_ends_it(self):
        self.assertEqual(self.new("looked-at")[0], 0)
        self.make("looked-at")
        folder = os.path.join(self.folder, "looked-at")
        console = os.path.join(folder, "console")
        with subprocess.Popen(["./looked-at", "-c", "looked-at.conf"], cwd=folder, text=True,
                              stdout=subprocess.PIPE, env=dict(
                                  os.environ, LOOKED_AT_PORT="0", LOOKED_AT_CONSOLE=console,
                                  **self.environment)) as service:
            for _ in range(2):
                self.assertIn("listening on", service.stdout.readline())
            with socket.socket(socket.AF_UNIX) as operator, \
                    socket.socket(socket.AF_UNIX) as idle:
                for connection in (operator, idle):
                    connection.settimeout(20)
                    connection.connect(console)
                    self.assertEqual(self.heard(connection, "# "), "looked-at# ")
                operator.sendall(b"show rest\n")
                self.assertIn("hello", self.heard(operator, "# "))
                operator.sendall(b"shutdown\n")
                self.assertIn("the program ends\n", self.heard(operator, ""))
                self.assertEqual(self.heard(idle, ""), "\nthe program ends\n")
            self.assertEqual(service.wait(20), 0)
        self.assertFalse(os.path.exists(console))

    def test_a_restart_by_the_console_loses_no_line(self):
        self.assertEqual(self.new("restarted")[0], 0)
        self.make("restarted")
        folder = os.path.join(self.folder, "restarted")
        path, log = os.path.join(folder, "restarted.conf"), os.path.join(folder, "log")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("<logs>", f'<logs><log name="kept" type="file" path="{log}"/>')
                       .replace("</logs>", '<log name="notice"><outlet name="kept"/></log></logs>'))
        console = os.path.join(folder, "console")
        with subprocess.Popen(["./restarted", "-c", "restarted.conf"], cwd=folder, text=True,
                              stdout=subprocess.PIPE, env=dict(
                                  os.environ, RESTARTED_PORT="0", RESTARTED_CONSOLE=console,
                                  **self.environment)) as service:
            for _ in range(2):
                self.assertIn("listening on", service.stdout.readline())
            with socket.socket(socket.AF_UNIX) as operator:
                operator.connect(console)
                operator.sendall(b"log to notice 1\nlog to notice 2\nrestart\n")
                self.assertEqual(service.wait(20), 1)
        with open(log, encoding="utf-8") as file:
            self.assertEqual([line.split()[-1] for line in file.read().splitlines()[-3:]],
                             ["1", "2", "restart"])

    def test_the_tests_of_a_service_find_what_is_wrong(self):
        self.assertEqual(self.new("broken")[0], 0)
        path = os.path.join(self.folder, "broken/broken.c")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("hello, %s", "goodbye, %s"))
        status, said, _ = run(["make", "test"], os.path.join(self.folder, "broken"),
                              **self.environment)
        self.assertNotEqual(status, 0)
        self.assertIn("FAILED: /hello/you: 200 goodbye, you\n", said)
        with open(path, "w", encoding="utf-8") as file:
            file.write("int main(void) { return 3; }")
        status, said, _ = run(["make", "test"], os.path.join(self.folder, "broken"),
                              **self.environment)
        self.assertNotEqual(status, 0)
        self.assertIn("the service does not listen:\n", said)

    def test_a_name_that_is_none_makes_nothing(self):
        for name, why in (("", "it is empty"), ("a" * 32, "it has more than 31 bytes"),
                          ("1a", "it does not begin with a small letter"),
                          ("Abc", "it does not begin with a small letter"),
                          ("../a", "it does not begin with a small letter"),
                          ("a/b", "it has more in it than small letters, digits and dashes"),
                          ("a b", "it has more in it than small letters, digits and dashes"),
                          ("xmlish", "no element of XML may begin so"),
                          *((taken, "it means something else to the service or its Makefile")
                            for taken in ("clean", "console", "eventer", "include", "install",
                                          "makefile", "run", "test", "tests"))):
            with self.subTest(name):
                self.assertEqual(self.new(name), (2, "", f'eventer new: "{name}" is no name for a '
                                                         f"service: {why}\n"))
        for words in ((), ("a", "b"), ("-h",)):
            self.assertEqual(self.new(*words), (2, "", "usage: eventer new NAME\n"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_the_longest_name_is_one(self):
        for name in ("a" * 30, "a" * 31):
            self.assertEqual(self.new(name)[0], 0)

    def test_what_is_there_stays(self):
        os.mkdir(os.path.join(self.folder, "there"))
        self.assertEqual(self.new("there"), (2, "", "eventer new: there: File exists\n"))
        self.assertEqual(os.listdir(os.path.join(self.folder, "there")), [])

    def test_where_nothing_can_be_made_it_says_so(self):
        if os.geteuid() == 0:  # whom no mode holds back
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        else:
            command = []
        place = os.path.join(self.folder, "closed")
        os.mkdir(place, 0o555)
        os.chmod(self.folder, 0o755)
        status, said, complained = run([*command, self.eventer, "new", "a"], place)
        self.assertEqual((status, said, complained),
                         (2, "", "eventer new: a: Permission denied\n"))


unittest.main()
