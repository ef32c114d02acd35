#!/usr/bin/env python3
"""Holds the man pages to the tables of the programs.

    check.py tables DUMP MAN      entries of the pages against what the program DUMP prints
    check.py self-test DUMP MAN   shows that a difference on either side is found
    check.py render MAN           every page renders without a warning
    check.py examples MAN WEB4CTL every example envelope passes `web4ctl envelope verify`
    check.py usage MAN WEB4D      options of web4d(8) against web4d --help
    check.py listing MAN CHECK    web4-transport-check(1) against its --help and --list

An entry is a line "*name* (form)" or "*name*" with an indented paragraph behind it. Its form says
kind, bounds and whether it must be there, and is compared word by word; what is said about it is
for people. Python 3, standard library only. Exit status: 0 good, 1 not, 77 nothing to check with.
"""

import copy
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

COUNT_MAX = 9007199254740991
COMMON = "Members of every envelope"
FAMILY_SECTIONS = {"cip": "CIP", "hcp": "HCP", "lip": "LIP", "mesh": "MESH"}

# ---- the words for a row ------------------------------------------------------------------------


def number(value):
    return str(int(value)) if value == int(value) else str(value)


def bounds(row, unit):
    low, high = row["min"], row["max"]
    if low == 0 and high == 0:
        return ""
    if low == high:
        return number(low) + unit
    if low == 0 and unit:
        return "at most " + number(high) + unit
    return number(low) + " to " + number(high) + unit


def joined(*parts):
    return ", ".join(part for part in parts if part)


def form(row):
    kind = row["kind"]
    if kind == "any":
        return row.get("form", "any value")
    if kind in ("integer", "number"):
        if kind == "integer" and row["min"] == 0 and row["max"] == COUNT_MAX:
            return "count"
        return joined(kind, bounds(row, ""))
    if kind == "string":
        known = row.get("form")
        if known and known not in ("label", "printable", "agent_id"):
            return known
        return joined(known or "string", bounds(row, " bytes"))
    if kind == "enum":
        names = row["names"]
        return "always " + names[0] if len(names) == 1 else "one of " + " ".join(names)
    if kind == "array":
        return "array of " + bounds(row, " ").strip() + ": " + form(row["items"])
    if kind == "map":
        return "object with at most %s members of free names: %s" % (
            number(row["max"]), form(row["items"]))
    if kind == "object":
        return row["shape"] + " object" if "shape" in row else "object"
    return kind


def escaped(text):
    """As scdoc wants it outside of markup: * and _ stand for themselves only where escaped."""
    text = text.replace("\\", "\\\\").replace("*", "\\*")
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def entries(rows, tail, prefix=""):
    """One head for each row and each member of it, in order: (path, head, row)."""
    found = []
    for row in rows:
        path = prefix + row["name"]
        head = "*%s* (%s)" % (path, escaped(joined(form(row), tail(row))))
        found.append((path, head, row))
        inner, mark = row, ""
        while inner["kind"] in ("array", "map") and "items" in inner:
            inner, mark = inner["items"], mark + ("[]" if inner["kind"] == "array" else ".NAME")
        if "members" in inner:
            found += entries(inner["members"], tail, path + mark + ".")
    return found


def presence(row):
    return "required" if row["required"] else "optional"


def config_tail(row):
    if row["kind"] == "object":
        return ""
    if row["required"] or row["default"] is None and row.get("inner"):
        return presence(row)
    default = "no fixed default" if row["default"] is None else "default " + row["default"]
    return joined(default, "restart" if row["restart"] else "live")


def prepared_config(rows, inner=False):
    """Rows of elements have no default and no word of their own about restarts."""
    for row in rows:
        row.setdefault("default", None)
        row["inner"] = inner
        if "members" in row:
            prepared_config(row["members"], inner)
        if "members" in row.get("items", {}):
            prepared_config(row["items"]["members"], True)
    return rows


def option_text(option):
    value = " _%s_" % option["value"] if "value" in option else ""
    letter = "*-%s*, " % option["letter"] if option["letter"] else ""
    return "%s*--%s*%s" % (letter, option["name"], value)


def command_head(command):
    parts = ["*%s*" % command["name"]]
    parts += ["[%s]" % option_text(dict(o, letter="")) for o in command["options"]]
    for argument in command["arguments"]:
        text = "_%s_" % argument["name"] + ("..." if argument["repeats"] else "")
        parts.append("[%s]" % text if argument["optional"] else text)
    return " ".join(parts)


