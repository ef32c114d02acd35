"""A peer that stands still: what the four policies do with what is sent to it, and what the agent
that sent it sees."""
from web4test import *

QUEUE = 4


class Stalled:
    """Two nodes; the queue of the first one for state towards the second is short. The second one
    is stopped, and goes on with go_on()."""

    def __init__(self, **channel):
        session = {"timeout_ms": 120000, "heartbeat_ms": 30000,
                   "channels": {"state": {"queue_messages": QUEUE, **channel}}}
        self.mesh = Mesh("a", "b", session=session)

    def __enter__(self):
        self.mesh.__enter__()
        try:
            self.a, self.b = self.mesh.nodes
            self.ada = self.a.agent("ada", subscribe=["agent.delivery"])
            self.ben = self.b.agent("ben")
            self.mesh.trust_all([self.ada, self.ben])
            self.a.wait_until("a knows ben", lambda: "ben" in agents_of(self.a))
            self.to = self.ben.attached["fingerprint"]
            delivery(self.ada, self.send(100), outcome="delivered")
            assert self.heard(1) == [100]
            self.before = self.channel()
            self.b.process.send_signal(signal.SIGSTOP)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *why):
        self.mesh.__exit__(*why)

    def go_on(self):
        self.b.process.send_signal(signal.SIGCONT)

    def send(self, number, client=None, **members):
        return (client or self.ada).call("agent.send", self.update(number, **members))["msg_id"]

    def update(self, number, **members):
        return {"type": "STATE_UPDATE", "to": self.to, **members,
                "payload": {"presence": "focused", "lri": number, "ltppeerstate": "probing",
                            "kernel_signals": [], "intent": ""}}

    def channel(self):
        session, = self.a.control.call("sessions.list")["sessions"]
        channel, = [c for c in session["channels"] if c["channel"] == "state"]
        return channel

    def since(self, *counters):
        """How far the counters have moved while b stood still; the laws hold."""
        now = self.channel()
        assert now["attempted"] == now["enqueued"] + now["dropped_newest"] + now["errors"], now
        assert now["enqueued"] == now["delivered"] + now["dropped_oldest"] + now["failed"] + \
            now["queued"] + now["in_flight"], now
        return [now[name] - self.before[name] for name in counters]

    def heard(self, count):
        """What ben has got, by the number in it."""
        return [self.ben.wait_note("agent.message")["envelope"]["payload"]["lri"]
                for _ in range(count)]


def delivery(client, msg_id, **expected):
    said = client.wait_note("agent.delivery", lambda note: note["msg_id"] == msg_id)
    have = {name: said.get(name) for name in expected}
    assert have == expected, said
    return said


def is_told(client, msg_id):
    """Has something been said of it, as far as that was read?"""
    return any(note["method"] == "agent.delivery" and note["params"]["msg_id"] == msg_id
               for note in client.notes)


def agents_of(node):
    return {agent["agent_id"] for agent in node.control.call("agents.list")["agents"]}


def test_error():
    with Stalled(overflow="error") as s:
        accepted = [s.send(n) for n in range(QUEUE)]
        refused = [s.send(n) for n in range(QUEUE, 2 * QUEUE)]
        for msg_id in refused:
            delivery(s.ada, msg_id, outcome="refused", code="backpressure", policy="error")
        assert not any(is_told(s.ada, msg_id) for msg_id in accepted)
        assert s.since("attempted", "errors", "overflow_events") == [2 * QUEUE, QUEUE, QUEUE]
        s.go_on()
        for msg_id in accepted:
            delivery(s.ada, msg_id, outcome="delivered", policy=None)
        assert s.heard(QUEUE) == list(range(QUEUE))
        assert s.since("attempted", "delivered") == [2 * QUEUE, QUEUE]


def test_drop_newest():
    with Stalled(overflow="dropnewest") as s:
        accepted = [s.send(n) for n in range(QUEUE)]
        for n in range(QUEUE, 2 * QUEUE):
            delivery(s.ada, s.send(n), outcome="dropped", code="backpressure", policy="drop_newest")
        assert s.since("attempted", "dropped_newest", "dropped") == [2 * QUEUE, QUEUE, QUEUE]
        s.go_on()
        for msg_id in accepted:
            delivery(s.ada, msg_id, outcome="delivered")
        assert s.heard(QUEUE) == list(range(QUEUE))


