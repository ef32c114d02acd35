"""An independent Noise peer over TCP, in both roles: handshake, identity proofs, records, CLOSE."""
from noise import *
from web4test import *

PROLOGUE = b"web4-rtt/1"
CONTEXT = b"web4-rtt-identity-v1"


class Peer:
    """Speaks RTT over one TCP connection."""

    def __init__(self, connection, key, initiator):
        self.socket = connection
        self.socket.settimeout(DEADLINE)
        self.key = key
        self.handshake = Handshake(initiator, PROLOGUE)
        self.sent = 0

    def send_frame(self, frame):
        self.socket.sendall(len(frame).to_bytes(2, "big") + frame)

    def exactly(self, length):
        data = b""
        while len(data) < length:
            chunk = self.socket.recv(length - len(data))
            if not chunk:
                raise ConnectionError("the node ended the link")
            data += chunk
        return data

    def frame(self):
        return self.exactly(int.from_bytes(self.exactly(2), "big"))

    def hello(self, h, **changes):
        role = b"\0" if self.handshake.initiator else b"\1"
        members = {
            "rtt": "1", "node": "stranger", "pubkey": self.key.pubkey,
            "proof": base64.b64encode(self.key.sign(CONTEXT + role + h)).decode(),
            "time": timestamp(), "heartbeat_ms": 5000, "timeout_ms": 15000,
            "max_message": 1048576, "features": [], **changes,
        }
        return canonical(members)

    def check_hello(self, text):
        """The node's hello: canonical, and its proof fits this handshake and the other role."""
        members = json.loads(text)
        assert canonical(members) == text, text
        role = b"\1" if self.handshake.initiator else b"\0"
        signature = base64.b64decode(members["proof"])
        message = CONTEXT + role + self.handshake.proof_hash
        public = base64.b64decode(members["pubkey"])
        assert verify(public, message, signature), "the node's proof does not verify"
        return members

    def open(self, **changes):
        if self.handshake.initiator:
            self.send_frame(self.handshake.write(lambda h: b""))
            hello = self.check_hello(self.handshake.read(self.frame()))
            self.send_frame(self.handshake.write(lambda h: self.hello(h, **changes)))
        else:
            self.handshake.read(self.frame())
            self.send_frame(self.handshake.write(lambda h: self.hello(h, **changes)))
            hello = self.check_hello(self.handshake.read(self.frame()))
        self.send_key, self.recv_key = self.handshake.split()
        return hello

    def record(self):
        """The frames of the next record of epoch 0."""
        data = self.frame()
        assert data[0] == 0, "epoch"
        plain = unseal(self.recv_key, int.from_bytes(data[1:8], "big"), data[:8], data[8:])
        frames = []
        while plain:
            kind, flags = plain[0], plain[1]
            channel = int.from_bytes(plain[2:4], "big")
            length = int.from_bytes(plain[4:8], "big")
            seq = int.from_bytes(plain[8:16], "big")
            frames.append((kind, flags, channel, seq, plain[16:16 + length]))
            plain = plain[16 + length:]
        return frames

    def send_record(self, *frames, counter=None):
        plain = b"".join(
            bytes([kind, flags]) + channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") +
            seq.to_bytes(8, "big") + payload for kind, flags, channel, seq, payload in frames)
        counter = self.sent if counter is None else counter
        self.sent = max(self.sent, counter) + 1
        head = bytes(1) + counter.to_bytes(7, "big")
        self.send_frame(head + seal(self.send_key, counter, head, plain))

    def wait(self, wanted):
        while True:
            for frame in self.record():
                if wanted(frame):
                    return frame


def verify(public, message, signature):
    """Ed25519 verification by the equation of RFC 8032 5.1.7."""
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return False
    if x & 1 != public[31] >> 7:
        x = P - x
    point = (x, y, 1, x * y % P)
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left = compress(point_mul(s, BASE))
    inverse_part = point_mul(L - h, point)
    return s < L and compress(point_add(point_mul(s, BASE), inverse_part)) == signature[:32] and \
        left is not None