# ---- what the pages must say: {page: {(section, heading, label): [(name, head, row)]}} ----------


def expected(tables):
    rpc, protocols, config, ctl = {}, {}, {}, {}
    for method in tables["methods"]:
        section = "METHODS OF THE %s SOCKET" % method["socket"].upper()
        for label in ("params", "result"):
            rpc[section, method["name"], label.capitalize()] = entries(method[label], presence)
    for n in tables["notifications"]:
        rows = [] if "shape" in n else entries(n["params"], presence)
        rpc["NOTIFICATIONS", n["name"], "Params"] = rows
    for name, rows in tables["shapes"].items():
        rpc["OBJECTS", name, "Members"] = entries(rows, presence)
    rpc["EVENTS", "", ""] = [
        (e["name"], "*%s* (%s)" % (e["name"], escaped(e["members"])), e) for e in tables["events"]]

    families = tables["families"]
    common = [r for r in families["mesh"] if all(
        r["name"] in [o["name"] for o in rows] for rows in families.values()) and r["name"] != "type"]
    protocols["THE ENVELOPE", COMMON, "Members"] = entries(common, presence)
    for family, rows in families.items():
        rest = [r for r in rows if r["name"] not in [c["name"] for c in common]]
        section = FAMILY_SECTIONS[family]
        protocols[section, "Members around the payload", "Members"] = entries(rest, presence)
    for t in tables["types"]:
        key = FAMILY_SECTIONS[t["family"]], t["name"], "Payload (channel %s)" % t["channel"]
        protocols[key] = entries(t["payload"], presence)
    protocols["ORDER OF CHECKS", "", ""] = [
        (s["name"], "*%s* (%s)" % (s["name"], s["codes"] or "no code"), s)
        for s in tables["stages"]]
    protocols["REFUSAL CODES", "", ""] = [
        (r["name"], "*%s*" % r["name"], r) for r in tables["refusals"]]

    config["MEMBERS", "", ""] = entries(prepared_config(tables["config"]), config_tail)

    ctl["OPTIONS", "", ""] = [(o["name"], option_text(o), o) for o in tables["options"]]
    ctl["COMMANDS", "", ""] = [(c["name"], command_head(c), c) for c in tables["commands"]]
    of_commands, users = {}, {}
    for command in tables["commands"]:
        for option in command["options"]:
            of_commands[option["name"]] = option
            users.setdefault(option["name"], []).append(command["name"])
    ctl["OPTIONS OF COMMANDS", "", ""] = [
        (name, "%s (%s)" % (option_text(o), ", ".join(users[name])), o)
        for name, o in of_commands.items()]

    trust = {("THE HISTORY", "", ""): [(c["name"], "*%s*" % c["name"], c)
                                       for c in tables["trust_causes"]],
             ("WHO IS FORGOTTEN", "", ""): [
                 (r["name"], "*%s* (%s places)" % (r["name"], r["places"] or "all"), r)
                 for r in tables["trust_ranks"]]}
    return {"web4-rpc.7": rpc, "web4-protocols.7": protocols, "web4d.json.5": config,
            "web4ctl.1": ctl, "web4-trust.7": trust}


# Sections in which every second-level heading stands for something in a table.
CLOSED = {
    "web4-rpc.7": {"METHODS OF THE CONTROL SOCKET", "METHODS OF THE AGENT SOCKET", "NOTIFICATIONS",
                   "OBJECTS"},
    "web4-protocols.7": set(),
    "web4d.json.5": set(),
    "web4ctl.1": set(),
    "web4-trust.7": set(),
}
LABEL = re.compile(r"^(Params|Result|Members|Payload \(channel [a-z]+\)):( none\.| .*object\.)?$")


def parse(text):
    """{(section, heading, label): [(name, head)]} of a page, without its literal blocks."""
    found, section, heading, label, literal = {}, "", "", "", False
    lines = text.split("\n")
    for line, following in zip(lines, lines[1:] + [""]):
        if line.strip() == "```":
            literal = not literal
        if literal:
            continue
        if line.startswith("# "):
            section, heading, label = line[2:].strip(), "", ""
        elif line.startswith("## "):
            heading, label = line[3:].strip(), ""
        elif LABEL.match(line):
            label = line.split(":")[0]
        elif line.startswith("*") and following.startswith("\t"):
            name = re.match(r"\*([^*]*)\*", line)
            found.setdefault((section, heading, label), []).append(
                (name.group(1) if name else line, line.strip()))
            continue
        else:
            continue
        found.setdefault((section, heading, label), [])
    return found


