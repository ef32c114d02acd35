"""Keys that are succeeded and revoked, among real nodes. All documents are made here."""
import re

from hostile_peer import *


def both(old, new, kind, made_at):
    text = {"document": "succession", "key": "1.0", "kind": kind, "made_at": made_at,
            "new": new.pubkey, "old": old.pubkey}
    sign = {name: base64.b64encode(key.sign(canonical(text))).decode()
            for name, key in (("new", new), ("old", old))}
    return {**text, "sign": {"algo": "ed25519", **sign}}


def succession(old, new, kind="agent", offset=0.0):
    return both(old, new, kind, timestamp(offset))


def revocation(by, fingerprint, kind="agent", reason="lost"):
    return signed(by, {"by": by.pubkey, "document": "revocation", "key": "1.0", "kind": kind,
                       "made_at": timestamp(), "reason": reason, "revoked": fingerprint})


def known(node):
    """What the node says of keys, by fingerprint."""
    return {key["fingerprint"]: key for key in node.control.call("keys.show")["known"]}


def standing(node, fingerprint):
    return known(node).get(fingerprint, {}).get("standing", "current")


def wait_standing(node, fingerprint, what):
    node.wait_until(f"{fingerprint:.8} is {what}", lambda: standing(node, fingerprint) == what)


def own_key(node):
    return node.control.call("keys.show")["node"]


def is_connected(node, fingerprint):
    return any(peer["connected"] for peer in node.control.call("peers.list")["peers"]
               if peer["fingerprint"] == fingerprint)


def watcher(node):
    client = Client(node.control_socket)
    client.call("events.watch", {})
    return client


def refused(code, pointer, call, *args):
    try:
        call(*args)
    except Refused as no:
        assert (no.code, no.error["data"].get("pointer", "")) == (code, pointer), no
        return no
    raise AssertionError("it was taken")


def attach(node, key, name):
    """An agent that holds its own key."""
    client = Client(node.agent_socket)
    client.attached = client.call("agent.attach", {"agent_id": name, "key": key.pubkey})
    return client


def submit(client, document):
    return client.call("agent.submit", {"envelope": document})


def said_by(key, name, statement, **members):
    return envelope(key, name, "FACT_PROPOSE", fact_payload(statement), **members)


def test_revoked_node():
    """The operator of a revokes the key of c: its session ends at once, at b too, where a is an
    anchor, and not at d, where a is nobody in particular. All this is so after a restart."""
    with Mesh("a") as one:
        a = one.nodes[0]
        # b names a key of a that has a successor by now
        first = own_key(a)
        rotate("--kind", "node", a.control.call("keys.show")["path"])
        a.config["listen"] = [a.address]
        a.write_config()
        assert a.stop() == 0
        a.start()
        anchors = [{"kind": "node", "fingerprint": first}]
        with Mesh("c", seeds=[a.address]) as two, \
                Mesh("b", seeds=[a.address], trust={"anchors": anchors}) as three, \
                Mesh("d", seeds=[a.address]) as four:
            nodes = [*two, *three, *four]
            c, b, d = nodes
            for node in (a, *nodes):
                node.wait_until("all peers", lambda node=node: node.connected() == 3)
            wait_standing(b, first, "replaced")
            entry = b.control.call("trust.show", {"subject": own_key(a), "kind": "node"})["entry"]
            assert entry["anchor"] and entry["state"] == "trusted", entry
            key = own_key(c)
            watching = watcher(b)
            answer = a.control.call("keys.revoke", {"key": key, "reason": "stolen"})["key"]
            assert (answer["standing"], answer["by"], answer["reason"]) == \
                ("revoked", "operator", "stolen"), answer
            assert not is_connected(a, key), "the session outlived the answer"
            event = watching.wait_note("node.event", lambda e: e["event"] == "key_revoked")
            assert event["data"]["by"] == "anchor" and event["data"]["key"] == key, event
            b.wait_until("b has closed its session", lambda: not is_connected(b, key))
            d.wait_until("d has heard of it", lambda: key in known(d))
            assert standing(d, key) == "current" and is_connected(d, key), known(d)
            hearsay = known(d)[key]["hearsay"]
            assert (hearsay["signer"], hearsay["reason"]) == (own_key(a), "stolen"), hearsay
            assert "hearsay" not in known(b)[key], known(b)
            for node, says in ((d, "current"), (b, "revoked")):
                listed = {entry["subject"]: entry for entry in
                          node.control.call("trust.list", {"kind": "node"})["entries"]}
                assert listed[key]["standing"] == says, listed
                assert (listed[own_key(a)]["standing"], listed[own_key(a)]["former_keys"]) == \
                    ("current", 1), listed
                told = ctl("-s", node.control_socket, "trust", "list").stdout.splitlines()
                assert any(key[:8] in line and says in line for line in told), told
                assert "FORMER KEYS" in told[0], told
            for node in (a, b):
                node.control.close()
                assert node.stop() == 0
                node.start()
                assert standing(node, key) == "revoked", known(node)
            a.wait_until("the others are back", lambda: is_connected(a, own_key(d)))
            assert not is_connected(a, key) and not is_connected(b, key)
            refused("unauthorized", "/key", a.control.call, "keys.revoke", {"key": own_key(a)})


