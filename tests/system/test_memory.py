"""The causal memory over the documented sockets: what is accepted is found by words, domain, time, author,
cause and effect, and what was retracted is told as such, on each node and across a restart."""
from web4test import *


def say(client, kind, payload, **params):
    return client.call("agent.send", {"type": kind, "to": "*", "payload": payload, **params})["msg_id"]


def state(client, fact, reject=False):
    return say(client, "FACT_REJECT" if reject else "FACT_CONFIRM", {
        "fact_ref": fact, "decision": "reject" if reject else "confirm", "confidence": 0.9, "notes": ""})


def new_fact(client, statement, domain, causes=()):
    payload = fact_payload(statement)
    payload["fact"]["domain"] = domain
    payload["causal_links"] = list(causes)
    return say(client, "FACT_PROPOSE", payload)


def ids(answer):
    return [entry["id"] for entry in answer["entries"]]


def ask(where, **params):
    return where.call("memory.query", params)


def wait_ids(node, should, **params):
    node.wait_until(f"{params} finds {len(should)}", lambda: ids(ask(node.control, **params)) == should)


def test_memory():
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ada, ben, cem = a.agent("ada"), b.agent("ben"), c.agent("cem")
        mesh.trust_all((ada, ben, cem))

        def accepted(fact):
            for node in mesh:
                node.wait_fact(fact, "pending")
            for client in (ben, cem):
                state(client, fact)
            for node in mesh:
                node.wait_fact(fact, "accepted")
            return fact

        boils = accepted(new_fact(ada, "Water boils at 100 degrees", "physics"))
        decision = say(ada, "DECISION_SHARE", {
            "decision": {"choice": "Heat the kettle", "outcome": "tea", "context": "kitchen"},
            "dmp_trace": {"decision_id": "kettle", "steps": ["thought"], "counterfactuals": [],
                          "evidence": []}, "retrospective": ""})
        for node in (b, c):
            wait_ids(node, [decision], kind="decision")
        steam = accepted(new_fact(ada, "Steam rises from a kettle", "kitchen", [boils, decision]))
        pending = new_fact(ada, "Water is dry", "physics")

        for node in mesh:
            wait_ids(node, [boils, decision, steam])
            wait_ids(node, [boils], text="WATER")
            wait_ids(node, [decision, steam], text="kettle")
            wait_ids(node, [steam], text='"rises from" kett*')
            wait_ids(node, [boils], domain="physics")
            wait_ids(node, [steam], cause=boils)
            wait_ids(node, [boils, decision], effect=steam)
            wait_ids(node, [boils, decision, steam], author=ada.attached["fingerprint"])
            wait_ids(node, [], author=ben.attached["fingerprint"])
            wait_ids(node, [boils, steam], kind="fact")
        c.wait_fact(pending, "pending")
        assert ids(ask(cem, text="dry")) == []

        entry = ask(cem, text="boils")["entries"][0]
        assert entry["state"] == "accepted" and entry["agent_id"] == "ada" and not entry["causes"], entry
        assert {who["agent_id"] for who in entry["confirmed_by"]} == {"ben", "cem"}, entry
        at = entry["accepted_at"]
        assert ids(ask(cem, after=at))[0] == boils and ids(ask(cem, before=at)) == []
        first = ask(cem, limit=1)
        assert ids(first) == [boils] and ids(ask(cem, limit=2, next=first["next"])) == [decision, steam]

        # What is an order elsewhere is a text, or nothing, here.
        for words in ("water OR steam", "'; DROP TABLE memory; --", 'text : "water"', "NEAR(water)"):
            assert ids(ask(cem, text=words)) == [], words
        for params in ({"text": " * "}, {"text": "a " * 20}, {"author": "nobody"}, {"cause": "x"},
                       {"after": "today"}, {"text": "a" * 2000}, {"limit": 0}, {"kind": "x"}):
            try:
                ask(cem, **params)
                assert False, params
            except Refused:
                pass

        def ctl(node, *arguments):
            done = subprocess.run([WEB4CTL, "-s", node.control_socket, *arguments],
                                  capture_output=True, text=True, timeout=DEADLINE)
            assert done.returncode == 0, done
            return done.stdout

        table = ctl(b, "memory", "query", "--cause", boils)
        assert "Steam rises" in table and "accepted" in table, table
        assert ids(json.loads(ctl(b, "--json", "memory", "query", "water"))) == [boils]
        assert "Nothing" in ctl(b, "memory", "query", "nothing of that")
        assert json.loads(ctl(b, "--json", "store", "check"))["sound"]

        # Two who confirmed it think again: it is refuted everywhere, and what follows from it is told
        # to lack support. By default neither is given any more.
        for client in (ben, cem):
            state(client, boils, reject=True)
        for node in mesh:
            node.wait_fact(boils, "refuted")
            wait_ids(node, [decision])
            wait_ids(node, [boils, decision, steam], retracted=True)
        told = {e["id"]: e for e in ask(cem, retracted=True)["entries"]}
        assert told[boils]["state"] == "refuted" and told[steam]["unsupported"], told
        before = ask(b.control, retracted=True)
        b.kill()
        b.start()
        assert ask(b.control, retracted=True) == before
        assert json.loads(ctl(b, "--json", "store", "check"))["sound"]


main([test_memory])
