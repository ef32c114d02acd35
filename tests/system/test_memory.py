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
        for params in ({"text": " * "}, {"text": "a " * 20}, {"author": "nobody"}, {"depth": 3},
                       {"depth": 3, "cause": boils, "effect": boils}, {"cause": "x"},
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
        assert "Steam rises" in table and "accepted" in table and "STEPS" not in table, table
        table = ctl(b, "memory", "query", "--cause", boils, "--depth", "5")
        assert "STEPS" in table and "Steps gone:" in table and "cut by" not in table, table
        # As it is shown: shortened. And what is wrong usage is told so.
        shown = table.split("\n")[1].split()[0]
        assert 4 <= len(shown) < 36, table
        short = ctl(b, "memory", "query", "--effect", shown)
        assert boils[:8] in short, (shown, short)
        for arguments, code, said in ((["--depth", "2"], 2, "--depth: expected cause or effect"),
                                      (["--cause", "ffffffff"], 1, "not_found: --cause: nothing"),
                                      (["--cause", "ab"], 1, "4 digits or more"), (["..."], 2, "a word"),
                                      (["--cause", boils.upper()], 2, "--cause: expected an id"),
                                      (["--effect", boils + "0"], 2, "--effect: expected an id")):
            done = subprocess.run([WEB4CTL, "-s", b.control_socket, "memory", "query", *arguments],
                                  capture_output=True, text=True, timeout=DEADLINE)
            assert done.returncode == code and done.stdout == "" and said in done.stderr, done
        walked = json.loads(ctl(b, "--json", "memory", "query", "--cause", boils, "--depth", "5"))
        assert walked["reached"] == max(e["steps"] for e in walked["entries"]), walked
        assert len({e["id"] for e in walked["entries"]}) == len(walked["entries"]), walked
        assert ids(json.loads(ctl(b, "--json", "memory", "query", "water"))) == [boils]
        assert "nothing" in ctl(b, "memory", "query", "none of that")
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

        # What came of a decision is told with it; one that follows from what has fallen is not.
        back = say(ada, "DECISION_SHARE", {
            "decision": {"choice": "Heat the kettle", "outcome": "cold tea"},
            "dmp_trace": {"decision_id": "kettle", "steps": ["drank"]},
            "retrospective": "wait less"})
        fallen = say(ada, "DECISION_SHARE", {
            "decision": {"choice": "Measure by boiling", "outcome": "planned"},
            "dmp_trace": {"decision_id": "measure", "steps": ["thought"]}, "causal_links": [boils]})
        for node in mesh:
            wait_ids(node, [decision, back], kind="decision")
            wait_ids(node, [decision, back, fallen], kind="decision", retracted=True)
            first, later = ask(node.control, kind="decision")["entries"]
            assert [(r["msg_id"], r["outcome"], r["text"]) for r in first["retrospectives"]] == [
                (back, "cold tea", "wait less")], first
            assert later["retrospective_of"] == decision, later
            assert json.loads(ctl(node, "--json", "store", "check"))["sound"]
        shown = ctl(b, "memory", "query", "--entry", "decision")
        assert "wait less" in shown and "Heat the kettle" in shown, shown
        try:
            say(ada, "DECISION_SHARE", {
                "decision": {"choice": "Drink water", "outcome": "planned"},
                "dmp_trace": {"decision_id": "kettle", "steps": ["thought"]}})
            assert False, "two choices"
        except Refused as refused:
            assert "decision_id" in str(refused), refused


def ctl(node, *arguments, stdin=None, status=0):
    done = subprocess.run([WEB4CTL, "-s", node.control_socket, *arguments], input=stdin,
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == status, done
    return done.stdout


def trust_states(node):
    return {(t["kind"], t["subject"]): t["state"]
            for t in node.control.call("trust.list")["entries"]}


def test_archive():
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ada, ben, cem = a.agent("ada"), b.agent("ben"), c.agent("cem")
        mesh.trust_all((ada, ben, cem))
        fact = new_fact(ada, "Water boils at 100 degrees", "physics")
        c.wait_fact(fact, "pending")
        b.wait_fact(fact, "pending")
        for client in (ben, cem):
            state(client, fact)
        a.wait_fact(fact, "accepted")
        wrong = new_fact(ada, "Water is dry", "physics")
        b.wait_fact(wrong, "pending")
        wait_ids(a, [fact], text="water")
        archive = ctl(a, "memory", "export")
        lines = [json.loads(line) for line in archive.splitlines()]
        assert [line["type"] for line in lines] == ["FACT_PROPOSE", "FACT_CONFIRM", "FACT_CONFIRM"]
        assert lines[0]["msg_id"] == fact and all(line["sign"] for line in lines), lines

        # Into where it came from: it is known.
        told = json.loads(ctl(a, "--json", "memory", "import", stdin=archive))
        assert (told["taken"], told["known"], told["refused"]) == (0, 3, 0), told

        # Into a node that knows nobody: refused, and nobody is trusted for it.
        with Mesh("d") as (d,):
            before = trust_states(d)
            told = json.loads(ctl(d, "--json", "memory", "import", stdin=archive, status=1))
            assert (told["taken"], told["refused"]) == (0, 3), told
            assert {r["code"] for r in told["refusals"]} == {"untrusted"}, told
            assert trust_states(d) == before and not d.facts()

            # Where its operator trusts them it is taken, and judged: who confirmed counts from when
            # it is known where they live, and nobody has been here yet.
            for line in lines:
                d.control.call("trust.set", {"subject": line["sender"]["fingerprint"],
                                             "kind": "agent", "state": "trusted", "reason": "test"})
            before = trust_states(d)
            forged = json.loads(json.dumps(lines))
            forged[0]["payload"]["fact"]["statement"] = "Water burns"
            text = "\n".join(["no JSON", json.dumps(forged[0], indent=None), "[]", "", "x" * 600000])
            told = json.loads(ctl(d, "--json", "memory", "import", stdin=text, status=1))
            assert told["taken"] == 0 and told["refused"] == 4, told
            assert [(r["line"], r["code"]) for r in sorted(told["refusals"], key=lambda r: r["line"])] \
                == [(1, "bad_json"), (2, "bad_signature"), (3, "bad_json"), (5, "too_large")], told
            path = d.folder + "/archive"
            with open(path, "w") as file:  # in another order of members it is the same
                file.write("\n".join(json.dumps(dict(reversed(line.items()))) for line in lines))
            told = json.loads(ctl(d, "--json", "memory", "import", path))
            assert (told["taken"], told["known"], told["refused"]) == (3, 0, 0), told
            shown = d.fact(fact)
            assert shown["state"] in ("pending", "accepted"), shown
            assert len(shown["confirmations"]) == 2, shown
            assert trust_states(d) == before
            again = json.loads(ctl(d, "--json", "memory", "import", path))
            assert (again["taken"], again["known"]) == (0, 3), again
            audit = [row["value"] for row in map(json.loads, ctl(
                d, "store", "export", "--table", "audit").splitlines())]
            assert [row["params"] for row in audit if row["method"] == "memory.import"][-1] \
                == {"envelopes": 3}, audit
            assert "FAULT" not in ctl(d, "store", "check")
            assert "Refused" in ctl(d, "memory", "import", stdin="x\n", status=1)
            assert ctl(d, "memory", "import", d.folder + "/none", status=1) == ""


main([test_memory, test_archive])
