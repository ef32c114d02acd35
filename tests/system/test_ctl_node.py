"""web4ctl against a node that the test plays: what it asks, what it shows, how it ends."""
import re
import threading

from web4test import *

WORK = tempfile.mkdtemp(prefix="web4-test-")
FP = "00112233445566778899aabbccddeeff" * 2
EVIL = "\x1b]0;owned\x07\u202e\n\u009b31m"


class FakeNode:
    """Two sockets; answers each call by a table of functions, and keeps what was asked."""

    def __init__(self, **answers):
        self.folder = tempfile.mkdtemp(dir=WORK)
        self.answers = {"config_show": lambda params: {
            "effective": {"paths": {"agent_socket": self.folder + "/agent.sock"}}}}
        self.answers.update(answers)
        self.asked = []
        self.closing = False
        self.listeners = []
        for name in ("control", "agent"):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(f"{self.folder}/{name}.sock")
            listener.listen(16)
            self.listeners.append(listener)
            threading.Thread(target=self.accept, args=(listener, name), daemon=True).start()

    def accept(self, listener, name):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection, name), daemon=True).start()

    def serve(self, connection, name):
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.asked.append((name, request["method"], request.get("params")))
                answer = self.answers.get(request["method"].replace(".", "_"))
                if name == "agent" and request["method"] == "config.show":
                    answer = None
                answer = answer(request.get("params")) if answer else None
                try:
                    for part in self.lines(request["id"], answer):
                        connection.sendall(part)
                except OSError:
                    return
                if answer == b"close":
                    return

    @staticmethod
    def lines(number, answer):
        head = {"jsonrpc": "2.0", "id": number}
        if answer is None:
            yield encode({**head, "error": {"code": -32601, "message": "no such method"}})
        elif isinstance(answer, Refused):
            yield encode({**head, "error": answer.error})
        elif isinstance(answer, bytes):
            if answer != b"close":
                yield answer
        elif isinstance(answer, list):  # the result, and notifications behind it
            yield encode({**head, "result": answer[0]})
            for method, params in answer[1:]:
                yield encode({"jsonrpc": "2.0", "method": method, "params": params})
        else:
            yield encode({**head, "result": answer})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.close()

    def ctl(self, *arguments, stdin=b"", socket_option=True, **environment):
        command = [WEB4CTL]
        if socket_option:
            command += ["-s", self.folder + "/control.sock"]
        base = {name: value for name, value in os.environ.items()
                if not name.startswith(("XDG_", "WEB4_"))}
        result = subprocess.run(command + list(arguments), input=stdin, capture_output=True,
                                timeout=DEADLINE, env={**base, **environment})
        return result.returncode, result.stdout.decode(), result.stderr.decode()


def encode(message):
    return json.dumps(message).encode() + b"\n"


def harmless(text):
    assert all(c == "\n" or (c.isprintable() and c not in "\u202e") for c in text), repr(text)


def refusal(code, message, number=-32000, pointer=None):
    data = {"code": code, **({"pointer": pointer} if pointer else {})}
    return Refused({"code": number, "message": message, "data": data})


STATUS = {"node": FP, "name": "ada" + EVIL, "version": "0.1.0", "pid": 7,
          "started_at": "2026-11-22T10:11:12.345Z", "uptime_s": 3700, "state": "running",
          "addresses": ["tcp:127.0.0.1:7474"], "config_digest": FP,
          "peers": {"known": 2, "connected": 1}, "sessions": 1, "agents": 0,
          "facts": {"pending": 1, "accepted": 0, "disputed": 0, "rejected": 0, "refuted": 0},
          "store": {"state": "ok", "kind": "sqlite"}, "refusals": {"replay": 3}}


def test_status():
    with FakeNode(status_get=lambda params: STATUS) as node:
        status, out, err = node.ctl("status")
        assert (status, err) == (0, ""), err
        harmless(out)
        assert re.search("Up for: +1 h 1 min\n", out) and "known 2" in out and "replay 3" in out, out
        assert "ada\\x1b]0;owned\\x07\\u{202e}\\n\\u{009b}31m" in out
        status, out, err = node.ctl("status", "--json")
        assert json.loads(out) == STATUS and out.count("\n") == 1
        harmless(out)
        assert node.asked == [("control", "status.get", {})] * 2


