"""web4ctl store: check, backup and export, of a node at work and of files."""
import sqlite3

from web4test import *


def ctl(node, *arguments, status=0):
    done = subprocess.run([WEB4CTL, "-s", node.control_socket, *arguments], capture_output=True,
                          text=True, timeout=DEADLINE)
    assert done.returncode == status, done
    return done


def offline(*arguments, status=0):
    done = subprocess.run([WEB4CTL, *arguments], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == status, done
    return done


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_node_at_work():
    with Mesh("a", "b") as (a, _):
        ada = a.agent("ada")
        facts = [propose(ada, f"statement {i}") for i in range(40)]
        checked = json.loads(ctl(a, "--json", "store", "check").stdout)
        assert checked["sound"] and checked["faults"] == 0 and checked["records"] > 80, checked
        assert "yes" in ctl(a, "store", "check").stdout

        copy = a.folder + "/copy.db"
        done = json.loads(ctl(a, "--json", "store", "backup", copy).stdout)
        assert done == {"path": copy, "bytes": os.path.getsize(copy)}, done
        assert os.stat(copy).st_mode & 0o777 == 0o600
        later = propose(ada, "after the copy")
        again = ctl(a, "store", "backup", copy, status=1)
        assert "policy_denied" in again.stderr and "exists" in again.stderr, again
        nowhere = ctl(a, "store", "backup", "/none/copy.db", status=1)
        assert "policy_denied" in nowhere.stderr and "No such file" in nowhere.stderr, nowhere
        nearby = subprocess.run([WEB4CTL, "-s", a.control_socket, "store", "backup", "near.db"],
                                cwd=a.folder, capture_output=True, timeout=DEADLINE)
        assert nearby.returncode == 0 and os.path.exists(a.folder + "/near.db"), nearby

        live = rows(ctl(a, "store", "export"))
        assert {row["table"] for row in live} >= {"fact", "envelope", "trust", "audit", "peer"}
        kept = {row["key"] for row in live if row["table"] == "fact"}
        assert kept == {*facts, later}, kept
        order = [row for row in live if row["table"] == "audit"][0]["value"]
        assert order["method"] == "store.backup" and order["params"]["path"] == copy, order
        only = rows(ctl(a, "store", "export", "--table", "fact"))
        assert only == [row for row in live if row["table"] == "fact"]
        first = only[0]["key"].encode().hex()
        assert rows(ctl(a, "store", "export", "--table", "fact", "--behind", f"fact:{first}")) == only[1:]
        behind = ctl(a, "store", "export", "--behind", "fact", status=2)
        assert "--behind: expected" in behind.stderr and "/from" not in behind.stderr, behind
        assert "no table" in ctl(a, "store", "export", "--table", "none", status=2).stderr
        control = Client(a.control_socket)
        for params in ({"from": "fact:zz"}, {"table": "none"}, {"table": "fact", "from": "trust:"}):
            try:
                control.call("store.export", params)
                assert False, params
            except Refused as refused:
                assert refused.error["code"] == -32602, refused
        try:
            control.call("store.backup", {"path": "relative.db"})
            assert False
        except Refused as refused:
            assert refused.error["data"]["pointer"] == "/path", refused

        # The file of a node at work is its own; copies are anybody's who may read them.
        store = a.folder + "/state/web4.db"
        assert "without FILE" in offline("store", "check", store, status=1).stderr
        assert json.loads(offline("--json", "store", "check", copy).stdout)["sound"]
        assert {row["key"] for row in rows(offline("store", "export", "--table", "fact", copy))} \
            == set(facts)
        assert "--behind" in offline("store", "export", "--behind", "fact", copy, status=2).stderr
        # of a file and of a node: line for line the same
        then = offline("store", "export", "--table", "trust", copy).stdout
        assert then and ctl(a, "store", "export", "--table", "trust").stdout.startswith(then), then
        assert [*json.loads(then.splitlines()[0])] == ["key_hex", "table", "value"], then
        second = a.folder + "/second.db"
        offline("store", "backup", second, copy)
        assert json.loads(offline("--json", "store", "check", second).stdout)["sound"]

        # A copy in the place of the store: the node has what it had then.
        assert a.stop() == 0
        for name in os.listdir(a.folder + "/state"):
            if name.startswith("web4.db"):
                os.unlink(f"{a.folder}/state/{name}")
        os.rename(copy, store)
        a.start()
        assert {fact["id"] for fact in a.facts()} == set(facts)


def test_files():
    with Mesh("a") as (a,):
        propose(a.agent("ada"), "something to find")
        copy = a.folder + "/copy.db"
        ctl(a, "store", "backup", copy)
        with open(copy, "rb") as file:
            good = file.read()

        def write(name, content):
            path = f"{a.folder}/{name}"
            with open(path, "wb") as file:
                file.write(content)
            return path

        at = good.index(b"something to find")
        bad = write("bad.db", good[:at] + b"Something to find" + good[at + 17:])
        found = json.loads(offline("--json", "store", "check", bad, status=1).stdout)
        assert not found["sound"] and found["faults"] == 1, found
        assert "table envelope" in found["found"][0]["text"], found
        assert "FAULT" in offline("store", "check", bad, status=1).stdout
        exported = offline("store", "export", bad, status=1)
        assert "1 rows are without" in exported.stderr, exported
        assert [row["table"] for row in rows(exported) if row.get("damaged")] == ["envelope"]

        assert "No such file" in offline("store", "check", a.folder + "/none", status=1).stderr
        assert not os.path.exists(a.folder + "/none")
        assert "is not a store" in offline("store", "export", write("text", b"x" * 4096),
                                           status=1).stderr
        older = write("older.db", good)
        db = sqlite3.connect(older)
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA user_version = 2")
        db.close()
        assert "has store version 2" in offline("store", "check", older, status=1).stderr
        db = sqlite3.connect(older)
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        db.execute("PRAGMA user_version = 99")
        db.close()
        assert "newer version" in offline("store", "check", older, status=1).stderr


# ---- a store that takes a while

MASK = (1 << 64) - 1
REMAINDERS = []
for first in range(256):
    for _ in range(8):
        first = (first >> 1) ^ (0xc96c5795d7870f42 if first & 1 else 0)
    REMAINDERS.append(first)


def crc(state, data):
    for byte in data:
        state = (state >> 8) ^ REMAINDERS[(state ^ byte) & 0xff]
    return state


def checksums(table, value):
    """The checksum of a row of that table and value by its key: what the value does to what came
    before it is linear, so it is worked out once."""
    zeros = bytes(len(value))
    bits = [crc(1 << bit, zeros) for bit in range(64)]
    steps = [[0] * 256 for _ in range(8)]
    for place in range(8):
        for byte in range(256):
            for bit in range(8):
                if byte >> bit & 1:
                    steps[place][byte] ^= bits[place * 8 + bit]
    alone = crc(0, value)

    def checksum(key):
        state = crc(MASK, table.encode() + len(key).to_bytes(4, "big") + key)
        after = alone
        for place in range(8):
            after ^= steps[place][state >> (8 * place) & 0xff]
        return (after ^ MASK).to_bytes(8, "big")
    return checksum


def fill(store, count):
    value = json.dumps({"actor": "nobody", "at": "2026-01-01T00:00:00.000Z", "done": True,
                        "method": "x" * 150, "params": {}}, separators=(",", ":")).encode()
    checksum = checksums("audit", value)
    db = sqlite3.connect(store)
    keys = [number.to_bytes(8, "big") for number in range(1, count + 1)]
    with db:
        db.executemany("INSERT INTO audit (key, value, checksum) VALUES (?, ?, ?)",
                       ((key, value, checksum(key)) for key in keys))
    db.close()


def meanwhile(node, method, params, act):
    """The answer of a call; how many answers to others it took, and the longest wait for one."""
    asked = Client(node.control_socket, deadline=120)
    asked.send_raw(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                               "params": params}).encode() + b"\n")
    began = time.monotonic()
    answers, longest = 0, 0
    while not select.select([asked.socket], [], [], 0)[0]:
        before = time.monotonic()
        act()
        longest = max(longest, time.monotonic() - before)
        answers += 1
    answer = asked.line(time.monotonic() + 10)
    asked.close()
    print(f"{method}: {time.monotonic() - began:.2f} s, {answers} answers meanwhile, "
          f"the longest wait {longest * 1000:.1f} ms")
    return answer, answers


