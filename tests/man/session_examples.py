#!/usr/bin/env python3
"""Types the commands that web4-session(7) shows, on a terminal of 80 columns and between two nodes
that run the configuration it shows, and compares what comes with what stands there.

    session_examples.py PAGE [--show]    --show prints what the page ought to say

Numbers, times, ids and addresses are what they are: they count as the same. Widths of columns
follow them. Words, and what stands where, have to be those of the page."""
import json
import pathlib
import re
import shlex
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from terminal import Terminal, lines_of  # noqa: E402
from web4test import Mesh  # noqa: E402

UNITS = r"(?: (?:us|ms|s|min|h|d|B|KiB|MiB|GiB|%))*"
SAME = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"tcp:[0-9.]+:\d+"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "ID"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-\d+)?" + UNITS + r"(?![\w.])"), "N"),
    (re.compile(r"(?<=\s)-(?=\s|$)"), "N"),  # nothing to show: as good as a number
    (re.compile(r"\b(kept|unknown)\b"), "STATE"),
    (re.compile(r"\b(initiator|responder)\b"), "ROLE"),
    (re.compile(r"\s+"), " "),
]


def blocks(page):
    return re.findall(r"(?ms)^```\n(.*?)^```$", page)


def configurations(page):
    """All JSON objects of the page that configure something, as one."""
    merged = {}

    def merge(to, more):
        for name, value in more.items():
            if isinstance(value, dict) and isinstance(to.get(name), dict):
                merge(to[name], value)
            else:
                to[name] = value

    for block in blocks(page):
        if block.startswith("{\n"):
            merge(merged, json.loads(block))
    return merged


def commands(page):
    """(arguments, lines that are shown) of each command."""
    for block in blocks(page):
        if not block.startswith("$ web4ctl "):
            continue
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            line, _, shown = part.partition("\n")
            yield shlex.split(line)[1:], shown.rstrip("\n").split("\n")


def same(line):
    for pattern, word in SAME:
        line = pattern.sub(word, line)
    return line.strip()


def talk(north, south):
    ada, ben = north.agent("ada"), south.agent("ben")
    for node in (north, south):
        for client in (ada, ben):
            node.control.call("trust.set", {"subject": client.attached["fingerprint"],
                                            "state": "trusted"})
    north.wait_until("ben", lambda: len(north.control.call("agents.list")["agents"]) == 2)
    sent = ada.call("agent.send", {"type": "INTENT", "to": "ben", "channel": "state", "payload": {
        "goal": "ask", "topic": "tides", "priority": "normal", "context": "a trip"}})
    ada.wait_note("agent.delivery", lambda said: said["msg_id"] == sent["msg_id"])
    return ada, ben


def type_commands(page, node, same_line, show):
    """Types each command of the page at the node; (how many, what differs)."""
    faults, count = [], 0
    for arguments, shown in commands(page):
        count += 1
        terminal = Terminal("-s", node.control_socket, *arguments, NO_COLOR="1")
        status = terminal.end()
        said = lines_of(terminal.text.rstrip("\n"))
        if show:
            print("$ web4ctl", shlex.join(arguments))
            print("\n".join(said))
        if status != 0:
            faults.append("%s exits with %d: %s" % (arguments, status, said))
        elif [same_line(line) for line in said] != [same_line(line) for line in shown]:
            faults.append("web4ctl %s\n  page: %s\n  said: %s" % (
                " ".join(arguments), "\n        ".join(map(same_line, shown)),
                "\n        ".join(map(same_line, said))))
    return count, faults


def report(count, at_least, faults):
    print("\n".join(faults))
    print("%d commands, %d differences" % (count, len(faults)))
    return 1 if faults or count < at_least else 0


def check(page, show):
    config = configurations(page)
    with Mesh("north", "south", **{k: v for k, v in config.items() if k != "node"}) as mesh:
        north, south = mesh.nodes
        agents = talk(north, south)
        count, faults = type_commands(page, north, same, show)
        for client in agents:
            client.close()
    return report(count, 4, faults)


def main(arguments):
    return check(pathlib.Path(arguments[0]).read_text(encoding="utf-8"), "--show" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
