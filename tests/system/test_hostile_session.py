"""Peers that prove who they are and then break the rules of the session in every way: each gets its
code or is passed over and counted, the memory of the node stays where it is, and everybody else is
served meanwhile."""
from hostile_peer import *

OPTIONAL = 0x80
PART = 16384
RSS_MAX = 48 * 2 ** 20  # more than at the start, whatever is tried


class Fort:
    """Two honest nodes whose agents talk; a is the one that is attacked. One fort stands all the
    attacks, as long as it stands."""
    shared = None

    def __new__(cls, **config):
        if config or cls.shared is None:
            fort = super().__new__(cls)
            fort.mesh = Mesh(**config)
            fort.is_shared = not config
            return fort
        return cls.shared

    def __enter__(self):
        if self is Fort.shared:
            return self
        try:
            for name in ("a", "b"):
                seeds = [node.address for node in self.mesh.nodes]
                node = Node(self.mesh.scratch, name, **self.mesh.config, seeds=seeds)
                self.mesh.nodes.append(node.start(environment=lean()))
            self.a, self.b = self.mesh.nodes
            self.ada = self.a.agent("ada", subscribe=["agent.delivery", "agent.message"])
            self.ben = self.b.agent("ben", subscribe=["agent.delivery", "agent.message"])
            self.a.wait_until("b's agent", lambda: len(
                self.a.control.call("agents.list")["agents"]) == 2)
            self.served()
        except BaseException:
            self.mesh.__exit__(*sys.exc_info())
            raise
        self.rss = self.resident()
        if self.is_shared:
            Fort.shared = self
        return self

    def __exit__(self, kind, *why):
        if self is not Fort.shared or kind is not None:
            self.end(kind, *why)

    def end(self, *why):
        Fort.shared = None if self is Fort.shared else Fort.shared
        self.mesh.__exit__(*why)

    def resident(self):
        return resident(self.a)

    def served(self):
        """From agent to agent, both ways."""
        for sender, receiver in ((self.ada, self.ben), (self.ben, self.ada)):
            sent = sender.call("agent.send", {
                "type": "INTENT", "to": receiver.attached["fingerprint"],
                "payload": {"goal": "ask", "topic": "are you there", "priority": "low"}})
            receiver.wait_note("agent.message",
                               lambda note: note["envelope"]["msg_id"] == sent["msg_id"])
            told = sender.wait_note("agent.delivery", lambda d: d["msg_id"] == sent["msg_id"])
            assert told["outcome"] == "delivered", told
        assert self.a.process.poll() is None

    def unharmed(self):
        self.served()
        grown = self.resident() - getattr(self, "rss", self.resident())
        assert grown < RSS_MAX, f"{grown >> 20} MiB more"
        honest, = [s for s in self.a.control.call("sessions.list")["sessions"]
                   if s.get("name") == "b"]
        assert honest["reconnects"] == 0 and honest["state"] == "open", honest

    def session(self, peer):
        """What the node says of the session with a peer."""
        return next((s for s in self.a.control.call("sessions.list")["sessions"]
                     if s["peer"] == peer.key.fingerprint), None)

    def refusals(self, code):
        return self.a.status()["refusals"].get(code, 0)


def ends_with(peer, code):
    """The node ends the session with that code."""
    try:
        peer.ask_on()
    except ConnectionError as error:
        assert str(error) == code, (code, error)
    else:
        raise AssertionError(f"it was taken, not {code}")
    peer.close()


def link_ends(peer):
    """The node ends the link; a CLOSE may have been said."""
    try:
        peer.ask_on()
    except OSError:
        peer.close()
        return
    raise AssertionError("the link still stands")


def message(peer, text="from the other side"):
    return canonical(signed(peer.key, {
        "mesh": "1.0", "msg_id": str(uuid.uuid4()), "type": "MESH_HELLO", "timestamp": timestamp(),
        "payload": {"records": []}, "note": text,
        "sender": {"agent_id": "stranger", "fingerprint": peer.key.fingerprint,
                   "pubkey": peer.key.pubkey},
        "receiver": {"agent_id": "*", "fingerprint": "*"}}))


