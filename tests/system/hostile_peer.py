"""A node that keeps to the protocol only as far as a test wants. The primitives come from libsodium
here, so that it can do thousands of things a second; everything above them is the test's own."""
import ctypes

import noise
from noise import *
from web4test import *

sodium = ctypes.CDLL("libsodium.so.23")
sodium.sodium_init()

DATA, ACK, OPEN, CLOSE_CHANNEL, PING, PONG, CLOSE = 1, 2, 3, 4, 5, 6, 8
FIN, ASK = 1, 4
CONTROL, STATE, KNOWLEDGE = 1, 2, 3
CREDIT = (64).to_bytes(4, "big")


def long(number):
    return ctypes.c_ulonglong(number)


def fast_x25519(scalar, point):
    out = ctypes.create_string_buffer(32)
    return out.raw if sodium.crypto_scalarmult(out, scalar, point) == 0 else bytes(32)


def fast_seal(key, counter, ad, plain):
    out = ctypes.create_string_buffer(len(plain) + 16)
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        out, None, plain, long(len(plain)), ad, long(len(ad)), None,
        bytes(4) + counter.to_bytes(8, "little"), key)
    return out.raw


def fast_unseal(key, counter, ad, sealed):
    out = ctypes.create_string_buffer(max(1, len(sealed) - 16))
    if sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
            out, None, None, sealed, long(len(sealed)), ad, long(len(ad)),
            bytes(4) + counter.to_bytes(8, "little"), key):
        raise ValueError("does not authenticate")
    return out.raw[:len(sealed) - 16]


def next_key(key):
    """Noise REKEY."""
    out = ctypes.create_string_buffer(48)
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        out, None, bytes(32), long(32), None, long(0), None, bytes(4) + b"\xff" * 8, key)
    return out.raw[:32]


noise.x25519, noise.seal, noise.unseal = fast_x25519, fast_seal, fast_unseal


class FastKey:
    """An identity."""

    def __init__(self):
        public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        sodium.crypto_sign_seed_keypair(public, secret, os.urandom(32))
        self.public, self.secret = public.raw, secret.raw
        self.pubkey = base64.b64encode(self.public).decode()
        self.fingerprint = hashlib.sha256(self.public).hexdigest()

    def sign(self, message):
        out = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(out, None, message, long(len(message)), self.secret)
        return out.raw


class KnownKey:
    """The public half of somebody else's."""

    def __init__(self, attached):
        self.pubkey, self.fingerprint = attached["pubkey"], attached["fingerprint"]


def signed(key, document):
    signature = base64.b64encode(key.sign(canonical(document))).decode()
    return {**document, "sign": {"algo": "ed25519", "signature": signature}}


def node_record(key, addresses=(), agents=(), **members):
    return signed(key, {
        "graph": "1.0", "seq": int(time.time() * 1000), "issued_at": timestamp(), "ttl": 3600,
        "node": {"id": key.fingerprint, "kind": "router", "address": list(addresses),
                 "capabilities": [], "metadata": {"name": "stranger", "version": "1"}},
        "edges": [], "services": [], "domain": None, "pubkey": key.pubkey,
        "agents": [{"agent_id": name, "fingerprint": agent.fingerprint, "pubkey": agent.pubkey,
                    "capabilities": []} for name, agent in agents], **members})


