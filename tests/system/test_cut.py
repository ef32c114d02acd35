"""Two nodes in network namespaces of their own, and a cable between them that is pulled and put back
while facts are under way: the sessions heal by themselves, what was delivered came once, and what
was not has an outcome that says so."""
import threading

from cable import *

HEARTBEAT_MS = 250


class Stream(threading.Thread):
    """Proposes to one agent until it is stopped; keeps what was stored and what became of it."""

    def __init__(self, node, to):
        super().__init__()
        self.agent = node.agent("ada", subscribe=["agent.delivery"])
        self.fingerprint = self.agent.attached["fingerprint"]
        self.to, self.stored, self.outcomes, self.error = to, [], {}, None
        self.ending = threading.Event()

    def keep(self):
        for note in self.agent.notes:
            if note["method"] == "agent.delivery":
                self.outcomes.setdefault(note["params"]["msg_id"], []).append(note["params"])
        self.agent.notes.clear()

    def run(self):
        try:
            number = 0
            while not self.ending.is_set():
                number += 1
                try:
                    receipt = self.agent.call("agent.send", {
                        "type": "FACT_PROPOSE", "to": self.to,
                        "payload": fact_payload(f"fact {number}")})
                    assert receipt["stored"], receipt
                    self.stored.append(receipt["msg_id"])
                except Refused as refused:  # a code is an answer too; it promises nothing
                    assert refused.code in ("no_route", "queue_full", "backpressure",
                                            "rate_limited"), refused
                self.keep()
                self.ending.wait(0.005)
        except BaseException as error:
            self.error = error

    def outcomes_of_all(self):
        until = time.monotonic() + DEADLINE
        while set(self.stored) - set(self.outcomes):
            assert time.monotonic() < until, "without an outcome: %s" % (
                sorted(set(self.stored) - set(self.outcomes))[:5])
            message = self.agent.line(until)
            if "method" in message:
                self.agent.notes.append(message)
            self.keep()


def test_pulled_and_put_back():
    own_network()
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    session = {"heartbeat_ms": HEARTBEAT_MS, "timeout_ms": 4 * HEARTBEAT_MS}
    a = b = None
    with Cable() as cable:
        try:
            a = Node(scratch, "a", listen=["tcp:10.99.7.1:0"], session=session).start()
            b = Node(scratch, "b", listen=["tcp:10.99.7.2:0"], session=session,
                     seeds=[a.address])
            b.command = [*cable.inside, WEB4D]
            b.start()
            for node in (a, b):
                node.wait_until("they meet", lambda: node.connected() == 1)
            ben = b.agent("ben")
            a.wait_until("a knows ben", lambda: any(
                agent["agent_id"] == "ben" for agent in a.control.call("agents.list")["agents"]))
            stream = Stream(a, ben.attached["fingerprint"])
            for node in (a, b):
                for subject in (stream.fingerprint, ben.attached["fingerprint"]):
                    node.control.call("trust.set", {"subject": subject, "state": "trusted"})
            stream.start()
            for cut in range(3):
                wanted = len(stream.stored) + 20
                b.wait_until("facts flow", lambda: len(stream.stored) >= wanted)
                cable.pull()
                if cut != 1:  # the second cut is too short to be noticed
                    for node in (a, b):
                        node.wait_until("it is noticed", lambda: node.connected() == 0)
                cable.put_back()
                healing = time.monotonic()
                for node in (a, b):
                    node.wait_until("it heals", lambda: node.connected() == 1)
                print(f"cut {cut}: healed {time.monotonic() - healing:.1f} s after the cable was back")
                assert time.monotonic() - healing < 10
            stream.ending.set()
            stream.join()
            if stream.error:
                raise stream.error
            stream.outcomes_of_all()
            delivered = {i for i, said in stream.outcomes.items()
                         if said[-1]["outcome"] == "delivered"}
            for msg_id, said in stream.outcomes.items():
                assert len(said) == 1, said
                assert said[0]["outcome"] == "delivered" or said[0].get("code"), said
            facts = lambda node: [fact["id"] for fact in node.control.call(
                "facts.list", {"limit": 10000})["facts"]]
            here, there = facts(a), facts(b)
            assert len(here) == len(set(here)) and len(there) == len(set(there)), "doubled"
            assert set(stream.stored) <= set(here), "one that was stored is gone"
            assert delivered <= set(there), "one that was delivered is not there"
            marker = stream.agent.call("agent.send", {
                "type": "FACT_PROPOSE", "to": stream.to, "payload": fact_payload("the last one")})
            heard = []
            while not heard or heard[-1] != marker["msg_id"]:
                heard.append(ben.wait_note("agent.message")["envelope"]["msg_id"])
            assert len(heard) == len(set(heard)), "ben heard one twice"
            assert delivered <= set(heard), "ben did not hear one that was delivered"
            print(f"{len(stream.stored)} stored, {len(delivered)} delivered, {len(heard)} heard")
            assert len(delivered) >= 40, stream.outcomes
        except BaseException:
            for node in (a, b):
                if node:
                    print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
            raise
        finally:
            for node in (a, b):
                if node and node.process and node.process.poll() is None:
                    node.kill()
            shutil.rmtree(scratch, ignore_errors=True)


main([test_pulled_and_put_back])
