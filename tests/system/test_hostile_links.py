"""Peers that attack before there is a session, and around its keys and channels: thousands of
handshakes that end nowhere or come as fast as they can, contracts of every size, keys that nobody
follows. All are bounded, and those who keep to the rules wait no longer than when somebody else is
attacked."""
from test_hostile_session import *

import threading

HALF_OPEN_MAX = 64
SILENT = 1000
AT_ONCE = 300  # sockets of ours
ACCEPTS = 4  # so few that also a slow attacker is refused
FLAT = 16 * 2 ** 20  # bytes more than before, whatever is tried


def table(node, name):
    memory = node.control.call("status.get", {"memory": True})["memory"]
    row, = [row for row in memory["tables"] if row["name"] == name]
    return row


def test_half_a_handshake_and_silence():
    with Fort(limits={"half_open_max": HALF_OPEN_MAX}) as fort:
        silent, most = [], 0
        for number in range(SILENT):
            peer = HostileNode(fort.a)
            first = peer.handshake.write(lambda h: b"")
            if number % 3 == 0:  # the whole of the first message
                peer.send_frame(first)
            elif number % 3 == 1:  # its half
                peer.socket.sendall(len(first).to_bytes(2, "big") + first[:16])
            silent.append(peer)
            if len(silent) > AT_ONCE:
                silent.pop(0).close()
            if number % 100 == 99:
                most = max(most, table(fort.a, "handshakes")["count"])
                HostileNode(fort.a).open().close()  # one who goes on gets in
                fort.served()
        assert HALF_OPEN_MAX // 2 < most <= HALF_OPEN_MAX, most
        for peer in silent:
            peer.close()
        fort.a.wait_until("they are gone", lambda: table(fort.a, "handshakes")["count"] == 0)
        assert fort.resident() - fort.rss < FLAT, f"{fort.resident() - fort.rss >> 20} MiB more"
        fort.unharmed()


def test_handshakes_as_fast_as_they_go():
    """From one address; somebody at another gets in meanwhile."""
    with Fort(limits={"accepts_per_s": ACCEPTS}) as fort:
        began, opened, refused, took, newcomers = time.monotonic(), 0, 0, 0, 0
        while took < 2 or (refused < 500 and took < DEADLINE):
            peer = HostileNode(fort.a)
            try:
                peer.open()
                opened += 1
            except OSError:
                refused += 1
            peer.close()
            if took > newcomers / 2:
                newcomers += 1
                newcomer = HostileNode(fort.a, source="127.0.0.2").open()
                newcomer.answered()
                newcomer.close()
                fort.served()
            took = time.monotonic() - began
        assert opened <= ACCEPTS * (took + 2), (opened, took)
        assert refused > 0, f"too slow to be refused: {opened} opened in {took:.1f} s"
        assert fort.refusals("rate_limited") >= refused // 2, (refused, fort.a.status()["refusals"])
        print(f"{opened} opened, {refused} refused in {took:.1f} s")
        fort.unharmed()


def contracts():
    """Words of OPEN: all lengths around the limits, all sorts of numbers, things that are none."""
    good = {"max_drop_rate": 0.5, "min_availability": 0.5, "p99_ms": 1000, "window_ms": 60000}
    for name in good:
        for value in (0, -1, 0.1, 1, 1.5, 1e308, 5e-324, 2 ** 53, 2 ** 63, 999, 1000, 86400000,
                      "1", None, True, [], {}):
            yield canonical({"kind": "state", "sla": {**good, name: value}})
    for sla in ({}, [], 0, "x" * 64, {"window_ms": 60000}, {"p99_ms": 60001, "window_ms": 60000}):
        yield canonical({"kind": "state", "sla": sla})
    for kind in ("", "state", "State", "x" * 63, "x" * 65, "a\x00", 7, None):
        yield canonical({"kind": kind})
    whole = canonical({"kind": "state", "sla": good})
    for length in (*range(len(whole)), 511, 512, 513, 4096, PART, 60000):
        yield whole[:length] + b" " * (length - len(whole))
    yield b"[" * 500
    yield b'{"kind":"state","kind":"state"}'
    yield canonical({"kind": "state", **{f"x{i}": i for i in range(40)}})


def test_contracts_of_every_size():
    with Fort() as fort:
        ends, peer, rss = {}, None, fort.resident()
        words = list(contracts())
        for round in range(3):
            for number, word in enumerate(words):
                if peer is None:
                    peer, ordinal = HostileNode(fort.a), 0
                    peer.features = ["channels"]
                    peer.open()
                ordinal += 1
                channel = (2 * ordinal + 2) % 60000 or 4
                try:
                    if round == 2:  # of a channel that is always open, one word after the other
                        peer.send((OPEN, 0, STATE, ordinal, word))
                    else:
                        peer.send((OPEN, 0, channel, ordinal << 32 | 1, word),
                                  (CLOSE_CHANNEL, 0, channel, ordinal << 32 | 2, b"\x04none"))
                    drain_frames(peer)
                except OSError as error:
                    ends[str(error)] = ends.get(str(error), 0) + 1
                    peer.close()
                    peer = None
            fort.served()
        print(f"{len(words)} words, sessions ended: {ends}")
        known = {"bad_json", "unsupported_version", "too_large", "rate_limited", "not_found"}
        assert set(name for name in ends if name.isidentifier()) <= known, ends
        assert fort.resident() - rss < FLAT
        fort.unharmed()


