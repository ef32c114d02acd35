"""Trust as an operator sees it: why one stands where it stands, with evidence; orders with who and
why; back to where it began; and all of it after a restart."""
import os

from web4test import *


def why(node, subject, kind="agent"):
    told = node.control.call("trust.why", {"subject": subject, "kind": kind})
    assert told["replay"]["agrees"], told
    assert told["replay"]["state"] == told["entry"]["state"], told
    assert told["replay"]["moves"] == len(told["history"]), told
    return told


def test_the_whole_history():
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada, ben = a.agent("ada"), b.agent("ben")
        who = ada.attached["fingerprint"]
        a.wait_until("ben", lambda: len(a.control.call("agents.list")["agents"]) == 2)
        b.wait_until("ada", lambda: len(b.control.call("agents.list")["agents"]) == 2)
        sent = ada.call("agent.send", {"type": "INTENT", "to": ben.attached["fingerprint"], "payload": {
            "goal": "ask", "topic": "tides", "priority": "normal", "context": "a trip"}})
        ada.wait_note("agent.delivery", lambda said: said["msg_id"] == sent["msg_id"])
        told = why(b, "ada")
        assert [m["to"] for m in told["history"]] == ["probing"], told
        first = told["history"][0]
        assert told["reason"] == "valid handshake, by ben, in message " + first["evidence"], told
        assert first["cause"] == "event" and first["event"] == "handshake" and not first["by_hand"]
        assert len(first["evidence"]) == 36, first  # the message that proved it is live

        # a doubt counts, and moves nothing yet
        b.control.call("trust.set", {"subject": "ben", "state": "trusted", "reason": "our own"})
        fact = propose(ada, "the moon is made of cheese")
        b.wait_fact(fact, "pending")
        doubt = ben.call("agent.send", {"type": "FACT_CHALLENGE", "to": "*", "payload": {
            "fact_ref": fact, "reason": "cannot_verify", "notes": "never been there"}})
        b.wait_fact(fact, "disputed")
        told = why(b, "ada")
        assert told["entry"]["state"] == "probing" and told["entry"]["counted"] == 1, told
        assert told["reason"].endswith("since then 1 of its facts could not be verified, and 3 move it")
        count = told["history"][1]
        assert (count["cause"], count["event"], count["counted"]) == ("count", "unverifiable", 1)
        assert count["evidence"] == doubt["msg_id"], count
        assert count["actor"] == ben.attached["fingerprint"], count

        # orders, with who and why
        me = "operator:uid %d" % os.getuid()
        said = b.control.call("trust.set", {"subject": "ada", "state": "blocked", "reason": "spam"})
        assert said["moved"] and said["entry"]["state"] == "blacklisted", said
        assert why(b, "ada")["reason"] == "ordered by %s: spam" % me
        last = why(b, "ada")["history"][-1]
        assert last["by_hand"] and last["cause"] == "hand" and last["reason"] == "spam", last
        assert last["actor"].startswith(me), last
        said = b.control.call("trust.reset", {"subject": "ada", "reason": "talked it over"})
        assert said["moved"] and said["entry"]["state"] == "untrusted", said
        assert "counted" not in said["entry"], said
        told = why(b, "ada")
        last = told["history"][-1]
        assert last["by_hand"] and last["cause"] == "reset", last
        assert last["reason"] == "talked it over" and last["actor"].startswith(me), last
        assert not b.control.call("trust.reset", {"subject": "ada"})["moved"]
        assert why(b, "ada") == told

        b.kill()
        b.start()
        # all of it by their names, before anybody has come back
        assert told["history"][1]["actor_name"] == "ben", told
        assert why(b, who) == dict(told, entry=b.control.call("trust.show", {"subject": who})["entry"])
        assert why(b, "ada") == why(b, who)
        assert why(b, who)["history"] == told["history"]


def test_anchors_are_where_it_begins():
    key = Key(b"an anchor")
    with Mesh("a", trust={"anchors": [{"fingerprint": key.fingerprint, "kind": "agent"}]}) as mesh:
        a = mesh.nodes[0]
        told = why(a, key.fingerprint)
        assert told["entry"]["state"] == "trusted" and told["entry"]["anchor"], told
        assert told["reason"].startswith("ordered by the configuration"), told
        assert told["history"][0]["actor"] == "anchor" and told["history"][0]["by_hand"], told
        a.control.call("trust.set", {"subject": key.fingerprint, "state": "blacklisted"})
        a.kill()
        a.start()
        assert why(a, key.fingerprint)["entry"]["state"] == "blacklisted"
        said = a.control.call("trust.reset", {"subject": key.fingerprint, "reason": "a mistake"})
        assert said["entry"]["state"] == "trusted", said
        assert [m["cause"] for m in why(a, key.fingerprint)["history"]] == ["hand", "hand", "reset"]
        # those of whom somebody spoke come first
        a.agent("ada")
        listed = a.control.call("trust.list")
        assert [(e["subject"] == key.fingerprint, e["rank"]) for e in listed["entries"]] == [
            (True, "ordered"), (False, "stranger")], listed
        assert listed["total"] == 2, listed
        # who was never met has nothing to go back to
        stranger = Key(b"a stranger")
        said = a.control.call("trust.reset", {"subject": stranger.fingerprint})
        assert not said["moved"] and said["entry"]["state"] == "untrusted", said
        assert why(a, stranger.fingerprint)["history"] == []
        assert why(a, stranger.fingerprint)["reason"] == "it was never met here"


