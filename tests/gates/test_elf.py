#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: no object asks for an executable stack; each switch lands where indirect jumps may land;
nothing claims to run with a shadow stack; a debugger's walk ends at the first frame of a coroutine;
the coroutine core alone exports what its headers declare.

Method: read the objects, archives and libraries of the build folder (second argument; the first is
the source tree) with readelf, objdump and nm (the arguments after it).  Each check is also given
something planted that it must find, where the compiler (the last argument) makes programs for this
machine.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD, READELF, OBJDUMP, NM = sys.argv[1:6]
COMPILER = sys.argv[6:]
del sys.argv[1:]
sys.path.insert(0, os.path.join(SOURCE, "tools"))
import symbols  # pylint: disable=wrong-import-position

LIBRARIES = [os.path.join(BUILD, "src", name)
             for name in ("libeventer.so", "libeventer.a", "libaco_core.a")]
OBJECTS = sorted(glob.glob(BUILD + "/src/*.p/*.o") + glob.glob(BUILD + "/examples/*.p/*.o"))
# The stack pointer is kept; the other's words are taken; the jump; and where it lands.
SWITCHES = {
    "x86-64": (r"mov %rbp,0x8\(%rdx\)\n(?:stmxcsr .*\nfnstcw .*\n)?mov %rdx,.*\n"
               r"(?:ldmxcsr .*\nfldcw .*\n)?mov 0x8\(%rsi\),%rbp\nlea 0x1[08]\(%rsi\),%rsp\n"
               r"(jmp \*\(%rsi\)\n.*)", r"jmp \*\(%rsi\)\nendbr64"),
    "AArch64": (r"str x17, \[x\d+\]\n(?:ldr x17, .*\nmsr fpcr, x17\n)?ldp x16, x30, \[x\d+\]\n"
                r"add sp, x\d+, #0x10\nmov x29, (?:xzr|#0x0.*)\n(br x16\n.*)", r"br x16\nbti j"),
}


