#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""man.py ROOT - check that each exported function has a manual page, that the pages name nothing
else, and that mandoc finds no fault in them.

A page of section 3 lists what it documents in its NAME section; its SYNOPSIS declares each.  A
name that ends in an underscore is called by inline code of the headers only, and needs none.
"""
import glob
import os
import re
import subprocess
import sys

import symbols
import tree

SECTION = re.compile(r"^\.S[hH]\s+\"?([^\"\n]+?)\"?\s*$", re.M)
WORD = re.compile(r"[A-Za-z_]\w*")


def sections(text):
    """Return {title: (offset, body)} of a page in the mdoc or man language."""
    text = re.sub(r"\\f(?:\[[^\]]*\]|\(..|.)|\\&", lambda m: " " * len(m.group(0)), text)
    marks = list(SECTION.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return {mark.group(1).upper(): (mark.end(), text[mark.end():end])
            for mark, end in zip(marks, ends)}


def names_of(body):
    """Yield (offset, name) of what a NAME section lists before its dash."""
    offset = 0
    for line in body.splitlines(keepends=True):
        if line.startswith(".Nd"):
            return
        listed = re.split(r"\s(?:\\-|\\\(em|-)\s", line)[0]
        start = len(".Nm") if line.startswith(".Nm") else 0
        if not line.startswith(".") or start:
            for match in WORD.finditer(listed, start):
                yield offset + match.start(), match.group(0)
        if listed != line:
            return
        offset += len(line)


def check_page(path, text, declared, faults):
    """Check one page of section 3; return the names it documents."""
    parts = sections(text)
    for title in ("NAME", "SYNOPSIS"):
        if title not in parts:
            faults.add(path, 1, f"no {title} section")
            return set()
    start, body = parts["NAME"]
    synopsis = set(WORD.findall(parts["SYNOPSIS"][1]))
    page = os.path.splitext(os.path.basename(path))[0]
    documented = set()
    for offset, name in names_of(body):
        line = tree.line_of(text, start + offset)
        documented.add(name)
        if name == page and name not in declared:
            continue  # a page may be called after the family that it documents
        if name not in declared:
            faults.add(path, line, f"{name} is declared in no header")
        elif name not in synopsis:
            faults.add(path, line, f"{name} is not in the SYNOPSIS")
    return documented


def lint(root, pages, faults):
    """Let mandoc find what it warns of."""
    if not pages:
        return
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"] + pages, cwd=root,
                            capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        found = re.match(r"mandoc: ([^:]+):(\d+):\d+: (.*)", line)
        if found:
            faults.add(*found.groups())
        else:
            faults.add("docs/man", 0, line)


def main():
    """Check all pages."""
    root = sys.argv[1]
    faults = tree.Faults()
    declared = set()
    for header in tree.c_files(root, ["include"]):
        declared |= set(WORD.findall(tree.bare_c(tree.read(root, header))))
    pages = [os.path.relpath(page, root)
             for page in sorted(glob.glob(os.path.join(root, "docs/man/*.[1-9]")))]
    documented = set()
    for page in pages:
        if page.endswith(".3"):
            documented |= check_page(page, tree.read(root, page), declared, faults)
    for name, (header, line, is_function) in sorted(symbols.exports(root).items()):
        if is_function and not name.endswith("_") and name not in documented:
            faults.add(header, line, f"{name} has no manual page")
    lint(root, pages, faults)
    faults.finish()


main()
