"""Nodes that prove who they are and then lie about everything else."""
import threading

from hostile_peer import *


def test_frames_that_end_the_session():
    frames = {
        "an unknown type": ((99, 0, 0, 0, b""), "unsupported_version"),
        "a relayed one": ((7, 0, 0, 0, b""), "unsupported_version"),
        "an unknown flag": ((PING, 0x40, 0, 0, b""), "unsupported_version"),
        "data for the session": ((DATA, FIN, 0, 0, b"x"), "not_found"),
        "too long a part": ((DATA, FIN, CONTROL, 0, bytes(16385)), "too_large"),
        "an empty part": ((DATA, 0, CONTROL, 0, b""), "unsupported_version"),
        "an ACK of what was never sent": ((ACK, 0, KNOWLEDGE, 10 ** 9, CREDIT),
                                          "unsupported_version"),
        "another session": ((OPEN, 0, 0, 0, bytes(16)), "auth_failure"),
    }
    with Mesh("a") as mesh:
        for what, (frame, code) in frames.items():
            peer = HostileNode(mesh.nodes[0]).open()
            try:
                peer.send(frame)
                peer.ask_on()
                raise AssertionError(f"{what} was taken")
            except ConnectionError as error:
                assert str(error) == code, (what, error)
            peer.close()
        # who did not say that they know channels by number does not speak on one
        peer = HostileNode(mesh.nodes[0]).open()
        peer.send((DATA, FIN, 4, 0, b"x"))
        try:
            peer.ask_on()
            raise AssertionError("a channel was taken that was not agreed on")
        except ConnectionError as error:
            assert str(error) == "not_found", error
        peer.close()
        peer = HostileNode(mesh.nodes[0])
        peer.features = ["channels"]
        peer.open()
        peer.send((99, 0x80, 77, 0, b"of a later version"))
        peer.answered()
        # data on a channel that nobody opened costs that channel, not the session
        for channel in 4, 65534, 65535:
            peer.send((DATA, FIN, channel, 0, b"x"))
            answers = []
            while not answers:
                answers = [frame for frame in peer.record() if frame[0] == CLOSE_CHANNEL]
            assert [frame[2] for frame in answers] == [channel], (channel, answers)
            code = answers[0][4]
            assert code[1:1 + code[0]] == b"not_found", answers
        peer.answered()
        # three records in a row that do not authenticate; two of them change nothing
        for _ in range(2):
            peer.send_frame(bytes(1) + os.urandom(60))
        peer.answered()
        for _ in range(3):
            peer.send_frame(bytes(1) + os.urandom(60))
        try:
            peer.ask_on()
            raise AssertionError("records that do not authenticate were let pass")
        except OSError:
            pass


def count_calls(sink, hits, stop):
    while not stop.is_set():
        if select.select([sink], [], [], 0.05)[0]:
            sink.accept()[0].close()
            hits.append(time.monotonic())


def test_invented_nodes():
    """One peer tells of thousands of nodes, all at the address of a victim: the node neither keeps
    them all, nor calls the victim for each, nor forgets who is really there."""
    sink = socket.create_server(("127.0.0.1", 0), backlog=1024)
    victim = "tcp:127.0.0.1:%d" % sink.getsockname()[1]
    hits, stop = [], threading.Event()
    thread = threading.Thread(target=count_calls, args=(sink, hits, stop))
    thread.start()
    try:
        with Mesh("a", "b") as mesh:
            a = mesh.nodes[0]
            peer = HostileNode(a).open()
            began = time.monotonic()
            for _ in range(20):
                peer.tell_records(*(node_record(FastKey(), [victim]) for _ in range(100)))
                peer.answered()
            shown = a.control.call("peers.list")["peers"]
            assert len(shown) <= 260, len(shown)
            assert [p["name"] for p in shown if p["connected"]][:1] == ["b"], shown[:2]
            assert a.status()["refusals"]["rate_limited"] >= 1700, a.status()["refusals"]
            with Mesh("late", seeds=[a.address]) as later:
                later.nodes[0].wait_until("a", lambda: later.nodes[0].connected() >= 1)
                a.wait_until("it is there", lambda: a.connected() == 3)
            allowed = 128 + 4 * (time.monotonic() - began) + 8
            assert len(hits) <= allowed, f"{len(hits)} calls, {allowed:.0f} are bearable"
    finally:
        stop.set()
        thread.join()


