#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""keys.py ROOT - check that the keys of a configuration which the code reads, those in the tables
of src/command/keys_*.c, and those in eventer.conf(5) are the same.

The code names a key in a literal that ends in @name or config/name, in INHERITED("name") where the
macro adds the @, in EITHER("name") where it is both, in CONF_ATTRIBUTE("name") or CONF_KEY("name"),
or where it looks into a merged <config>: a comparison with key, or mtev_hash_dict_get().  The page
names one in an item of a list: a row of one with columns, or a tag set in .Sy.
"""
import os
import re
import sys

import tree

TABLES = "src/command"
PAGE = "docs/man/eventer.conf.5"
ROW = re.compile(r'\{\s*"[^"]*",\s*"(@?\w+)",\s*KEY_\w+,?([^{}]*)')
WORDS = re.compile(r'\.words\s*=\s*"([^"]*)"')
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
ATTRIBUTE = re.compile(r"(?:^|[/: (])@([A-Za-z_]\w*)$")
CHILD = re.compile(r"(?:^|/)config/([A-Za-z_]\w*)$")
MACRO = re.compile(r"#define INHERITED\(\w+\)[^\n]*@")
INHERITED = re.compile(r'\bINHERITED\("([A-Za-z_]\w*)"\)')
EITHER = re.compile(r'\bEITHER\("([A-Za-z_]\w*)"\)')
MARKED = re.compile(r'\bCONF_ATTRIBUTE\("([A-Za-z_]\w*)"\)')
LOOKED_UP = re.compile(r'(?:\bCONF_KEY\(|\bstrn?cmp\((?:[\w.\[\]>-]*\b)?key, |'
                       r'\bmtev_hash_dict_get\([^,()]*, )"([A-Za-z_]\w*)"')
PROPERTY = re.compile(r'\{"(\w+)", &props\.')
ASKS = re.compile(r'#include\s+[<"](?:conf/\w+\.h|mtev_conf\.h)[">]|eventer_propset')
COLUMN = re.compile(r"^\.It (\w+)(?: Ns Ar KEY)? Ta ", re.M)
TAG = re.compile(r"^\.It Sy (\w+)(?: Ns Ar NAME)?", re.M)
HEAD = re.compile(r"\.It Sy \w+ Ta ")


def in_tables(root):
    """Return ({key: (path, line)}, {words that values may be})."""
    keys, words = {}, set()
    for path in tree.c_files(root, [TABLES]):
        text = tree.bare_c(tree.read(root, path), keep_strings=True)
        for match in ROW.finditer(text):
            keys.setdefault(match.group(1), (path, tree.line_of(text, match.start())))
            for listed in WORDS.findall(match.group(2)):
                words |= set(listed.split("|"))
    return keys, words


def in_code(root):
    """Return {key: (path, line)} of what the library reads."""
    keys = {}
    for path in tree.c_files(root, ["src"]):
        text = tree.bare_c(tree.read(root, path), keep_strings=True)
        found = [(match.start(), "@" + match.group(1)) for match in MARKED.finditer(text)]
        for offset, key in found:
            keys.setdefault(key, (path, tree.line_of(text, offset)))
        if path.startswith(TABLES) or not path.endswith(".c") or not ASKS.search(text):
            continue
        found = [(match.start(), "@" + attribute.group(1)) for match in STRING.finditer(text)
                 for attribute in ATTRIBUTE.finditer(match.group(1))]
        found += [(match.start(), child.group(1)) for match in STRING.finditer(text)
                  for child in CHILD.finditer(match.group(1))]
        found += [(match.start(), sign + match.group(1)) for match in EITHER.finditer(text)
                  for sign in ("@", "")]
        if MACRO.search(text):
            found += [(match.start(), "@" + match.group(1)) for match in INHERITED.finditer(text)]
        for pattern in (LOOKED_UP, PROPERTY):
            found += [(match.start(1), match.group(1)) for match in pattern.finditer(text)]
        for offset, key in found:
            keys.setdefault(key, (path, tree.line_of(text, offset)))
    return keys


def in_page(root):
    """Return {name: line} of what eventer.conf(5) lists, keys and words of values alike."""
    text = tree.read(root, PAGE)
    names = {}
    for pattern in (COLUMN, TAG):
        for match in pattern.finditer(text):
            if not HEAD.match(text, match.start()):
                names.setdefault(match.group(1), tree.line_of(text, match.start()))
    return names


# Kinds of values, which the page explains in a list of their own.
KINDS = {"number", "boolean", "text", "duration", "size"}


def main():
    """Compare the three."""
    root = sys.argv[1]
    faults = tree.Faults()
    keys, words = in_tables(root)
    code, page = in_code(root), in_page(root)
    for key in sorted(code.keys() - keys.keys()):
        faults.add(*code[key], f"the key {key} is in no table of {TABLES}")
    for key in sorted(keys.keys() - code.keys()):
        faults.add(*keys[key], f"the key {key} is read by nobody")
    for key in sorted(keys):
        if key.lstrip("@") not in page:
            faults.add(*keys[key], f"the key {key} is not in {PAGE}")
    known = {key.lstrip("@") for key in keys} | words | KINDS
    for name in sorted(page.keys() - known):
        faults.add(PAGE, page[name], f"{name} is no key of {TABLES}")
    if not keys:
        faults.add(TABLES, 0, "there are no keys at all")
    faults.finish()


main()