def test_colour_only_on_a_terminal():
    import pty
    with FakeNode(status_get=lambda params: STATUS) as node:
        def on_terminal(**environment):
            leader, follower = pty.openpty()
            base = {"PATH": os.environ["PATH"], "TERM": "xterm", **environment}
            command = [WEB4CTL, "-s", node.folder + "/control.sock", "status"]
            process = subprocess.Popen(command, stdout=follower, stderr=follower, env=base)
            os.close(follower)
            out = b""
            while True:
                try:
                    chunk = os.read(leader, 65536)
                except OSError:  # EIO: the other end is closed
                    break
                out += chunk
                if not chunk:
                    break
            os.close(leader)
            assert process.wait(DEADLINE) == 0, out
            return out
        assert b"\x1b[32mrunning\x1b[0m" in on_terminal()
        assert b"\x1b" not in on_terminal(NO_COLOR="1")
        assert b"\x1b" not in on_terminal(TERM="dumb")


def test_tables():
    entry = {"kind": "agent", "subject": FP, "name": "be\u0301n\u4e2d" + EVIL, "state": "trusted"}
    other = {"kind": "node", "subject": "ff" * 32, "state": "blocked",
             "since": "2026-11-22T10:11:12.345Z"}
    with FakeNode(trust_list=lambda params: {"entries": [entry, other] if not params else []}) as node:
        status, out, err = node.ctl("trust")
        harmless(out)
        lines = out.splitlines()
        assert len(lines) == 3 and lines[0].startswith("KIND   SUBJECT       NAME"), out
        assert lines[1].startswith("agent  001122334455  ") and FP not in out
        assert "2026-11-22 10:11:12" in lines[2]
        status, out, err = node.ctl("trust", "list", "--kind", "node", "--state", "blocked")
        assert (status, out) == (0, "nobody's trust has moved yet\n"), out
        assert node.asked[-1][2] == {"kind": "node", "state": "blocked"}


def test_fact():
    voice = {"agent_id": "ben", "fingerprint": FP, "trust": "trusted",
             "at": "2026-11-22T10:11:12.345Z", "counted": False, "why": "its node " + EVIL}
    fact = {"id": "123e4567-e89b-42d3-a456-426614174000", "state": "pending",
            "statement": "water is wet", "domain": "d", "confidence": 0.5,
            "proposer": {"agent_id": "ada", "fingerprint": FP, "trust": "trusted"},
            "proposed_at": "2026-11-22T10:11:12.345Z", "updated_at": "2026-11-22T10:11:12.345Z",
            "node": FP, "confirmations": [voice], "rejections": [], "challenges": [],
            "needed": 2, "missing": "1 confirmation"}
    with FakeNode(facts_show=lambda params: {"fact": fact},
                  facts_list=lambda params: {"facts": [fact], "total": 1}) as node:
        status, out, err = node.ctl("facts", "show", "123e")
        assert status == 0 and node.asked[-1][2] == {"fact": "123e"}
        harmless(out)
        assert "Missing:" in out and "1 confirmation" in out and "Confirmed by" in out
        assert "Rejected by" not in out and "its node" in out
        status, out, err = node.ctl("facts", "--limit", "5")
        assert "123e4567-e89" in out and node.asked[-1][2] == {"limit": 5}


def test_refusals():
    with FakeNode(trust_set=lambda params: refusal("not_found", "nobody is called " + EVIL,
                                                   pointer="/subject"),
                  node_stop=lambda params: refusal(None, "bad", -32602),
                  status_get=lambda params: b"close", keys_show=lambda params: b"HTTP/1.1 400\r\n",
                  graph_show=lambda params: b"x" * (3 << 20)) as node:
        status, out, err = node.ctl("trust", "set", "ben", "trusted", "--reason", "met")
        assert (status, out) == (1, "") and err.startswith("web4ctl: not_found: SUBJECT: nobody"), err
        assert err.count("\n") == 1
        harmless(err)
        assert node.asked[-1][2] == {"subject": "ben", "state": "trusted", "reason": "met"}
        assert node.ctl("stop")[0] == 2
        for arguments in (("status",), ("keys", "show"), ("graph",)):
            status, out, err = node.ctl(*arguments)
            assert (status, out, err.count("\n")) == (3, "", 1), (arguments, status, err)
        assert node.ctl("reload")[0] == 1  # no such method there