def test_agent_follows():
    """An agent with a key of its own takes a new one: trust follows, votes of the two are one, and
    what the old key signs is refused, with code and pointer. Then the new one is revoked."""
    old, new, thief = FastKey(), FastKey(), FastKey()
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada = attach(a, old, "ada")
        b.control.call("trust.set", {"subject": old.fingerprint, "kind": "agent",
                                     "state": "trusted", "reason": "met"})
        submit(ada, said_by(old, "ada", "the tide is out"))
        before = said_by(old, "ada", "the tide turns")
        document = succession(old, new, offset=0.002)
        for forged in (both(old, thief, "agent", document["made_at"]) | {"new": new.pubkey},
                       {**document, "made_at": timestamp(5)}):
            refused("bad_signature", "/document/sign/old", a.control.call, "keys.take",
                    {"document": forged})
        refused("stale", "/document/made_at", a.control.call, "keys.take",
                {"document": succession(old, new, offset=400)})
        refused("unauthorized", "/document", ada.call, "keys.take",
                {"document": succession(thief, FastKey())})
        refused("unauthorized", "", Client(a.agent_socket).call, "keys.take",
                {"document": document})
        answer = ada.call("keys.take", {"document": document})
        assert answer["news"] and answer["key"]["successor"] == new.fingerprint, answer
        assert not a.control.call("keys.take", {"document": document})["news"]
        wait_standing(b, old.fingerprint, "replaced")
        for fingerprint in (old.fingerprint, new.fingerprint):
            entry = b.control.call("trust.show", {"subject": fingerprint, "kind": "agent"})["entry"]
            assert entry["state"] == "trusted", entry
            assert [key["fingerprint"] for key in entry["keys"]] == \
                [old.fingerprint, new.fingerprint], entry
        replay = b.control.call("trust.why", {"subject": new.fingerprint, "kind": "agent"})
        assert replay["replay"]["agrees"], replay
        submit(ada, before)
        refused("key_replaced", "/sender", submit, ada, said_by(old, "ada", "too late"))
        # a second successor does not count, and is kept as the proof that there are two
        a.control.call("keys.take", {"document": succession(old, thief)})
        assert known(a)[old.fingerprint]["rival"] == thief.fingerprint
        assert known(a)[old.fingerprint]["successor"] == new.fingerprint
        ada.close()
        refused("key_replaced", "/key", attach, a, old, "ada")
        ada = attach(a, new, "ada")
        submit(ada, said_by(new, "ada", "the tide is in"))
        # who knows her by her old key still reaches her
        bob = a.agent("bob")
        sent = bob.call("agent.send", {"type": "STATE_UPDATE", "to": old.fingerprint,
                                       "payload": {"presence": "focused", "lri": 5}})["msg_id"]
        came = ada.wait_note("agent.message", lambda m: m["envelope"]["msg_id"] == sent)
        assert came["envelope"]["receiver"]["fingerprint"] == new.fingerprint, came
        # nobody but she, her later keys, and those who may
        refused("unauthorized", "/document/by", a.control.call, "keys.take",
                {"document": revocation(old, new.fingerprint)})
        refused("unauthorized", "/document/by", a.control.call, "keys.take",
                {"document": revocation(thief, new.fingerprint)})
        b.control.call("keys.take", {"document": revocation(new, new.fingerprint)})
        wait_standing(a, new.fingerprint, "revoked")
        a.wait_until("she is gone", lambda: not any(
            agent["agent_id"] == "ada" for agent in a.control.call("agents.list")["agents"]))
        refused("key_revoked", "/key", attach, a, new, "ada")
        refused("key_revoked", "/document/old", a.control.call, "keys.take",
                {"document": succession(new, thief)})
        refused("key_revoked", "/fingerprint", a.control.call, "peers.add",
                {"address": "tcp:127.0.0.1:1", "fingerprint": new.fingerprint})
        refused("key_revoked", "/to", bob.call, "agent.send",
                {"type": "STATE_UPDATE", "to": new.fingerprint,
                 "payload": {"presence": "focused", "lri": 5}})


