#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a model holds what its head says, in every order of its steps; each mutation that its head
names is found; and it still stands for the code, each line of which that it quotes is there.

Method: have spin make a verifier of tests/models/NAME.pml (arguments: the source tree, spin, NAME,
and the C compiler) and run it to the end.  A quotation is a comment "FILE: LINE OF C".
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, SPIN, NAME = sys.argv[1:4]
COMPILER = sys.argv[4:]
MODEL = os.path.join(SOURCE, "tests", "models", NAME + ".pml")
QUOTED = {"mailbox": {"mailbox.h": "src/base/mailbox.h", "loop.c": "src/eventer/loop.c"}}
DEPTH_MAX = 100000
MEMORY_MAX_MIB = 2000


def read(path):
    """Return a file of the source tree as text."""
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def squeeze(text):
    """Drop comments and all space, so that line breaks do not count."""
    return re.sub(r"/\*.*?\*/|\s+", "", text, flags=re.S)


def verify(mutation=None):
    """Run the verifier of the model, with the mutation; return what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        define = ["-D" + mutation] if mutation else []
        for command in ([SPIN] + define + ["-a", MODEL],
                        COMPILER + ["-O2", "-w", "-DSAFETY", "-DCOLLAPSE",
                                    f"-DMEMLIM={MEMORY_MAX_MIB}", "-o", "pan", "pan.c"]):
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return subprocess.run([os.path.join(folder, "pan"), f"-m{DEPTH_MAX}"], cwd=folder,
                              check=True, stdout=subprocess.PIPE, text=True).stdout


class Model(unittest.TestCase):
    """The properties of the model itself."""

    def test_it_holds_in_every_order_of_its_steps(self):
        said = verify()
        self.assertIn("errors: 0", said)
        self.assertNotIn("max search depth too small", said)
        self.assertNotIn("Search not completed", said)
        self.assertNotIn("out of memory", said)

    def test_each_mutation_is_found(self):
        head = read(MODEL).split("*/")[1]
        mutations = re.findall(r"[A-Z_]{4,}", head[head.index("Mutations"):])
        self.assertGreater(len(mutations), 1)
        for mutation in mutations:
            with self.subTest(mutation):
                self.assertIn("#ifdef " + mutation, read(MODEL).replace("!defined(", "#ifdef "))
                self.assertIn("errors: 1", verify(mutation))

    def test_the_lines_that_it_stands_for_are_there(self):
        quotations = re.findall(r"/\* ([a-z]+\.[ch]): (.+?) \*/", read(MODEL))
        self.assertGreater(len(quotations), 10)
        for file, line in quotations:
            with self.subTest(line):
                self.assertIn(squeeze(line), squeeze(read(QUOTED[NAME][file])))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
