#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""symbols.py --update ROOT - write src/eventer.map anew from the headers in include/.
symbols.py ROOT BUILD - check that headers, map and both libraries agree on what is exported.

A name is exported when a header declares it with API_EXPORT(type).
"""
import os
import re
import subprocess
import sys

import tree

NODE = "EVENTER_0"
MAP = "src/eventer.map"
MAP_NAME = re.compile(r"^\s*([A-Za-z_]\w*);", re.M)
AFTER_TYPE = re.compile(r"\s*(?:__attribute__\s*\(\(.*?\)\)\s*)*(\w+)\s*([(;\[,=]|__attribute__)")
# Linkers and sanitizers define these, whatever the source says.
NOT_OURS = re.compile(r"^(__odr_asan|__bss_start|_edata|_end|_init|_fini|EVENTER_\d+$)")


def without_macros(text):
    """Return bare C text with the preprocessor's own lines blanked."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  tree.bare_c(text), flags=re.M)


def closing(text, start):
    """Return the offset of the parenthesis that closes the one at start."""
    depth = 0
    for offset in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[offset], 0)
        if depth == 0:
            return offset
    return len(text) - 1


def exports(root):
    """Return {name: (header, line, is a function)} of all that the headers export."""
    found = {}
    for header in tree.c_files(root, ["include"]):
        text = without_macros(tree.read(root, header))
        for match in re.finditer(r"\bAPI_EXPORT\s*(\()", text):
            declared = AFTER_TYPE.match(text, closing(text, match.start(1)) + 1)
            if declared:
                found[declared.group(1)] = (header, tree.line_of(text, match.start()),
                                            declared.group(2) == "(")
    return found


def update(root):
    """Write the map."""
    names = "".join(f"        {name};\n" for name in sorted(exports(root)))
    with open(os.path.join(root, MAP), "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: MIT\n"
                   "# What libeventer exports, by name; `make map` writes it from the headers.\n"
                   f"{NODE} {{\n"
                   + (f"    global:\n{names}" if names else "")
                   + "    local:\n        *;\n};\n")


def defined(arguments):
    """Return the names that nm finds defined and global."""
    result = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix"] + arguments,
                            capture_output=True, text=True, check=True)
    names = {line.split()[0].partition("@")[0] for line in result.stdout.splitlines()
             if len(line.split()) > 1}
    return {name for name in names if not NOT_OURS.match(name)}


def check(root, build):
    """Compare all four lists."""
    faults = tree.Faults()
    text = tree.read(root, MAP)
    in_map = {match.group(1): tree.line_of(text, match.start(1))
              for match in MAP_NAME.finditer(text)}
    in_headers = exports(root)
    for name in sorted(in_headers.keys() - in_map.keys()):
        header, line, _ = in_headers[name]
        faults.add(header, line, f"{name} is not in {MAP} (make map writes it)")
    for name in sorted(in_map.keys() - in_headers.keys()):
        faults.add(MAP, in_map[name], f"{name} is exported by no header")
    for library, arguments in (("libeventer.so", ["--dynamic"]), ("libeventer.a", [])):
        names = defined(arguments + [os.path.join(build, "src", library)])
        for name in sorted(in_map.keys() - names):
            faults.add(MAP, in_map[name], f"{name} is not defined in {library}")
        for name in sorted(names - in_map.keys()):
            faults.add(MAP, 1, f"{library} exports {name}, which is not listed here")
    faults.finish()


if __name__ == "__main__":
    if sys.argv[1] == "--update":
        update(sys.argv[2])
    else:
        check(sys.argv[1], sys.argv[2])
