"""A peer that stands still: what the four policies do with what is sent to it, and what the agent
that sent it sees."""
from hostile_peer import *

# What was freed counts as used for as long as it is in quarantine.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
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
            self.ada = self.a.agent("ada", subscribe=["agent.delivery", "agent.message"])
            self.ben = self.b.agent("ben")
            self.mesh.trust_all([self.ada, self.ben])
            self.a.wait_until("a knows ben", lambda: "ben" in agents_of(self.a))
            self.to = self.ben.attached["fingerprint"]
            delivery(self.ada, self.send(100), outcome="delivered")
            assert self.heard(1) == [100]
            self.before = self.channel()
            self.peer = self.a.control.call("sessions.list")["sessions"][0]["peer"]
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


def test_a_paused_client_may_have_said_all():
    """It shuts down its side and waits for its answers: all that it said is still worked off."""
    with Stalled(overflow="block", block_timeout_ms=100) as s:
        for n in range(QUEUE):
            s.send(n)
        numbers = ask(s.ada, *[("agent.send", s.update(n)) for n in range(QUEUE, QUEUE + 3)],
                      ("agent.detach", {}))
        s.ada.socket.shutdown(socket.SHUT_WR)
        lines = lines_until(s.ada, lambda line: line.get("id") == numbers[-1])
        assert [line["id"] for line in lines if "id" in line] == numbers
        assert len([line for line in lines if is_delivery(line, "timed_out")]) == 3, lines
        s.a.wait_until("ada is gone", lambda: "ada" not in agents_of(s.a), 10)


def test_one_waits_and_others_go_on():
    with Stalled(overflow="block", block_timeout_ms=600000) as s:
        ada2 = s.a.agent("ada", subscribe=["agent.delivery"])  # the same agent, and has sent nothing
        for n in range(QUEUE + 1):
            s.send(n)
        waiting, = ask(s.ada, ("agent.ack", {"msg_id": str(uuid.uuid4())}))
        # Another agent reaches local ones; its own message to b waits too, and only that.
        eve = s.a.agent("eve")
        s.a.control.call("trust.set", {"subject": eve.attached["fingerprint"], "state": "trusted"})
        for n in range(20):
            msg_id = s.send(n, eve, to="ada")
            delivery(eve, msg_id, outcome="delivered")
        # A connection that has sent nothing is read, whoever it speaks for.
        ada2.call("agent.ack", {"msg_id": str(uuid.uuid4())})
        told = lines_until(s.ada, lambda line: line.get("method") == "agent.message")
        assert not [line for line in told if line.get("id") == waiting], "it was read"
        s.go_on()
        lines_until(s.ada, lambda line: line.get("id") == waiting)


def test_a_reload_is_heard_at_once():
    with Stalled(overflow="error") as s:
        accepted = [s.send(n) for n in range(QUEUE)]
        delivery(s.ada, s.send(0), outcome="refused", policy="error")
        state = s.a.config["session"]["channels"]["state"]
        state.update(overflow="dropnewest")
        s.a.write_config()
        told = s.a.control.call("config.reload")
        assert told["changed"] == ["/session/channels/state/overflow"], told
        assert told["needs_restart"] == [], told
        delivery(s.ada, s.send(0), outcome="dropped", policy="drop_newest")
        state.update(queue_messages=QUEUE + 1)
        s.a.config["session"]["peers"] = {
            s.peer: {"state": {"overflow": "drop_oldest"}}}
        s.a.write_config()
        s.a.control.call("config.reload")
        assert not is_told(s.ada, s.send(QUEUE))
        s.go_on()
        for msg_id in accepted:
            delivery(s.ada, msg_id, outcome="delivered")
        assert s.heard(QUEUE + 1) == list(range(QUEUE + 1))


# ---- a peer that takes nothing, though it lives


