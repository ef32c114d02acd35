"""A full disk, a store that cannot be written, no descriptors left, agents by the hundred: the node
says so, loses nothing it has acknowledged, burns no processor, and goes on by itself when there is
room again."""
import ctypes
import resource

from web4test import *

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
DISK_BYTES = 4 * 2 ** 20


def own_mounts():
    """Mounts of this process go with it."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if uid != 0 else 0)) != 0:
        raise Skipped("no mount namespace here: " + os.strerror(ctypes.get_errno()))
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    # In a bare chroot "/" is no mount point; then the umount at the end has to do.
    subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, timeout=DEADLINE)


def mount(*words):
    done = subprocess.run(["mount", *words], capture_output=True, text=True, timeout=DEADLINE)
    if done.returncode != 0:
        raise Skipped(f"mount {' '.join(words)}: {done.stderr.strip()}")


def cpu_seconds(node):
    with open(f"/proc/{node.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def facts_of(node):
    client = Client(node.control_socket)
    ids = [fact["id"] for fact in client.call("facts.list", {"limit": 1000})["facts"]]
    client.close()
    return ids


class SmallDisk:
    """A node whose state folder is a disk of its own, and small."""

    def __enter__(self):
        self.scratch = tempfile.mkdtemp(prefix="web4-test-")
        self.node = Node(self.scratch, "a")
        self.state = self.node.folder + "/state"
        os.mkdir(self.state, 0o700)
        try:
            own_mounts()
            mount("-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", self.state)
        except BaseException:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise
        self.node.start()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.node.log(), file=sys.stderr)
        if self.node.process and self.node.process.poll() is None:
            self.node.kill()
        subprocess.run(["umount", "-l", self.state], capture_output=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def fill(self):
        """Takes all room that is left, to the last byte."""
        self.ballast = self.state + "/ballast"
        with open(self.ballast, "ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"x" * size) > 0:
                        pass
                except OSError:
                    pass


def store_state(node):
    return node.status()["store"]["state"]


def answer_of(agent):
    until = time.monotonic() + DEADLINE
    while True:
        message = agent.line(until)
        if "id" in message:
            return message


def send_until_it_waits(node, agent, stored):
    """Sends until an answer is held back, since what it would promise is not on the disk. Returns the
    number of the call that waits."""
    watcher = Client(node.control_socket)
    watcher.call("events.watch", {"types": ["store_failed"]})
    for _ in range(2000):
        agent.number += 1
        agent.send_raw(json.dumps({
            "jsonrpc": "2.0", "id": agent.number, "method": "agent.send", "params": {
                "type": "FACT_PROPOSE", "to": "*", "payload": fact_payload("x" * 2000)}}).encode() + b"\n")
        ready, _, _ = select.select([agent.socket, watcher.socket], [], [], DEADLINE)
        assert ready, "neither an answer nor an event"
        if watcher.socket in ready:
            watcher.close()
            return agent.number
        answer = answer_of(agent)
        assert answer["id"] == agent.number and answer["result"]["stored"], answer
        stored.append(answer["result"]["msg_id"])
    watcher.close()
    raise AssertionError("2000 facts went to a disk that is full")


def assert_refuses(node, agent):
    """Others are told at once; the node lives, and says what ails it. A try again from time to time
    is all it does about it."""
    assert store_state(node) == "failed", node.status()["store"]
    for _ in range(20):
        try:
            propose(agent, "no room")
            raise AssertionError("promised on a full disk")
        except Refused as refused:
            assert "cannot keep" in str(refused), refused
    before = cpu_seconds(node)
    select.select([agent.socket], [], [], 1)  # a second in which nothing comes
    assert cpu_seconds(node) - before < 0.3, "it spins"


def assert_orders(node):
    """Each is answered at once: refused where it has to be kept, else done."""
    stranger = Key(b"full disk" * 4).fingerprint
    began = time.monotonic()
    for kind, state in (("agent", "trusted"), ("node", "blocked")):
        try:
            node.control.call("trust.set", {"subject": stranger, "kind": kind, "state": state})
            raise AssertionError("promised on a full disk")
        except Refused as refused:
            assert refused.code == "internal" and "nothing was changed" in str(refused), refused
        there = node.control.call("trust.show", {"subject": stranger, "kind": kind})["entry"]
        assert there["state"] in ("untrusted", "unknown"), there
    assert node.control.call("peers.block", {"peer": stranger})["moved"]
    there = node.control.call("trust.show", {"subject": stranger, "kind": "node"})["entry"]
    assert there["state"] == "blocked", there
    assert "trust.set failed: the store cannot keep" in node.log(), node.log()
    assert time.monotonic() - began < DEADLINE / 2, "an answer waited for the disk"


def test_full_disk():
    with SmallDisk() as disk:
        node, stored = disk.node, []
        ada, ben = (node.agent(name, subscribe=[]) for name in ("ada", "ben"))
        for _ in range(5):
            stored.append(propose(ada, "while there is room"))
        disk.fill()
        waits = send_until_it_waits(node, ada, stored)
        assert_refuses(node, ben)
        assert_orders(node)
        os.unlink(disk.ballast)  # room again: it goes on by itself, and the answer comes
        answer = answer_of(ada)
        assert answer["id"] == waits and answer["result"]["stored"], answer
        stored.append(answer["result"]["msg_id"])
        assert store_state(node) == "ok"
        stored.append(propose(ben, "room again"))
        disk.fill()
        send_until_it_waits(node, ada, stored)
        node.kill()  # the disk is full, and the power goes
        os.unlink(disk.ballast)
        node.start()
        known = facts_of(node)
        assert set(stored) <= set(known), f"{len(set(stored) - set(known))} lost"
        assert len(known) == len(set(known)), "doubled"
        stored.append(propose(node.agent("ada"), "after all that"))
        assert node.stop() == 0
        node.start()
        assert set(stored) <= set(facts_of(node))


def test_start_on_a_full_disk_says_so():
    with SmallDisk() as disk:
        fact = propose(disk.node.agent("ada"), "before")
        disk.node.kill()
        disk.fill()
        disk.node.start(wait=False)
        until = time.monotonic() + DEADLINE
        while disk.node.process.poll() is None and time.monotonic() < until:
            try:
                disk.node.wait_up()
                break
            except RuntimeError:
                pass
        if disk.node.process.poll() is not None:  # it may end, with the reason
            assert disk.node.process.returncode == 1 and "full" in disk.node.log(), disk.node.log()
        else:
            disk.node.kill()
        os.unlink(disk.ballast)
        disk.node.start()
        assert fact in facts_of(disk.node)


def test_limit_of_file_size():
    """A limit of the size of files (LimitFSIZE=) is a full disk, and no signal to die of."""
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    node, stored = Node(scratch, "a"), []
    node.command = ["sh", "-c", 'ulimit -S -f 1000 && exec "$0" "$@"', WEB4D]
    try:
        node.start()
        ada, ben = (node.agent(name, subscribe=[]) for name in ("ada", "ben"))
        stored.append(propose(ada, "while there is room"))
        waits = send_until_it_waits(node, ada, stored)
        assert_refuses(node, ben)
        most = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (most, most))
        answer = answer_of(ada)
        assert answer["id"] == waits and answer["result"]["stored"], answer
        stored.append(answer["result"]["msg_id"])
        assert set(stored) <= set(facts_of(node))
        assert node.stop() == 0
    except BaseException:
        print(node.log(), file=sys.stderr)
        raise
    finally:
        if node.process and node.process.poll() is None:
            node.kill()
        shutil.rmtree(scratch, ignore_errors=True)


def test_without_descriptors():
    """Many clients at a node with few descriptors: it does not spin, and serves when some leave."""
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    node = Node(scratch, "a", limits={"clients_max": 1024, "accepts_per_s": 10000})
    node.command = ["sh", "-c", 'ulimit -n 32 && exec "$0" "$@"', WEB4D]
    clients = []
    try:
        node.start()
        for _ in range(64):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.settimeout(DEADLINE)
            client.connect(node.agent_socket)  # into the backlog at least
            clients.append(client)
        served = 0
        for client in clients:
            try:  # some are served, some sent away, the rest waits
                client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"facts.list"}\n')
                client.settimeout(DEADLINE if served == 0 else 0.01)
                served += client.recv(65536) != b""
            except OSError:
                pass
        assert 0 < served < 32, f"{served} were served"
        before = cpu_seconds(node)
        node.status()  # who is in stays in
        select.select([node.control.socket], [], [], 2)  # two seconds in which it has nothing to do
        spent = cpu_seconds(node) - before
        assert spent < 0.3, f"{spent} s of processor time while nothing could be done"
        for client in clients:
            client.close()
        clients.clear()

        def serves():
            try:
                client = Client(node.agent_socket, deadline=1)
                client.call("facts.list")
                client.close()
                return True
            except (OSError, ConnectionError, TimeoutError):
                return False

        until = time.monotonic() + DEADLINE
        while not serves():
            assert time.monotonic() < until, "it never serves again\n" + node.log()
        assert node.stop() == 0
    except BaseException:
        print(node.log(), file=sys.stderr)
        raise
    finally:
        for client in clients:
            client.close()
        if node.process and node.process.poll() is None:
            node.kill()
        shutil.rmtree(scratch, ignore_errors=True)


def test_one_word_for_many_here():
    """Agents of one node by the hundred, and one that has said many words to all before the first of
    them is given to anybody: each of them ends for its sender, once for each who is there."""
    agents, words = 272, 62
    with Mesh("a", limits={"clients_max": 512, "client_queue_bytes": 1 << 28,
                           "accepts_per_s": 10000}) as mesh:
        node = mesh.nodes[0]
        sender = node.agent("sender", subscribe=["agent.delivery"])
        others = [node.agent(f"g{number}") for number in range(agents)]
        payload = {"goal": "ask", "topic": "t", "priority": "low"}
        request = {"jsonrpc": "2.0", "id": 1000, "method": "agent.send",
                   "params": {"to": "*", "type": "INTENT", "payload": payload}}
        sender.send_raw((json.dumps(request).encode() + b"\n") * words)  # in one turn of the node
        clients = {client.socket: b"" for client in [sender, *others]}
        messages = ended = 0
        until = time.monotonic() + DEADLINE
        while (messages < agents * words or ended < agents * words) and time.monotonic() < until:
            for ready in select.select(list(clients), [], [], 1)[0]:
                *lines, clients[ready] = (clients[ready] + ready.recv(1 << 20)).split(b"\n")
                messages += sum(b'"agent.message"' in line for line in lines)
                ended += sum(b'"agent.delivery"' in line for line in lines)
        assert (messages, ended) == (agents * words, agents * words), (messages, ended)


if __name__ == "__main__":
    main([test_one_word_for_many_here, test_without_descriptors, test_full_disk,
          test_limit_of_file_size, test_start_on_a_full_disk_says_so])