def drain_frames(peer):
    """Until what was sent is dealt with; what is about channels that were opened is passed over."""
    token = random.randrange(1, 1 << 60)
    peer.send((PING, 0, 0, token, b""))
    while True:
        if not select.select([peer.socket], [], [], 0.1)[0]:
            peer.send((PING, 0, 0, token, b""))
            continue
        frames = peer.record()
        peer.handle([frame for frame in frames if frame[2] <= KNOWLEDGE and frame[0] != OPEN])
        if any(frame[0] == PONG and frame[3] == token for frame in frames):
            return


def test_a_new_key_that_nobody_follows():
    """The node is told to take new keys, on and on, while the peer answers no PING: it takes one and
    waits; so what it sends can be read all the time."""
    with Fort() as fort:
        peer = HostileNode(fort.a).open()
        peer.answered()
        session = fort.session(peer)["id"]
        deaf = [PING]
        honest = peer.handle
        peer.handle = lambda frames: honest([frame for frame in frames if frame[0] not in deaf])
        for _ in range(30):
            fort.a.control.call("sessions.rekey", {"session": session})
            peer.answered()
        stuck = fort.session(peer)
        assert stuck["rekeys"] == 1 and peer.recv_epoch == 1, stuck
        fort.served()
        deaf.clear()
        for rekeys in range(2, 260):  # the number of the epoch begins anew
            fort.a.control.call("sessions.rekey", {"session": session})
            until = time.monotonic() + DEADLINE
            while peer.recv_epoch != rekeys % 256 or fort.session(peer)["rekeys"] < rekeys:
                assert time.monotonic() < until, fort.session(peer)
                peer.answered()
        assert fort.session(peer)["state"] == "open", fort.session(peer)
        fort.unharmed()
        peer.close()


def drained(peer):
    """Whatever came is thrown away."""
    while select.select([peer.socket], [], [], 0)[0]:
        if not peer.socket.recv(65536):
            raise ConnectionError("the node ended the link")


def attack(node, stop):
    """One after the other, as fast as it goes, whatever the node makes of it."""
    while not stop.is_set():
        try:
            peer = HostileNode(node)
            peer.features, peer.credit = ["channels"], bytes(4)
            peer.open()
            kept = []
            peer.keep = kept.append
            for number in range(40):
                if stop.is_set():
                    break
                peer.send(*((PING, 0, 0, number, b"") for _ in range(200)))
                peer.send(*((ACK, 4, channel, 0, bytes(4)) for channel in (1, 2, 3) * 50))
                peer.send(*((DATA, 0, KNOWLEDGE, number * 3 + part, bytes(PART - 400))
                            for part in range(3)))
                peer.send((OPEN, 0, 4 + 2 * number, (number + 1) << 32 | 1,
                           canonical({"kind": "state"})))
                peer.rekey()
                for frame in kept[-4:]:
                    peer.send_frame(frame)
                drained(peer)
            peer.close()
        except OSError:
            peer.close()


def test_everybody_else_waits_no_longer():
    """The round trips of two honest agents while their node is attacked, beside those while another
    node is, in turns."""
    with Fort() as fort:
        decoy = Node(fort.mesh.scratch, "decoy").start(environment=lean())
        fort.mesh.nodes.append(decoy)
        took = {fort.a: [], decoy: []}
        for _ in range(4):
            for target in took:
                stop = threading.Event()
                attacker = threading.Thread(target=attack, args=(target, stop))
                attacker.start()
                try:
                    for _ in range(25):
                        began = time.monotonic()
                        fort.served()
                        took[target].append(time.monotonic() - began)
                finally:
                    stop.set()
                    attacker.join()
        p95 = {node: sorted(times)[len(times) * 95 // 100] for node, times in took.items()}
        print(f"p95 {p95[fort.a] * 1e3:.1f} ms, while another is attacked "
              f"{p95[decoy] * 1e3:.1f} ms")
        assert p95[fort.a] < 4 * p95[decoy] + 0.1, p95
        fort.mesh.nodes.remove(decoy)
        assert decoy.stop() == 0
        fort.unharmed()


if __name__ == "__main__":
    main([test_half_a_handshake_and_silence, test_handshakes_as_fast_as_they_go,
          test_contracts_of_every_size, test_a_new_key_that_nobody_follows,
          test_everybody_else_waits_no_longer, test_what_is_left])