def compare_page(page, want, text):
    faults, have = [], parse(text)
    for key, rows in want.items():
        where = "%s: %s" % (page, " / ".join(part for part in key if part))
        if key not in have:
            faults.append("%s: no such place on the page" % where)
            continue
        told = have[key]
        heads = [head for _, head in told]
        for name, head, _ in rows:
            if heads.count(head) > 1:
                faults.append("%s: told twice: %s" % (where, head))
            if head in heads:
                continue
            other = [h for n, h in told if h.split(" (")[0] == head.split(" (")[0]]
            faults.append("%s: missing: %s%s" % (
                where, head, "; the page has: %s" % other[0] if other else ""))
        known = [head for _, head, _ in rows]
        names = [head.split(" (")[0] for head in known]
        faults += ["%s: not in the program: %s" % (where, h) for h in heads
                   if h not in known and h.split(" (")[0] not in names]
    headings = {(s, h) for s, h, _ in want}
    for section, heading, label in have:
        closed = section in CLOSED[page] or label and section in {s for s, _ in headings}
        if heading and closed and (section, heading) not in headings:
            faults.append("%s: %s / %s: not in the program" % (page, section, heading))
    return faults


# ---- the tables of trust ------------------------------------------------------------------------


def trust_rows(text, heading):
    """Cells of the first scdoc table under a heading, row by row, without the row of titles."""
    part = text.split("\n%s\n" % heading, 1)
    rows = []
    for line in part[1].split("\n") if len(part) == 2 else []:
        if line.startswith("#"):
            break
        if line[:1] in "[|]" and line:
            rows.append([line[1:].lstrip("[]- ").strip()])
        elif line.startswith(":") and rows:
            rows[-1].append(line[1:].lstrip("[]- ").strip())
    return [[cell.strip("*") for cell in row] for row in rows[1:]]


def number_on_page(number):
    return format(number, ",") if number > 9999 else str(number)


def compare_trust(tables, text):
    """Tables of web4-trust(7), the first cells of each row, and numbers with the words behind them."""
    want = {}
    for kind, heading in (("agent", "## Agents"), ("node", "## Nodes"), ("human", "## Humans")):
        want[heading] = [[r["from"], r["event"], r["to"] + (", cooldown %d s" % r["cooldown_s"]
                                                            if r["cooldown_s"] else ""), r["reason"]]
                         for r in tables["trust"][kind]]
    want["# STATES"] = [[s["name"], s["node"], s["human"]] for s in tables["trust_states"]]
    want["# BLAME"] = [[o["name"], "signer" if o["signer"] else "nobody",
                        "carrier" if o["carrier"] else "nobody"] for o in tables["trust_offences"]]
    faults = []
    for heading, rows in want.items():
        have = [row[:len(rows[0])] for row in trust_rows(text, heading)]
        faults += ["web4-trust.7: %s: missing: %s" % (heading, r) for r in rows if r not in have]
        faults += ["web4-trust.7: %s: not in the program: %s" % (heading, r) for r in have
                   if r not in rows]
    joined_lines = re.sub(r"\s+", " ", text)
    faults += ["web4-trust.7: not said: %s %s" % (number_on_page(number), words)
               for words, number in tables["trust_bounds"].items()
               if "%s %s" % (number_on_page(number), words) not in joined_lines]
    return faults


def compare(tables, pages, wanted=None):
    faults = []
    for page, want in (wanted or expected(copy.deepcopy(tables))).items():
        faults += compare_page(page, want, pages[page])
    return faults + compare_trust(tables, pages["web4-trust.7"])


# ---- commands -----------------------------------------------------------------------------------


def read_pages(folder):
    return {path.name[:-len(".scd")]: path.read_text(encoding="utf-8")
            for path in sorted(pathlib.Path(folder).glob("*.scd"))}


def read_tables(program):
    return json.loads(subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout)


def report(faults):
    for fault in faults:
        print(fault)
    print("%d differences" % len(faults))
    return 1 if faults else 0


