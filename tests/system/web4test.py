"""What the system tests share: real daemons in scratch folders, a JSON-RPC client of its own, and
signatures made without any code of the project (Ed25519 after RFC 8032, in plain Python).

Waiting is always for an event with a deadline, never for time to pass."""
import base64
import hashlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

WEB4D = os.environ.get("WEB4D", "web4d")
WEB4CTL = os.environ.get("WEB4CTL", "web4ctl")
DEADLINE = float(os.environ.get("W4_TEST_DEADLINE", "30"))
SEED = int(os.environ.get("W4_TEST_SEED", "1"))


class Refused(Exception):
    """The node said no: code is the name in error.data.code."""

    def __init__(self, error):
        self.error = error
        self.code = (error.get("data") or {}).get("code")
        super().__init__(json.dumps(error))


class Skipped(Exception):
    """A test cannot run here: the text says why."""


class Client:
    """One connection to a socket of a node."""

    def __init__(self, path, deadline=DEADLINE):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.deadline = deadline
        self.socket.connect(path)
        self.buffer = b""
        self.number = 0
        self.notes = []  # notifications that nobody has waited for yet

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def line(self, until):
        while b"\n" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError(f"{self.path}: nothing came in time")
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError(f"{self.path}: closed by the node")
            self.buffer += chunk
        text, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(text)

    def call(self, method, params=None, deadline=None):
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method}
        if params is not None:
            request["params"] = params
        self.send_raw(json.dumps(request).encode() + b"\n")
        until = time.monotonic() + (deadline or self.deadline)
        while True:
            message = self.line(until)
            if message.get("id") == self.number:
                if "error" in message:
                    raise Refused(message["error"])
                return message["result"]
            if "method" in message:
                self.notes.append(message)

    def wait_note(self, method, wanted=lambda params: True, deadline=None):
        """The next notification of that method that is wanted; others of other methods stay."""
        until = time.monotonic() + (deadline or self.deadline)
        while True:
            for note in self.notes:
                if note["method"] == method and wanted(note["params"]):
                    self.notes.remove(note)
                    return note["params"]
            message = self.line(until)
            if "method" in message:
                self.notes.append(message)


class Node:
    """A daemon of its own in a scratch folder."""

    def __init__(self, scratch, name, **config):
        self.name = name
        self.folder = os.path.join(scratch, name)
        os.makedirs(self.folder, mode=0o700)
        self.config_file = os.path.join(self.folder, "web4d.json")
        self.log_file = os.path.join(self.folder, "log")
        self.config = {
            "node": {"name": name},
            "paths": {"state_dir": self.folder + "/state", "runtime_dir": self.folder + "/run"},
            "listen": ["tcp:127.0.0.1:0"],
            "limits": {"accepts_per_s": 10000},
        }
        for key, value in config.items():
            self.config[key] = {**self.config[key], **value} if isinstance(value, dict) and \
                isinstance(self.config.get(key), dict) else value
        self.process = None
        self.command = [WEB4D]
        self.control = None
        self.write_config()

    def write_config(self):
        with open(self.config_file, "w") as file:
            json.dump(self.config, file)

    @property
    def control_socket(self):
        return self.folder + "/run/control.sock"

    @property
    def agent_socket(self):
        return self.folder + "/run/agent.sock"

    def start(self, wait=True, environment=None, pass_fds=()):
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen(
            [*self.command, "--config", self.config_file], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, env=environment or os.environ, pass_fds=pass_fds)
        log.close()
        if wait:
            self.wait_up()
        return self

    def wait_up(self):
        """Up is when it answers; until then the socket is missing or refuses."""
        until = time.monotonic() + DEADLINE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
            try:
                self.control = Client(self.control_socket)
                self.control.call("status.get")
                return
            except (OSError, ConnectionError):
                if time.monotonic() > until:
                    raise TimeoutError(f"{self.name} does not come up:\n{self.log()}")
                select.select([], [], [], 0.01)

    def log(self):
        with open(self.log_file, errors="replace") as file:
            return file.read()[-8000:]

    def agent(self, name, **params):
        client = Client(self.agent_socket)
        client.attached = client.call("agent.attach", {"agent_id": name, "key": "hosted", **params})
        return client

    def status(self):
        return self.control.call("status.get")

    @property
    def address(self):
        return self.status()["addresses"][0]

    def kill(self):
        """As a power cut to the process: SIGKILL."""
        if self.control:
            self.control.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, deadline=DEADLINE):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline)

    def wait_until(self, what, check, deadline=DEADLINE):
        """Asks again with each event of the node until check() is true."""
        until = time.monotonic() + deadline
        watcher = Client(self.control_socket)
        watcher.call("events.watch", {})
        try:
            while not check():
                try:
                    watcher.line(min(until, time.monotonic() + 1))
                except TimeoutError:
                    if time.monotonic() >= until:
                        raise TimeoutError(f"{self.name}: {what} did not happen\n{self.log()}")
        finally:
            watcher.close()

    def connected(self):
        return sum(peer["connected"] for peer in self.control.call("peers.list")["peers"])

    def facts(self):
        """All facts, page by page."""
        found = []
        while True:
            page = self.control.call("facts.list", {"limit": 1000, "offset": len(found)})
            found += page["facts"]
            if not page["facts"] or len(found) >= page["total"]:
                return found

    def fact(self, fact_id):
        return self.control.call("facts.show", {"fact": fact_id})["fact"]

    def wait_fact(self, fact_id, state, deadline=DEADLINE):
        def there():
            try:
                return self.fact(fact_id)["state"] == state
            except Refused as refused:
                if refused.code != "not_found":
                    raise
                return False

        self.wait_until(f"fact {fact_id} {state}", there, deadline)


