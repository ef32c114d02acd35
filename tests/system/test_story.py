"""The story of the demo, over the documented sockets: three nodes agree on a fact; one dies and
comes back; forged and replayed envelopes are refused."""
from web4test import *


def test_three_nodes_agree():
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ada, ben, cho = a.agent("ada"), b.agent("ben"), c.agent("cho")
        mesh.trust_all([ada, ben, cho])
        fact = propose(ada, "water boils at 100 C at sea level")
        for node in mesh:
            node.wait_fact(fact, "pending")
        confirm(ben, fact)
        for node in mesh:
            node.wait_until("one voice", lambda: len(node.fact(fact)["confirmations"]) == 1)
            assert node.fact(fact)["state"] == "pending"
        confirm(cho, fact)
        for node in mesh:
            node.wait_fact(fact, "accepted")
            names = {voice["agent_id"] for voice in node.fact(fact)["confirmations"]}
            assert names == {"ben", "cho"}, names

        b.kill()
        a.wait_until("b is gone", lambda: a.connected() == 1)
        b.start()
        for node in mesh:
            node.wait_until("healed", lambda: node.connected() == 2)
        assert b.fact(fact)["state"] == "accepted"
        assert {v["agent_id"] for v in b.fact(fact)["confirmations"]} == {"ben", "cho"}
        trusted = [e for e in b.control.call("trust.list", {"kind": "agent"})["entries"]
                   if e["state"] == "trusted"]
        assert len(trusted) == 3, trusted

        # and it goes on: a second fact, with the restarted node's agent attached anew
        ben = b.agent("ben")
        fact = propose(ada, "ice melts at 0 C")
        b.wait_fact(fact, "pending")
        c.wait_fact(fact, "pending")
        confirm(ben, fact)
        confirm(cho, fact)
        for node in mesh:
            node.wait_fact(fact, "accepted")


def test_forged_and_replayed():
    with Mesh("a", "b") as mesh:
        a, b = mesh
        key = Key(b"\x07" * 32)
        client = Client(a.agent_socket)
        client.call("agent.attach", {"agent_id": "dan", "key": key.pubkey})
        good = envelope(key, "dan", "FACT_PROPOSE", fact_payload("signed elsewhere"))
        forged = {**good, "payload": fact_payload("signed by nobody")}
        for document, code in ((forged, "bad_signature"), (good, None), (good, "replay")):
            try:
                client.call("agent.submit", {"envelope": document})
                assert code is None, code
            except Refused as refused:
                assert refused.code == code, refused
        old = envelope(key, "dan", "FACT_PROPOSE", fact_payload("late"), timestamp=timestamp(-301))
        try:
            client.call("agent.submit", {"envelope": old})
            raise AssertionError("a stale one was taken")
        except Refused as refused:
            assert refused.code == "stale", refused
        # a replay is known after a restart too
        a.kill()
        a.start()
        client = Client(a.agent_socket)
        client.call("agent.attach", {"agent_id": "dan", "key": key.pubkey})
        try:
            client.call("agent.submit", {"envelope": good})
            raise AssertionError("a replay was taken after the restart")
        except Refused as refused:
            assert refused.code == "replay", refused


def test_collusion_stays_pending():
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ada, ben, bob, cho = a.agent("ada"), b.agent("ben"), b.agent("bob"), c.agent("cho")
        mesh.trust_all([ada, ben, bob])
        fact = propose(ada, "the moon is a lamp")
        for node in mesh:
            node.wait_fact(fact, "pending")
        confirm(ben, fact)
        confirm(bob, fact)  # on the same node: not independent
        confirm(cho, fact)  # not trusted
        try:
            confirm(ada, fact)  # the proposer itself: refused, or without weight
        except Refused:
            pass
        for node in mesh:
            node.wait_until("three voices",
                            lambda: len(node.fact(fact)["confirmations"]) >= 3)
            shown = node.fact(fact)
            assert shown["state"] == "pending", shown
            assert shown["missing"], shown


main([test_three_nodes_agree, test_forged_and_replayed, test_collusion_stays_pending])
