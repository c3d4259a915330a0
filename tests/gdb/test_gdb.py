#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: gdb lists the coroutines of a process and of a core file and shows the frames of each, and
a process that was looked at goes on as if it had not been.

Method: parked (first argument) has coroutines on one stack, so that all but one are saved
elsewhere; gdb with the commands (second argument) is attached to it, and opens its core.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM, COMMANDS = map(os.path.abspath, sys.argv[1:3])
del sys.argv[1:3]
WAITERS = 4
LINE = re.compile(r"^ *(\d+) (.{16}) +[\d.]+ s +(\d+) bytes +e:default/0 +be_a_waiter "
                  r"\(\S*parked\.c:\d+\): waiter (\d)$", re.M)


def gdb(*arguments, commands=()):
    """Run gdb; return what it prints."""
    options = [word for command in (f"source {COMMANDS}", *commands) for word in ("-ex", command)]
    read_end, write_end = os.pipe()  # what gdb runs finds its input open, and empty
    result = subprocess.run(["gdb", "-nx", "-batch", *arguments, *options],
                            stdin=read_end, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    os.close(read_end)
    os.close(write_end)
    return result.stdout


def frames(said):
    """Return the functions of a backtrace, and the number that wait_for_end() was given."""
    number = re.search(r"wait_for_end \(number=(?:number@entry=)?(\d)\)", said)
    return re.findall(r"^#\d+ .*?(\w+) \(", said, re.M), number and int(number.group(1))


class Gdb(unittest.TestCase):
    """One process a test."""

    def setUp(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.addCleanup(self.end)
        self.assertEqual(self.process.stdout.readline(), "ready\n")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.core = os.path.join(folder.name, "core")

    def end(self):
        """End the process, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def attach(self, *commands):
        """Run gdb on the process."""
        return gdb("-p", str(self.process.pid), commands=commands)

    def check_list(self, said):
        """Check what info coroutines prints; return {number of the waiter: its own}."""
        found = LINE.findall(said)
        self.assertEqual(sorted(int(line[3]) for line in found), list(range(WAITERS)), said)
        for line in found:
            self.assertIn(line[1].strip(), ("parked for time", "ready"), said)
            self.assertGreater(int(line[2]), 100, said)
        return {int(line[3]): int(line[0]) for line in found}

    def check_frames(self, said, waiter):
        """Check that bt shows the frames of this waiter."""
        functions, number = frames(said)
        self.assertEqual(functions[-4:],
                         ["eventer_aco_sleep", "wait_for_end", "be_a_waiter", "aco_entry"], said)
        self.assertEqual(number, waiter, said)

    def check_unharmed(self):
        """Let the process go on to its end."""
        said, _ = self.process.communicate(timeout=60)
        self.assertEqual((said, self.process.returncode), ("unharmed\n", 0))

    def test_each_coroutine_of_a_process_is_listed_and_walked_and_all_goes_on(self):
        numbers = self.check_list(self.attach("info coroutines"))
        commands = [command for waiter in range(WAITERS)
                    for command in ("echo ---\\n", f"coroutine {numbers[waiter]} bt")]
        parts = self.attach(*commands).split("---\n")[1:]
        self.assertEqual(len(parts), WAITERS)
        for waiter, part in enumerate(parts):
            self.check_frames(part, waiter)
        self.check_unharmed()

    def test_registers_and_memory_are_what_they_were_also_after_an_error(self):
        look = ("thread apply all info registers",
                "python print([read(c.of_stack('top') - 4096, 4096) for c in all_coroutines()])")
        said = self.attach("echo ---\\n", *look, "echo ---\\n", "coroutine 0 bt",
                           "coroutine 1 there-is-none-such", "coroutine 2 print *(int *)0",
                           "echo ---\\n", *look, "echo ---\\n")
        _, before, between, after, _ = said.split("---\n")
        self.assertIn("wait_for_end", between)
        self.assertIn("Undefined command", between)
        self.assertIn("Cannot access memory", between)
        self.assertEqual(before, after)
        self.check_unharmed()

    def test_locals_of_a_coroutine_are_its_own(self):
        numbers = self.check_list(self.attach("info coroutines"))
        for waiter in range(WAITERS):
            said = self.attach(f"coroutine {numbers[waiter]} frame function wait_for_end",
                               f"coroutine {numbers[waiter]} frame apply all -s -q print locals[7]")
            self.assertIn(f" = {waiter * 100 + 7}\n", said)
        self.check_unharmed()

    def test_a_core_file_is_listed_and_a_copy_has_the_coroutine_on_its_stack(self):
        self.attach(f"generate-core-file {self.core}")
        self.check_unharmed()
        numbers = self.check_list(gdb(PROGRAM, self.core, commands=["info coroutines"]))
        for waiter in range(WAITERS):
            said = gdb(PROGRAM, self.core, commands=[f"coroutine {numbers[waiter]} bt"])
            self.check_frames(said, waiter)
            copy = f"{self.core}.coroutine-{numbers[waiter]}"
            self.assertIn(f"gdb {PROGRAM} {copy})", said)
            self.check_frames(gdb(PROGRAM, copy, commands=["bt"]), waiter)

    def test_what_cannot_be_done_is_said(self):
        said = self.attach("coroutine 4 bt", "coroutine", "coroutine x bt", "coroutine 0")
        self.assertIn("there are 4 coroutines, from 0 on", said)
        self.assertEqual(said.count("coroutine N COMMAND..."), 3, said)
        self.assertIn("no debug information of libeventer here",
                      gdb("/bin/true", commands=["info coroutines"]))

    def test_a_coroutine_that_runs_is_in_its_thread(self):
        said = gdb(PROGRAM, commands=["break marker", "run", "info coroutines", "coroutine 4 bt",
                                      "echo ---\\n", "bt"])
        self.assertRegex(said, r"(?m)^ *4 running .* waiter 3$")
        self.assertIn("it runs: look at the thread of e:default/0", said)
        self.assertIn("be_a_waiter", said.partition("---\n")[2])


if __name__ == "__main__":
    refused = gdb(PROGRAM, commands=["starti"])
    if "ptrace: Operation not permitted" in refused or "Could not trace" in refused:
        print("skipped: no process may be traced here")
        sys.exit(77)
    unittest.main()