def test_who_was_away():
    """A node that was dead learns of what was said meanwhile, from one that was not the author, and
    keeps it; who is killed right after a document was taken has it too."""
    old, new, other = FastKey(), FastKey(), FastKey()
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        for node in mesh:
            for key in (old, other):
                node.control.call("trust.set", {"subject": key.fingerprint, "kind": "agent",
                                                "state": "trusted"})
        address = a.address
        c.kill()
        a.wait_until("c is gone", lambda: a.connected() == 1)
        a.control.call("keys.take", {"document": succession(old, new)})
        a.control.call("keys.take", {"document": revocation(other, other.fingerprint)})
        wait_standing(b, old.fingerprint, "replaced")
        wait_standing(b, other.fingerprint, "revoked")
        a.kill()
        c.config["seeds"] = [b.address]
        c.write_config()
        c.start()
        wait_standing(c, old.fingerprint, "replaced")
        wait_standing(c, other.fingerprint, "revoked")
        c.kill()
        b.wait_until("alone", lambda: b.connected() == 0)
        a.config["listen"] = [address]
        a.write_config()
        for node in (a, c):
            node.start()
            assert standing(node, old.fingerprint) == "replaced", known(node)
            assert standing(node, other.fingerprint) == "revoked", known(node)
            entry = node.control.call("trust.show", {"subject": new.fingerprint, "kind": "agent"})
            assert entry["entry"]["state"] == "trusted", entry


def tell_keys(peer, payload):
    node = peer.target
    peer.tell(CONTROL, signed(peer.key, {
        "mesh": "1.0", "msg_id": str(uuid.uuid4()), "type": "MESH_KEYS", "timestamp": timestamp(),
        "payload": payload,
        "sender": {"agent_id": "stranger", "fingerprint": peer.key.fingerprint,
                   "pubkey": peer.key.pubkey},
        "receiver": {"agent_id": "node", "fingerprint": node}}))


def answer_of(peer, member):
    message = peer.wait_message(lambda m: m["type"] == "MESH_KEYS" and member in m["payload"])
    peer.messages.remove(message)
    return message["payload"][member]


