#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""embed.py OUTPUT FILE... - write a C header with the text of each file, less its licence line, as
{"name", "text"}.
"""
import os
import sys

output, *paths = sys.argv[1:]
with open(output, "w", encoding="utf-8") as header:
    for path in paths:
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if "SPDX-License" not in line]
        header.write(f'{{"{os.path.basename(path)}",\n')
        for line in lines:
            escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            header.write(f'"{escaped}"\n')
        header.write("},\n")
