#!/usr/bin/env python3
"""Is there a fuzz target for whatever reads bytes from outside?

check_parsers.py SOURCE PROGRAM...: the table SOURCE/tests/fuzz/parsers.txt against the headers, the
types of the family MESH, and the targets, given as the programs that replay their corpora. What a
target is said to go through has to be linked into it, and a target has to have seeds."""
import os
import re
import subprocess
import sys

READS = re.compile(r"_(parse|read|read_any|read_canonical|try_canonical|try_loose|canonical|recv|load"
                   r"|receive|decode|import)$")
TYPE = re.compile(r'W4_FAMILY_MESH,\s*"([A-Z_]+)"')


def texts(top, suffix):
    for folder, _, names in os.walk(top):
        for name in sorted(names):
            if name.endswith(suffix):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    yield file.read()


def readers(source):
    """Functions of the headers whose names say that they read, and the types that nodes send."""
    found = set()
    for part in ("lib", "daemon"):
        for text in texts(os.path.join(source, part), ".h"):
            bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
            for match in re.finditer(r"^[a-z][\w \*]*?\b(\w+)\(", bare, re.M):
                if READS.search(match.group(1)) and "_is_" not in match.group(1):  # that only asks
                    found.add(match.group(1))
    for text in texts(os.path.join(source, "lib", "envelope"), ".c"):
        found |= set(TYPE.findall(text))
    return found


def table(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                rows[words[0]] = words[1:]
    return rows


def symbols(program):
    out = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in out.splitlines() if line.strip()}


def main():
    source, programs = sys.argv[1], sys.argv[2:]
    targets = {os.path.basename(path)[len("replay_"):]: path for path in programs}
    linked = {name: symbols(path) for name, path in targets.items()}
    rows, found = table(os.path.join(source, "tests/fuzz/parsers.txt")), readers(source)
    faults = [f"{name} has no row" for name in sorted(found - set(rows))]
    faults += [f"{name} is not there" for name in sorted(set(rows) - found)]
    for name, named in rows.items():
        if not named or named == ["-"]:
            faults.append(f"{name} names no target, and no reason")
        for target in named if named[:1] != ["-"] else []:
            if target not in targets:
                faults.append(f"{name}: there is no target {target}")
            elif re.match(r"[a-z]", name) and name not in linked[target]:
                faults.append(f"{name}: the target {target} does not hold it")
    for target in targets:
        seeds = os.path.join(source, "tests/fuzz/corpus", target)
        if not os.path.isdir(seeds) or not os.listdir(seeds):
            faults.append(f"the target {target} has no seeds")
    print("\n".join(faults) or f"{len(rows)} readers, {len(targets)} targets")
    return 1 if faults or not found else 0


if __name__ == "__main__":
    sys.exit(main())