def test_which_socket():
    with FakeNode(status_get=lambda params: STATUS,
                  agent_attach=lambda params: refusal("unauthorized", "no")) as node:
        control, agent = node.folder + "/control.sock", node.folder + "/agent.sock"
        assert node.ctl("status", socket_option=False, WEB4_CONTROL_SOCKET=control)[0] == 0
        os.makedirs(node.folder + "/web4")
        for name in ("control.sock", "agent.sock"):
            os.symlink(f"{node.folder}/{name}", f"{node.folder}/web4/{name}")
        user = {"XDG_RUNTIME_DIR": node.folder, "HOME": node.folder}
        if os.geteuid() != 0:
            assert node.ctl("status", socket_option=False, **user)[0] == 0
        listen = ("listen", "--as", "ada")
        before = len(node.asked)
        for arguments, environment in ((listen, {"WEB4_AGENT_SOCKET": agent}),
                                       (listen, {"WEB4_CONTROL_SOCKET": control}),
                                       (listen + ("-s", control), {}), (listen + ("-s", agent), {}),
                                       (listen + ("--agent-socket", agent), {})):
            status, out, err = node.ctl(*arguments, socket_option=False, **environment)
            assert (status, out) == (1, "") and "unauthorized" in err, (arguments, status, err)
        attached = [asked for asked in node.asked[before:] if asked[1] == "agent.attach"]
        assert len(attached) == 5 and all(asked[0] == "agent" for asked in attached)


def attached(params):
    return {"agent_id": params["agent_id"], "fingerprint": FP, "pubkey": "", "node": FP}


def note(number, text="hello"):
    return {"envelope": {"z": text, "a": 1, "msg_id": f"00000000-0000-4000-8000-{number:012d}"},
            "trust": "trusted", "path": [FP], "received_at": "2026-11-22T10:11:12.345Z"}


def test_listen():
    answers = {"agent_attach": lambda params: [attached(params), ("fact.updated", {}),
                                               delivery("delivered"),
                                               delivery("timed_out", 2, code="timeout", text=EVIL),
                                               ("agent.message", note(1, EVIL)),
                                               ("agent.message", note(2))],
               "agent_ack": lambda params: {"acknowledged": True}}
    with FakeNode(**answers) as node:
        status, out, err = node.ctl("listen", "--as", "ada", "--capability", "fetch",
                                    "--capability", "x", "-n", "2")
        lines = out.splitlines()
        assert status == 0 and [json.loads(line) for line in lines] == [
            note(1, EVIL)["envelope"], note(2)["envelope"]], (status, out, err)
        harmless(out)
        assert lines[1].startswith('{"a":1,"msg_id":')  # canonical
        harmless(err)
        told = err.splitlines()  # what became of messages that others sent for it, too
        assert told[:2] == [f"web4ctl: listening as ada ({FP})",
                            f"web4ctl: {note(1)['envelope']['msg_id']} to {FP[:12]}: delivered"], err
        assert "timed_out (timeout: " in told[2] and len(told) == 3, err
        assert node.asked[1][2] == {"agent_id": "ada", "key": "hosted",
                                    "capabilities": ["fetch", "x"], "subscribe": ["agent.message", "agent.delivery"]}
        assert [asked[2]["msg_id"][-1] for asked in node.asked if asked[1] == "agent.ack"] == ["1", "2"]
        status, out, err = node.ctl("listen", "--as", "ada", "-n", "1", "--full")
        assert json.loads(out) == note(1, EVIL)
        # The node goes away in the middle.
        node.answers["agent_ack"] = lambda params: b"close"
        status, out, err = node.ctl("listen", "--as", "ada")
        assert status == 3 and len(out.splitlines()) == 1


def delivery(outcome, number=1, **more):
    return ("agent.delivery", {"msg_id": f"00000000-0000-4000-8000-{number:012d}", "to": FP,
                               "outcome": outcome, **more})


def test_send():
    sent = {"msg_id": "00000000-0000-4000-8000-000000000001", "stored": True, "recipients": 2}
    behind = []
    with FakeNode(agent_attach=attached, agent_send=lambda params: [sent] + behind) as node:
        send = lambda *more, **kw: node.ctl("send", "--as", "ada", "--to", "*", *more, **kw)
        behind[:] = [delivery("delivered", 9), delivery("delivered"),
                     delivery("refused", code="untrusted")]
        status, out, err = send("INTENT", '{"b": 1.0,\n"a": "\u00e9"}', "--family", "cip", "--json",
                                "--deadline", "5000")
        assert status == 0 and json.loads(out) == {
            **sent, "deliveries": [behind[1][1], behind[2][1]]}, (out, err)
        assert node.asked[-1] == ("agent", "agent.send", {
            "to": "*", "type": "INTENT", "protocol": "cip", "deadline_ms": 5000,
            "payload": {"a": "\u00e9", "b": 1}})
        assert node.asked[-2][2]["subscribe"] == ["agent.delivery"]
        status, out, err = send("INTENT", "-", stdin=b' {"x": [1]} ')
        assert status == 0 and node.asked[-1][2]["payload"] == {"x": [1]}
        harmless(out)
        assert "delivered" in out and "untrusted" in out
        assert send("INTENT", "-", stdin=b"{")[0] == 2
        assert send("INTENT", "-", stdin=b"{\x00}")[0] == 1
        behind[:] = [delivery("refused", code="blacklisted"), delivery("timed_out")]
        status, out, err = send("INTENT", "{}")
        assert status == 1 and err == "web4ctl: blacklisted: nobody got the message\n", err
        behind[:] = [delivery("delivered")]
        status, out, err = send("INTENT", "{}", "--timeout", "0")
        assert status == 0 and "2 of 2 deliveries are still open" in err, err
        node.answers["agent_send"] = lambda params: refusal("no_route", "nobody is called that")
        status, out, err = send("INTENT", "{}")
        assert (status, out, err) == (1, "", "web4ctl: no_route: nobody is called that\n"), err