class HostileNode:
    def __init__(self, node, key=None, source=None):
        """source: the address to come from."""
        host, port = node.address[4:].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), DEADLINE,
                                               source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as nodes do
        self.key = key or FastKey()
        self.handshake = Handshake(True, b"web4-rtt/1")
        self.sent = 0
        self.epoch = 0  # of our records
        self.recv_epoch = 0  # of the node's
        self.credit = CREDIT  # granted with each ACK
        self.resume = None  # a member of the hello
        self.features = []  # another
        self.heartbeat_ms, self.timeout_ms = 5000, 15000  # and these
        self.keep = None  # is shown each frame that goes out
        self.hold = None  # a list: frames go there instead
        self.seq = {CONTROL: 0, STATE: 0, KNOWLEDGE: 0}
        self.expected = {CONTROL: 0, STATE: 0, KNOWLEDGE: 0}
        self.partial = {CONTROL: b"", STATE: b"", KNOWLEDGE: b""}
        self.messages = []

    def close(self):
        self.socket.close()

    def send_frame(self, frame):
        if self.keep:
            self.keep(frame)
        if self.hold is not None:
            self.hold.append(frame)
            return
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

    def hello(self, h):
        proof = self.key.sign(b"web4-rtt-identity-v1\0" + h)
        resume = {"resume": self.resume} if self.resume else {}
        return canonical({
            **resume, "rtt": "1", "node": "stranger", "pubkey": self.key.pubkey, "time": timestamp(),
            "proof": base64.b64encode(proof).decode(), "heartbeat_ms": self.heartbeat_ms,
            "timeout_ms": self.timeout_ms, "max_message": 1048576, "features": self.features})

    def open(self):
        """Until the session stands. Raises ConnectionError with the code of a CLOSE."""
        self.send_frame(self.handshake.write(lambda h: b""))
        self.handshake.read(self.frame())
        self.send_frame(self.handshake.write(self.hello))
        self.send_key, self.recv_key = self.handshake.split()
        while True:
            frames = self.record()
            for frame in frames:
                if frame[0] == OPEN:
                    self.send((OPEN, 0, 0, 0, frame[4]),
                              *((ACK, 0, channel, 0, self.credit) for channel in self.seq))
                    self.handle(frames)
                    return self
            self.handle(frames)

    def record(self):
        data = self.frame()
        if data[0] != self.recv_epoch:
            self.recv_key, self.recv_epoch = next_key(self.recv_key), data[0]
        plain = noise.unseal(self.recv_key, int.from_bytes(data[1:8], "big"), data[:8], data[8:])
        frames = []
        while plain:
            length = int.from_bytes(plain[4:8], "big")
            frames.append((plain[0], plain[1], int.from_bytes(plain[2:4], "big"),
                           int.from_bytes(plain[8:16], "big"), plain[16:16 + length]))
            plain = plain[16 + length:]
        return frames

    def send_plain(self, plain):
        head = bytes([self.epoch]) + self.sent.to_bytes(7, "big")
        self.sent += 1
        self.send_frame(head + noise.seal(self.send_key, self.sent - 1, head, plain))

    def rekey(self):
        """The next record is under the next key."""
        self.send_key, self.sent, self.epoch = next_key(self.send_key), 0, (self.epoch + 1) % 256

    def send(self, *frames):
        self.send_plain(b"".join(
            bytes([kind, flags]) + channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") +
            seq.to_bytes(8, "big") + payload for kind, flags, channel, seq, payload in frames))

    def handle(self, frames):
        answers = set()
        ends = any(frame[0] == CLOSE for frame in frames)  # nobody reads what is sent then
        for kind, flags, channel, seq, payload in frames:
            if kind == CLOSE:
                raise ConnectionError(payload[1:1 + payload[0]].decode())
            if kind == PING and not ends:
                self.send((PONG, 0, 0, seq, b""))
            if kind == DATA and seq == self.expected[channel]:
                self.expected[channel] += 1
                self.partial[channel] += payload
                if flags & FIN:
                    self.messages.append(json.loads(self.partial[channel]))
                    self.partial[channel] = b""
            if kind == DATA or kind == ACK and flags & ASK:
                answers.add(channel)
        for channel in answers:
            self.send((ACK, 0, channel, self.expected[channel], self.credit))

    def last_word(self):
        """The code of the CLOSE that waits to be read where something was sent after it."""
        try:
            while True:
                for kind, _, _, _, payload in self.record():
                    if kind == CLOSE:
                        return payload[1:1 + payload[0]].decode()
        except ConnectionError as error:
            return str(error)

    def answered(self):
        """Until the node has taken in all that was sent so far: it answers in order, though not each
        of many pings. Whoever asks it then, on another way, is told of the world after that; what it
        has to say to this peer about it may still be on its way."""
        token = random.randrange(1, 1 << 60)
        self.send((PING, 0, 0, token, b""))
        while True:
            if not select.select([self.socket], [], [], 0.1)[0]:
                self.send((PING, 0, 0, token, b""))
                continue
            frames = self.record()
            self.handle(frames)
            if any(frame[0] == PONG and frame[3] == token for frame in frames):
                return

    def ask_on(self):
        """Until nobody answers, who ought not to: a node says that it lives also before it looks at
        what came."""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            self.answered()
            select.select([], [], [], 0.01)

    def ask_on_until(self, done):
        until = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < until, "it never came to that"
            self.answered()

    def wait_message(self, wanted, deadline=DEADLINE):
        until = time.monotonic() + deadline
        while True:
            for message in self.messages:
                if wanted(message):
                    return message
            if not select.select([self.socket], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError("the message did not come")
            self.handle(self.record())

    def tell(self, channel, document):
        data = canonical(document)
        for at in range(0, len(data), 16352):
            part = data[at:at + 16352]
            self.send((DATA, FIN if at + 16352 >= len(data) else 0, channel, self.seq[channel],
                       part))
            self.seq[channel] += 1

    def tell_records(self, *records):
        self.tell(CONTROL, signed(self.key, {
            "mesh": "1.0", "msg_id": str(uuid.uuid4()), "type": "MESH_HELLO",
            "timestamp": timestamp(), "payload": {"records": list(records)},
            "sender": {"agent_id": "stranger", "fingerprint": self.key.fingerprint,
                       "pubkey": self.key.pubkey},
            "receiver": {"agent_id": "*", "fingerprint": "*"}}))

    def greet(self, key, name, attached):
        """The handshake of one of its agents with an agent of the node."""
        receiver = {"agent_id": attached["agent_id"], "fingerprint": attached["fingerprint"]}
        hello = envelope(key, name, "HELLO", {
            "protocols": ["cip/1.0"], "capabilities": [],
            "session_nonce": base64.b64encode(os.urandom(16)).decode(),
            "challenge": base64.b64encode(os.urandom(32)).decode()}, receiver)
        self.tell(CONTROL, hello)
        reply = self.wait_message(lambda m: m["type"] == "HELLO" and
                                  m["payload"].get("in_reply_to") == hello["msg_id"])
        self.tell(STATE, envelope(key, name, "STATE_UPDATE", {
            "presence": "focused", "lri": 5, "ltppeerstate": "trusted", "kernel_signals": [],
            "intent": "", "challenge_response": reply["payload"]["challenge"]}, receiver))
