"""What operators and agents are told of sessions, the same on each transport."""
import signal

from web4test import Client, Mesh, Node, Refused, main

TYPES = ["session_open", "session_close", "heartbeat_timeout", "session_resumed", "session_ended"]
QUICK = {"session": {"heartbeat_ms": 100, "timeout_ms": 600}}


def summary(event):
    data = event["data"]
    return event["event"], data.get("reason") or data["code"], data.get("reconnects")


class Ear:
    """Somebody who is told, in order."""

    def __init__(self, client):
        self.client = client

    def next(self):
        return self.client.wait_note("node.event")

    def hears(self, *expected):
        events = [self.next() for _ in expected]
        assert [summary(event) for event in events] == list(expected), events
        return events


def watchers(node):
    """An operator and an agent, both told first of what is open."""
    operator, agent = Client(node.control_socket), node.agent("ada")
    for client in (operator, agent):
        client.call("events.watch", {"types": TYPES, "open": True})
    return Ear(operator), Ear(agent)


def check_same(here, there):
    """The agent is told what the operator is, but for addresses."""
    for of_operator, of_agent in zip(here, there):
        without = dict(of_operator, data=dict(of_operator["data"]))
        without["data"].pop("address", None)
        assert without == of_agent, (of_operator, of_agent)


def lifecycle(mesh, transport):
    a, b = mesh.nodes
    ears = watchers(a)
    told = []

    def both_hear(*expected):
        heard = [ear.hears(*expected) for ear in ears]
        check_same(*heard)
        told.extend(heard[0])

    both_hear(("session_open", "opened", 0))  # it was open before they came
    b.process.send_signal(signal.SIGSTOP)
    both_hear(("heartbeat_timeout", "silent", 0), ("session_close", "heartbeat_timeout", 0))
    b.process.send_signal(signal.SIGCONT)
    both_hear(("session_open", "resumed", 1), ("session_resumed", "resumed", 1))
    a.control.call("sessions.close", {"session": "b"})
    both_hear(("session_close", "manual", 1), ("session_ended", "manual", None),
              ("session_open", "opened", 0))
    b.kill()
    both_hear(("session_close", "disconnected", 0))
    b.start()
    both_hear(("session_open", "opened", 1))
    b.stop()
    both_hear(("session_close", "manual", 1), ("session_ended", "manual", None))
    for event in told:
        if event["event"] != "session_ended":
            assert event["transport"] == transport, event
            assert len(event["session"]) == 32 and len(event["peer"]) == 64, event
    return [(event["event"], sorted(event["data"]), sorted(event)) for event in told]


def test_same_on_all_transports():
    """After each loss both dial: nobody hears of the link that goes again when both succeed."""
    told = []
    for transport in ("tcp", "unix"):
        with Mesh(**QUICK) as mesh:
            for name in ("a", "b"):
                address = "tcp:127.0.0.1:0" if transport == "tcp" else \
                    f"unix:{mesh.scratch}/{name}.sock"
                seeds = [node.address for node in mesh.nodes]
                node = Node(mesh.scratch, name, listen=[address], seeds=seeds, **QUICK).start()
                mesh.nodes.append(node)
            a, b = mesh.nodes
            b.config["listen"] = [b.address]  # where a looks for it when it is back
            b.write_config()
            a.wait_until("b", lambda: a.connected() == 1)
            told.append(lifecycle(mesh, transport))
    assert told[0] == told[1], told


def test_agents_are_told_what_they_may_know():
    with Mesh("a", "b") as mesh:
        a = mesh.nodes[0]
        stranger = Client(a.agent_socket)
        try:
            stranger.call("events.watch", {})
            raise AssertionError("one without a name may listen")
        except Refused as refused:
            assert refused.code == "unauthorized", refused
        ada = a.agent("ada", subscribe=["node.event"])
        assert summary(ada.wait_note("node.event")) == ("session_open", "opened", 0)
        for types, code in ((["trust_updated"], "unauthorized"), (["nonsense"], None),
                            (["session_open", "transport_connect"], "unauthorized")):
            try:
                ada.call("events.watch", {"types": types})
                raise AssertionError(f"{types} may be watched")
            except Refused as refused:
                assert refused.code == code, refused
        # A refused call has changed nothing: all that may be known still comes, and only that.
        a.control.call("trust.set", {"subject": ada.attached["fingerprint"], "state": "trusted"})
        a.control.call("sessions.close", {"session": "b"})
        first = ada.wait_note("node.event")
        assert summary(first) == ("session_close", "manual", 0), first


def test_who_reads_nothing_harms_nobody():
    """A watcher that never reads is cut off; others go on."""
    with Mesh("a", limits={"client_queue_bytes": 65536}) as mesh:
        a = mesh.nodes[0]
        deaf, ear = Client(a.control_socket), Client(a.control_socket)
        deaf.socket.setsockopt(1, 8, 4096)  # SOL_SOCKET, SO_RCVBUF
        deaf.call("events.watch", {"types": ["trust_updated"]})
        ear.call("events.watch", {"types": ["trust_updated"]})
        ada = a.agent("ada")
        for i in range(2000):
            state = ("trusted", "untrusted")[i % 2]
            a.control.call("trust.set", {"subject": ada.attached["fingerprint"], "state": state})
            ear.wait_note("node.event", lambda event: event["data"]["to"] == state)
            if "cut a client off" in a.log():
                break
        assert "cut a client off" in a.log()
        assert a.status()["state"] == "running"


main([test_same_on_all_transports, test_agents_are_told_what_they_may_know,
      test_who_reads_nothing_harms_nobody])
