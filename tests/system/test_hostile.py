"""Garbage on each socket: the node still serves, and its memory is flat."""
import threading

from web4test import *

# What ASan keeps back of freed memory, to find uses of it, would look as if the node grew.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"
SECONDS = float(os.environ.get("W4_TEST_HOSTILE_SECONDS", "8"))


def resident(node):
    with open(f"/proc/{node.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def garbage(chance):
    kind = chance.randrange(8)
    if kind == 0:
        return os.urandom(chance.randrange(1, 4096))
    if kind == 1:
        return b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    if kind == 2:
        return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(300)
    if kind == 3:
        return b"\x00\x00" * chance.randrange(1, 100)
    if kind == 4:
        return b"\xff\xff" + os.urandom(100)  # the greatest length, then silence
    if kind == 5:
        return b"\x00\x20" + os.urandom(32)  # a first message of Noise
    if kind == 6:
        return b"[" * chance.randrange(1, 100000) + b"\n"
    return json.dumps({"jsonrpc": "2.0", "id": [1], "method": 7, "params": "x" * 1000}).encode() + b"\n"


def connect(address):
    if isinstance(address, str):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    peer.settimeout(1)
    peer.connect(address)
    return peer


def pour(address, chance, until):
    while time.monotonic() < until:
        try:
            peer = connect(address)
        except OSError:
            continue
        try:
            for _ in range(chance.randrange(1, 5)):
                peer.sendall(garbage(chance))
            if chance.randrange(2):
                peer.shutdown(socket.SHUT_WR)
            else:
                peer.recv(4096)
        except OSError:
            pass
        finally:
            peer.close()


def test_garbage_on_each_socket():
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada = a.agent("ada")
        port = int(a.address.rsplit(":", 1)[1])
        targets = [("127.0.0.1", port), a.control_socket, a.agent_socket]

        def round_of(seconds, seed):
            until = time.monotonic() + seconds
            threads = [threading.Thread(target=pour,
                                        args=(target, random.Random(seed + i), until))
                       for i, target in enumerate(targets)]
            for thread in threads:
                thread.start()
            while time.monotonic() < until:
                assert a.status()["state"] == "running"
                try:
                    propose(ada, "still here")
                except Refused as refused:  # so many are open that one proposer gets no more
                    assert refused.code == "rate_limited", refused
            for thread in threads:
                thread.join()

        round_of(SECONDS / 2, SEED)  # warm: arenas, caches
        before = resident(a)
        facts = len(a.facts())
        round_of(SECONDS / 2, SEED + 100)
        grown = resident(a) - before
        more = len(a.facts()) - facts
        print(f"resident {before} bytes, grown by {grown} over {more} facts")
        # Facts are kept on purpose (ASan's own tables too); garbage must not be.
        assert grown < 16 * 2 ** 20 + more * 65536, f"grew by {grown} bytes over {more} facts"
        assert a.connected() == 1 and b.connected() == 1, "the good peer was lost"


def test_hostile_lines():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        client = Client(a.agent_socket)
        for line, code in ((b"nonsense", -32700), (b"{}", -32600), (b"[]", -32600),
                           (b'{"jsonrpc":"2.0","id":1,"method":"no.such"}', -32601),
                           (b'{"jsonrpc":"2.0","id":1,"method":"agent.attach","params":{}}', -32602),
                           (b'{"jsonrpc":"2.0","id":1,"method":"status.get"}', -32601),
                           (b'{"jsonrpc":"2.0","id":1,"method":"agent.attach","params":'
                            b'{"agent_id":"../../etc/x","key":"hosted","extra":1}}', -32602)):
            client.send_raw(line + b"\n")
            answer = client.line(time.monotonic() + DEADLINE)
            assert answer["error"]["code"] == code, (line, answer)
        # a name never becomes a path
        client.call("agent.attach", {"agent_id": "../../etc/x", "key": "hosted"})
        assert len(os.listdir(a.folder + "/state/agents")) == 1
        # no line end in sight
        greedy = Client(a.agent_socket)
        try:
            for _ in range(64):
                greedy.send_raw(b"x" * 65536)
            greedy.socket.settimeout(DEADLINE)
            while greedy.socket.recv(65536):
                pass
        except OSError:
            pass
        # an agent holds its name against others
        second = Client(a.agent_socket)
        try:
            second.call("agent.attach", {"agent_id": "../../etc/x", "key": "hosted"})
            raise AssertionError("the name was given twice")
        except Refused as refused:
            assert refused.code, refused
        assert a.status()["state"] == "running"


def test_a_list_that_is_too_long():
    """It is cut to what a line holds: one who reads is never sent away for what he asked."""
    with Mesh("a", limits={"facts_max": 100000, "accepts_per_s": 10000}) as mesh:
        a = mesh.nodes[0]
        ada = a.agent("ada")
        for _ in range(80):
            propose(ada, "x" * 15000)
        newest = propose(ada, "the newest")
        answer = a.control.call("facts.list", {"limit": 10000})
        assert answer["total"] == 81 and 30 < len(answer["facts"]) < 81, len(answer["facts"])
        assert answer["facts"][0]["id"] == newest
        assert a.status()["state"] == "running"


def test_many_clients():
    with Mesh("a", limits={"clients_max": 8, "accepts_per_s": 10000}) as mesh:
        a = mesh.nodes[0]
        clients = []
        refused = 0
        for _ in range(20):
            client = Client(a.agent_socket)
            try:
                client.call("facts.list")
                clients.append(client)
            except (ConnectionError, Refused):
                refused += 1
        assert len(clients) == 8 and refused == 12, (len(clients), refused)
        for client in clients:
            client.close()
        a.wait_until("room again", lambda: a.status()["clients"]["agent"] == 0)
        Client(a.agent_socket).call("facts.list")


def test_a_client_that_does_not_read():
    with Mesh("a", limits={"client_queue_bytes": 262144, "accepts_per_s": 10000}) as mesh:
        a = mesh.nodes[0]
        deaf = Client(a.control_socket)
        request = b'{"jsonrpc":"2.0","id":1,"method":"config.show"}\n'
        try:
            for _ in range(20000):
                deaf.send_raw(request)
        except OSError:
            pass  # cut off: as it should be
        a.wait_until("it is cut off", lambda: a.status()["clients"]["control"] <= 2)


main([test_hostile_lines, test_a_list_that_is_too_long, test_many_clients, test_a_client_that_does_not_read,
      test_garbage_on_each_socket])
