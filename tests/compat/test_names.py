#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: each name that programs written for libmtev use is used by a program here, which is built
and run; so nobody finds out later that one is gone or means something else.
Method: the code of the programs in this folder, without comments and texts, is searched for the
names in names.txt; and what is found missing there is found in a list with one name too many.
"""
import os
import re
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
TEXT_OR_COMMENT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', re.S)


def names():
    """Return the names in names.txt."""
    with open(os.path.join(FOLDER, "names.txt"), encoding="utf-8") as file:
        lines = [line for line in file if line.startswith(" ")]
    return " ".join(lines).split()


def missing(wanted):
    """Return those of the names wanted that no program uses."""
    used = set()
    for name in os.listdir(FOLDER):
        if name.endswith(".c"):
            with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
                used |= set(re.findall(r"\w+", TEXT_OR_COMMENT.sub(" ", file.read())))
    return [name for name in wanted if name not in used]


class Names(unittest.TestCase):
    """The list, and what is in the programs."""

    def test_each_name_is_used_by_a_program(self):
        self.assertGreater(len(names()), 150)
        self.assertEqual(missing(names()), [])

    def test_what_is_used_by_none_is_found(self):
        self.assertEqual(missing(["eventer_add", "eventer_ad", "Goal"]), ["eventer_ad", "Goal"])


unittest.main()
