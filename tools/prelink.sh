#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# prelink.sh OUT.a ARCHIVE... - make a static library that is one object whose hidden symbols are
# local, so that a program linked with it sees the same names as with the shared library.
# LD, OBJCOPY and AR name other tools than binutils' own (for cross builds).
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: prelink.sh OUT.a ARCHIVE..." >&2
    exit 2
fi
out=$1
shift
name=${out##*/lib}
object=$out.p/${name%.a}.o # the member's name is what nm(1) and backtraces show
mkdir -p "$out.p"
trap 'rm -rf "$out.p"' EXIT

"${LD:-ld}" -r -o "$object" --whole-archive "$@"
"${OBJCOPY:-objcopy}" --localize-hidden "$object"
rm -f "$out"
"${AR:-ar}" rcsD "$out" "$object"
