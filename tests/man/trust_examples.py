#!/usr/bin/env python3
"""Types the commands that web4-trust(7) shows, in order, on a terminal of 80 columns at the node
north of the page, and compares what comes with what stands there.

    trust_examples.py PAGE [--show]    --show prints what the page ought to say

What counts as the same: see session_examples.py."""
import pathlib
import re
import sys

import session_examples as session
from web4test import Mesh


UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def same(line):
    return session.same(UUID.sub("ID", line))


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
    with Mesh("north", "south") as mesh:
        north, south = mesh.nodes
        agents = talk(north, south)
        count, faults = session.type_commands(page, north, same, show)
        for client in agents:
            client.close()
    return session.report(count, 6, faults)


if __name__ == "__main__":
    sys.exit(check(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), "--show" in sys.argv[2:]))