def test_a_peer_that_grants_nothing():
    """It takes nothing: its queue fills to the limit, then each message for it ends with a code.
    Nobody else waits."""
    queue, total = 64, 300
    with Fort(session={"channels": {"state": {"queue_messages": queue}}}) as fort:
        peer = HostileNode(fort.a)
        peer.credit = bytes(4)
        peer.open()
        peer.answered()
        for number in range(total):
            receipt = fort.ada.call("agent.send", {"type": "STATE_UPDATE", "to": "*", "payload": {
                "presence": "focused", "lri": 5, "ltppeerstate": "trusted", "kernel_signals": [],
                "intent": "x" * 4000}})
            assert receipt["recipients"] == 2, receipt
            if number % (queue // 4) == 0 or number == total - 1:  # no faster than he takes them
                told = fort.ada.wait_note("agent.delivery", lambda d: (
                    d["msg_id"] == receipt["msg_id"] and d["to"] != peer.key.fingerprint))
                fort.ada.notes.append({"method": "agent.delivery", "params": told})
        fort.unharmed()
        outcomes = {}
        for note in fort.ada.notes:
            if note["method"] == "agent.delivery":
                said = note["params"]
                key = (said["to"] == peer.key.fingerprint, said.get("code"))
                outcomes[key] = outcomes.get(key, 0) + 1
        assert outcomes == {(False, None): total, (True, "backpressure"): total - queue}, outcomes
        state, = [c for c in fort.session(peer)["channels"] if c["channel"] == "state"]
        assert (state["queued"], state["in_flight"]) == (queue, 0), state
        assert state["overflow_events"] == state["errors"] == total - queue, state
        peer.answered()  # as for the rest it is a peer like others
        peer.close()


def test_beyond_the_credit():
    """Thousands of messages at once, whatever was granted."""
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        try:
            for _ in range(40):
                frames = []
                for _ in range(100):
                    frames.append((DATA, FIN, STATE, peer.seq[STATE], b"{}"))
                    peer.seq[STATE] += 1
                peer.send(*frames)
            peer.answered()
            ended = None
        except ConnectionError as error:
            ended = str(error)
        assert ended in (None, "backpressure"), ended
        fort.unharmed()
        peer.close()


def test_records_again_and_out_of_order():
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        kept = []
        peer.keep = kept.append
        data = message(peer)
        peer.send((DATA, FIN, CONTROL, peer.seq[CONTROL], data))
        peer.seq[CONTROL] += 1
        peer.answered()
        peer.keep = None
        before = fort.session(peer)
        inside = lambda shown: sum(c["messages_in"] for c in shown["channels"])
        for _ in range(50):
            for frame in kept:
                peer.send_frame(frame)
        peer.answered()
        after = fort.session(peer)
        assert after["replays"] - before["replays"] == 50 * len(kept), (before, after)
        assert inside(after) == inside(before), "a record was taken twice"

        # Records in the wrong order authenticate; of their frames only what is next counts.
        held = []
        peer.hold = held
        for _ in range(8):
            peer.send((DATA, FIN, CONTROL, peer.seq[CONTROL], message(peer)))
            peer.seq[CONTROL] += 1
        peer.hold = None
        for frame in reversed(held):
            peer.send_frame(frame)
        peer.answered()
        taken = inside(fort.session(peer)) - inside(after)
        assert taken == 1, taken
        # What is sent again in order is taken, once.
        for number in range(peer.seq[CONTROL] - 8, peer.seq[CONTROL]):
            peer.send((DATA, FIN, CONTROL, number, message(peer)))
        peer.answered()
        assert inside(fort.session(peer)) - inside(after) == 8
        fort.unharmed()
        peer.close()


def test_all_the_channels_there_could_be():
    """An OPEN for each of 65,536 channels: refused each by itself or with the session, never kept."""
    with Fort() as fort:
        opened, sessions = 0, 0
        while opened < 65536:
            peer = HostileNode(fort.a).open()
            sessions += 1
            assert sessions < 70000
            try:
                while opened < 65536:
                    batch = range(opened, min(opened + 512, 65536))
                    opened = batch.stop
                    peer.send(*((OPEN, 0, channel, 0, bytes(16)) for channel in batch))
                    peer.answered()
            except ConnectionError as error:
                assert str(error) in ("not_found", "unsupported_version", "auth_failure",
                                      "overloaded", "rate_limited"), error
            peer.close()
        print(f"{opened} channels over {sessions} sessions")
        fort.unharmed()


def test_parts_that_never_end():
    with Fort() as fort:
        grown = []
        for _ in range(12):
            peer = HostileNode(fort.a).open()
            try:
                for _ in range(80):  # 1.25 MiB; max_message is 1 MiB
                    peer.send((DATA, 0, KNOWLEDGE, peer.seq[KNOWLEDGE], bytes(PART)))
                    peer.seq[KNOWLEDGE] += 1
            except OSError:
                pass  # the node has closed while we went on
            try:
                peer.ask_on()
                raise AssertionError("a message without end was taken")
            except OSError as error:
                assert str(error) == "too_large" or not str(error).isidentifier(), error
            peer.close()
            grown.append(fort.resident())
        assert fort.refusals("too_large") >= 1, fort.a.status()["refusals"]
        assert max(grown) - grown[3] < 8 * 2 ** 20, grown
        # Many of them, each just under the limit, at once.
        crowd = [HostileNode(fort.a).open() for _ in range(24)]
        for peer in crowd:
            for channel in (CONTROL, STATE, KNOWLEDGE):
                for _ in range(60):
                    peer.send((DATA, 0, channel, peer.seq[channel], bytes(PART)))
                    peer.seq[channel] += 1
            peer.answered()
        full = fort.resident() - fort.rss
        fort.served()
        for peer in crowd:
            peer.send((CLOSE, 0, 0, 0, b"\x04none"))
            peer.close()
        fort.a.wait_until("they are gone", lambda: not any(map(fort.session, crowd)))
        print(f"{full >> 20} MiB held for 24 peers, {fort.resident() - fort.rss >> 20} afterwards")
        fort.served()


def test_acknowledgements_that_lie():
    with Fort() as fort:
        for lie in (10 ** 9, 2 ** 63, 2 ** 64 - 1):
            peer = HostileNode(fort.a).open()
            peer.send((ACK, 0, STATE, lie, CREDIT))
            ends_with(peer, "unsupported_version")
        peer = HostileNode(fort.a).open()
        peer.answered()
        # backwards, and the most credit there is, again and again: nothing happens
        for _ in range(100):
            peer.send(*((ACK, flags, channel, seq, b"\xff" * 4)
                        for channel in (CONTROL, STATE, KNOWLEDGE)
                        for flags in (0, 2, 4, 6) for seq in (0, peer.expected[channel])))
        peer.answered()
        before = fort.session(peer)
        fort.ada.call("agent.send", {"type": "STATE_UPDATE", "to": "*", "payload": {
            "presence": "focused", "lri": 5, "ltppeerstate": "trusted", "kernel_signals": [],
            "intent": ""}})
        fort.unharmed()
        assert fort.session(peer)["state"] == "open", before
        peer.close()


def test_parts_from_the_far_future():
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        peer.answered()
        before = fort.session(peer)
        for seq in [1 << bit for bit in range(4, 64)] + [2 ** 64 - 1] * 1000:
            peer.send((DATA, FIN, KNOWLEDGE, seq, b"x" * 1000))
        peer.answered()
        after = fort.session(peer)
        assert after["bytes_out"] - before["bytes_out"] <= after["bytes_in"] - before["bytes_in"]
        peer.send((DATA, FIN, CONTROL, peer.seq[CONTROL], message(peer)))
        peer.seq[CONTROL] += 1
        peer.answered()
        assert fort.session(peer)["channels"][0]["messages_in"] > 0
        fort.unharmed()
        peer.close()


def test_goodbye_in_the_middle():
    """CLOSE between two parts, 100 times: nothing of it is delivered, nothing is kept."""
    with Fort() as fort:
        key = FastKey()
        for _ in range(100):
            peer = HostileNode(fort.a, key).open()
            data = message(peer) + b" " * 40000
            peer.send((DATA, 0, CONTROL, 0, data[:PART]), (CLOSE, 0, 0, 0, b"\x04none"))
            link_ends(peer)
        fort.a.wait_until("it is gone", lambda: not fort.session(peer))
        fort.unharmed()


def test_wrong_epochs():
    """Keys that cannot be: dropped and counted, three in a row end the link; the session waits."""
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        peer.answered()
        for epoch in (2, 200, 255):
            peer.epoch = epoch
            peer.send((PING, 0, 0, 1, b""))
        peer.epoch = 0
        link_ends(peer)
        fort.a.wait_until("it waits", lambda: fort.session(peer)["state"] == "waiting")
        assert fort.session(peer)["verification_failures"] == 3, fort.session(peer)
        fort.unharmed()


def test_a_new_key_for_each_record():
    """The epoch goes around twice; each record is read, and a message of them is whole."""
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        peer.answered()
        before = fort.session(peer)
        for _ in range(600):
            peer.rekey()
            peer.send((DATA, FIN, CONTROL, peer.seq[CONTROL], message(peer)))
            peer.seq[CONTROL] += 1
        peer.answered()
        after = fort.session(peer)
        assert after["channels"][0]["messages_in"] - before["channels"][0]["messages_in"] == 600, \
            (before, after)
        assert after["verification_failures"] == 0, after
        fort.unharmed()
        peer.close()


def test_flags_and_types_of_tomorrow():
    with Fort() as fort:
        for frame in ((PING, 0x40, 0, 0, b""), (PING, 0x10, 0, 0, b""), (99, 0, 0, 0, b""),
                      (99, 0x40, 0, 0, b""), (0, 0, 0, 0, b""), (255, 0x7F, 65535, 0, b"x")):
            peer = HostileNode(fort.a).open()
            peer.send(frame)
            ends_with(peer, "unsupported_version")
        peer = HostileNode(fort.a).open()
        peer.send(*((kind, OPTIONAL, channel, 2 ** 64 - 1, b"of a later version")
                    for kind in (0, 99, 200, 255) for channel in (0, 1, 65535)))
        peer.answered()
        fort.unharmed()
        peer.close()


def test_plaintext_of_noise():
    """What authenticates and is no frame: a code each time."""
    with Fort() as fort:
        chance = random.Random(SEED)
        for length in [1, 15, 16, 17, 31] + [chance.randrange(1, 60000) for _ in range(60)]:
            peer = HostileNode(fort.a).open()
            peer.send_plain(bytes(chance.randrange(256) for _ in range(min(length, 64))) *
                            (1 + length // 64))
            try:
                peer.answered()
            except OSError as error:
                assert str(error) in ("unsupported_version", "too_large", "not_found",
                                      "auth_failure"), (length, error)
            peer.close()
        fort.unharmed()


def test_a_flood_of_pings():
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        peer.answered()
        before = fort.session(peer)
        for _ in range(200):
            peer.send(*((PING, 0, 0, random.randrange(1, 1 << 60), b"") for _ in range(500)))
        fort.served()
        peer.answered()
        after = fort.session(peer)
        sent, got = (after[name] - before[name] for name in ("bytes_out", "bytes_in"))
        assert sent * 10 < got, (sent, got)
        fort.unharmed()
        peer.close()


def test_a_peer_that_does_not_read():
    """It goes on sending PINGs and reads nothing, not even the answers, while there is more to be
    sent to it: its link is cut, though it says that it will be silent for an hour at times. One that
    is as silent, but reads, is left alone; and so is one that says nothing at all."""
    with Fort() as fort:
        ear = Client(fort.a.control_socket)
        ear.call("events.watch", {"types": ["heartbeat_timeout"]})
        peers = [HostileNode(fort.a) for _ in range(3)]
        for peer in peers:
            peer.heartbeat_ms, peer.timeout_ms = 1000, 3600 * 1000
            peer.open().answered()
        deaf, reader, silent = peers
        for _ in range(40):
            fort.ada.call("agent.send", {"type": "STATE_UPDATE", "to": "*", "payload": {
                "presence": "focused", "lri": 5, "ltppeerstate": "trusted", "kernel_signals": [],
                "intent": "x" * 2000}})
        until = time.monotonic() + 2 * DEADLINE
        while fort.session(deaf)["state"] == "open":
            assert time.monotonic() < until, fort.session(deaf)
            try:
                deaf.send((PING, 0, 0, random.randrange(1, 1 << 60), b""))
            except OSError:
                break
            reader.answered()
            select.select([], [], [], 0.02)
        told = ear.wait_note("node.event")
        assert (told["peer"], told["data"]["reason"]) == (deaf.key.fingerprint, "unread"), told
        ear.close()
        for peer in (reader, silent):
            assert fort.session(peer)["state"] == "open", fort.session(peer)
        silent.answered()
        fort.unharmed()
        for peer in peers:
            peer.close()


def test_envelopes_that_are_none():
    """Tens of thousands, within the credit: refused and counted; the log tells of some of them, and of
    all else that happens meanwhile."""
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        before, logged = fort.refusals("bad_json"), os.path.getsize(fort.a.log_file)
        subjects = [FastKey().fingerprint for _ in range(30)]
        began = time.monotonic()
        for subject in subjects:
            for channel in (CONTROL, STATE, KNOWLEDGE):
                frames = []
                for _ in range(200):
                    frames.append((DATA, FIN, channel, peer.seq[channel], os.urandom(16)))
                    peer.seq[channel] += 1
                peer.send(*frames)
            peer.answered()
            fort.a.control.call("trust.set", {"subject": subject, "kind": "node",
                                              "state": "trusted"})
        fort.served()
        took = time.monotonic() - began
        peer.ask_on_until(lambda: fort.refusals("bad_json") - before == 600 * len(subjects))
        with open(fort.a.log_file, errors="replace") as log:
            log.seek(logged)
            lines = log.readlines()
        rejected = [line for line in lines if "envelope_rejected peer" in line]
        assert 0 < len(rejected) <= 50 * (took + 3), (len(rejected), took)
        for subject in subjects:
            assert any("trust_updated" in line and subject in line for line in lines), subject
        fort.unharmed()
        peer.close()


def test_resume_points_that_lie():
    with Fort() as fort:
        key = FastKey()
        peer = HostileNode(fort.a, key).open()
        peer.answered()
        session = fort.session(peer)["id"]
        peer.close()
        for claim in ([10 ** 9] * 3, [2 ** 53] * 3, [0] * 64):
            fort.a.wait_until("it waits", lambda: fort.session(peer)["state"] == "waiting")
            peer = HostileNode(fort.a, key)
            peer.resume = {"session": session, "channels": claim}
            try:
                peer.open()
                peer.answered()
            except OSError:
                pass
            peer.close()
        other = HostileNode(fort.a)  # another's session
        other.resume = {"session": session, "channels": [0, 0, 0]}
        other.open().answered()
        assert fort.session(other)["id"] != session
        fort.unharmed()
        other.close()


def test_what_is_left():
    """After all of it: no more than it was, and an orderly end."""
    fort = Fort.shared
    if fort is None:
        raise Skipped("the last attack was too much")
    fort.unharmed()
    print(f"{fort.resident() - fort.rss >> 10} KiB more than at the start")
    assert fort.a.stop() == 0
    fort.end(None, None, None)


if __name__ == "__main__":
    main([test_a_peer_that_grants_nothing, test_beyond_the_credit, test_records_again_and_out_of_order,
          test_all_the_channels_there_could_be, test_parts_that_never_end,
          test_acknowledgements_that_lie, test_parts_from_the_far_future, test_goodbye_in_the_middle,
          test_wrong_epochs, test_a_new_key_for_each_record, test_flags_and_types_of_tomorrow,
          test_plaintext_of_noise, test_a_flood_of_pings,
          test_a_peer_that_does_not_read, test_envelopes_that_are_none, test_resume_points_that_lie,
          test_what_is_left])