def self_test(tables, pages):
    """Each planted difference, on the page and in the tables, must be found."""
    missed, tried = [], 0
    if compare(tables, pages):
        print("the pages differ as they stand: see the test of the tables")
        return 1

    want = expected(copy.deepcopy(tables))

    def plant(what, changed_tables, changed_pages):
        nonlocal tried
        tried += 1
        same = changed_tables is tables
        if not compare(changed_tables, changed_pages, want if same else None):
            missed.append(what)

    for page, places in want.items():
        for key, rows in places.items():
            for _, head, _ in rows[:1] + rows[-1:]:
                gone = pages[page].replace("\n" + head + "\n", "\nsomething else\n")
                plant("%s %s: entry taken from the page: %s" % (page, key, head), tables,
                      dict(pages, **{page: gone}))
                more = pages[page].replace("\n" + head + "\n", "\n*planted*\n\tIt.\n\n" + head + "\n")
                plant("%s %s: entry added to the page" % (page, key), tables,
                      dict(pages, **{page: more}))
                if "(" in head:
                    other = pages[page].replace(head, head.replace("(", "(other, "))
                    plant("%s %s: other form: %s" % (page, key, head), tables,
                          dict(pages, **{page: other}))
    for name in ("methods", "notifications", "events", "refusals", "stages", "types", "commands",
                 "options", "config", "trust_causes", "trust_ranks", "trust_offences", "trust_states"):
        changed = copy.deepcopy(tables)
        changed[name].pop()
        plant("row taken from " + name, changed, pages)
        changed = copy.deepcopy(tables)
        changed[name].append(dict(copy.deepcopy(changed[name][0]), name="planted"))
        plant("row added to " + name, changed, pages)
    for kind in tables["trust"]:
        changed = copy.deepcopy(tables)
        changed["trust"][kind].pop()
        plant("row taken from trust of " + kind, changed, pages)
        changed = copy.deepcopy(tables)
        changed["trust"][kind][0]["to"] = "elsewhere"
        plant("row changed in trust of " + kind, changed, pages)
        changed = copy.deepcopy(tables)
        changed["trust"][kind][-1]["reason"] = "a whim"
        plant("reason changed in trust of " + kind, changed, pages)
    for words in tables["trust_bounds"]:
        changed = copy.deepcopy(tables)
        changed["trust_bounds"][words] += 1
        plant("other bound: " + words, changed, pages)
    for fault in missed:
        print("not found: " + fault)
    print("%d planted differences, %d not found" % (tried, len(missed)))
    return 1 if missed or tried < 50 else 0


