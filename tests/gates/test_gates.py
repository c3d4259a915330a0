#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: each gate goes red, naming file and line, when its rule is broken, and is else green.

Method: make a small tree that keeps every rule and see that each gate passes it; then, for each
rule, plant one violation in a copy of it and see that the gate fails and says where.
"""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT, BUILD = sys.argv[1], sys.argv[2]
TOOLS = os.path.join(ROOT, "tools")
SPDX = "/* SPDX-License-Identifier: MIT */\n"
LAYERS = "base\nlog\nhttp\n"
HEADER = SPDX + """#ifndef PLANTED_H
#define PLANTED_H
#define API_EXPORT(type) extern __attribute__((visibility("default"))) type
#ifdef __cplusplus
extern "C" {
#endif

API_EXPORT(int) planted_count(void);

#ifdef __cplusplus
}
#endif
#endif
"""
PAGE = """.TH planted_count 3 "2024-01-01"
.SH NAME
planted_count \\- count what was planted
.SH SYNOPSIS
.BI "int planted_count(void);"
.SH DESCRIPTION
It counts.
"""
KEYS_PAGE = """.\\" SPDX-License-Identifier: MIT
.Dd November 22, 2026
.Dt EVENTER.CONF 5
.Os
.Sh NAME
.Nm eventer.conf
.Nd keys
.Sh DESCRIPTION
.Bl -column "attribute" "kind"
.It Sy attribute Ta Sy kind
.It {} Ta number
.El
"""
READS = '#include "conf/conf.h"\nvoid read(void)\n{{\n    conf_get_int({});\n}}\n'
GOOD = {
    "include/planted.h": HEADER,
    "src/layers.txt": LAYERS,
    "src/base/a.h": SPDX + "int a_one(void);\n",
    "src/base/a.c": SPDX + '#include "base/a.h"\n\nint a_one(void)\n{\n    return 1;\n}\n',
    "docs/man/planted_count.3": PAGE,
    "docs/man/eventer.conf.5": KEYS_PAGE.format("port"),
    "src/command/keys_b.c": SPDX + 'const struct key b = {"b", "@port", KEY_NUMBER, .min = 0};\n',
    "src/log/read.c": SPDX + READS.format('"b/@port"'),
}

FORMAT = ["format", "--check", "TREE"]
TIDY = ["tidy.py", "TREE"]
INCLUDES = ["layers.py", "TREE"]
HEADERS = ["headers.py", "TREE"]
MAN = ["man.py", "TREE"]
KEYS = ["keys.py", "TREE"]


def function(name, lines):
    """Return a C function with that many lines in its body."""
    return f"int {name}(void)\n{{\n" + "    a_one();\n" * (lines - 1) + "    return 1;\n}\n"


def ifs(count):
    """Return a C function of complexity count + 1."""
    body = "".join(f"    if (n == {i})\n        return {i};\n" for i in range(count))
    return f"int a_branch(int n)\n{{\n{body}    return 0;\n}}\n"


# (what is planted, the gate, {path: text}, what the gate must say; None: it must pass)
CASES = [
    ("a wrong indent", FORMAT, {"src/base/b.c": SPDX + "int b;\n  int c;\n"}, "src/base/b.c:2:"),
    ("100 columns", TIDY, {"src/base/b.c": SPDX + "//" + "x" * 98 + "\n"}, None),
    ("101 columns", TIDY, {"src/base/b.c": SPDX + "//" + "x" * 99 + "\n"}, "src/base/b.c:2: 101"),
    ("a body of 70 lines", TIDY, {"src/base/b.c": SPDX + function("b_long", 70)}, None),
    ("a body of 71 lines", TIDY, {"src/base/b.c": SPDX + function("b_long", 71)},
     "src/base/b.c:3: b_long() has 71 lines"),
    ("a file of 800 lines", TIDY, {"src/base/b.c": SPDX + "int b;\n" * 799}, None),
    ("a file of 801 lines", TIDY, {"src/base/b.c": SPDX + "int b;\n" * 800},
     "src/base/b.c:801: 801 lines"),
    ("complexity 25", TIDY, {"src/base/b.c": SPDX + ifs(24)}, None),
    ("complexity 26", TIDY, {"src/base/b.c": SPDX + ifs(25)},
     "src/base/b.c:2: a_branch() has complexity 26"),
    ("no licence", TIDY, {"src/base/b.c": "int b;\n"}, "src/base/b.c:1: no SPDX"),
    ("two licences", TIDY, {"src/base/b.c": SPDX + SPDX}, "src/base/b.c:1: no SPDX"),
    ("no licence in a script", TIDY, {"tools/b": "#!/bin/sh\ntrue\n"}, "tools/b:1: no SPDX"),
    ("a tab", TIDY, {"src/base/b.c": SPDX + "int\tb;\n"}, "src/base/b.c:2: a tab"),
    ("trailing blanks", TIDY, {"docs/b.txt": "word \n"}, "docs/b.txt:1: trailing blanks"),
    ("a path of one machine", TIDY, {"docs/b.md": "see /ro" + "ot/x\n"}, "docs/b.md:1: names"),
    ("a banned function", TIDY, {"tests/b.c": SPDX + "int b = ato" + "i(\"1\");\n"},
     "tests/b.c:2: atoi() is banned"),
    ("a banned function in a comment", TIDY, {"src/base/b.c": SPDX + "/* strcpy(a, b) */\n"}, None),
    ("a banned function in a string", TIDY,
     {"src/base/b.c": SPDX + 'const char *b = "strcpy(a, b)";\n'}, None),
    ("malloc past the door", TIDY, {"src/base/b.c": SPDX + "void *b = malloc(1);\n"},
     "src/base/b.c:2: malloc() past base/alloc.h"),
    ("malloc in the door", TIDY, {"src/base/alloc.c": SPDX + "void *b = malloc(1);\n"}, None),
    ("malloc in an example", TIDY, {"examples/b.c": SPDX + "void *b = malloc(1);\n"}, None),
    ("a member called free", TIDY, {"src/base/b.c": SPDX + "int b = ops->free(1);\n"}, None),
    ("an include upward", INCLUDES, {"src/base/b.c": SPDX + '#include "log/x.h"\n'},
     "src/base/b.c:2: base includes log/x.h"),
    ("an include downward", INCLUDES, {"src/log/b.c": SPDX + '#include "base/a.h"\n'}, None),
    ("an include in a comment", INCLUDES, {"src/base/b.c": '/*\n#include "log/x.h"\n*/\n'}, None),
    ("a private header of another layer", INCLUDES,
     {"src/log/b.c": SPDX + '#include "base/a_impl.h"\n'},
     "src/log/b.c:2: log includes base/a_impl.h"),
    ("a private header of its own", INCLUDES,
     {"src/log/b.c": SPDX + '#include "log/b_impl.h"\n'}, None),
    ("a folder that is no layer", INCLUDES, {"src/attic/b.c": SPDX}, "src/attic/b.c:1: attic"),
    ("a header that needs another", HEADERS, {"include/b.h": "#pragma once\nsize_t b(void);\n"},
     "include/b.h:1: does not compile alone with gcc -std=gnu11"),
    ("a header without a guard", HEADERS, {"include/b.h": "struct b {\n    int c;\n};\n"},
     "include/b.h:1: does not compile alone with clang -std=gnu17"),
    ("a header that is no C++", HEADERS,
     {"include/b.h": "#pragma once\nstruct b {\n    int class;\n};\n"},
     "include/b.h:1: does not compile alone with clang++ -std=gnu++17"),
    ("a function without a page", MAN,
     {"include/b.h": "#pragma once\nAPI_EXPORT(void *)\nb_lost(int n);\n"},
     "include/b.h:2: b_lost has no manual page"),
    ("a page of a function that is gone", MAN,
     {"docs/man/b.3": PAGE.replace("planted_count", "b_gone")}, "docs/man/b.3:3: b_gone"),
    ("a name without a synopsis", MAN,
     {"docs/man/planted_count.3": PAGE.replace("int planted_count(void)", "int")},
     "docs/man/planted_count.3:3: planted_count is not in the SYNOPSIS"),
    ("a key that is in no table", KEYS, {"src/log/b.c": SPDX + READS.format('"b/@tls"')},
     "src/log/b.c:5: the key @tls is in no table"),
    ("a key below a macro", KEYS,
     {"src/log/b.c": SPDX + '#define INHERITED(name) "x/@" name\n' +
      READS.format('INHERITED("tls")')}, "src/log/b.c:6: the key @tls is in no table"),
    ("a key of a merged element", KEYS,
     {"src/log/b.c": SPDX + READS.format('strcmp(key, "tls")')},
     "src/log/b.c:5: the key tls is in no table"),
    ("a key that nobody reads", KEYS, {"src/log/read.c": SPDX},
     "src/command/keys_b.c:2: the key @port is read by nobody"),
    ("a key without words", KEYS, {"docs/man/eventer.conf.5": KEYS_PAGE.format("number")},
     "src/command/keys_b.c:2: the key @port is not in"),
    ("words without a key", KEYS,
     {"docs/man/eventer.conf.5": KEYS_PAGE.format("port Ta x\n.It gone")},
     "docs/man/eventer.conf.5:12: gone is no key"),
    ("a page with a fault", MAN, {"docs/man/b.5": PAGE + ".XX unknown macro\n"},
     "docs/man/b.5:8: "),
]


def write_tree(top, files):
    """Write {path: text} below top."""
    for path, text in files.items():
        path = os.path.join(top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def run(command, cwd=None):
    """Run a command; return (status, all that it printed)."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            cwd=cwd, check=False)
    return result.returncode, result.stdout


