#!/usr/bin/env python3
"""One node with ten neighbours, one of which stands still in every other round: what the other nine
get of the node's messages, and how soon, with and without it. Paired: the rounds take turns.

    WEB4D=.../web4d tests/bench/standstill.py [--rounds N] [--ticks N]

Prints one JSON object: medians of the rounds' p50 and p95, in microseconds, with the one that stands
still and (reference) without, and of the ratios of a round and the one before it."""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from web4test import *

PEERS = 10
QUEUE = 16  # of what waits for one peer: it overflows soon
BYTES = 2000


class Crowd:
    """Use as a context."""

    def __init__(self, **sla):
        self.limits = {"queue_messages": QUEUE, **sla}
        self.scratch = tempfile.mkdtemp(prefix="web4-test-")
        self.nodes = []

    def __enter__(self):
        try:
            self.hub = self.start("hub", session={
                "timeout_ms": 600000, "channels": {"state": self.limits}})
            for number in range(PEERS):
                self.start(f"peer{number}", listen=[], seeds=[self.hub.address],
                           session={"timeout_ms": 600000})
            self.hub.wait_until("all are there", lambda: self.hub.connected() == PEERS)
            self.still = self.nodes[1]
            self.still_name = self.still.status()["node"]
            self.ada = self.hub.agent("ada", subscribe=["agent.delivery"])
            for node in self.nodes:
                node.control.call("trust.set", {
                    "subject": self.ada.attached["fingerprint"], "state": "trusted"})
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start(self, name, **config):
        self.nodes.append(Node(self.scratch, name, **config))
        return self.nodes[-1].start()

    def __exit__(self, kind, *_):
        for node in self.nodes:
            if kind is not None:
                print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def tell_all(self):
        receipt = self.ada.call("agent.send", {"type": "STATE_UPDATE", "to": "*", "payload": {
            "presence": "focused", "lri": 5, "ltppeerstate": "trusted", "kernel_signals": [],
            "intent": "x" * BYTES}})
        assert receipt["recipients"] == PEERS, receipt
        return receipt["msg_id"]

    def tick(self, outcomes):
        """One message to all; how long it took to each of the nine, in seconds. What became of
        those for the tenth goes to outcomes."""
        began = time.monotonic()
        msg_id = self.tell_all()
        took = []
        while len(took) < PEERS - 1:
            told = self.ada.wait_note("agent.delivery")
            if told["to"] == self.still_name:
                outcomes.append((told["outcome"], told.get("code")))
                continue
            assert told["msg_id"] == msg_id and told["outcome"] == "delivered", told
            took.append(time.monotonic() - began)
        return took

    def hear_of_tenth(self, outcomes, count):
        while len(outcomes) < count:
            told = self.ada.wait_note("agent.delivery")
            assert told["to"] == self.still_name, told
            outcomes.append((told["outcome"], told.get("code")))

    def round(self, ticks, stopped):
        """(times of all messages to the nine, what became of those to the tenth)."""
        if stopped:
            self.still.process.send_signal(signal.SIGSTOP)
        times, outcomes = [], []
        for number in range(1, ticks + 1):
            times += self.tick(outcomes)
            if not stopped:
                self.hear_of_tenth(outcomes, number)  # it may be slow, and is not to be left behind
        if stopped:
            self.still.process.send_signal(signal.SIGCONT)
        self.hear_of_tenth(outcomes, ticks)
        return times, outcomes


def percentile(times, of_100):
    return sorted(times)[min(len(times) - 1, len(times) * of_100 // 100)] * 1e6


class Figures:
    """Of rounds in turns."""

    def __init__(self):
        self.p50, self.p95 = {False: [], True: []}, {False: [], True: []}
        self.refused = 0

    def take_turns(self, crowd, rounds, ticks):
        for number in range(2 * rounds):
            stopped = number % 2 == 1
            times, outcomes = crowd.round(ticks, stopped)
            self.p50[stopped].append(percentile(times, 50))
            self.p95[stopped].append(percentile(times, 95))
            refused = outcomes.count(("refused", "backpressure"))
            assert refused + outcomes.count(("delivered", None)) == ticks, outcomes
            assert refused > 0 or not stopped, outcomes  # it may be slow to come back
            self.refused += refused

    def ratio(self, by):
        return statistics.median(beside / alone for beside, alone in zip(by[True], by[False]))

    def summary(self):
        found = {"rounds": len(self.p95[True]), "refused": self.refused}
        for name, by in (("p50", self.p50), ("p95", self.p95)):
            found.update({name + "_us": statistics.median(by[True]),
                          f"reference_{name}_us": statistics.median(by[False]),
                          name + "_ratio": self.ratio(by)})
        return found


def measure(rounds, ticks):
    figures = Figures()
    with Crowd() as crowd:
        crowd.round(ticks, False)  # they get acquainted
        figures.take_turns(crowd, rounds, ticks)
    return figures.summary()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--ticks", type=int, default=100)
    arguments = parser.parse_args()
    print(json.dumps(measure(max(1, arguments.rounds), max(QUEUE * 8, arguments.ticks))))
