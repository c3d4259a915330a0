#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""layers.py ROOT - check that includes go down the list in src/layers.txt, never up; programs are
above it.
layers.py ROOT --link BUILD - check the same of calls: link each layer with lower ones only.

A layer includes "LAYER/x.h" of its own or an earlier layer, and "LAYER/x_impl.h" of its own only.
The second form links, for each layer, a throw-away shared object of all of that layer's archive
with the archives below it and -z defs, so that a name that only an upper layer has is missing.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import tree

PROGRAMS = ["command"]  # above all layers, and no part of the library
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]+[\"<]([^\">]+)[\">]", re.M)
NAMES_A_LINE = re.compile(r"undefined reference|multiple definition|:\d+:")


def check_includes(root, layers, faults):
    """Every include of every file below src/LAYER."""
    for path in tree.c_files(root, ["src"]):
        own = path.split(os.sep)[1]
        if own not in layers:
            faults.add(path, 1, f"{own} is not in src/layers.txt")
            continue
        text = tree.bare_c(tree.read(root, path), keep_strings=True)
        for match in INCLUDE.finditer(text):
            folder, _, name = match.group(1).rpartition("/")
            line = tree.line_of(text, match.start())
            folder = folder or own
            if folder in layers and layers.index(folder) > layers.index(own):
                faults.add(path, line, f"{own} includes {match.group(1)} of {folder}, above it")
            if name.endswith("_impl.h") and folder != own:
                faults.add(path, line, f"{own} includes {match.group(1)}, private to {folder}")


def external_libraries(build):
    """Return the linker's arguments for the libraries that are not ours."""
    with open(os.path.join(build, "meson-info", "intro-dependencies.json"),
              encoding="utf-8") as file:
        dependencies = json.load(file)
    arguments = ["-pthread"]
    for dependency in dependencies:
        if dependency["name"] != "cmocka":
            arguments += dependency["link_args"]
    # Those that pkg-config does not know stand in our own file for it alone.
    with open(os.path.join(build, "meson-private/eventer.pc"), encoding="utf-8") as file:
        private = re.search("^Libs.private:(.*)", file.read(), re.M).group(1)
    return arguments + [word for word in private.split() if word.startswith("-l")]


def check_calls(build, layers, faults):
    """Link each layer's archive with the lower ones only."""
    compiler = os.environ.get("CC", "cc").split()
    archives = [os.path.join(build, "src", f"libeventer_{layer}.a") for layer in layers]
    libraries = external_libraries(build)
    with tempfile.TemporaryDirectory() as scratch:
        for i, layer in enumerate(layers):
            command = compiler + ["-shared", "-o", os.path.join(scratch, "layer.so"),
                                  "-Wl,-z,defs", "-Wl,--whole-archive", archives[i],
                                  "-Wl,--no-whole-archive", *reversed(archives[:i]), *libraries]
            result = subprocess.run(command, capture_output=True, text=True, cwd=build,
                                    check=False)
            if result.returncode == 0:
                continue
            named = [line for line in result.stderr.splitlines() if NAMES_A_LINE.search(line)]
            faults.add(f"src/{layer}", 0, "does not link with the layers below it alone")
            print("\n".join(named or [result.stderr]))


def main():
    """Check includes, or calls."""
    root = sys.argv[1]
    layers = tree.read(root, "src/layers.txt").split()
    faults = tree.Faults()
    if sys.argv[2:3] == ["--link"]:
        check_calls(os.path.abspath(sys.argv[3]), layers, faults)
    else:
        check_includes(root, layers + PROGRAMS, faults)
    faults.finish()


main()
