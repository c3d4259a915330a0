#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: `eventer check` tells every fault of a configuration, with its place and the nearest name,
and nothing of one that is right; every key that has a kind has a test of a wrong value.

Method: conf_bad/*.conf, each of which ends with a comment that lists what is to be said of it, and
what the project ships as right.  "FOLDER" stands for that of the file, and "N:" for "FILE:N:".
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

EVENTER, SOURCE = sys.argv[1:3]
del sys.argv[1:3]
BAD = os.path.join(SOURCE, "tests/flow/conf_bad")
EXPECT = re.compile(r"<!-- expect\n(.*?)^-->", re.M | re.S)
KEY = re.compile(r'\{"[^"]*",\s*"(@?\w+)",\s*(KEY_\w+)')


def run(*arguments, text=None):
    """Run eventer; return (status, stdout, stderr)."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("CHECK_TEST")}
    result = subprocess.run([EVENTER, *arguments], capture_output=True, text=True, timeout=60,
                            check=False, env=environment, input=text)
    return result.returncode, result.stdout, result.stderr


def expected(path):
    """Return the lines that are to be said of a file."""
    with open(path, encoding="utf-8") as file:
        listed = EXPECT.search(file.read()).group(1)
    lines = listed.replace("FOLDER", os.path.dirname(path)).splitlines()
    return [re.sub(r"^(\d+:)", path.replace("\\", r"\\") + r":\1", line) for line in lines]


class Check(unittest.TestCase):
    """The command and its faults."""

    def test_every_fault_is_told_with_its_place(self):
        for path in sorted(glob.glob(os.path.join(BAD, "*.conf"))):
            with self.subTest(os.path.basename(path)):
                status, output, said = run("check", path)
                self.assertEqual(said.splitlines(), expected(path))
                self.assertEqual((status, output), (2, ""))

    def test_every_kind_of_value_is_tried(self):
        said = "\n".join("\n".join(expected(path))
                         for path in glob.glob(os.path.join(BAD, "*.conf")))
        for path in sorted(glob.glob(os.path.join(SOURCE, "src/command/keys_*.c"))):
            with open(path, encoding="utf-8") as file:
                for name, kind in KEY.findall(file.read()):
                    if kind == "KEY_TEXT":
                        continue
                    name = name.lstrip("@")  # where both are keys, one is enough
                    shown = rf'(<\w+> {name}=|<{name}\w*> )"[^\n]*": '
                    self.assertTrue(re.search(shown, said), f"no wrong {name} in {BAD}")

    def test_what_is_right_passes(self):
        paths = glob.glob(os.path.join(SOURCE, "examples/*.conf"))
        self.assertGreater(len(paths), 2)
        for path in paths + [os.path.join(SOURCE, "bench/eventer.conf")]:
            status, output, said = run("check", path)
            faults = [line for line in said.splitlines() if ": note: " not in line]
            self.assertEqual((status, output, faults), (0, "", []))

    def test_outlets_in_circles_are_followed_once(self):
        outlets = "".join(f'<outlet name="s{i}"/>' for i in range(40))
        logs = "".join(f'<log name="s{i}">{outlets}</log>\n' for i in range(40))
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(f"<app><logs>\n{logs}</logs></app>")
            file.flush()
            status, _, said = run("check", file.name)
        self.assertEqual((status, len(said.splitlines())), (2, 1640))
        self.assertIn(':41: <log> has more than 16 outlets\n', said)
        self.assertIn(':2: <outlet> name="s0": what goes there ends nowhere\n', said)

    def test_the_root_element_may_be_asked_for(self):
        path = os.path.join(SOURCE, "examples/rest.conf")
        self.assertEqual(run("check", "-n", "rest", path)[0], 0)
        status, _, said = run("check", "-n", "other", path)
        self.assertEqual((status, said),
                         (2, f"{path}:3: the root element is <rest>, not <other>\n"))

    def test_the_schema_passes_and_refuses_the_same(self):
        status, schema, said = run("schema")
        self.assertEqual((status, said), (0, ""))
        self.assertIn("<grammar", schema)
        self.assertEqual(run("schema", "x")[0], 2)

    def test_what_does_not_count_here_is_no_fault(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            for condition, wanted in (("CHECK_TEST_NOT_SET", ""), ("!CHECK_TEST_NOT_SET",
                    f"{file.name}:1: <listeners> has no <bonfig>; did you mean <config>?\n")):
                file.seek(0)
                file.truncate()
                file.write(f'<app><listeners><bonfig require_env="{condition}"/></listeners></app>')
                file.flush()
                status, _, said = run("check", file.name)
                self.assertEqual((status, said), (2 if wanted else 0, wanted))

    def test_wrong_arguments_are_one_line(self):
        for arguments, line in [
                ([], "eventer: no command was given (eventer --help lists them)\n"),
                (["chekc"], 'eventer: there is no command "chekc"; did you mean "check"? '
                            "(eventer --help lists them)\n"),
                (["wait"], 'eventer: there is no command "wait" (eventer --help lists them)\n'),
                (["check"], "eventer check: no file was named (usage: eventer check [-n NAME] "
                            "FILE)\n"),
                (["check", "a", "b"], "eventer check: more than one file was named (usage: eventer "
                                      "check [-n NAME] FILE)\n"),
                (["check", "-n"], "eventer check: no name for -n (usage: eventer check [-n NAME] "
                                  "FILE)\n"),
                (["check", "-x", "a"], "eventer check: unknown option (usage: eventer check "
                                       "[-n NAME] FILE)\n"),
                (["check", "/nowhere"], "/nowhere: cannot be read: No such file or directory\n")]:
            self.assertEqual(run(*arguments), (2, "", line))

    def test_a_journal_is_not_looked_at(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.conf")
            for name, text in ((path, '<app><rest><acl type="allow"/></rest></app>'),
                               (path + ".journal", "junk")):
                with open(name, "w", encoding="utf-8") as file:
                    file.write(text)
            self.assertEqual(run("check", path), (0, "", ""))

    def test_help_lists_the_commands(self):
        status, output, said = run("--help")
        self.assertEqual((status, said), (0, ""))
        self.assertIn("check", output)
        self.assertIn("schema", output)

    def test_a_fault_is_told_of_the_file_that_has_it(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("a.conf", "b.conf")]
            with open(paths[0], "w", encoding="utf-8") as file:
                file.write('<app><listeners type="http_rest_api" port="1">\n'
                           '<include file="b.conf" port="x"/></listeners></app>')
            with open(paths[1], "w", encoding="utf-8") as file:
                file.write('<any type="x">\n<listener/>\n<listener port="y"/></any>')
            wrong = "not a number between 0 and 65535\n"
            note = f"note: the attributes of <any> in {paths[1]} do not count\n"
            self.assertEqual(run("check", paths[0]),
                             (2, "", f'{paths[0]}:2: <include> port="x": {wrong}'
                                     f'{paths[1]}:3: <listener> port="y": {wrong}'
                                     f"{paths[0]}:2: {note}"))


unittest.main(argv=sys.argv[:1])
