#!/usr/bin/env python3
"""Types the commands that web4-trust(7) shows, in order, on a terminal of 80 columns at the node
north of the page, and compares what comes with what stands there.

    trust_examples.py PAGE [--show]    --show prints what the page ought to say

What counts as the same: see session_examples.py."""
import pathlib
import re
import shlex
import sys

import session_examples as session
from terminal import Terminal, lines_of
from web4test import Mesh


UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def same(line):
    return session.same(UUID.sub("ID", line))


def commands(page):
    """(arguments, lines that are shown) of each command."""
    for block in session.blocks(page):
        if not block.startswith("$ web4ctl "):
            continue
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            line, _, shown = part.partition("\n")
            yield shlex.split(line)[1:], shown.rstrip("\n").split("\n")


def talk(north, south):
    """ben of south greets ada of north with a question."""
    ada, ben = north.agent("ada"), south.agent("ben")
    for node in (north, south):
        node.wait_until("both", lambda: len(node.control.call("agents.list")["agents"]) == 2)
    sent = ben.call("agent.send", {"type": "INTENT", "to": "ada", "payload": {
        "goal": "ask", "topic": "tides", "priority": "normal", "context": "a trip"}})
    ben.wait_note("agent.delivery", lambda said: said["msg_id"] == sent["msg_id"])
    return ada, ben


def check(page, show):
    faults, count = [], 0
    with Mesh("north", "south") as mesh:
        north, south = mesh.nodes
        agents = talk(north, south)
        for arguments, shown in commands(page):
            count += 1
            terminal = Terminal("-s", north.control_socket, *arguments, NO_COLOR="1")
            status = terminal.end()
            said = lines_of(terminal.text.rstrip("\n"))
            if show:
                print("$ web4ctl", shlex.join(arguments))
                print("\n".join(said))
            if status != 0:
                faults.append("%s exits with %d: %s" % (arguments, status, said))
            elif [same(line) for line in said] != [same(line) for line in shown]:
                faults.append("web4ctl %s\n  page: %s\n  said: %s" % (
                    " ".join(arguments), "\n        ".join(map(same, shown)),
                    "\n        ".join(map(same, said))))
        for client in agents:
            client.close()
    print("\n".join(faults))
    print("%d commands, %d differences" % (count, len(faults)))
    return 1 if faults or count < 6 else 0


if __name__ == "__main__":
    sys.exit(check(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), "--show" in sys.argv[2:]))