def test_watch():
    event = {"v": 1, "seq": 7, "time": "2026-11-22T10:11:12.345Z", "node": FP,
             "event": "session_open", "severity": "info", "peer": FP, "data": {"x": EVIL}}
    watched = lambda params: [{"seq": 7, "replayed": 2}, ("node.event", event), ("node.event", event)]
    with FakeNode(events_watch=watched, status_get=lambda params: STATUS) as node:
        status, out, err = node.ctl("watch", "--type", "session_open", "--type", "x", "--since", "0",
                                    "--number", "2", "--json")
        assert status == 0 and [json.loads(line) for line in out.splitlines()] == [event, event]
        assert node.asked[-1][2] == {"types": ["session_open", "x"], "since": 0}
        status, out, err = node.ctl("watch", "-n", "1")
        harmless(out)
        assert out.startswith("2026-11-22 10:11:12  info  session_open  001122334455  x \\x1b"), out
        # Asked again and again, until the node says no.
        left = [1, 1, 1]
        node.answers["status_get"] = lambda params: STATUS if left and left.pop() else b"close"
        status, out, err = node.ctl("status", "--json", "--watch", "1")
        assert status == 3 and len(out.splitlines()) == 3, (status, out)


def test_output_that_cannot_be_written():
    with FakeNode(status_get=lambda params: STATUS) as node, open("/dev/full", "wb") as full:
        result = subprocess.run([WEB4CTL, "-s", node.folder + "/control.sock", "status"],
                                stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE)
        assert result.returncode == 1 and b"cannot write" in result.stderr, result


def test_config_against_the_node():
    file = WORK + "/web4d.json"
    with FakeNode() as node:
        running = {"paths": {"state_dir": node.folder, "runtime_dir": node.folder},
                   "node": {"name": "x"}}
        with open(file, "w") as config:
            json.dump(running, config)
        whole = {}
        node.answers["config_show"] = lambda params: {"effective": whole, "sources": [file],
                                                      "digest": FP}
        check = lambda *more: node.ctl("config", "check", file, "--json", *more, socket_option=False)
        os.rename(node.folder + "/control.sock", node.folder + "/away")
        status, out, err = check()
        assert status == 0 and "compared_with" not in json.loads(out), (out, err)
        os.rename(node.folder + "/away", node.folder + "/control.sock")
        result = node.ctl("config", "defaults", "--json", socket_option=False)
        whole.update(json.loads(result[1]))
        whole["paths"] = {"state_dir": node.folder, "runtime_dir": node.folder,
                          **{name: f"{node.folder}/{last}" for name, last in (
                              ("agents_dir", "agents"), ("store", "web4.db"),
                              ("control_socket", "control.sock"), ("agent_socket", "agent.sock"))}}
        whole["node"] = {"name": "x", "identity": node.folder + "/identity.pem"}
        status, out, err = check()
        answer = json.loads(out)
        assert status == 0 and answer["changed"] == [], (out, err)
        assert answer["compared_with"] == node.folder + "/control.sock"
        whole["log"] = {"level": "debug"}
        status, out, err = check()
        assert (status, json.loads(out)["changed"]) == (0, ["/log/level"]), out
        whole["node"]["name"] = "y"
        status, out, err = check()
        answer = json.loads(out)
        assert (status, answer["needs_restart"]) == (4, ["/node/name"]), out


try:
    main([test_status, test_colour_only_on_a_terminal, test_tables, test_fact, test_refusals,
          test_which_socket, test_listen, test_send, test_watch,
          test_output_that_cannot_be_written, test_config_against_the_node])
finally:
    shutil.rmtree(WORK, ignore_errors=True)