def render(folder):
    scdoc, man = shutil.which("scdoc"), shutil.which("man")
    if scdoc is None:
        print("scdoc is not installed")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in read_pages(folder).items():
            done = subprocess.run([scdoc], input=text.encode(), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            said = done.stdout.decode(errors="replace") if done.returncode != 0 else ""
            if done.returncode == 0 and man is not None:
                path = pathlib.Path(scratch) / name
                path.write_bytes(done.stdout)
                shown = subprocess.run(
                    [man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(path)],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
                said = shown.stderr.decode(errors="replace")
                if shown.returncode != 0 or len(shown.stdout) < 500:
                    said += "man exits with %d" % shown.returncode
            if said:
                failed += 1
                print("%s: %s" % (name, said))
    print("%d pages, %d with warnings%s" % (
        len(read_pages(folder)), failed, "" if man else " (no man: scdoc only)"))
    return 1 if failed else 0


def literal_blocks(text):
    return re.findall(r"(?ms)^```\n(.*?)^```$", text)


def check_configurations(pages, web4ctl):
    """Each JSON object that configures something is one that web4d takes."""
    faults, count = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for page in ("web4d.json.5", "web4-session.7"):
            for block in literal_blocks(pages[page]):
                if not block.startswith("{\n"):
                    continue
                path = pathlib.Path(scratch) / "web4d.json"
                path.write_text(block, encoding="utf-8")
                done = subprocess.run([web4ctl, "config", "check", str(path)],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                count += 1
                if done.returncode not in (0, 4):
                    faults.append("%s: refused: %s%s" % (page, done.stdout.decode(), block))
    print("%d configurations" % count)
    return faults + ([] if count >= 3 else ["too few configurations were found"])


def examples(folder, web4ctl):
    pages = read_pages(folder)
    text = pages["web4-protocols.7"]
    types, signed_bytes, canonical = set(), [], set()
    faults = check_configurations(pages, web4ctl)
    for block in literal_blocks(text):
        if not block.lstrip().startswith("{") or '"msg_id"' not in block:
            continue
        if '"sign"' not in block:
            signed_bytes.append(block.strip())
            continue
        done = subprocess.run([web4ctl, "envelope", "verify"], input=block.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            faults.append("refused: %s%s" % (done.stderr.decode(), block))
            continue
        envelope = json.loads(done.stdout)
        canonical.add(re.sub(r'"sign":{[^}]*},', "", done.stdout.decode().strip()))
        types.add((next(f for f in FAMILY_SECTIONS if f in envelope), envelope["type"]))
        forged = block.replace('"msg_id": "', '"msg_id": "a', 1)
        if subprocess.run([web4ctl, "envelope", "verify"], input=forged.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode != 1:
            faults.append("a change of it is not refused: " + block)
    for family, section in FAMILY_SECTIONS.items():
        own = text.split("\n# %s\n" % section)[1].split("\n# ")[0]
        faults += ["no example of %s %s" % (section, heading)
                   for heading in re.findall(r"(?m)^## ([A-Z_]+)$", own)
                   if (family, heading) not in types]
    faults += ["not the bytes of an example: " + b for b in signed_bytes if b not in canonical]
    if not signed_bytes:
        faults.append("no example of the bytes that are signed")
    print("%d types with an example" % len(types))
    return report(faults)


def usage(folder, web4d):
    said = subprocess.run([web4d, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
    said = set(re.findall(r"--[a-z-]+", said.split("\n\n")[0]))
    page = read_pages(folder)["web4d.8"]
    told = {"--" + n for s, rows in parse(page).items() if s[0] == "OPTIONS"
            for n in re.findall(r"--([a-z-]+)", " ".join(head for _, head in rows))}
    return report(["web4d.8: OPTIONS: only on one side: " + o for o in sorted(said ^ told)]
                  + ([] if len(said) >= 4 else ["web4d --help names no options"]))


def said_by(program, option):
    return subprocess.run([program, option], stdout=subprocess.PIPE, check=True).stdout.decode()


def plain(text):
    return re.sub(r"[\\*_]", "", re.sub(r"\s+", " ", text)).strip().rstrip(".").lower()


def listing(folder, program):
    page = read_pages(folder)["web4-transport-check.1"]
    entries_of = {}
    for section, rest in re.findall(r"(?ms)^# ([A-Z ]+)$(.*?)(?=^# |\Z)", page):
        for head, help in re.findall(r"(?m)^(\*\S.*)\n((?:\t.*\n)+)", rest):
            entries_of.setdefault(section, []).append((plain(head), plain(help)))
    options = re.findall(r"(?m)^  (--[a-z]+(?: [A-Z]+)?)  ", said_by(program, "--help"))
    rules = said_by(program, "--list").split("Rules:\n")[1]
    rules = [(name, plain(help)) for name, help in re.findall(r"(?m)^  (\S+) +(.*)$", rules)]
    told = [row for section in ("LINKS AND BOUNDS", "FRAMES UNDER FAULTS", "SESSIONS")
            for row in entries_of.get(section, [])]
    faults = []
    if [plain(o) for o in options] != [head for head, _ in entries_of.get("OPTIONS", [])]:
        faults.append("web4-transport-check.1: OPTIONS and --help: not the same, or in another order")
    known = [(plain(name), help) for name, help in rules]
    faults += ["web4-transport-check.1: not in the program: %s" % name for name, help in told
               if (name, help) not in known]
    faults += ["web4-transport-check.1: missing: %s: %s" % row for row in known if row not in told]
    return report(faults + ([] if len(rules) > 40 else ["--list names hardly any rules"]))


def main(arguments):
    calls = {"tables": (2, lambda a: report(compare(read_tables(a[0]), read_pages(a[1])))),
             "self-test": (2, lambda a: self_test(read_tables(a[0]), read_pages(a[1]))),
             "render": (1, lambda a: render(a[0])),
             "examples": (2, lambda a: examples(a[0], a[1])),
             "listing": (2, lambda a: listing(a[0], a[1])),
             "usage": (2, lambda a: usage(a[0], a[1]))}
    if not arguments or arguments[0] not in calls or len(arguments) != calls[arguments[0]][0] + 1:
        print(__doc__, file=sys.stderr)
        return 2
    return calls[arguments[0]][1](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
