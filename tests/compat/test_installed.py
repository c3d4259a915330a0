#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: whoever has the installed library and pkg-config can build and run every example, and the
server in the README.
Method: the build folder (second argument) is installed to a temporary place, and the examples of
the source tree (first argument) are compiled there with what pkg-config says, with the shared and
with the static library.  Then flow/test_main_examples.py talks to them, with the default number of
shared stacks and with one.  What needs the coroutine core alone is compiled with that alone, and so
is a program that was written for libaco.
"""
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1:3]
del sys.argv[1:3]
EXAMPLES = os.path.join(SOURCE, "examples")
TALK = os.path.join(SOURCE, "tests/flow/test_main_examples.py")
COMPILE = ["cc", "-O2", "-Wall", "-Wextra", "-Werror"]
README_LINES_MAX = 15


def run(command, **environment):
    """Run a command and return what it printed; fail with all of that."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False,
                            env=dict(os.environ, **environment))
    if result.returncode != 0:
        raise AssertionError(f"{shlex.join(command)}: status {result.returncode}\n{result.stdout}")
    return result.stdout


class Installed(unittest.TestCase):
    """One installation for all tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = os.path.join(cls.folder.name, "root")
        run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root])
        pc_file, = glob.glob(root + "/**/eventer.pc", recursive=True)
        library, = glob.glob(root + "/**/libeventer.so", recursive=True)
        cls.root = root
        cls.environment = {"PKG_CONFIG_SYSROOT_DIR": root, "PKG_CONFIG_PATH":
                           os.path.dirname(pc_file), "LD_LIBRARY_PATH": os.path.dirname(library)}
        cls.library = os.path.dirname(library)

    def flags(self, *options, package="eventer"):
        """Return what pkg-config says."""
        return shlex.split(run(["pkg-config", *options, "--cflags", "--libs", package],
                               **self.environment))

    def run_with_the_core(self, compiler, source):
        """Compile a program with the coroutine core alone, run it and return what it printed."""
        program = os.path.join(self.folder.name, "alone")
        run([*compiler, *COMPILE[1:], source, "-x", "none", "-o", program,
             *self.flags(package="aco")])
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run(["readelf", "-d", program]))
        self.assertEqual([name for name in needed if "eventer" in name or "xml" in name], [])
        return run([program])

    def compile(self, name, flags):
        """Compile all examples into the folder name, and return its path."""
        target = os.path.join(self.folder.name, name)
        os.mkdir(target)
        for source in sorted(glob.glob(EXAMPLES + "/*.c")):
            program = os.path.join(target, os.path.basename(source)[:-2])
            run([*COMPILE, source, "-o", program, *flags])
        return target

    def test_examples_run_with_the_shared_library(self):
        programs = self.compile("shared", self.flags())
        for stacks in ("0", "1"):
            run([TALK, programs, EXAMPLES], ACO_STACKS=stacks, **self.environment)

    def test_examples_run_with_the_static_library(self):
        flags = [os.path.join(self.library, "libeventer.a") if flag == "-leventer" else flag
                 for flag in self.flags("--static")]
        programs = self.compile("static", flags)
        needed = run(["readelf", "-d", os.path.join(programs, "hello")])
        self.assertNotIn("libeventer", needed)
        run([TALK, programs, EXAMPLES])

    def test_the_core_alone_runs_its_example(self):
        printed = self.run_with_the_core(["cc"], os.path.join(EXAMPLES, "aco_alone.c"))
        self.assertIn("carry, step 3 of 3\n", printed)
        self.assertRegex(printed, r"fetch: saved 2 times, restored 2 times, at most \d+ bytes\n")

    def test_a_program_of_libaco_runs_in_c_and_cpp(self):
        program = os.path.join(SOURCE, "tests/compat/libaco_program.c")
        for compiler in (["cc", "-std=c11"], ["c++", "-x", "c++", "-std=c++17"],
                         ["clang", "-std=c11"], ["clang++", "-x", "c++", "-std=c++17"]):
            with self.subTest(compiler):
                self.assertEqual(self.run_with_the_core(compiler, program), "")

    def test_programs_of_libmtev_run_in_c_and_cpp(self):
        program = os.path.join(self.folder.name, "program")
        configuration = os.path.join(self.folder.name, "program.conf")
        for name, configured, *words in (
                ("utilities", None), ("logging", None),
                ("events", f"""<events lockfile="{self.folder.name}/lock">
                    <logs><log name="error"><outlet name="stderr"/></log>
                    <log name="notice"><outlet name="error"/></log>
                    <log name="kept" type="memory" path="10,1000"/>
                    <log name="debug"><outlet name="kept"/></log></logs></events>""",
                 configuration),
                ("services", f"""<services>
                    <listeners><listener type="http_rest_api" address="{self.folder.name}/http"/>
                    <listener type="repeat" address="{self.folder.name}/echo"/></listeners>
                    <rest><acl type="allow"><rule type="deny" url="/no$"/></acl></rest>
                    </services>""", configuration, self.folder.name)):
            source = os.path.join(SOURCE, "tests/compat", name + ".c")
            with open(configuration, "w", encoding="utf-8") as file:
                file.write(configured or "")
            for compiler in (["cc", "-std=gnu11"], ["c++", "-x", "c++", "-std=gnu++17"]):
                with self.subTest((name, compiler)):
                    run([*compiler, *COMPILE[1:], source, "-x", "none", "-o", program,
                         *self.flags()])
                    self.assertEqual(run([program, *words], **self.environment), "")

    def test_configurations_are_checked(self):
        eventer, = glob.glob(self.root + "/**/bin/eventer", recursive=True)
        schema, = glob.glob(self.root + "/**/share/eventer/eventer.rng", recursive=True)
        for configuration in glob.glob(EXAMPLES + "/*.conf"):
            run([eventer, "check", configuration])
        with open(schema, encoding="utf-8") as file:
            self.assertEqual(file.read(), run([eventer, "schema"]))

    def test_all_that_libmtevs_programs_start_starts_in_any_order(self):
        program = os.path.join(self.folder.name, "startup")
        configuration = os.path.join(self.folder.name, "startup.conf")
        run([*COMPILE, "-std=gnu11", os.path.join(SOURCE, "tests/compat/startup.c"), "-o",
             program, *self.flags()])
        for folder in ("", ' directory="/nonexistent"', ' directory=""'):
            with open(configuration, "w", encoding="utf-8") as file:
                file.write(f"""<startup><modules{folder}/>
                           <listeners address="127.0.0.1" port="0"><listener type="mtev_console"/>
                           <listener type="http_rest_api"/><listener type="control_dispatch"/>
                           </listeners><rest><acl/></rest></startup>""")
            for order in ("carehsld", "dcehsral", "rsheacdl", "aecsrhld"):
                with self.subTest(folder=folder, order=order):
                    self.assertEqual(run([program, order, configuration], **self.environment), "")

    def config(self, *options):
        """Return the words that mtev-config prints."""
        script, = glob.glob(self.root + "/**/bin/mtev-config", recursive=True)
        return shlex.split(run([script, *options]))

    def test_mtev_config_tells_how_to_build(self):
        program = os.path.join(self.folder.name, "configured")
        run([*COMPILE, *self.config("--cflags", "--cppflags"), "-std=gnu11",
             os.path.join(SOURCE, "tests/compat/utilities.c"), "-o", program,
             *self.config("--ldflags", "--libs")])
        self.assertEqual(run([program], **self.environment), "")

    def test_mtev_config_says_where_all_is(self):
        prefix, = self.config("--prefix")
        folders = self.config("--bindir", "--includedir", "--libdir")
        self.assertEqual(folders, [prefix + "/bin", prefix + "/include", self.library])
        self.assertEqual(self.config("--version"),
                         run(["pkg-config", "--modversion", "eventer"],
                             **self.environment).split())
        self.assertIn("--cflags", run([os.path.join(folders[0], "mtev-config"), "--help"]))
        for words in ([], ["--what"]):
            result = subprocess.run([os.path.join(folders[0], "mtev-config"), *words],
                                    capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn("--help" if words else "usage", result.stderr)

    def test_examples_are_short(self):
        with open(os.path.join(EXAMPLES, "aco_alone.c"), encoding="utf-8") as file:
            self.assertLess(len(file.readlines()), 60)
        with open(os.path.join(EXAMPLES, "hello.c"), encoding="utf-8") as file:
            self.assertLess(len(file.readlines()), 60)
        with open(os.path.join(EXAMPLES, "smallest.c"), encoding="utf-8") as file:
            self.assertLessEqual(len(file.readlines()) - 1, README_LINES_MAX)  # and the licence

    def test_the_readme_shows_the_smallest_example(self):
        path = os.path.join(SOURCE, "README.md")
        if not os.path.exists(path):
            self.skipTest("there is no README.md")
        with open(path, encoding="utf-8") as file:
            shown = re.findall(r"^```c\n(.*?)^```", file.read(), re.M | re.S)
        with open(os.path.join(EXAMPLES, "smallest.c"), encoding="utf-8") as file:
            self.assertIn(file.read().split("\n", 1)[1], shown)


unittest.main()
