"""Contracts of channels, as operators and agents see them: kept, broken, kept again; and keys that
are changed by order."""
import json
import signal
import subprocess

from web4test import DEADLINE, WEB4CTL, Client, Mesh, Refused, main

CONTRACT = {"p99_ms": 400, "max_drop_rate": 0.5, "min_availability": 0.9, "window_ms": 1000}
SESSION = {"session": {"heartbeat_ms": 100, "timeout_ms": 600,
                       "channels": {"state": {"sla": CONTRACT}}}}


def intent(agent, to):
    return agent.call("agent.send", {"type": "INTENT", "to": to, "payload": {
        "goal": "ask", "topic": "tides", "priority": "normal", "context": "a trip"},
        "channel": "state"})


def clauses(node, **params):
    found = node.control.call("sla.list", params)["clauses"]
    return {(c["whose"], c["channel"], c["clause"]): c for c in found}


def ctl(node, *words):
    done = subprocess.run([WEB4CTL, "-s", node.control_socket, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=DEADLINE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_kept_broken_and_kept_again():
    with Mesh("a", "b", **SESSION) as mesh:
        a, b = mesh.nodes
        operator, ada, ben = Client(a.control_socket), a.agent("ada"), b.agent("ben")
        mesh.trust_all([ada, ben])
        for client in (operator, ada):
            client.call("events.watch", {"types": ["sla_violated", "sla_restored"]})
        ours = clauses(a)
        assert set(c for w, c, _ in ours if w == "ours") == {"state"}, ours
        assert ours["ours", "state", "p99_ms"]["bound"] == 400
        assert ours["ours", "state", "min_availability"]["state"] in ("kept", "unknown"), ours
        a.wait_until("the other agent", lambda: len(
            a.control.call("agents.list")["agents"]) == 2)
        intent(ada, "ben")
        b.process.send_signal(signal.SIGSTOP)
        told = [client.wait_note("node.event", lambda event: event["event"] == "sla_violated")
                for client in (operator, ada)]
        assert told[0] == told[1], told
        assert told[0]["channel"] == "state" and told[0]["data"]["clause"] in CONTRACT, told
        assert told[0]["data"]["budget"] == 0, told
        a.wait_until("no availability", lambda: clauses(a)[
            "ours", "state", "min_availability"]["state"] == "violated")
        status, out, _ = ctl(a, "sla", "b")
        assert status == 0 and "violated" in out, out
        broken = clauses(a)["ours", "state", "min_availability"]
        assert broken["measured"] < 0.9 and broken["budget"] == 0 and not broken["open"], broken
        b.process.send_signal(signal.SIGCONT)
        operator.wait_note("node.event", lambda event: event["event"] == "sla_restored" and
                           event["data"]["clause"] == "min_availability")
        assert clauses(a)["ours", "state", "min_availability"]["state"] == "kept"
        status, out, _ = ctl(a, "--json", "sla")
        assert status == 0 and len(json.loads(out)["clauses"]) >= 3, out


def test_contracts_change_at_once():
    with Mesh("a", "b") as mesh:
        a, b = mesh.nodes
        assert clauses(a) == {}
        status, out, _ = ctl(a, "sla")
        assert status == 0 and out.startswith("nothing is promised"), out
        peer = b.status()["node"]
        a.config["session"] = {"peers": {peer: {"knowledge": {"sla": {"max_drop_rate": 0.01}}}}}
        a.write_config()
        a.control.call("config.reload")
        a.wait_until("the contract", lambda: list(clauses(a)) == [
            ("ours", "knowledge", "max_drop_rate")])
        assert clauses(a, peer="b")
        b.kill()  # it is named, so it is waited for
        a.wait_until("it is away", lambda: not clauses(a)[
            "ours", "knowledge", "max_drop_rate"]["open"])
        a.config["session"] = {}
        a.write_config()
        a.control.call("config.reload")
        a.wait_until("no contract", lambda: clauses(a) == {})
        try:
            a.control.call("sla.list", {"peer": "nobody"})
            raise AssertionError("a contract with nobody")
        except Refused as refused:
            assert refused.code == "not_found", refused


def test_both_ends_know():
    """What is announced is known at the other end, and changes there when it changes here."""
    with Mesh("a", "b", **SESSION) as mesh:
        a, b = mesh.nodes

        def theirs(node):
            return {clause: c["bound"] for (whose, _, clause), c in clauses(node).items()
                    if whose == "theirs"}

        wanted = {name: CONTRACT[name] for name in CONTRACT if name != "window_ms"}
        for node in (a, b):
            node.wait_until("the other's contract", lambda: theirs(node) == wanted)
            for clause in clauses(node).values():
                assert clause["whose"] == "ours" or clause["state"] == "announced", clause
        a.config["session"] = {"channels": {"state": {"sla": {"p99_ms": 7}}}}
        a.write_config()
        a.control.call("config.reload")
        b.wait_until("the new contract", lambda: theirs(b) == {"p99_ms": 7})


def test_channels_and_memory():
    with Mesh("a", "b", **SESSION) as mesh:
        a, b = mesh.nodes
        ada, ben = a.agent("ada"), b.agent("ben")
        mesh.trust_all([ada, ben])
        a.wait_until("the other agent", lambda: len(
            a.control.call("agents.list")["agents"]) == 2)
        for _ in range(20):
            sent = intent(ada, "ben")
            ada.wait_note("agent.delivery", lambda said: said["msg_id"] == sent["msg_id"])
        listed = a.control.call("channels.list", {"session": "b"})["channels"]
        assert listed == a.control.call("channels.list")["channels"]
        assert [c["channel"] for c in listed] == ["control", "state", "knowledge"], listed
        assert [c["id"] for c in listed] == [1, 2, 3], listed
        for channel in listed:
            assert channel["attempted"] == \
                channel["enqueued"] + channel["dropped_newest"] + channel["errors"], channel
            assert channel["enqueued"] == channel["delivered"] + channel["dropped_oldest"] + \
                channel["failed"] + channel["queued"] + channel["in_flight"], channel
            assert channel["overflow"] == "error" and channel["queue_messages"] == 1024, channel
            assert channel["credit"] > 0 and channel["credit_given"] > 0, channel
            assert channel["state"] == "open" and channel["name"] == "b", channel
        state = listed[1]
        assert state["delivered"] >= 20 and state["contract"] == CONTRACT, state
        assert 0 < state["latency_p50_us"] <= state["latency_p95_us"] <= \
            state["latency_p99_us"] <= state["latency_max_us"], state
        assert "memory" not in a.status()
        memory = a.control.call("status.get", {"memory": True})["memory"]
        assert memory["resident"] > 1 << 20 and memory["store"] > 0, memory
        tables = {table["name"]: table for table in memory["tables"]}
        assert tables["sessions"]["count"] == 1 and tables["agents"]["count"] == 1, tables
        for table in memory["tables"]:
            assert table["count"] <= table.get("count_max", table["count"]), table
            assert table["bytes"] <= table.get("bytes_max", table["bytes"]), table
        assert tables["sessions"]["bytes"] >= memory["peers"][0]["bytes"] > 0, memory
        assert [c["channel"] for c in memory["channels"]] == ["control", "state", "knowledge"]
        b.process.send_signal(signal.SIGSTOP)
        for _ in range(10):
            intent(ada, "ben")
        a.wait_until("messages are held", lambda: a.control.call(
            "status.get", {"memory": True})["memory"]["channels"][1]["messages"] == 10)
        held = a.control.call("status.get", {"memory": True})["memory"]
        assert held["peers"][0]["sending"] >= held["channels"][1]["bytes"] > 0, held
        b.process.send_signal(signal.SIGCONT)


def test_rekeys_by_order():
    with Mesh("a", "b") as mesh:
        a, b = mesh.nodes

        def rekeys(node):
            return node.control.call("sessions.list")["sessions"][0]["rekeys"]

        before = rekeys(a)
        status, out, err = ctl(a, "sessions", "rekey", "b")
        assert status == 0 and out.startswith("New key:"), (out, err)
        a.wait_until("a new key", lambda: rekeys(a) == before + 1)
        operator = Client(b.control_socket)
        operator.call("events.watch", {"types": ["rekeyed"], "since": 0})
        rekeyed = operator.wait_note("node.event")
        assert rekeyed["data"]["direction"] == "in" and rekeyed["peer"] == a.status()["node"]
        shown = a.control.call("sessions.show", {"session": "b"})["session"]
        assert shown["verification_failures"] == 0 and shown["replays"] == 0, shown
        assert b.control.call("sessions.show", {"session": "a"})["session"][
            "verification_failures"] == 0
        for words in (["sessions", "rekey", "nobody"], ["sessions", "rekey"]):
            assert ctl(a, *words)[0] in (1, 2), words
        b.kill()
        a.wait_until("b gone", lambda: a.connected() == 0)
        status, _, err = ctl(a, "sessions", "rekey", "b")
        assert status == 1 and "disconnected" in err, err


main([test_kept_broken_and_kept_again, test_contracts_change_at_once, test_both_ends_know,
      test_channels_and_memory, test_rekeys_by_order])