def test_drop_oldest():
    with Stalled(overflow="drop_oldest") as s:
        sent = [s.send(n) for n in range(10)]
        # What is on its way cannot be dropped: half of the queue, before and behind are the rest.
        half = QUEUE // 2
        for msg_id in sent[half:-half]:
            delivery(s.ada, msg_id, outcome="dropped", code="backpressure", policy="drop_oldest")
        s.go_on()
        for msg_id in sent[:half] + sent[-half:]:
            delivery(s.ada, msg_id, outcome="delivered")
        assert s.heard(QUEUE) == [*range(half), *range(10 - half, 10)]
        assert s.since("attempted", "enqueued", "dropped_oldest", "delivered") == [10, 10, 6, 4]


def ask(client, *calls):
    """Sends requests without waiting for answers. Returns their numbers."""
    numbers = []
    for method, params in calls:
        client.number += 1
        numbers.append(client.number)
        client.send_raw(json.dumps({"jsonrpc": "2.0", "id": client.number, "method": method,
                                    "params": params}).encode() + b"\n")
    return numbers


def lines_until(client, wanted, deadline=DEADLINE):
    """All that comes, up to and with the first that is wanted."""
    until, lines = time.monotonic() + deadline, []
    while not lines or not wanted(lines[-1]):
        lines.append(client.line(until))
    return lines


def is_delivery(line, outcome):
    return line.get("method") == "agent.delivery" and line["params"]["outcome"] == outcome


def test_block_times_out():
    with Stalled(overflow="block", block_timeout_ms=300) as s:
        for n in range(QUEUE):
            s.send(n)
        started = time.monotonic()
        fifth, sixth = ask(s.ada, ("agent.send", s.update(5)), ("agent.send", s.update(6)))
        first = lines_until(s.ada, lambda line: is_delivery(line, "timed_out"))
        assert [line.get("id") for line in first] == [fifth, None], first
        assert first[1]["params"]["msg_id"] == first[0]["result"]["msg_id"]
        assert first[1]["params"]["code"] == "backpressure" and \
            first[1]["params"]["policy"] == "block", first
        assert time.monotonic() - started >= 0.3
        # Only now was the next line read.
        second = lines_until(s.ada, lambda line: is_delivery(line, "timed_out"))
        assert [line.get("id") for line in second] == [sixth, None], second
        assert time.monotonic() - started >= 0.6
        assert s.since("attempted", "blocked", "errors") == [QUEUE + 2, 2, 2]


def test_block_until_there_is_room():
    with Stalled(overflow="block", block_timeout_ms=60000) as s:
        sent = [s.send(n) for n in range(QUEUE)]
        waits = s.send(QUEUE)
        last, = ask(s.ada, ("agent.send", s.update(QUEUE + 1)))
        # Others are served meanwhile, on the same socket and beside it.
        eve = s.a.agent("eve")
        eve.call("agent.state", {"presence": "focused", "lri": 1})
        assert s.since("blocked") == [1]
        s.go_on()
        lines = lines_until(s.ada, lambda line: line.get("id") == last)
        for msg_id in sent + [waits, lines[-1]["result"]["msg_id"]]:
            done = [line["params"] for line in lines if line.get("method") == "agent.delivery" and
                    line["params"]["msg_id"] == msg_id]
            assert all(d["outcome"] == "delivered" for d in done), done
            if not done:
                delivery(s.ada, msg_id, outcome="delivered")
        assert s.heard(QUEUE + 2) == list(range(QUEUE + 2))


def test_block_until_the_session_closes():
    with Stalled(overflow="block", block_timeout_ms=60000) as s:
        sent = [s.send(n) for n in range(QUEUE + 1)]
        session, = s.a.control.call("sessions.list")["sessions"]
        s.a.control.call("sessions.close", {"session": session["id"]})
        for msg_id in sent:
            delivery(s.ada, msg_id, outcome="disconnected", code="disconnected")


def test_a_paused_client_may_go():
    with Stalled(overflow="block", block_timeout_ms=600000) as s:
        for n in range(QUEUE + 1):
            s.send(n)
        ask(s.ada, ("agent.send", s.update(9)))
        s.ada.close()
        s.a.wait_until("ada is gone", lambda: "ada" not in agents_of(s.a), 10)


main([test_error, test_drop_newest, test_drop_oldest, test_block_times_out,
      test_block_until_there_is_room, test_block_until_the_session_closes,
      test_a_paused_client_may_go])