def gate(command, top):
    """Run a gate on the tree at top."""
    return run([os.path.join(TOOLS, command[0])]
               + [top if word == "TREE" else word for word in command[1:]])


def try_case(what, command, files, expected):
    """Return None, or what went wrong."""
    with tempfile.TemporaryDirectory(dir=BUILD) as top:
        write_tree(top, GOOD)
        write_tree(top, files)
        status, output = gate(command, top)
    if expected is None and status != 0:
        return f"{what}: {command[0]} is red:\n{output}"
    if expected is not None and status == 0:
        return f"{what}: {command[0]} is green"
    if expected is not None and expected not in output:
        return f"{what}: {command[0]} does not say '{expected}':\n{output}"
    return None


# A tiny project for the gates that look at what was built.
NAMES_PROJECT = {
    "include/planted.h": HEADER,
    "src/eventer.map": "EVENTER_0 {\n    global:\n        planted_count;\n"
                       "    local:\n        *;\n};\n",
    "planted.c": '#include "planted.h"\nint planted_count(void)\n{\n    return 1;\n}\n',
}


def build_names(top, extra, with_map=True):
    """Compile the tiny project into src/libeventer.{so,a}."""
    write_tree(top, {**NAMES_PROJECT, **extra})
    maps = ["-Wl,--version-script=src/eventer.map"] if with_map else []
    for command in (["gcc", "-fPIC", "-fvisibility=hidden", "-Iinclude", "-c", "planted.c"],
                    ["gcc", "-shared", "-o", "src/libeventer.so", "planted.o"] + maps,
                    [os.path.join(TOOLS, "prelink.sh"), "src/libeventer.a", "planted.o"]):
        status, output = run(command, top)
        if status != 0:
            raise RuntimeError(output)


