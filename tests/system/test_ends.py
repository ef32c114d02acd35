"""What the sender of a message is told, two daemons apart: that it is held, and then its end, one and
the true one; of a durable message also when both nodes were killed in between."""
import signal

from test_durable import Pair
from web4test import *


def human(consent="granted", pressure=10):
    return {"presence": "focused", "affect": "calm", "clarity": 90, "pressure": pressure,
            "consent": consent}


def hcp(client, kind, to, payload, consent="granted", pressure=10, **params):
    return client.call("agent.send", {
        "protocol": "hcp", "type": kind, "to": to, "payload": payload,
        "state": {"human": human(consent, pressure)}, **params})["msg_id"]


def greet(client, **how):
    hcp(client, "HCP_HELLO", "*", {"identity": {"name": "x", "role": "y"},
                                   "consent_scope": ["topic:work"], "safety_flags": []}, **how)


def write(client, to, durable=True):
    return hcp(client, "HCP_CONTEXT", to, {"context": "so it is", "constraints": [],
                                           "shared_history": []}, durable=durable)


def knows(node, name):
    node.wait_until(f"{node.name} knows {name}", lambda: name in {
        agent["agent_id"] for agent in node.control.call("agents.list")["agents"]})


def consents(node, client, consent):
    def holds():
        who = client.attached["fingerprint"]
        humans = node.control.call("consent.list")["humans"]
        return any(h["human"] == who and h["consent"] == consent
                   for h in humans)
    node.wait_until(f"consent is {consent} at {node.name}", holds)


def told(client, msg_id):
    note = client.wait_note("agent.delivery", lambda params: params["msg_id"] == msg_id)
    return note["outcome"], note.get("code")


def acquainted(pair, pressure):
    ada, ben = pair.a.agent("ada"), pair.b.agent("ben")
    knows(pair.a, "ben")
    knows(pair.b, "ada")
    for node in (pair.a, pair.b):
        for client in (ada, ben):
            node.control.call("trust.set", {"subject": client.attached["fingerprint"],
                                            "state": "trusted"})
    greet(ada)
    greet(ben, pressure=pressure)
    consents(pair.a, ben, "granted")
    consents(pair.b, ada, "granted")
    return ada, ben


def restart(pair):
    for node in (pair.b, pair.a):
        node.kill()
    for node in (pair.a, pair.b):
        node.start()
    pair.meet()


def test_revoked_while_it_is_held():
    """He is under pressure, and takes consent back: she hears of it, though she was away."""
    with Pair() as pair:
        ada, ben = acquainted(pair, 90)
        first, second = write(ada, "ben"), write(ada, "ben")
        assert [told(ada, msg_id) for msg_id in (first, second)] == [("held", None)] * 2
        assert not any(note["method"] == "agent.message" and
                       note["params"]["envelope"]["msg_id"] in (first, second) for note in ben.notes)
        restart(pair)
        deaf = pair.b.agent("ben", subscribe=["agent.delivery"])
        consents(pair.b, deaf, "granted")
        deaf.call("agent.human_state", human("revoked", 90))
        pair.a.wait_until("the ends are there", lambda: pair.a.status()["durable"]["ends"] == 2)
        ada = pair.a.agent("ada")
        for msg_id in (first, second):
            assert told(ada, msg_id) == ("refused", "consent_revoked")
        assert pair.b.control.call("agents.list", {"local": True})["agents"][0]["waiting"] == 0


def test_given_in_the_end():
    """He is away; what is held is delivered when he is given it, however often the nodes died."""
    with Pair() as pair:
        ada, ben = acquainted(pair, 10)
        at_once = write(ada, "ben")
        assert told(ada, at_once) == ("delivered", None)
        ben.close()
        pair.a.wait_until("ben is away", lambda: not ada.call("peers.find", {"agent_id": "ben"})["agents"])
        msg_id = hcp(ada, "HCP_CONTEXT", ben.attached["fingerprint"],
                     {"context": "so it is", "constraints": [], "shared_history": []}, durable=True)
        assert told(ada, msg_id) == ("held", None)
        ada.close()
        restart(pair)
        ada = pair.a.agent("ada")
        ben = pair.b.agent("ben")
        assert told(ada, msg_id) == ("delivered", None)
        for wanted in (at_once, msg_id):
            note = ben.wait_note("agent.message", lambda m: m["envelope"]["msg_id"] == wanted)
            assert note.get("redelivered", False) == (wanted == at_once)


def test_blocked_there():
    """Her words are given up where she is blocked, while her node is down; it learns that later."""
    with Pair() as pair:
        ada, ben = acquainted(pair, 90)
        msg_id = write(ada, "ben")
        assert told(ada, msg_id) == ("held", None)
        pair.a.kill()
        pair.b.wait_until("a is gone", lambda: pair.b.connected() == 0)
        pair.b.control.call("trust.set", {"subject": ada.attached["fingerprint"],
                                          "state": "blacklisted"})
        ben.call("agent.human_state", human())
        pair.b.wait_until("it is given up", lambda: all(
            agent["waiting"] == 0 for agent in
            pair.b.control.call("agents.list", {"local": True})["agents"]))
        pair.a.start()
        ada = pair.a.agent("ada")
        assert told(ada, msg_id) == ("refused", "blacklisted")


