"""SIGKILL at random moments during a stream of facts: what was acknowledged as stored is there
afterwards, and nothing is counted twice."""
import threading

from web4test import *

ROUNDS = int(os.environ.get("W4_TEST_ROUNDS", "12"))


def stream(node, stored, stop):
    """Proposes until the connection ends; keeps what the node has acknowledged."""
    try:
        agent = node.agent("ada")
        number = 0
        while not stop.is_set():
            number += 1
            receipt = agent.call("agent.send", {"type": "FACT_PROPOSE", "to": "*",
                                                "payload": fact_payload(f"fact {number}")})
            assert receipt["stored"], receipt
            stored.append(receipt["msg_id"])
    except (OSError, ConnectionError, TimeoutError):
        pass


def test_nothing_acknowledged_is_lost():
    chance = random.Random(SEED)
    with Mesh("a", "b", limits={"facts_max": 1000000, "accepts_per_s": 10000}) as mesh:
        a, b = mesh
        stored = []
        ada = a.agent("ada")
        b.control.call("trust.set", {"subject": ada.attached["fingerprint"], "state": "trusted"})
        ada.close()
        for round_number in range(ROUNDS):
            stop = threading.Event()
            thread = threading.Thread(target=stream, args=(a, stored, stop))
            before = len(stored)
            thread.start()
            wanted = before + chance.randrange(1, 40)
            until = time.monotonic() + DEADLINE
            while len(stored) < wanted and time.monotonic() < until:
                select.select([], [], [], 0.001)
            a.kill()
            stop.set()
            thread.join()
            assert len(stored) > before, f"round {round_number}: nothing was stored\n{a.log()}"
            a.start()
            ids = [f["id"] for f in a.facts()]
            assert len(ids) == len(set(ids)), "a fact is there twice"
            lost = set(stored) - set(ids)
            assert not lost, f"round {round_number}: {len(lost)} of {len(stored)} lost"
        b.wait_until("b has them", lambda: b.status()["facts"]["pending"] >= 1)
        ids = [f["id"] for f in b.facts()]
        assert len(ids) == len(set(ids))


def test_votes_count_once():
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ada, ben, cho = a.agent("ada"), b.agent("ben"), c.agent("cho")
        mesh.trust_all([ada, ben, cho])
        fact = propose(ada, "one voice, one vote")
        b.wait_fact(fact, "pending")
        confirm(ben, fact)
        b.kill()
        b.start()
        for node in mesh:
            node.wait_until("all peers", lambda: node.connected() == 2)
        ben = b.agent("ben")
        try:
            confirm(ben, fact)
        except Refused:
            pass
        for node in mesh:
            node.wait_until("ben's voice", lambda: node.fact(fact)["confirmations"])
            shown = node.fact(fact)
            assert len(shown["confirmations"]) == 1, shown
            assert shown["state"] == "pending", shown


main([test_nothing_acknowledged_is_lost, test_votes_count_once])