def names_are_compared():
    """Plant differences between headers, map and libraries."""
    visible = ('\n__attribute__((visibility("default"))) int planted_leak(void)\n'
               "{\n    return 2;\n}\n")
    hidden = "\nint planted_inner(void);\nint planted_inner(void)\n{\n    return 3;\n}\n"
    source = NAMES_PROJECT["planted.c"]
    no_names = "EVENTER_0 {\n    local:\n        *;\n};\n"
    cases = [
        ({}, True, None),
        ({"planted.c": source + hidden}, True, None),
        ({"planted.c": source + visible}, True, "libeventer.a exports planted_leak"),
        ({"planted.c": source + visible}, False, "libeventer.so exports planted_leak"),
        ({"src/eventer.map": no_names}, True,
         "include/planted.h:9: planted_count is not in src/eventer.map"),
        ({"planted.c": "int planted_other;\n"}, True,
         "src/eventer.map:3: planted_count is not defined in libeventer.so"),
        ({"include/planted.h": "#pragma once\n", "planted.c": source.replace("#", "//")}, True,
         "src/eventer.map:3: planted_count is exported by no header"),
    ]
    for extra, with_map, expected in cases:
        with tempfile.TemporaryDirectory(dir=BUILD) as top:
            build_names(top, extra, with_map)
            status, output = gate(["symbols.py", "TREE", top], top)
        if (status == 0) != (expected is None) or (expected or "") not in output:
            return f"exported names: instead of '{expected}':\n{output}"
    return None