def test_mesh_keys():
    """A peer that shares no code with the node: it compares, is given what it lacks, and what it
    brings is judged by its own signatures."""
    old, new, lost, thief = FastKey(), FastKey(), FastKey(), FastKey()
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        given = revocation(lost, lost.fingerprint, reason="it lay on a beach")
        a.control.call("keys.take", {"document": given})
        peer = HostileNode(a)
        peer.features = ["keys"]
        peer.target = own_key(a)
        peer.open()
        assert len(answer_of(peer, "sum")) == 32
        tell_keys(peer, {"sum": "0" * 32})
        sums = answer_of(peer, "sums")
        identity = hashlib.sha256(canonical({k: given[k] for k in given if k != "sign"})).hexdigest()
        part = int(identity[:2], 16) >> 2
        assert [n for n in range(64) if sums[n] != "0" * 32] == [part], sums
        assert sums[part] == identity[:32]
        tell_keys(peer, {"lists": [{"part": part, "ids": []}]})
        assert answer_of(peer, "documents") == [given]
        # one forged, one of nobody who may say so, one good: only that counts
        moved = succession(old, new)
        tell_keys(peer, {"documents": [
            {**revocation(old, old.fingerprint), "reason": "another"},
            revocation(thief, new.fingerprint), {"document": "succession"}, moved]})
        wait_standing(a, old.fingerprint, "replaced")
        assert standing(a, new.fingerprint) == "current", known(a)
        # in a part of which it says that it has all, nothing comes
        peer.answered()
        assert not [m for m in peer.messages if "documents" in m["payload"]]
        tell_keys(peer, {"documents": [revocation(new, old.fingerprint)]})
        wait_standing(a, old.fingerprint, "revoked")
        assert known(a)[old.fingerprint]["by"] == "successor", known(a)
        # the key of its own node: the session ends with it
        tell_keys(peer, {"documents": [revocation(peer.key, peer.key.fingerprint, "node")]})
        try:
            while True:
                peer.answered()
        except ConnectionError as error:
            assert str(error) == "key_revoked", error
        try:
            HostileNode(a, peer.key).open()
            raise AssertionError("a revoked key has a session")
        except ConnectionError as error:
            assert str(error) == "key_revoked", error


def test_without_the_feature():
    """Who did not say that it knows documents about keys is refused when it sends them."""
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        peer = HostileNode(a)
        peer.target = own_key(a)
        peer.open()
        key = FastKey()
        watching = watcher(a)
        tell_keys(peer, {"documents": [revocation(key, key.fingerprint)]})
        watching.wait_note("node.event", lambda e: e["event"] == "envelope_rejected" and
                           e["data"]["code"] == "unauthorized")
        assert standing(a, key.fingerprint) == "current"


def ctl(*words, stdin=""):
    return subprocess.run([WEB4CTL, *words], capture_output=True, text=True, input=stdin)


