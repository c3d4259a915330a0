# SPDX-License-Identifier: MIT
"""What the checks share: the files of a tree, C text without comments, printing of faults."""
import os
import re
import sys

C_FOLDERS = ("include", "src", "tests", "examples", "bench", "fuzz")
NOT_OURS = re.compile(r"^(build[^/]*|\.git|prefix|fuzz/corpus|tests/data)$")
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def files(root, folders=None):
    """Yield the paths of the tree's files relative to root, sorted; folders limits where."""
    for top in folders or [""]:
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            subfolders[:] = sorted(name for name in subfolders if not NOT_OURS.match(
                os.path.relpath(os.path.join(folder, name), root)))
            for name in sorted(names):
                yield os.path.relpath(os.path.join(folder, name), root)


def c_files(root, folders=C_FOLDERS):
    """Yield the C sources and headers of the folders."""
    return (path for path in files(root, folders) if path.endswith((".c", ".h")))


def read(root, path):
    """Return the text of a file, or None if it is no text."""
    with open(os.path.join(root, path), "rb") as file:
        content = file.read()
    if b"\0" in content:
        return None
    return content.decode("utf-8", "replace")


def bare_c(text, keep_strings=False):
    """Return C text with comments and (unless kept) strings blanked; lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if keep_strings and token[0] in "\"'":
            return token
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(blank, text)


def line_of(text, offset):
    """Return the number of the line at offset."""
    return text.count("\n", 0, offset) + 1


class Faults:
    """Collects faults, prints each as file:line: what, and knows the exit status."""

    def __init__(self):
        self.count = 0

    def add(self, path, line, what):
        """Print one fault."""
        self.count += 1
        print(f"{path}:{line}: {what}")

    def finish(self):
        """Print how many there were and end the program."""
        if self.count:
            print(f"{self.count} fault{'s' if self.count > 1 else ''}")
        sys.exit(1 if self.count else 0)