def lean():
    """An environment in which what is freed is free, also under AddressSanitizer: for tests that
    look at the memory of a node from outside."""
    return {**os.environ,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}


def resident(node):
    with open(f"/proc/{node.process.pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


class Mesh:
    """Some nodes, joined through the first one. Use as a context: all of it is gone afterwards."""
    environment = None

    def __init__(self, *names, **config):
        self.scratch = tempfile.mkdtemp(prefix="web4-test-")
        self.nodes = []
        self.names = names
        self.config = config

    def __enter__(self):
        try:
            for name in self.names:
                config = dict(self.config)
                if self.nodes:
                    config["seeds"] = [self.nodes[0].address]
                self.nodes.append(Node(self.scratch, name, **config).start(
                    environment=self.environment))
            for node in self.nodes:
                node.wait_until("all peers", lambda: node.connected() >= len(self.names) - 1)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, error, trace):
        for node in self.nodes:
            if kind is not None:
                print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __iter__(self):
        return iter(self.nodes)

    def trust_all(self, clients):
        """Each operator trusts each agent, its own too."""
        for node in self.nodes:
            for client in clients:
                node.control.call("trust.set", {"subject": client.attached["fingerprint"],
                                                "state": "trusted", "reason": "test"})


def fact_payload(statement, decision=None):
    return {
        "fact": {"statement": statement, "domain": "test", "confidence": 0.9,
                 "sources": [], "context": ""},
        "dmp_trace": {"decision_id": decision or str(uuid.uuid4()), "steps": ["observed"],
                      "counterfactuals": [], "evidence": []},
        "causal_links": [],
    }


def propose(client, statement, to="*"):
    return client.call("agent.send", {"type": "FACT_PROPOSE", "to": to,
                                      "payload": fact_payload(statement)})["msg_id"]


def confirm(client, fact_id, to="*"):
    return client.call("agent.send", {"type": "FACT_CONFIRM", "to": to, "payload": {
        "fact_ref": fact_id, "decision": "confirm", "confidence": 0.9, "notes": ""}})["msg_id"]


# ---- Ed25519 (RFC 8032 5.1), for envelopes that no code of the project has made
P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def point_add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_mul(scalar, p):
    q = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            q = point_add(q, p)
        p = point_add(p, p)
        scalar >>= 1
    return q


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if x & 1:
        x = P - x
    return x, y, 1, x * y % P


BASE = base_point()


def compress(p):
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """An identity made here."""

    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        scalar = int.from_bytes(digest[:32], "little")
        self.scalar = scalar & ((1 << 254) - 8) | (1 << 254)
        self.prefix = digest[32:]
        self.public = compress(point_mul(self.scalar, BASE))
        self.pubkey = base64.b64encode(self.public).decode()
        self.fingerprint = hashlib.sha256(self.public).hexdigest()

    def sign(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % L
        point = compress(point_mul(r, BASE))
        h = int.from_bytes(hashlib.sha512(point + self.public + message).digest(), "little") % L
        return point + ((r + h * self.scalar) % L).to_bytes(32, "little")


def canonical(value):
    """RFC 8785 for what the tests make: no floats but short ones, names in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def timestamp(offset=0.0):
    now = time.time() + offset
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)


def envelope(key, agent_id, kind, payload, receiver=None, **members):
    document = {
        "cip": "1.0", "msg_id": str(uuid.uuid4()), "type": kind, "timestamp": timestamp(),
        "sender": {"agent_id": agent_id, "fingerprint": key.fingerprint, "pubkey": key.pubkey},
        "receiver": receiver or {"agent_id": "*", "fingerprint": "*"},
        "payload": payload, **members,
    }
    signature = base64.b64encode(key.sign(canonical(document))).decode()
    return {**document, "sign": {"algo": "ed25519", "signature": signature}}


def main(tests):
    """Runs the functions; each prints a line. Exit 1 when one failed, 77 when none could run."""
    random.seed(SEED)
    failed = skipped = 0
    for test in tests:
        started = time.monotonic()
        try:
            test()
            verdict = "ok"
        except Skipped as reason:
            verdict = f"skipped: {reason}"
            skipped += 1
        except Exception as error:  # the next test still runs
            import traceback
            traceback.print_exc()
            verdict = f"FAILED: {error}"
            failed += 1
        print(f"{test.__name__}: {verdict} ({time.monotonic() - started:.1f} s, seed {SEED})",
              flush=True)
    sys.exit(1 if failed else 77 if skipped == len(tests) else 0)