def test_claimed_agents_stay_where_they_are():
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada, ben = a.agent("ada"), b.agent("ben")
        a.wait_until("ben", lambda: a.control.call("agents.list")["agents"][1:])
        thief = HostileNode(a).open()
        hers = ("ben", KnownKey(ben.attached))
        thief.tell_records(node_record(thief.key, agents=[hers], issued_at=timestamp(290)),
                           node_record(FastKey(), agents=[hers], issued_at=timestamp(295)))
        thief.answered()
        for to in ("ben", ben.attached["fingerprint"]):
            sent = ada.call("agent.send", {"type": "INTENT", "to": to, "payload": {
                "goal": "learn", "topic": "for ben alone", "priority": "low"}})
            ben.wait_note("agent.message", lambda m: m["envelope"]["msg_id"] == sent["msg_id"])
        thief.answered()
        assert not [m for m in thief.messages if m["type"] == "INTENT"], "the thief has it"


def test_nodes_on_paper_are_not_independent():
    """Two agents of one node, one of them said to be at a node that nobody ever met."""
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        ada = a.agent("ada")
        eve, mal = FastKey(), FastKey()
        peer = HostileNode(a).open()
        peer.tell_records(node_record(peer.key, agents=[("eve", eve)]),
                          node_record(FastKey(), agents=[("mal", mal)]))
        for key, name in ((eve, "eve"), (mal, "mal")):
            peer.greet(key, name, ada.attached)
        peer.answered()
        entries = a.control.call("trust.list", {"kind": "agent"})["entries"]
        assert {e["state"] for e in entries} == {"probing"}, "a claim has moved trust"
        for key in (eve, mal):
            a.control.call("trust.set", {"subject": key.fingerprint, "state": "trusted"})
        fact = propose(ada, "two voices, one mouth")
        for key, name in ((eve, "eve"), (mal, "mal")):
            peer.tell(KNOWLEDGE, envelope(key, name, "FACT_CONFIRM", {
                "fact_ref": fact, "decision": "confirm", "confidence": 1, "notes": ""}))
        a.wait_until("both voices", lambda: len(a.fact(fact)["confirmations"]) == 2)
        shown = a.fact(fact)
        assert shown["state"] == "pending", shown
        assert sum(v["counted"] for v in shown["confirmations"]) == 1, shown


def test_strangers_who_leave_do_not_fill_the_table():
    with Mesh("a", limits={"sessions_max": 8, "accepts_per_s": 10000}) as mesh:
        a = mesh.nodes[0]
        for _ in range(20):
            peer = HostileNode(a).open()
            peer.answered()
            peer.close()
            a.wait_until("it has left", lambda: a.connected() == 0)
        staying = [HostileNode(a).open() for _ in range(8)]
        for peer in staying:
            peer.answered()
        try:
            HostileNode(a).open()
            raise AssertionError("one session too many")
        except ConnectionError as error:
            assert str(error) == "overloaded", error
        # who is trusted finds a place
        key = FastKey()
        a.control.call("trust.set", {"subject": key.fingerprint, "kind": "node",
                                     "state": "trusted"})
        HostileNode(a, key).open().answered()
        assert a.status()["sessions"] == 8, a.status()


def test_the_name_of_another():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        a.agent("ada")
        key = FastKey()
        client = Client(a.agent_socket)
        client.call("agent.attach", {"agent_id": "eve", "key": key.pubkey})
        document = envelope(key, "ada", "FACT_PROPOSE", fact_payload("as ada"))
        try:
            client.call("agent.submit", {"envelope": document})
            raise AssertionError("eve spoke as ada")
        except Refused as refused:
            assert refused.code == "unauthorized", refused
            assert refused.error["data"]["pointer"] == "/sender/agent_id", refused


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def test_both_dial_at_once():
    """Two nodes, each the other's seed, killed and started together: one session, the same at both
    ends, each time."""
    with Mesh() as mesh:
        ports = [free_port(), free_port()]
        for i, name in enumerate(("a", "b")):
            mesh.nodes.append(Node(mesh.scratch, name, listen=["tcp:127.0.0.1:%d" % ports[i]],
                                   seeds=["tcp:127.0.0.1:%d" % ports[1 - i]]))
        a, b = mesh.nodes

        def sessions(node):
            return [s["id"] for s in node.control.call("sessions.list")["sessions"]
                    if s["state"] == "open"]

        for _ in range(10):
            for node in mesh:
                if node.process:
                    node.kill()
            for node in mesh:
                node.start(wait=False)
            for node in mesh:
                node.wait_up()
            a.wait_until("one session", lambda: sessions(a) and sessions(a) == sessions(b))
            assert len(sessions(a)) == 1, sessions(a)


main([test_frames_that_end_the_session, test_invented_nodes,
      test_claimed_agents_stay_where_they_are, test_nodes_on_paper_are_not_independent,
      test_strangers_who_leave_do_not_fill_the_table, test_the_name_of_another,
      test_both_dial_at_once])