class Miser:
    """A node, and a hostile one with an agent that grants one message at a time, or none."""

    def __init__(self, **state):
        self.scratch = tempfile.mkdtemp(prefix="web4-test-")
        self.node = Node(self.scratch, "a", session={
            "timeout_ms": 120000, "heartbeat_ms": 30000, "channels": {"state": state}})

    def __enter__(self):
        try:
            self.node.start()
            self.ada = self.node.agent("ada", subscribe=["agent.delivery"])
            self.key = FastKey()
            self.peer = HostileNode(self.node)
            self.peer.credit = (1).to_bytes(4, "big")
            self.peer.open()
            self.peer.tell_records(node_record(self.peer.key, agents=[("mallory", self.key)]))
            self.peer.answered()
            self.node.control.call("trust.set", {"subject": self.key.fingerprint,
                                                 "state": "trusted"})
            self.greet(self.ada)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def greet(self, client):
        self.peer.greet(self.key, "mallory", client.attached)
        self.peer.answered()

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.node.log(), file=sys.stderr)
        if self.node.process and self.node.process.poll() is None:
            self.node.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def update(self, number, **members):
        return {"type": "STATE_UPDATE", "to": self.key.fingerprint, **members,
                "payload": {"presence": "focused", "lri": number % 100, "ltppeerstate": "probing",
                            "kernel_signals": [], "intent": f"number {number}"}}

    def heard(self):
        intents = [message["payload"].get("intent", "") for message in self.peer.messages]
        return [intent for intent in intents if str(intent).startswith("number ")]

    def memory(self):
        with open(f"/proc/{self.node.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_no_credit_costs_no_memory():
    with Miser(overflow="drop_oldest", queue_messages=64) as s:
        s.peer.credit = bytes(4)
        flood = 400
        seen = before = None
        for burst in range(6):
            numbers = ask(s.ada, *[("agent.send", s.update(burst * flood + n))
                                   for n in range(flood)])
            lines_until(s.ada, lambda line: line.get("id") == numbers[-1])
            s.peer.answered()
            if burst == 1:
                before = s.memory()
        assert s.memory() - before < 16 * 2 ** 20, (before, s.memory())
        session, = s.node.control.call("sessions.list")["sessions"]
        state, = [c for c in session["channels"] if c["channel"] == "state"]
        assert state["queued"] + state["in_flight"] <= 64, state
        assert state["dropped_oldest"] >= 6 * flood - 64 - 1, state
        # The last ones are what it gets once it takes something again.
        s.peer.credit = (64).to_bytes(4, "big")
        s.peer.send((ACK, 0, STATE, s.peer.expected[STATE], s.peer.credit))
        s.peer.wait_message(lambda m: m["payload"].get("intent") == f"number {6 * flood - 1}")
        s.peer.answered()
        heard = [int(text.split()[1]) for text in s.heard()]
        assert heard == sorted(heard) and len(heard) >= 60, heard
        assert heard[-60:] == list(range(6 * flood - 60, 6 * flood)), heard


def test_a_deadline_that_passes():
    with Miser(overflow="error") as s:
        s.peer.credit = bytes(4)
        # Whatever may still go goes, so that the next one stays behind.
        for n in range(3):
            s.ada.call("agent.send", s.update(n))
        msg_id = s.ada.call("agent.send", s.update(77, deadline_ms=200))["msg_id"]
        delivery(s.ada, msg_id, outcome="timed_out", code="timeout", policy=None)
        last = s.ada.call("agent.send", s.update(78))["msg_id"]
        s.node.wait_until("it has left the queue", lambda: s.node.control.call(
            "sessions.list")["sessions"][0]["channels"][1]["failed"] >= 1)
        s.peer.credit = (64).to_bytes(4, "big")
        s.peer.send((ACK, 0, STATE, s.peer.expected[STATE], s.peer.credit))
        s.peer.wait_message(lambda m: m["payload"].get("intent") == "number 78")
        s.peer.answered()
        delivery(s.ada, last, outcome="delivered")
        assert "number 77" not in s.heard(), s.heard()


def test_who_floods_leaves_room_for_others():
    with Miser(overflow="error", queue_messages=32) as s:
        eve = s.node.agent("eve", subscribe=["agent.delivery"])
        s.peer.tell_records(node_record(s.peer.key, agents=[("mallory", s.key)],
                                        seq=int(time.time() * 1000) + 1))
        s.greet(eve)
        accepted = 0
        rounds = 50
        for number in range(rounds):
            flood = ask(s.ada, *[("agent.send", s.update(number)) for _ in range(8)])
            lines_until(s.ada, lambda line: line.get("id") == flood[-1])
            msg_id = eve.call("agent.send", s.update(number))["msg_id"]
            # The peer takes a few more; the answer to a question comes behind what was told.
            s.peer.answered()
            eve.call("agent.ack", {"msg_id": msg_id})
            accepted += not any(note["params"]["msg_id"] == msg_id and
                                note["params"]["outcome"] == "refused" for note in eve.notes
                                if note["method"] == "agent.delivery")
        print(f"{accepted} of {rounds} of the quiet one had room")
        assert accepted > rounds // 2  # by chance one in nine would


main([test_error, test_drop_newest, test_drop_oldest, test_block_times_out,
      test_block_until_there_is_room, test_block_until_the_session_closes,
      test_a_paused_client_may_go, test_a_paused_client_may_have_said_all,
      test_one_waits_and_others_go_on, test_a_reload_is_heard_at_once,
      test_no_credit_costs_no_memory, test_a_deadline_that_passes,
      test_who_floods_leaves_room_for_others])