def rotate(*words):
    done = ctl("--json", "keys", "rotate", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state_of(node, fingerprint, kind):
    return node.control.call("trust.show", {"subject": fingerprint, "kind": kind})["entry"]["state"]


def test_rotated_node():
    """web4ctl keys rotate, twice, and the node starts again: its neighbours know it, trust and
    addresses are what they were. Then its first key is revoked, and worth nothing to itself."""
    with Mesh("a", "b") as mesh:
        a, b = mesh
        first = own_key(a)
        path = a.control.call("keys.show")["path"]
        address = a.address
        b.wait_until("b knows where a is", lambda: any(
            address in peer["addresses"] for peer in b.control.call("peers.list")["peers"]))
        with open(path) as file:
            kept = file.read()
        b.control.call("trust.set", {"subject": first, "kind": "node", "state": "trusted"})
        made = rotate("-s", a.control_socket)
        assert (made["predecessor"], made["kind"], made["path"]) == (first, "node", path), made
        second = rotate(path)["fingerprint"]  # its first rotation has said whose it is
        shown = a.control.call("keys.show")  # it is the node's when it starts
        assert (shown["node"], shown["waiting"]["fingerprint"]) == (first, second), shown
        assert made["in_use"] == "when web4d is restarted", made
        assert a.control.call("config.reload")["needs_restart"] == ["/node/identity"]
        assert second in a.log(), a.log()
        told = ctl("-s", a.control_socket, "keys", "show").stdout
        assert re.search(f"After a restart: +{second}\n", told), told
        assert sorted(name[len(os.path.basename(path)):] for name in os.listdir(
            os.path.dirname(path)) if name.startswith(os.path.basename(path))) == \
            ["", ".old", ".succession"]
        assert oct(os.stat(path).st_mode & 0o777) == oct(os.stat(path + ".old").st_mode & 0o777)
        assert a.stop() == 0
        a.config["listen"] = [address]
        a.write_config()
        a.start()
        assert own_key(a) == second and "waiting" not in a.control.call("keys.show")
        assert a.control.call("config.reload")["needs_restart"] == []
        assert [standing(a, key) for key in (first, made["fingerprint"], second)] == \
            ["replaced", "replaced", "current"], known(a)
        wait_standing(b, first, "replaced")
        b.wait_until("b has a session with the new key", lambda: is_connected(b, second))
        assert state_of(b, second, "node") == state_of(b, first, "node") == "trusted"
        assert known(b)[first]["name"] == "a", known(b)
        told = b.control.call("trust.why", {"subject": second, "kind": "node"})
        assert told["reason"].startswith("ordered by"), told
        peers = {peer["fingerprint"]: peer for peer in b.control.call("peers.list")["peers"]}
        assert first not in peers, peers
        assert address in peers[second]["addresses"], peers
        done = ctl("-s", a.control_socket, "keys", "revoke", first, "--reason", "was on a backup")
        assert done.returncode == 0, done.stderr
        wait_standing(b, first, "revoked")
        assert known(b)[first]["by"] == "successor", known(b)
        assert is_connected(b, second)
        assert a.stop() == 0
        with open(path, "w") as file:
            file.write(kept)
        a.start(wait=False)
        assert a.process.wait(DEADLINE) == 1
        assert "was revoked (by successor): was on a backup" in a.log(), a.log()


def test_pinned_node():
    """A node that is only dialled shows in its hello that its key follows the one that others have
    pinned; who cannot show that is not taken for it."""
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        first, address = own_key(a), a.address
        path = a.control.call("keys.show")["path"]
        assert a.stop() == 0
        rotate("--kind", "node", path)
        second = rotate(path)["fingerprint"]
        a.config["listen"] = [address]
        a.write_config()
        a.start()
        pins = {"seeds": [address], "mesh": {"pins": {address: first}}}
        with Mesh("b", **pins) as other:
            b = other.nodes[0]
            b.wait_until("b has a session", lambda: is_connected(b, second))
            assert standing(b, first) == "replaced", known(b)
            assert first not in [peer["fingerprint"]
                                 for peer in b.control.call("peers.list")["peers"]]
            # and after a restart its configuration still names the first
            assert b.stop() == 0
            b.start()
            b.wait_until("b has a session again", lambda: is_connected(b, second))
        # another pin is not met
        pins["mesh"]["pins"][address] = FastKey().fingerprint
        with Mesh("c", **pins) as other:
            c = other.nodes[0]
            watching = watcher(c)
            watching.wait_note("node.event", lambda e: e["event"] == "transport_error" and
                               e["data"]["code"] == "auth_failure")
            assert c.connected() == 0


def test_rotation_cut_short():
    """All that a rotation which was cut short can leave: the node goes on with the key it has, and
    running it again makes it whole."""
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        first = own_key(a)
        path = a.control.call("keys.show")["path"]
        assert a.stop() == 0
        made = ctl("--json", "keys", "generate", path + ".new")
        assert made.returncode == 0, made.stderr
        waiting = json.loads(made.stdout)["fingerprint"]
        with open(path + ".succession", "w") as file:  # of a key that never came into its place
            file.write(canonical(succession(FastKey(), FastKey(), "node")).decode() + "\nhalf a li")
        a.start()
        assert own_key(a) == first and known(a) == {}
        assert a.stop() == 0
        done = rotate("--kind", "node", path)
        assert (done["fingerprint"], done["predecessor"]) == (waiting, first), done
        with open(path + ".succession") as file:
            lines = file.read().splitlines()
        assert [json.loads(line) for line in lines] == [done["document"]], lines
        assert not os.path.exists(path + ".new")
        a.start()
        assert own_key(a) == waiting and standing(a, first) == "replaced"
        assert a.stop() == 0
        # the key of before, put back by somebody, is an earlier one
        os.rename(path + ".old", path)
        a.start(wait=False)
        assert a.process.wait(DEADLINE) == 1
        assert f"whose key now is {waiting}" in a.log(), a.log()
        os.chmod(path, 0o644)
        done = ctl("keys", "rotate", path)
        assert done.returncode == 1 and path in done.stderr, done
        done = ctl("keys", "rotate", path + ".absent")
        assert done.returncode == 1 and path in done.stderr, done
        assert not os.path.exists(path + ".new")


def test_rotated_agent():
    """The key of a hosted agent: it has the new one when it attaches next, and is who it was."""
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada = a.agent("ada")
        old = ada.attached["fingerprint"]
        b.control.call("trust.set", {"subject": old, "kind": "agent", "state": "trusted"})
        path = os.path.join(os.path.dirname(a.control.call("keys.show")["path"]), "agents/ada.pem")
        for words in ([path], ["--kind", "agent"]):  # what is the node's and what is not
            done = ctl("-s", a.control_socket, "keys", "rotate", *words)
            assert done.returncode == 2 and "--kind" in done.stderr, done
        link = os.path.join(a.folder, "link.pem")
        os.symlink(path, link)
        done = ctl("keys", "rotate", "--kind", "agent", link)
        assert done.returncode == 1 and done.stderr.endswith(
            f"{link} is a symbolic link: name the file that it leads to, {path}\n"), done
        assert not os.path.exists(path + ".new") and not os.path.exists(path + ".succession")
        made = rotate("--kind", "agent", path)
        assert made["predecessor"] == old, made
        propose(ada, "the tide is out")  # nothing has changed yet
        agent = a.control.call("keys.show")["agents"][0]
        assert (agent["fingerprint"], agent["waiting"]["fingerprint"]) == \
            (old, made["fingerprint"]), agent
        ada.close()
        a.wait_until("she is gone", lambda: not a.control.call("keys.show")["agents"])
        ada = a.agent("ada")
        assert ada.attached["fingerprint"] == made["fingerprint"], ada.attached
        assert "waiting" not in a.control.call("keys.show")["agents"][0]
        wait_standing(b, old, "replaced")
        assert state_of(b, made["fingerprint"], "agent") == "trusted"
        fact = propose(ada, "the tide is in")
        b.wait_fact(fact, "pending")
        done = ctl("keys", "rotate", "--kind", "node", path)
        assert done.returncode == 1 and "of another kind" in done.stderr, done


def test_take():
    """web4ctl keys take: one document in any form, or one on each line, from a file, a pipe or
    standard input; what is none is told."""
    first, second, third, other = FastKey(), FastKey(), FastKey(), FastKey()
    one, two = succession(first, second), succession(second, third)
    lost = revocation(other, other.fingerprint)
    with Mesh("a") as mesh:
        a = mesh.nodes[0]

        def take(*words, stdin=""):
            return ctl("-s", a.control_socket, "keys", "take", *words, stdin=stdin)

        for words, stdin in (((), ""), (("-",), " \n\n"), (("/dev/null",), "")):
            done = take(*words, stdin=stdin)
            assert done.returncode == 1 and "there is no document in it" in done.stderr, done
        done = take(a.folder)
        assert done.returncode == 1 and "Is a directory" in done.stderr, done
        done = take("-", stdin=json.dumps(lost, indent=1))
        assert done.returncode == 0 and "revoked" in done.stdout, done
        # one that is broken is told once, with the place
        for words, where in ((json.dumps(lost, indent=1)[:-2] + ",\n}", "line"), ('{"kind": x}', "line 1, column 10")):
            done = take(stdin=words)
            assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done
            assert where in done.stderr and "column" in done.stderr, done
        # the second line is none: the others are taken, in their order
        lines = [canonical(one).decode(), "{}", "", canonical(two).decode()]
        done = take("--json", stdin="\n".join(lines))
        assert done.returncode == 1 and "line 2: bad_envelope" in done.stderr, done
        taken = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(item["news"], item["key"]["successor"]) for item in taken] == \
            [(True, second.fingerprint), (True, third.fingerprint)], taken
        # the file that a rotation has left, and what the node itself refuses
        path = os.path.join(a.folder, "ada.pem")
        assert ctl("keys", "generate", path).returncode == 0
        rotate("--kind", "agent", path)
        rotate(path)
        with open(path + ".succession", "a") as file:
            file.write(canonical(revocation(other, first.fingerprint)).decode() + "\n")
        done = take(path + ".succession")
        assert done.returncode == 1 and done.stdout.count("New here") == 2, done
        assert "unauthorized" in done.stderr and "line 3: that one was not taken" in done.stderr