ACK, OPEN, PING, PONG, CLOSE = 2, 3, 5, 6, 8
ASK = 4


def dial(node, key):
    host, port = node.address[4:].rsplit(":", 1)
    return Peer(socket.create_connection((host, int(port)), DEADLINE), key, True)


def test_as_initiator():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        peer = dial(a, Key(b"\x21" * 32))
        hello = peer.open()
        assert hello["rtt"] == "1" and hello["node"] == "a", hello
        assert hashlib.sha256(base64.b64decode(hello["pubkey"])).hexdigest() == a.status()["node"]
        opened = peer.wait(lambda f: f[0] == OPEN)
        peer.send_record((OPEN, 0, 0, 0, opened[4]), (PING, 0, 0, 77, b""))
        assert peer.wait(lambda f: f[0] == PONG)[3] == 77
        a.wait_until("the session", lambda: a.connected() == 1)
        shown = a.control.call("peers.list")["peers"]
        assert [p["fingerprint"] for p in shown] == [peer.key.fingerprint], shown
        # a record again is dropped and counted, the session lives
        ask = (ACK, ASK, 1, 0, (16).to_bytes(4, "big"))
        peer.send_record(ask)
        assert peer.wait(lambda f: f[0] == ACK and f[2] == 1)
        peer.send_record(ask, counter=1)
        peer.send_record(ask)
        assert peer.wait(lambda f: f[0] == ACK and f[2] == 1)
        session = a.control.call("sessions.list")["sessions"][0]
        assert session["replays"] == 1, session
        a.control.call("sessions.close", {"session": session["id"]})
        assert peer.wait(lambda f: f[0] == CLOSE)


def test_as_responder():
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(DEADLINE)
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        a.control.call("peers.add", {"address": "tcp:127.0.0.1:%d" % listening.getsockname()[1]})
        peer = Peer(listening.accept()[0], Key(b"\x22" * 32), False)
        peer.open()
        session_id = peer.handshake.h[:16]
        peer.send_record((OPEN, 0, 0, 0, session_id),
                         *((ACK, 0, channel, 0, (16).to_bytes(4, "big")) for channel in (1, 2, 3)))
        assert peer.wait(lambda f: f[0] == OPEN)[4] == session_id
        a.wait_until("the session", lambda: a.connected() == 1)


def test_wrong_proofs_are_refused():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        victim = Key(b"\x23" * 32)
        wrong = {
            "somebody else's key": {"pubkey": victim.pubkey},
            "a proof of nothing": {"proof": base64.b64encode(bytes(64)).decode()},
            "another version": {"rtt": "2"},
        }
        for what, changes in wrong.items():
            peer = dial(a, Key(b"\x24" * 32))
            try:
                peer.open(**changes)
                assert peer.wait(lambda f: f[0] in (OPEN, CLOSE))[0] == CLOSE, what
            except ConnectionError:
                pass
            assert a.connected() == 0, what
        trust = a.control.call("trust.list")["entries"]
        assert victim.fingerprint not in [entry["subject"] for entry in trust], trust
        # another prologue: no common hash, so message 2 does not authenticate here
        peer = dial(a, victim)
        peer.handshake = Handshake(True, b"web4-rtt/2")
        try:
            peer.open()
            raise AssertionError("a session over another prologue")
        except (ValueError, ConnectionError):
            pass


def test_blocked_peer_gets_its_code():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        key = Key(b"\x25" * 32)
        a.control.call("trust.set", {"subject": key.fingerprint, "kind": "node", "state": "blocked"})
        peer = dial(a, key)
        peer.open()
        close = peer.wait(lambda f: f[0] in (OPEN, CLOSE))
        assert close[0] == CLOSE and b"peer_blocked" in close[4], close


main([test_as_initiator, test_as_responder, test_wrong_proofs_are_refused,
      test_blocked_peer_gets_its_code])
