"""A peer that opens every channel there could be, each with a real OPEN, grants no credit on any of
them, sends beyond what it was granted, and leaves messages half sent on all of them: each gets its
code, what is held stays within the budgets, and everybody else is served meanwhile."""
from collections import Counter

from test_hostile_session import *

NUMBERS = 65536
DONE = 1
MORE = 61  # channels beyond the three
PEER_BYTES, NODE_BYTES = 4 * 2 ** 20, 12 * 2 ** 20
BUDGETS = {"session": {"peer_bytes": PEER_BYTES, "node_bytes": NODE_BYTES}}


class Opener(HostileNode):
    def __init__(self, node):
        super().__init__(node)
        self.features = ["channels"]
        self.ordinal = 0
        self.words = {}  # of each number it wants, the word of its OPEN
        self.taken, self.refused = set(), {}

    def opens(self, *numbers):
        frames = []
        for number in numbers:
            self.ordinal += 1
            self.words[number] = self.ordinal << 32 | 1
            frames.append((OPEN, 0, number, self.words[number], canonical({"kind": "state"})))
        self.send(*frames)

    def handle(self, frames):
        for kind, flags, channel, seq, payload in frames:
            if kind == OPEN and channel > KNOWLEDGE and flags & DONE:
                assert seq == self.words[channel], (channel, seq)
                self.taken.add(channel)
            if kind == CLOSE_CHANNEL and flags & DONE:
                code = payload[1:1 + payload[0]].decode()
                self.refused[code] = self.refused.get(code, 0) + 1
        super().handle([frame for frame in frames if frame[2] <= KNOWLEDGE])

    def sends_on(self, number, flags, data, parts):
        """Parts of messages, one record; they go on from where the channel is."""
        first = self.seq.setdefault(number, self.words[number] >> 32 << 32)
        self.send(*((DATA, flags, number, first + i, data) for i in range(parts)))
        self.seq[number] += parts


def channels_of(fort, peer):
    return [c["id"] for c in fort.a.control.call("channels.list", {})["channels"]
            if c["peer"] == peer.key.fingerprint]


def held(fort):
    tables = fort.a.control.call("status.get", {"memory": True})["memory"]["tables"]
    row, = [table for table in tables if table["name"] == "session messages"]
    assert row["bytes_max"] == NODE_BYTES, row
    return row["bytes"]


def test_every_number_there_is():
    """As fast as it can, over as many sessions as it takes."""
    with Fort() as fort:
        tried, sessions, ends = 0, 0, Counter()
        while tried < NUMBERS:
            peer = Opener(fort.a)
            sessions += 1
            try:
                peer.open()
                while tried < NUMBERS:
                    batch = range(tried, min(tried + 300, NUMBERS))
                    peer.opens(*(number for number in batch if number > KNOWLEDGE))
                    tried = batch.stop
                    peer.ask_on_until(lambda: peer.taken)
                    assert len(peer.taken) <= MORE and len(channels_of(fort, peer)) <= MORE + 3
                    assert all(number % 2 == 0 for number in peer.taken)
                    assert set(peer.refused) <= {"not_found", "overloaded"}, peer.refused
            except (BrokenPipeError, ConnectionResetError):
                ends.update([peer.last_word()])
            except ConnectionError as error:
                ends.update([str(error)])
            peer.close()
            if sessions % 16 == 1:
                fort.served()
        print(f"{tried} numbers over {sessions} sessions, which ended: {ends}")
        assert set(ends) == {"rate_limited"} and sessions < NUMBERS / 300, ends
        fort.unharmed()


def test_no_credit_and_beyond_it():
    """All the channels that there may be, nothing granted on any, and more sent than was granted."""
    with Fort() as fort:
        peer = Opener(fort.a)
        peer.credit = bytes(4)
        peer.open()
        peer.opens(*range(4, 4 + 2 * MORE, 2))
        peer.ask_on_until(lambda: len(peer.taken) == MORE)
        assert len(channels_of(fort, peer)) == MORE + 3
        fort.served()
        try:
            for number in peer.taken:
                peer.sends_on(number, FIN, b"{}", 30)
            for _ in range(8):
                peer.sends_on(4, FIN, b"{}", 1000)
            peer.answered()
            ended = None
        except OSError as error:
            ended = str(error) if str(error).isidentifier() else None
        assert ended in (None, "backpressure"), ended
        peer.close()
        fort.unharmed()


def test_half_messages_on_all_of_them():
    """Each peer is held to its budget, all of them together to that of the node; and there is room
    for those who keep to the rules."""
    with Fort(**BUDGETS) as fort:
        crowd, most = [], 0
        for _ in range(6):
            peer = Opener(fort.a).open()
            crowd.append(peer)
            peer.opens(*range(4, 4 + 2 * MORE, 2))
            peer.ask_on_until(lambda: len(peer.taken) == MORE)
            for number in sorted(peer.taken):
                for _ in range(2):
                    peer.sends_on(number, 0, bytes(PART), 3)
            peer.answered()
            most = max(most, held(fort))
            assert most <= NODE_BYTES, most
            fort.served()
        memory = fort.a.control.call("status.get", {"memory": True})["memory"]
        each = {p["peer"]: p["receiving"] for p in memory["peers"]}
        for peer in crowd:
            assert each[peer.key.fingerprint] <= 2 * PEER_BYTES, each  # buffers grow by doubling
        print(f"{most / 2 ** 20:.1f} MiB of half messages at most")
        assert most > PEER_BYTES, most
        grown = fort.resident() - fort.rss
        assert grown < RSS_MAX, f"{grown >> 20} MiB more"
        for peer in crowd:
            peer.send((CLOSE, 0, 0, 0, b"\x04none"))
            peer.close()
        fort.a.wait_until("the half messages are gone", lambda: held(fort) == 0)
        fort.served()


def test_what_is_left():
    with Fort() as fort:
        fort.unharmed()
        assert fort.a.stop() == 0
        fort.end(None, None, None)


if __name__ == "__main__":
    main([test_every_number_there_is, test_no_credit_and_beyond_it,
          test_half_messages_on_all_of_them, test_what_is_left])