def test_mail_follows():
    """What waits for an agent follows its key, and the key of its node: at that node, and at
    the node of its sender."""
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada, ben = a.agent("ada"), b.agent("ben")
        mesh.trust_all([ada, ben])
        old, node = ada.attached["fingerprint"], own_key(a)
        b.wait_until("b knows ada", lambda: any(
            agent["agent_id"] == "ada" for agent in b.control.call("agents.list")["agents"]))

        def send(to):
            return ben.call("agent.send", {
                "type": "INTENT", "to": to, "durable": True,
                "payload": {"goal": "ask", "topic": "tides", "priority": "normal"}})["msg_id"]

        def ended(msg_id):
            note = ben.wait_note("agent.delivery", lambda d: d["msg_id"] == msg_id and
                                 d["outcome"] != "held")
            assert note["outcome"] == "delivered", note

        known_by_now = send("ada")
        ended(known_by_now)
        ada.call("agent.ack", {"msg_id": known_by_now})
        ada.close()
        a.wait_until("she is gone", lambda: not a.control.call("keys.show")["agents"])
        sent = [send("ada")]  # waits at her node
        ben.wait_note("agent.delivery", lambda d: d["msg_id"] == sent[0] and
                      d["outcome"] == "held")
        path = a.control.call("keys.show")["path"]
        folder = os.path.dirname(path)
        assert a.stop() == 0
        b.wait_until("alone", lambda: b.connected() == 0)
        sent.append(send("ada"))  # waits at his
        made = rotate("--kind", "agent", os.path.join(folder, "agents/ada.pem"))
        rotate("--kind", "node", path)
        a.start()
        b.wait_until("b has a session with its new key", lambda: is_connected(b, own_key(a)))
        assert own_key(a) != node
        a.control.close()
        assert a.stop() == 0  # and what is stored is read back
        a.start()
        ada = a.agent("ada")
        assert ada.attached["fingerprint"] == made["fingerprint"]
        wait_standing(b, old, "replaced")
        sent.append(send(old))
        for msg_id in sent:
            came = ada.wait_note("agent.message")
            assert came["envelope"]["msg_id"] == msg_id, (came, sent)
            ada.call("agent.ack", {"msg_id": msg_id})
        for msg_id in sent:
            ended(msg_id)
        # she has one name, and it is not ambiguous
        ada.close()
        a.wait_until("she is gone", lambda: not a.control.call("keys.show")["agents"])
        last = send("ada")
        ada = a.agent("ada")
        assert ada.wait_note("agent.message")["envelope"]["msg_id"] == last


