#!/usr/bin/env python3
"""Two nodes joined by tcp on this machine, the knowledge channel between them full of facts of a part
each: how long the heartbeats of both take, idle and full.

    WEB4D=.../web4d tests/bench/saturated.py [--seconds N] [--waiting N]

Prints one JSON object. In microseconds: medians of rtt_us as `web4ctl sessions` shows it, at the
worse of the two ends, idle and full, and the time that one part took on the channel while it was
full. The session stands, or this fails."""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from web4test import *

HEARTBEAT_MS = 100
PART = 15000  # with what is around it, one part
EACH = 16000  # facts of one agent that are open


def round_trips(nodes, seconds):
    """For each node what it says, once for each heartbeat."""
    found = [[] for _ in nodes]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        select.select([], [], [], HEARTBEAT_MS / 1000)
        for times, node in zip(found, nodes):
            session, = node.control.call("sessions.list")["sessions"]
            assert (session["state"], session["reconnects"]) == ("open", 0), session
            if "rtt_us" in session:
                times.append(session["rtt_us"])
    return found


def worse(found):
    return max(statistics.median(times) for times in found)


class Proposer:
    """An agent in a process of its own: so many of its facts are on their way until it is stopped."""

    def __init__(self, nodes, waiting):
        self.end, theirs = socket.socketpair()
        self.process = os.fork()
        if self.process == 0:
            self.end.close()
            told = self.work(nodes, waiting, theirs)
            theirs.sendall(str(told).encode())
            os._exit(0)
        theirs.close()
        assert self.end.recv(1) == b"!", "the agent does not come up"

    def begin(self):
        self.end.sendall(b"!")

    def stop(self):
        """How many were delivered."""
        self.end.shutdown(socket.SHUT_WR)
        told = self.end.recv(64)
        assert os.waitpid(self.process, 0)[1] == 0 and told, "something was not delivered"
        return int(told)

    @staticmethod
    def attach(nodes, number):
        client = nodes[0].agent(f"ada{number}", subscribe=["agent.delivery"])
        for node in nodes:
            control = Client(node.control_socket)
            control.call("trust.set", {"subject": client.attached["fingerprint"],
                                       "state": "trusted", "reason": "bench"})
            control.close()
        return client

    @classmethod
    def work(cls, nodes, waiting, end):
        client = cls.attach(nodes, 0)
        end.sendall(b"!")
        end.recv(1)
        sent = told = 0
        while not select.select([end], [], [], 0)[0]:
            while sent - told < waiting:
                payload = fact_payload(f"fact {sent}")
                payload["fact"]["context"] = "." * PART
                client.call("agent.send", {"type": "FACT_PROPOSE", "to": "*", "payload": payload})
                sent += 1
                if sent % EACH == 0:  # no more of one agent's may be open
                    for _ in range(sent - told):
                        cls.take(client)
                    told = sent
                    client.close()
                    client = cls.attach(nodes, sent // EACH)
            cls.take(client)
            told += 1
        return told

    @staticmethod
    def take(client):
        delivery = client.wait_note("agent.delivery")
        assert delivery["outcome"] == "delivered", delivery


def measure(seconds, waiting):
    session = {"heartbeat_ms": HEARTBEAT_MS, "timeout_ms": 15000}
    with Mesh("a", "b", session=session) as mesh:
        proposer = Proposer(mesh.nodes, waiting)
        round_trips(mesh.nodes, 1)  # it is smoothed: what was before goes
        idle = worse(round_trips(mesh.nodes, max(1, seconds / 4)))
        began = time.monotonic()
        proposer.begin()
        round_trips(mesh.nodes, 1)
        full = worse(round_trips(mesh.nodes, seconds))
        took, facts = time.monotonic() - began, proposer.stop()
        round_trips(mesh.nodes, 0.2)
    assert facts > 0
    return {"idle_us": idle, "full_us": full, "part_us": took * 1e6 / facts,
            "facts_per_s": facts / took}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--waiting", type=int, default=64)
    arguments = parser.parse_args()
    print(json.dumps(measure(max(1, arguments.seconds), max(1, arguments.waiting))))
