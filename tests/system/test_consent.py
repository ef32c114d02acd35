"""Consent that moved while a node could not be reached: what was queued there from that human is not
given to anybody, and the sender's node says why; whoever is left tells it."""
from cable import *


def human(consent="granted", pressure=10):
    return {"presence": "focused", "affect": "calm", "clarity": 90, "pressure": pressure,
            "consent": consent}


def hcp(client, kind, to, payload, consent="granted", pressure=10, **params):
    return client.call("agent.send", {
        "protocol": "hcp", "type": kind, "to": to, "payload": payload,
        "state": {"human": human(consent, pressure)}, **params})["msg_id"]


def greet(client, pressure=10):
    return hcp(client, "HCP_HELLO", "*", {"identity": {"name": "x", "role": "y"},
                                          "consent_scope": ["topic:work"], "safety_flags": []},
               pressure=pressure)


def intent(client, to, **params):
    return hcp(client, "HCP_INTENT", to, {"goal": "align", "topic": "work", "priority": "normal"},
               **params)


def shown(node, client):
    try:
        return node.control.call("consent.show", {"human": client.attached["fingerprint"]})["human"]
    except Refused:
        return {}


def consents(node, client, consent):
    node.wait_until(f"consent is {consent} at {node.name}",
                    lambda: shown(node, client).get("consent") == consent)


def given(client, fence):
    """msg_ids of HCP that came before the message `fence` did."""
    found = []
    while True:
        envelope = client.wait_note("agent.message")["envelope"]
        if envelope["msg_id"] == fence:
            return found
        if "hcp" in envelope and envelope["type"] not in ("HCP_HELLO", "HCP_STATE_UPDATE"):
            found.append(envelope["msg_id"])


def known(node, names):
    node.wait_until(f"{node.name} knows all agents", lambda: {
        agent["agent_id"] for agent in node.control.call("agents.list")["agents"]} >= set(names))


def test_cable_is_pulled():
    own_network()
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    session = {"heartbeat_ms": 250, "timeout_ms": 1000}
    nodes = []
    with Cable() as cable:
        try:
            a = Node(scratch, "a", listen=["tcp:10.99.7.1:0"], session=session)
            nodes.append(a.start())
            b = Node(scratch, "b", listen=["tcp:10.99.7.2:0"], session=session, seeds=[a.address])
            b.command = [*cable.inside, WEB4D]
            nodes.append(b.start())
            ada, ben, bob = a.agent("ada"), b.agent("ben"), b.agent("bob")
            for node in nodes:
                known(node, ("ada", "ben", "bob"))
                for client in (ada, ben, bob):
                    node.control.call("trust.set", {
                        "subject": client.attached["fingerprint"], "state": "trusted"})
            greet(ada)
            greet(ben, pressure=90)
            consents(b, ada, "granted")
            consents(a, ben, "granted")
            waiting = [intent(ada, "ben") for _ in range(3)]
            waiting += [intent(ada, "ben", durable=True) for _ in range(2)]
            b.wait_until("they wait for ben", lambda: shown(b, ben).get("waiting", 0) >= 3)
            b.wait_until("the durable ones too", lambda: any(
                agent["agent_id"] == "ben" and agent["waiting"] >= 2
                for agent in b.control.call("agents.list")["agents"]))

            cable.pull()
            for node in nodes:
                node.wait_until("the cut is noticed", lambda: node.connected() == 0)
            ada.call("agent.human_state", human("revoked"))
            consents(a, ada, "revoked")
            assert shown(b, ada)["consent"] == "granted"
            cable.put_back()
            consents(b, ada, "revoked")

            # ben is at ease again: all that still waited would come now
            ben.call("agent.human_state", human())
            b.wait_until("he is at ease", lambda: shown(b, ben)["pressure"] == 10)
            for sender in (bob, ada):  # by the ways that the others would have come
                fence = propose(sender, f"fence of {sender.attached['fingerprint']}")
                assert given(ben, fence) == [], "from one who had taken consent back"
            assert not shown(b, ben).get("waiting"), shown(b, ben)
            for direction in (lambda: intent(ben, "ada"),
                              lambda: intent(ada, "ben", consent="revoked")):
                try:
                    direction()
                    raise AssertionError("it was let through")
                except Refused as no:
                    assert no.code == "consent_revoked", no
            print(f"{len(waiting)} words waited and were not given")
        except BaseException:
            for node in nodes:
                print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
            raise
        finally:
            for node in nodes:
                if node.process and node.process.poll() is None:
                    node.kill()
            shutil.rmtree(scratch, ignore_errors=True)


def test_author_is_gone():
    """ada's node dies after she has taken consent back; ben's was dead when she did. A third node
    knows, and was started anew since."""
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    addresses = {name: f"unix:{scratch}/{name}.sock" for name in "abr"}
    nodes = {name: Node(scratch, name, listen=[addresses[name]],
                        seeds=[addresses[other] for other in "abr" if other != name])
             for name in "abr"}
    a, b, r = nodes["a"], nodes["b"], nodes["r"]
    try:
        for node in nodes.values():
            node.start()
        ada, ben = a.agent("ada"), b.agent("ben")
        for node in (a, b):
            known(node, ("ada", "ben"))
            for client in (ada, ben):
                node.control.call("trust.set", {
                    "subject": client.attached["fingerprint"], "state": "trusted"})
        greet(ada)
        greet(ben, pressure=90)
        consents(b, ada, "granted")
        consents(a, ben, "granted")
        for _ in range(3):
            intent(ada, "ben", durable=True)
        b.wait_until("they are in its store", lambda: any(
            agent["agent_id"] == "ben" and agent["waiting"] == 3
            for agent in b.control.call("agents.list")["agents"]))
        b.kill()
        a.wait_until("b is gone", lambda: a.connected() == 1)
        ada.call("agent.human_state", human("revoked"))
        consents(r, ada, "revoked")
        a.kill()
        r.kill()
        r.start()
        assert shown(r, ada)["consent"] == "revoked", "it is the first thing that it knows"
        b.start()
        consents(b, ada, "revoked")
        ben = b.agent("ben")
        bob = b.agent("bob")
        b.control.call("trust.set", {"subject": bob.attached["fingerprint"], "state": "trusted"})
        ben.call("agent.human_state", human())
        assert given(ben, propose(bob, "a fence")) == [], "from one who had taken consent back"
        b.wait_until("nothing waits for ben", lambda: all(
            agent["agent_id"] != "ben" or agent["waiting"] == 0
            for agent in b.control.call("agents.list")["agents"]))
    except BaseException:
        for node in nodes.values():
            if os.path.exists(node.log_file):
                print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
        raise
    finally:
        for node in nodes.values():
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(scratch, ignore_errors=True)


main([test_author_is_gone, test_cable_is_pulled])