def run(*command, **options):
    """Return what a command printed."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=True, **options).stdout


def machine():
    """Return the key of SWITCHES, or None."""
    header = run(READELF, "-h", LIBRARIES[0])
    return next((name for name in SWITCHES if name.lower() in header.lower()), None)


def executable_stacks(paths):
    """Return the objects, and members of archives, that ask for an executable stack."""
    found = []
    for path in paths:
        if ".so" in os.path.basename(path):
            flags = re.findall(r"GNU_STACK .* (\w+) +0x\w+$", run(READELF, "-lW", path), re.M)
            found += [path] if flags != ["RW"] else []
            continue
        listing = run(READELF, "-SW", path)
        parts = re.split(r"^File: ", listing, flags=re.M)
        for part in parts[1:] if len(parts) > 1 else parts:
            line = re.search(r"\.note\.GNU-stack +PROGBITS +\w+ +\w+ +\w+ +\w+ +([A-Z]*)", part)
            if line is None or "X" in line.group(1):
                found.append(f"{path}: {part.splitlines()[0]}")
    return found


def landings(path):
    """Return (number of switches, those that do not land properly) in the code of a file."""
    listing = run(OBJDUMP, "-d", "--no-show-raw-insn", path)
    lines = re.findall(r"^\s*[0-9a-f]+:\s+(\S.*?)\s*$", listing, re.M)
    text = "\n".join(re.sub(r"\s+", " ", re.sub(r"\s+(# |//|<).*", "", line)) for line in lines)
    switch, landing = SWITCHES[machine()]
    jumps = re.findall(switch, text)
    return len(jumps), [jump for jump in jumps if not re.fullmatch(landing, jump)]


def claims_shadow_stack(path):
    """True if a file says in a note that it can run with a shadow stack."""
    return "SHSTK" in run(READELF, "-nW", path)


def ends_the_walk(path, name):
    """True if the frame of the function has an undefined return address."""
    symbol = re.search(rf"([0-9a-f]+) +\d+ FUNC .* {name}(@|$)", run(READELF, "-sW", path), re.M)
    address = int(symbol.group(1), 16)
    common = {}  # what several frames have in common, by its offset
    for block in run(READELF, "--debug-dump=frames", path).split("\n\n"):
        for offset, body in re.findall(r"^(\w+) \w+ \w+ CIE\n(.*)", block, re.M | re.S):
            common[offset] = body
        found = re.search(r"FDE cie=(\w+) pc=(\w+)\.\.(\w+)(.*)", block, re.S)
        if found and int(found.group(2), 16) <= address < int(found.group(3), 16):
            rules = common[found.group(1)] + found.group(4)
            return re.search(r"DW_CFA_undefined: r(16|30) ", rules) is not None
    return False


class Elf(unittest.TestCase):
    """What was built."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def planted(self, text, *flags, language="assembler"):
        """Compile a text and return the path of what came of it."""
        if not COMPILER:
            self.skipTest("nothing can be planted for another machine")
        path = os.path.join(self.folder, "planted.o")
        run(*COMPILER, "-c", "-o", path, *flags, "-x", language, "-", input=text)
        return path

    def test_no_stack_is_executable(self):
        self.assertGreater(len(OBJECTS), 50)
        self.assertEqual(executable_stacks(OBJECTS + LIBRARIES), [])

    def test_an_executable_stack_is_found(self):
        for text in ("nop\n", '.section .note.GNU-stack, "x", %progbits\n'):
            path = self.planted(text)
            archive = os.path.join(self.folder, "planted.a")
            run("ar", "rcs", archive, path)
            self.assertEqual(len(executable_stacks([path])), 1)
            self.assertEqual(len(executable_stacks([archive])), 1)
            library = os.path.join(self.folder, "planted.so")
            run(*COMPILER, "-shared", "-nostdlib", "-z", "execstack", "-o", library, path)
            self.assertEqual(executable_stacks([library]), [library])

    @unittest.skipIf(machine() is None, "the switch is the C library's")
    def test_switches_land_where_they_may(self):
        for path in LIBRARIES:
            count, bad = landings(path)
            self.assertEqual(bad, [], path)
            if "ACO_SWITCH_UCONTEXT" not in CONFIGURED:
                self.assertGreater(count, 0, path)

    @unittest.skipIf(machine() != "x86-64", "the planted code is for x86-64")
    def test_a_switch_that_does_not_land_is_found(self):
        switch = ("movq %rbp, 8(%rdx)\nmovq %rdx, (%rdi)\nmovq 8(%rsi), %rbp\n"
                  "leaq 16(%rsi), %rsp\njmpq *(%rsi)\n")
        self.assertEqual(landings(self.planted(switch + "popq %rbp\n")),
                         (1, ["jmp *(%rsi)\npop %rbp"]))
        self.assertEqual(landings(self.planted(switch + "endbr64\n")), (1, []))

    def test_nothing_claims_a_shadow_stack(self):
        for path in LIBRARIES:
            self.assertFalse(claims_shadow_stack(path), path)

    @unittest.skipIf(machine() != "x86-64", "the shadow stacks of x86-64")
    def test_nothing_claims_one_whatever_it_is_linked_with(self):
        path = self.planted("int planted;\n", "-fcf-protection=full", language="c")
        self.assertTrue(claims_shadow_stack(path))
        library = os.path.join(self.folder, "planted.so")
        entry, = glob.glob(BUILD + "/src/libeventer_aco.a.p/*entry.S.o")
        for extra, claims in (([], True), ([entry], False)):
            run(*COMPILER, "-shared", "-nostdlib", "-o", library, path, *extra)
            self.assertEqual(claims_shadow_stack(library), claims)

    def test_a_walk_ends_at_the_first_frame(self):
        if "ACO_SWITCH_UCONTEXT" in CONFIGURED:
            self.skipTest("the C library has its own first frame")
        for path in LIBRARIES:
            if path.endswith(".so"):
                self.assertTrue(ends_the_walk(path, "aco_returned_"))
                self.assertFalse(ends_the_walk(path, "aco_take_stack_"))

    def test_the_core_exports_what_its_headers_declare(self):
        declared = {name for name, (header, _, _) in symbols.exports(SOURCE).items()
                    if header.startswith("include/aco/")}
        listing = run(NM, "--defined-only", "--extern-only", "--format=posix", LIBRARIES[2])
        exported = {line.split()[0] for line in listing.splitlines() if len(line.split()) > 1}
        self.assertEqual({name for name in exported if not symbols.NOT_OURS.match(name)}, declared)


with open(os.path.join(BUILD, "include/aco/aco_config.h"), encoding="utf-8") as config:
    CONFIGURED = re.findall(r"^#define (\w+)$", config.read(), re.M)
unittest.main()