def test_held_in_memory():
    """What is not durable waits there too, while he is under pressure; each end is told."""
    with Pair() as pair:
        ada, ben = acquainted(pair, 90)
        given, dropped, lost = ([], [], [])
        for kind in (given, dropped, lost):
            for _ in range(3):
                kind.append(write(ada, "ben", durable=False))
                assert told(ada, kind[-1]) == ("held", None)
            if kind is given:
                ben.call("agent.human_state", human("granted", 10))
                for msg_id in given:
                    assert told(ada, msg_id) == ("delivered", None)
                    ben.wait_note("agent.message", lambda m: m["envelope"]["msg_id"] == msg_id)
                ben.call("agent.human_state", human("granted", 90))
            elif kind is dropped:
                ben.call("agent.human_state", human("revoked", 90))
                for msg_id in dropped:
                    assert told(ada, msg_id) == ("refused", "consent_revoked")
                greet(ben, pressure=90)
                consents(pair.a, ben, "granted")
        ben.close()
        for msg_id in lost:
            assert told(ada, msg_id) == ("disconnected", "disconnected")


def test_no_room_there():
    """A fact takes effect there, and is not given to the agent that it was for, who has 256 waiting."""
    with Pair() as pair:
        ada, ben = acquainted(pair, 10)
        ben.call("agent.state", {"presence": "overloaded", "lri": 50})

        def propose_to_ben(n):
            return ada.call("agent.send", {"type": "FACT_PROPOSE", "to": "ben",
                                           "payload": fact_payload(f"fact {n}")})["msg_id"]
        waiting = [propose_to_ben(n) for n in range(256)]
        for msg_id in waiting:
            assert told(ada, msg_id) == ("held", None)
        refused = [propose_to_ben(n) for n in range(256, 259)]
        for msg_id in refused:
            assert told(ada, msg_id) == ("refused", "backpressure")
            assert pair.b.control.call("facts.show", {"fact": msg_id})["fact"]["state"] == "pending"
        ben.call("agent.state", {"presence": "focused", "lri": 50})
        for msg_id in waiting:  # in their order, and nothing between them
            note = ben.wait_note("agent.message",
                                 lambda m: m["envelope"]["type"] == "FACT_PROPOSE")
            assert note["envelope"]["msg_id"] == msg_id
            assert told(ada, msg_id) == ("delivered", None)


def test_taken_back_before_it_is_given():
    """More is said to an agent than it has room for, and consent taken back in the same breath: what it
    is not given leaves as much room for what others say as there was before."""
    with Mesh("north", limits={"client_queue_bytes": 65536}) as mesh:
        north, = mesh.nodes
        ada = north.agent("ada", subscribe=["agent.delivery"])
        ben = north.agent("ben", subscribe=["agent.message"])
        cho = north.agent("cho", subscribe=["agent.delivery"])
        to = ben.attached["fingerprint"]
        mesh.trust_all([ada, ben, cho])
        greet(ben)

        def call(kind, to, payload, consent):
            return json.dumps({"jsonrpc": "2.0", "id": kind, "method": "agent.send", "params": {
                "protocol": "hcp", "type": kind, "to": to, "payload": payload,
                "state": {"human": human(consent)}}}).encode() + b"\n"
        said = [call("HCP_CONTEXT", to, {"context": "x" * n}, "granted") for n in [1000] * 14 + [1] * 4]
        said.append(call("HCP_STATE_UPDATE", "*", human("revoked"), "revoked"))
        for _ in range(3):
            told(ada, hcp(ada, "HCP_HELLO", "*", {"identity": {"name": "x"}}))
            north.process.send_signal(signal.SIGSTOP)
            ada.send_raw(b"".join(said))
            north.process.send_signal(signal.SIGCONT)
            for _ in said:
                ada.wait_note("agent.delivery", lambda m: m["to"] == to)
            msg_id = cho.call("agent.send", {
                "type": "INTENT", "to": to,
                "payload": {"goal": "ask", "topic": "x" * 200, "priority": "low"}})["msg_id"]
            assert told(cho, msg_id) == ("delivered", None)


def test_gone_before_it_is_given():
    """An agent leaves while a message to it is in the hands of its node: its sender hears that it
    was not found, and is told delivered of nothing that it was not given."""
    with Mesh("north") as mesh:
        north, = mesh.nodes
        ada = north.agent("ada", subscribe=["agent.delivery"])
        ben = north.agent("ben", subscribe=["agent.message"])
        mesh.trust_all([ada, ben])
        for n in range(16):
            north.process.send_signal(signal.SIGSTOP)
            call = {"jsonrpc": "2.0", "id": f"send {n}", "method": "agent.send", "params": {
                "type": "INTENT", "to": ben.attached["fingerprint"],
                "payload": {"goal": "ask", "topic": "the tides", "priority": "low"}}}
            ada.send_raw(json.dumps(call).encode() + b"\n")
            ben.send_raw(b'{"jsonrpc":"2.0","id":"leave","method":"agent.detach"}\n')
            north.process.send_signal(signal.SIGCONT)
            until = time.monotonic() + DEADLINE
            given = []
            while (line := ben.line(until)).get("id") != "leave":
                given.append(line["params"]["envelope"]["msg_id"])
            assert line["result"] == {"detached": True}
            answer = ada.line(until)
            if "error" in answer:  # it had left before
                assert answer["error"]["data"]["code"] == "not_found" and not given, answer
            else:
                msg_id = answer["result"]["msg_id"]
                assert told(ada, msg_id) == (("delivered", None) if msg_id in given
                                             else ("refused", "not_found"))
            ben.close()
            ben = north.agent("ben", subscribe=["agent.message"])


if __name__ == "__main__":
    main([test_held_in_memory, test_revoked_while_it_is_held, test_given_in_the_end, test_blocked_there,
          test_no_room_there, test_taken_back_before_it_is_given, test_gone_before_it_is_given])
