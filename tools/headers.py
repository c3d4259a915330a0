#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""headers.py ROOT [BUILD] - check that each public header compiles alone, in C and C++, read twice.

BUILD is a build folder, for headers that are written when the library is configured.
"""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import tree

LANGUAGES = [(["gcc"], "c", "gnu11"), (["gcc"], "c", "gnu17"), (["g++"], "c++", "gnu++17"),
             (["clang"], "c", "gnu11"), (["clang"], "c", "gnu17"), (["clang++"], "c++", "gnu++17")]
FLAGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]


def compile_alone(job):
    """Compile one header in one language; return (header, language, output or None)."""
    root, folders, header, (compiler, language, standard) = job
    line = f'#include "{os.path.relpath(header, "include")}"\n'
    command = compiler + FLAGS + ["-x", language, "-std=" + standard, *folders, "-"]
    result = subprocess.run(command, cwd=root, input=line + line, capture_output=True, text=True,
                            check=False)
    name = f"{compiler[0]} -std={standard}"
    return header, name, None if result.returncode == 0 else result.stderr


def main():
    """Compile every header in every language, two at a time."""
    root = sys.argv[1]
    folders = ["-Iinclude"] + [f"-I{os.path.join(build, 'include')}" for build in sys.argv[2:]]
    faults = tree.Faults()
    headers = [path for path in tree.c_files(root, ["include"]) if path.endswith(".h")]
    jobs = [(root, folders, header, language) for header in headers for language in LANGUAGES]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for header, language, output in pool.map(compile_alone, jobs):
            if output is not None:
                faults.add(header, 1, f"does not compile alone with {language}")
                print(output.rstrip())
    faults.finish()


main()
