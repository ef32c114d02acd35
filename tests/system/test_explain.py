"""`web4ctl envelope explain`: what a node would say of an envelope, that nothing happens by asking,
and that it then says just that."""
import re
import shlex
import subprocess

from web4test import *

WEB4CTL = os.environ["WEB4CTL"]
ASK = {"goal": "ask", "topic": "tides", "priority": "normal", "context": "a trip"}


def ctl(node, *words, stdin=b""):
    done = subprocess.run([WEB4CTL, "-s", node.control_socket, *words], input=stdin,
                          capture_output=True, timeout=DEADLINE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def explain(node, bytes_, *options, status=0):
    code, out, err = ctl(node, "--json", "envelope", "explain", *options, stdin=bytes_)
    assert (code, err) == (status, ""), (code, err)
    return json.loads(out)


def gates(told):
    return {gate["gate"]: gate for gate in told["gates"]}


def held(node):
    status = node.status()
    return (status["facts"], status["refusals"], node.control.call("trust.list"),
            node.control.call("facts.list"))


def test_said_before_and_done_then():
    key = Key(b"explain mal" * 3)
    with Mesh("a") as mesh:
        a, = mesh
        ben = a.agent("ben")
        to_ben = {"agent_id": "ben", "fingerprint": ben.attached["fingerprint"]}
        proposal = canonical(envelope(key, "mal", "FACT_PROPOSE", fact_payload("it rains"), to_ben))
        before = held(a)
        told = explain(a, proposal, status=1)
        assert (told["as"], told["outcome"], told["ended"]) == ("node", "refused", "trust"), told
        assert told["code"] == "untrusted" and told["pointer"] == "/sender", told
        assert "untrusted here; FACT_PROPOSE asks for probing" in gates(told)["trust"]["why"], told
        assert gates(told)["handler"]["verdict"] == "not_reached", told
        told = explain(a, proposal, "--all", status=1)
        assert told["ended"] == "trust" and gates(told)["handler"]["verdict"] == "passes", told
        assert held(a) == before

        # its sender comes, and hands the very bytes over
        a.control.call("trust.set", {"subject": key.fingerprint, "state": "trusted"})
        before = held(a)
        assert explain(a, proposal)["outcome"] == "passes"
        mal = Client(a.agent_socket)
        mal.call("agent.attach", {"agent_id": "mal", "key": key.pubkey, "capabilities": [],
                                  "subscribe": ["agent.message"]})
        told = explain(a, proposal)
        assert told["as"] == "agent" and told["outcome"] == "passes", told
        assert gates(told)["carrier"]["verdict"] == "not_asked", told
        assert gates(told)["delivery"]["why"].startswith("ben ("), told
        assert held(a)[0] == before[0]  # no fact yet
        mal.call("agent.submit", {"envelope": json.loads(proposal)})
        fact = json.loads(proposal)["msg_id"]
        a.wait_fact(fact, "pending")
        told = explain(a, proposal, status=1)
        assert (told["ended"], told["code"]) == ("replay", "replay"), told
        assert explain(a, proposal, "--by", "node", status=1)["as"] == "node"


def test_for_people():
    key = Key(b"explain people" * 3)
    with Mesh("a") as mesh:
        a, = mesh
        a.agent("ben")
        forged = envelope(key, "mal", "INTENT", ASK)
        forged["payload"] = {**ASK, "topic": "tithes"}
        path = os.path.join(a.folder, "envelope.json")
        with open(path, "wb") as file:
            file.write(canonical(forged) + b"\n")
        code, out, err = ctl(a, "envelope", "explain", path)
        assert (code, err) == (1, ""), (code, err)
        # what comes first is what is asked for: whether, why, and where it ends
        lines = out.splitlines()
        assert re.fullmatch("Outcome: +refused", lines[0]), out
        assert lines[1].startswith("Because:") and "it is not signed by" in lines[1], out
        assert re.fullmatch("Ended at: +signature", lines[2]), out
        for part in ("bad_signature", "The signature is not a valid one", "/sign/signature"):
            assert part in out, (part, out)
        assert len(lines) <= 12 and "not_reached" not in out, out
        code, out, err = ctl(a, "envelope", "explain", "--all", path)
        assert (code, err) == (1, ""), (code, err)
        assert out.splitlines()[:len(lines)] == lines, out
        for part in ("Gates, in their order", "carrier", "no node is named", "not_reached",
                     "it ended before"):
            assert part in out, (part, out)
        good = canonical(envelope(key, "mal", "HELLO", {
            "protocols": ["cip/1.0"], "capabilities": [], "session_nonce": "A" * 22 + "==",
            "challenge": "A" * 43 + "=",
            "features": {"supports_mesh": True, "supports_multiplex": True}}))
        code, out, err = ctl(a, "envelope", "explain", "--all", "--from", "a", stdin=good)
        assert code == 0 and "passes" in out and "brought it" in out, (code, out, err)
        assert "this node answers it for its agents" in out, out


def test_said_some_time_ago():
    """As what is passed on, or comes out of an archive: what its sender said long ago counts, and
    goes to nobody."""
    key = Key(b"explain old" * 3)
    with Mesh("a") as mesh:
        a, = mesh
        ben = a.agent("ben")
        a.control.call("trust.set", {"subject": key.fingerprint, "state": "trusted"})
        old = canonical(envelope(key, "mal", "FACT_PROPOSE", fact_payload("it rained"),
                                 timestamp=timestamp(-86400)))
        for way, status in (("node", 1), ("shared", 0), ("archive", 0)):
            told = explain(a, old, "--by", way, status=status)
            assert told["as"] == way, told
            if status:
                assert (told["ended"], told["code"]) == ("freshness", "stale"), told
                continue
            assert told["outcome"] == "passes" and "no agent is handed it" in told["reason"], told
            assert gates(told)["delivery"]["verdict"] == "not_asked", told
            assert gates(told)["replay"]["verdict"] == "not_asked", told
            asked = gates(told)["carrier"]["verdict"]
            assert asked == ("passes" if way == "shared" else "not_asked"), told
        # what was for one agent is not passed on; and what neighbours pass on, no archive holds
        to_ben = {"agent_id": "ben", "fingerprint": ben.attached["fingerprint"]}
        aside = canonical(envelope(key, "mal", "FACT_PROPOSE", fact_payload("it snowed"), to_ben))
        for way in ("shared", "archive"):
            told = explain(a, aside, "--by", way, status=1)
            assert (told["ended"], told["code"]) == ("speaker", "unauthorized"), told
        assert a.status()["facts"]["pending"] == 0, a.status()


def test_whatever_comes():
    with Mesh("a") as mesh:
        a, = mesh
        for bytes_, code in ((b"", "bad_json"), (b"\xff\xfe", "bad_json"), (b"{ }", "not_canonical"),
                             (b"{}", "bad_envelope"), (b"x" * 300000, "too_large"),
                             (b"[" * 100, "too_deep"), (b'{"cip":"7.0"}', "unsupported_version")):
            told = explain(a, bytes_, status=1)
            assert (told["ended"], told["code"]) == ("form", code), (bytes_[:20], told)
            assert "type" not in told, told
        code, out, err = ctl(a, "envelope", "explain", "--from", "nobody", stdin=b"{}")
        assert code == 1 and out == "" and "not_found: --from" in err, err
        code, out, err = ctl(a, "envelope", "explain", "--by", "agent", stdin=canonical(
            envelope(Key(b"absent" * 6), "mal", "INTENT", ASK)))
        assert code == 1 and "not_found: --by" in err, err
        code, out, err = ctl(a, "sources", "why", "example")
        assert code == 2 and "web4ctl: URI: expected a URI with its scheme" in err, err
        code, out, err = ctl(a, "send", "--as", "ada", "--to", "*", "HCP_INTENT",
                             '{"goal":"align","topic":"work","priority":"low"}')
        assert code == 1 and "/state" in err and "(--with-state)" in err, err
        code, out, err = ctl(a, "envelope", "explain", "/no/such/file")
        assert code == 1 and "/no/such/file" in err, err


def test_the_examples_of_help():
    """What `send TYPE --help` shows can be typed, and its form is good."""
    types = json.loads(subprocess.run([WEB4CTL, "schema"], capture_output=True, check=True).stdout)
    assert len(types) >= 23, types.keys()
    with Mesh("a") as mesh:
        a, = mesh
        ben = a.agent("ben", capabilities=["fetch"])
        calm = {"human": {"presence": "focused", "affect": "calm", "clarity": 80, "pressure": 10,
                          "consent": "granted"}}
        ben.call("agent.send", {"protocol": "hcp", "type": "HCP_HELLO", "to": "*", "state": calm,
                                "payload": {"identity": {"name": "Ben", "role": "r"},
                                            "consent_scope": [], "safety_flags": []}})
        a.control.call("trust.set", {"subject": "ben", "state": "trusted"})
        sent = 0
        for kind in sorted(types, key=lambda kind: kind != "HCP_HELLO"):  # who greets comes first
            code, out, err = ctl(a, "send", kind, "--help")
            assert (code, err) == (0, "") and out.startswith(kind + " ("), (kind, err)
            shown = re.findall(r"(?m)^  (web4ctl send .*)$", out)
            if not shown:
                assert "unauthorized" in out, out  # a node's
                continue
            words = shlex.split(shown[0])[1:]
            code, out, err = ctl(a, "--agent-socket", a.agent_socket, *words)
            refers = "fact_ref" in shown[0] or "claim_ref" in shown[0]
            if refers:  # the example cannot know a fact of this node
                assert code == 1 and ("unknown_reference" in err or "claim_ref" in err), err
            elif kind == "HELLO":
                assert code in (0, 1) and "bad_envelope" not in err, err  # the node answers itself
            else:
                assert code == 0, (kind, err)
            sent += 1
        assert sent >= 19, sent


main([test_said_before_and_done_then, test_for_people, test_said_some_time_ago, test_whatever_comes,
      test_the_examples_of_help])
