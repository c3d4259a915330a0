#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""tidy.py ROOT - check the limits and habits that a formatter does not know.

Line, function and file lengths; McCabe complexity (pmccabe, a switch counts as one); the SPDX line;
banned functions; the heap used past base/alloc.c; tabs, trailing blanks; names of a machine.
"""
import os
import re
import subprocess
import sys

import tree

LINE_MAX = 100
FUNCTION_MAX = 70
FILE_MAX = 800
MCCABE_MAX = 25

BANNED = re.compile(
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|alloca|rand)\s*\(")
HEAP = re.compile(r"(?<!\.)(?<!->)\b(malloc|calloc|realloc|reallocarray|free|strdup|strndup|"
                  r"asprintf|vasprintf|aligned_alloc|posix_memalign)\s*\(")
HEAP_DOOR = "src/base/alloc.c"
# Spelt so that this file does not break its own rule.
MACHINE = re.compile(r"/[w]ork/|/[r]oot/|/[h]ome/|[i]ssues show|[s]ources\.list|[d]eb https?:")
CODE = (".c", ".h", ".py", ".sh", "meson.build", "meson_options.txt", "Makefile")
FUNCTION_NAME = re.compile(r"(\w+)\s*\(")


def is_code(path, text):
    """True for what we write by hand and a machine reads."""
    return path.endswith(CODE) or text.startswith("#!")


def check_text(path, text, faults):
    """What holds in every text file."""
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip() and not path.endswith(".md"):
            faults.add(path, number, "trailing blanks")
        if "\t" in line and not path.endswith("Makefile"):
            faults.add(path, number, "a tab")
        machine = MACHINE.search(line)
        if machine:
            faults.add(path, number, f"names something of one machine: {machine.group(0)}")


def check_code(path, text, faults):
    """What holds in every source, of any language."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            faults.add(path, number, f"{len(line)} columns, more than {LINE_MAX}")
    if len(lines) - 1 > FILE_MAX:
        faults.add(path, FILE_MAX + 1, f"{len(lines) - 1} lines, more than {FILE_MAX}")
    tag = "SPDX-License" + "-Identifier:"
    if sum(1 for line in lines[:3] if tag in line) != 1:
        faults.add(path, 1, f"no {tag} line at the top")


def check_functions(path, bare, faults):
    """The lengths of the functions; the formatter puts both their braces in column 0."""
    start = 0
    name = "?"
    for number, line in enumerate(bare.split("\n"), 1):
        found = FUNCTION_NAME.search(line) if line[:1].strip() else None
        if found and not line.startswith("#"):
            name = found.group(1)
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start:
            if number - start - 1 > FUNCTION_MAX:
                faults.add(path, start, f"{name}() has {number - start - 1} lines, more than "
                                        f"{FUNCTION_MAX}")
            start = 0


def check_calls(path, bare, faults):
    """Functions that nobody may call, and those that only one file may."""
    for match in BANNED.finditer(bare):
        faults.add(path, tree.line_of(bare, match.start()), f"{match.group(1)}() is banned")
    if not path.startswith("src/") or path == HEAP_DOOR:
        return
    for match in HEAP.finditer(bare):
        faults.add(path, tree.line_of(bare, match.start()),
                   f"{match.group(1)}() past base/alloc.h")


def check_complexity(root, paths, faults):
    """McCabe's number of each function, as pmccabe counts it."""
    if not paths:
        return
    result = subprocess.run(["pmccabe"] + paths, cwd=root, check=True, capture_output=True,
                            text=True)
    for line in result.stdout.splitlines():
        fields = line.split("\t")
        found = re.match(r"(.*)\((\d+)\): (.*)", fields[5]) if len(fields) > 5 else None
        if found and int(fields[0]) > MCCABE_MAX:
            faults.add(found.group(1), found.group(2),
                       f"{found.group(3)}() has complexity {fields[0]}, more than {MCCABE_MAX}")


def main():
    """Check the tree."""
    root = sys.argv[1]
    faults = tree.Faults()
    sources = []
    for path in tree.files(root):
        text = tree.read(root, path)
        if text is None:
            continue
        check_text(path, text, faults)
        if is_code(path, text):
            check_code(path, text, faults)
        if path.endswith((".c", ".h")) and path.split(os.sep)[0] in tree.C_FOLDERS:
            bare = tree.bare_c(text)
            check_functions(path, bare, faults)
            check_calls(path, bare, faults)
            if path.endswith(".c"):
                sources.append(path)
    check_complexity(root, sources, faults)
    faults.finish()


main()