def map_is_written_anew():
    """Let --update write the map and compare it."""
    with tempfile.TemporaryDirectory(dir=BUILD) as top:
        write_tree(top, {**GOOD, "include/b.h": "API_EXPORT(void (*)(int)) b_hook;\n"
                         "API_EXPORT(const char *)\nb_names[3];\n"
                         "/* API_EXPORT(int) b_no(void); */\n"
                         "#define B(name) \\\n    API_EXPORT(int) b_##name(void);\n"})
        gate(["symbols.py", "--update", "TREE"], top)
        with open(os.path.join(top, "src/eventer.map"), encoding="utf-8") as file:
            words = [line.strip() for line in file if line.startswith("        ")]
    wanted = ["b_hook;", "b_names;", "planted_count;", "*;"]
    return None if words == wanted else f"symbols.py --update wrote {words}"


def calls_are_linked():
    """Plant a call upward between two layers' archives."""
    with tempfile.TemporaryDirectory(dir=BUILD) as top:
        write_tree(top, {**GOOD, "meson-info/intro-dependencies.json": "[]",
                         "meson-private/eventer.pc": "Libs.private: -pthread\n",
                         "base.c": "int log_up(void);\nint base_one(void);\n"
                                   "int base_one(void)\n{\n    return log_up();\n}\n",
                         "log.c": "int base_one(void);\nint log_up(void);\n"
                                  "int log_up(void)\n{\n    return base_one();\n}\n",
                         "http.c": "int log_up(void);\nint http_one(void);\n"
                                   "int http_one(void)\n{\n    return log_up();\n}\n"})
        for layer in LAYERS.split():
            run(["gcc", "-g", "-fPIC", "-c", layer + ".c"], top)
            run(["ar", "rcs", f"src/libeventer_{layer}.a", layer + ".o"], top)
        status, output = gate(["layers.py", "TREE", "--link", top], top)
    if status == 0 or "src/base:0:" not in output or "base.c:5: undefined" not in output:
        return f"a call upward is not named:\n{output}"
    if "src/log:" in output or "src/http:" in output:
        return f"a call downward is red:\n{output}"
    return None


def warnings_and_frames_are_errors():
    """Plant a warning and a large frame in a copy of the project whose layers are else empty."""
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        top = os.path.join(scratch, "tree")
        shutil.copytree(ROOT, top, ignore=lambda folder, names: [
            name for name in names if name == ".git" or
            (folder == ROOT and (name.startswith("build") or name in ("bench", "docs")))])
        with open(os.path.join(top, "src/layers.txt"), encoding="utf-8") as file:
            layers = file.read().split()
        for layer in layers:
            write_tree(top, {f"src/{layer}/meson.build": "layer_sources = files('planted.c')\n",
                             f"src/{layer}/planted.c": f"int {layer}_planted;\n"})
        frame = ("int use(char *);\nint {0}_frame(void);\nint {0}_frame(void)\n{{\n"
                 "    char bytes[{1}];\n    return use(bytes);\n}}\n")
        write_tree(top, {"src/base/planted.c": "char cut(int n);\nchar cut(int n)\n{\n"
                                               "    return n;\n}\n",
                         "src/aco/planted.c": frame.format("aco", 2000),
                         "src/coro/planted.c": frame.format("coro", 2000),
                         "src/http/planted.c": frame.format("http", 800)})
        status, output = gate(["compilers", "TREE", os.path.join(scratch, "out")], top)
    if status == 0:
        return "a warning and a large frame: compilers is green"
    for word in ("gcc -O0:", "gcc -O2:", "clang -O0:", "clang -O2:", "base/planted.c:4:",
                 "coro/planted.c:", "exceeds limit"):
        if word not in output:
            return f"compilers does not say '{word}':\n{output}"
    for word in ("aco/planted.c:", "http/planted.c:"):
        if word in output:
            return f"compilers names {word}, which keeps the rules:\n{output}"
    return None


def main():
    """Run every case; print the counts as the other test programs do."""
    results = [try_case("nothing", command, {}, None)
               for command in (FORMAT, TIDY, INCLUDES, HEADERS, MAN, KEYS)]
    results += [try_case(*case) for case in CASES]
    results += [names_are_compared(), map_is_written_anew(), calls_are_linked(),
                warnings_and_frames_are_errors()]
    failures = [result for result in results if result is not None]
    print("\n".join(failures))
    print(f"[  PASSED  ] {len(results) - len(failures)} test(s).")
    if failures:
        print(f"[  FAILED  ] {len(failures)} test(s), listed below:")
    sys.exit(1 if failures else 0)


main()