def test_letters_follow():
    """What was on its way to an agent when the power of its node failed, and is kept for a while
    only, comes to the agent under its new key, at the node under its new one."""
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada, ben = a.agent("ada"), b.agent("ben")
        mesh.trust_all([ada, ben])
        b.wait_until("b knows ada", lambda: any(
            agent["agent_id"] == "ada" for agent in b.control.call("agents.list")["agents"]))

        def send(statement):
            return ben.call("agent.send", {"type": "FACT_PROPOSE", "to": "ada",
                                           "payload": fact_payload(statement)})["msg_id"]

        def arrives(msg_id):
            came = ada.wait_note("agent.message", lambda m: m["envelope"]["msg_id"] == msg_id)
            note = ben.wait_note("agent.delivery", lambda d: d["msg_id"] == msg_id)
            assert note["outcome"] == "delivered", note
            return came

        arrives(send("the tide is out"))
        path = a.control.call("keys.show")["path"]
        a.process.send_signal(signal.SIGSTOP)
        sent = [send("it rains"), send("it still rains")]
        a.kill()
        ada.close()
        made = rotate("--kind", "agent", os.path.join(os.path.dirname(path), "agents/ada.pem"))
        node = rotate("--kind", "node", path)["fingerprint"]
        a.start()
        ada = a.agent("ada")
        assert ada.attached["fingerprint"] == made["fingerprint"], ada.attached
        for msg_id in sent:
            assert arrives(msg_id)["envelope"]["receiver"]["fingerprint"] == made["predecessor"]
        assert is_connected(b, node)


if __name__ == "__main__":
    main([test_revoked_node, test_agent_follows, test_who_was_away, test_mesh_keys,
          test_without_the_feature, test_rotated_node, test_pinned_node, test_rotation_cut_short,
          test_rotated_agent, test_take, test_mail_follows,
          test_letters_follow])