def whom(node, other):
    """Whom the other says it trusts, as the node has heard it."""
    return {e["target"] for e in node.control.call("graph.show")["edges"]
            if (e["source"], e["relation"], e["active"]) == (other, "trusts", True)}


def test_introductions_are_told():
    """Each node's record says which nodes it trusts, as long as it does; nobody comes to be trusted
    by it, in however many steps."""
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ids = {n: n.status()["node"] for n in mesh}
        c.control.call("trust.set", {"subject": ids[b], "kind": "node", "state": "trusted"})
        b.control.call("trust.set", {"subject": ids[a], "kind": "node", "state": "trusted"})
        a.control.call("trust.set", {"subject": ids[c], "kind": "node", "state": "trusted"})
        a.wait_until("the word of c", lambda: whom(a, ids[c]) == {ids[b]})
        c.wait_until("the word of b", lambda: whom(c, ids[b]) == {ids[a]})
        assert why(a, ids[b], "node")["entry"]["state"] == "probing"
        assert why(c, ids[a], "node")["entry"]["state"] == "probing"
        c.control.call("trust.reset", {"subject": ids[b], "kind": "node"})
        a.wait_until("no word of c", lambda: whom(a, ids[c]) == set())
        assert why(c, ids[b], "node")["entry"]["state"] == "unknown"
        assert why(a, ids[b], "node")["entry"]["state"] == "probing"


def test_agents_of_a_blocked_node():
    """What is said to them is refused with the code that says why, durable or not; and so it is
    while nothing is left of the node but what this one remembers."""
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada, ben = a.agent("ada"), b.agent("ben")
        a.wait_until("ben", lambda: len(a.control.call("agents.list")["agents"]) == 2)
        to = ben.attached["fingerprint"]
        ask = {"type": "INTENT", "to": to, "payload": {
            "goal": "ask", "topic": "tides", "priority": "normal", "context": "a trip"}}
        sent = ada.call("agent.send", ask)
        ada.wait_note("agent.delivery", lambda said: said["msg_id"] == sent["msg_id"])
        seen = a.control.call("peers.show", {"peer": "b"})["peer"]["last_seen"]
        assert seen >= a.control.call("sessions.list")["sessions"][0]["opened_at"], seen
        before = a.status()["refusals"].get("peer_blocked", 0)
        a.control.call("peers.block", {"peer": "b", "reason": "spam"})
        for durable in (False, True):
            try:
                ada.call("agent.send", {**ask, "durable": durable})
                raise AssertionError("it was sent to a blocked node")
            except Refused as refused:
                assert refused.code == "peer_blocked", refused.error
                assert "not blocked here" in refused.error["message"], refused.error
        assert a.status()["refusals"]["peer_blocked"] >= before + 2, a.status()["refusals"]
        a.control.call("trust.set", {"subject": "b", "kind": "node", "state": "probing"})
        a.wait_until("b again", a.connected)
        sent = ada.call("agent.send", ask)
        ada.wait_note("agent.delivery", lambda said: said["msg_id"] == sent["msg_id"])


def last_seen(node, peer):
    return node.control.call("peers.show", {"peer": peer})["peer"]["last_seen"]


def test_names_of_those_who_are_away():
    """Each is known by the name it had last, also when it is away and its node is gone; a name of
    several is refused with those it may mean."""
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada = a.agent("ada")
        ben = b.agent("ben")
        a.wait_until("ben", lambda: len(a.control.call("agents.list")["agents"]) == 2)
        b.wait_until("ada", lambda: len(b.control.call("agents.list")["agents"]) == 2)
        first = ada.attached["fingerprint"]
        fact = propose(ada, "the tide turns at six")
        b.wait_fact(fact, "pending")
        assert why(b, "ada")["entry"]["subject"] == first and ben.attached
        home = a.status()["node"]
        seen = last_seen(b, "a")
        a.stop()
        b.wait_until("alone", lambda: not b.connected())
        for again in (False, True):
            if again:
                b.kill()
                b.start()
            listed = {e["subject"]: e.get("name") for kind in ("agent", "node")
                      for e in b.control.call("trust.list", {"kind": kind})["entries"]}
            assert (listed[first], listed[home]) == ("ada", "a"), listed
            told = why(b, "ada")["entry"]
            assert (told["subject"], told["name"]) == (first, "ada"), told
            assert why(b, "a", "node")["entry"]["subject"] == home
            assert last_seen(b, "a") >= seen, seen
            found = b.control.call("memory.query", {"author": "ada"})
            assert found["entries"] == [], found
        b.control.call("trust.set", {"subject": "ada", "state": "blocked"})
        # another who calls herself so
        second = b.agent("ada")
        other = second.attached["fingerprint"]
        assert other != first
        try:
            why(b, "ada")
            raise AssertionError("one of two was taken")
        except Refused as refused:
            said = refused.error["message"]
            assert refused.error["data"]["code"] == "not_found", refused.error
            assert first[:12] + " (blacklisted)" in said and other[:12] + " (probing)" in said, said
        assert why(b, first[:12])["entry"]["state"] == "blacklisted"
        second.close()
        try:
            why(b, "eve")
            raise AssertionError("there is no eve")
        except Refused as refused:
            assert refused.error["data"]["code"] == "not_found", refused.error


main([test_the_whole_history, test_anchors_are_where_it_begins,
      test_introductions_are_told, test_agents_of_a_blocked_node,
      test_names_of_those_who_are_away])