def test_others_do_not_wait():
    count = 50000
    with Mesh("a", "b") as (a, b):
        assert a.stop() == 0
        fill(a.folder + "/state/web4.db", count)
        a.start()
        ada, ben = a.agent("ada"), b.agent("ben")
        status = Client(a.control_socket)
        a.wait_until("ben is known", lambda: "ben" in [
            agent["agent_id"] for agent in status.call("agents.list")["agents"]])
        act = lambda: (status.call("status.get"),)
        answer, answers = meanwhile(a, "store.check", {}, act)
        assert answer["result"]["sound"] and answer["result"]["records"] > count, answer
        assert answers >= 3, answers  # one that waits for the check is one
        assert not [name for name in os.listdir(a.folder + "/state") if "check" in name]

        copy = a.folder + "/copy.db"

        def say():
            ada.call("agent.send", {"type": "STATE_UPDATE", "to": "ben", "payload": {
                "presence": "focused", "lri": 3}})
            status.call("status.get")
        answer, answers = meanwhile(a, "store.backup", {"path": copy}, say)
        assert answer["result"]["bytes"] > count * 150, answer
        assert answers >= 3, answers
        ben.wait_note("agent.message")
        assert json.loads(offline("--json", "store", "check", copy).stdout)["sound"]

        # One at a time; who goes away does not end it, and the end of the node does.
        first = Client(a.control_socket)
        other = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "store.backup",
                            "params": {"path": a.folder + "/other.db"}})
        first.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"store.check"}\n' + other.encode() + b"\n")
        refused = first.line(time.monotonic() + DEADLINE)
        assert refused["id"] == 2 and refused["error"]["data"]["code"] == "backpressure", refused
        first.close()
        status.call("status.get")
        assert a.stop() == 0
        a.start()
        a.control.call("status.get")


main([test_a_node_at_work, test_files, test_others_do_not_wait])
