"""What is promised of facts, humans and what comes from the internet, as somebody outside would try
it: four daemons, their documented sockets, and nothing of web4-rpc(7) and web4-protocols(7) that is
not written there. One mesh for all scenarios; each begins with trust as it was."""
from web4test import *

QUIET = 0.5  # s of no message, behind a fence that came by the same way


class Stage:
    """Four nodes: ada at a, ben and bob at b, cho at c, dan at d; eve, a stranger, at d."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.a, self.b, self.c, self.d = mesh.nodes
        self.homes = {"ada": self.a, "ben": self.b, "bob": self.b, "cho": self.c, "dan": self.d,
                      "eve": self.d}
        self.agents = {name: node.agent(name) for name, node in self.homes.items()}
        self.begin()
        for node in mesh:
            node.wait_until("all agents", lambda: len(
                node.control.call("agents.list")["agents"]) == len(self.homes))

    def begin(self):
        for name in self.homes:
            self.trust(name, "probing" if name == "eve" else "trusted")

    def fingerprint(self, name):
        return self.agents[name].attached["fingerprint"]

    def trust(self, name, state):
        for node in self.mesh:
            node.control.call("trust.set", {"subject": self.fingerprint(name), "state": state,
                                            "reason": "scenario"})

    def propose(self, name, statement):
        fact = propose(self.agents[name], statement)
        self.facts_are(fact, "pending")
        return fact

    def say(self, name, kind, fact, **payload):
        return self.agents[name].call("agent.send", {"type": kind, "to": "*", "payload": {
            "fact_ref": fact, **payload}})["msg_id"]

    def confirm(self, name, fact):
        return self.say(name, "FACT_CONFIRM", fact, decision="confirm", confidence=0.9, notes="")

    def reject(self, name, fact):
        return self.say(name, "FACT_REJECT", fact, decision="reject", confidence=0.9, notes="")

    def facts_are(self, fact, state, nodes=None):
        for node in nodes or self.mesh:
            node.wait_fact(fact, state)

    def voices(self, fact, member, count, nodes=None):
        for node in nodes or self.mesh:
            node.wait_until(f"{count} in {member}", lambda: len(node.fact(fact)[member]) == count)


def refused(code, call, *args, **params):
    try:
        call(*args, **params)
    except Refused as no:
        assert no.code == code, f"{no.code} in place of {code}: {no}"
        return no
    raise AssertionError(f"{code} was to be said, and was not")


# ---- facts

def collusion_stays_pending(stage):
    """A proposer, two friends of his on one node, and a stranger: all say yes, and it counts as one
    voice. The first independent one more makes it two."""
    fact = stage.propose("ada", "the moon is a lamp")
    for name in ("ben", "bob", "eve", "ada"):
        try:
            stage.confirm(name, fact)
        except Refused:
            assert name == "ada"  # his own: refused, or without weight
    for node in stage.mesh:
        node.wait_until("three voices", lambda: {"ben", "bob", "eve"} <= {
            voice["agent_id"] for voice in node.fact(fact)["confirmations"]})
        shown = node.fact(fact)
        assert shown["state"] == "pending", shown
        assert sum(voice["counted"] for voice in shown["confirmations"]) == 1, shown
        assert all(voice.get("why") for voice in shown["confirmations"] if not voice["counted"])
        why = node.control.call("facts.why", {"fact": fact})["conditions"]
        assert any(not part["holds"] and part["why"] for part in why), why
    stage.confirm("cho", fact)
    stage.facts_are(fact, "accepted")


def two_independent_confirmations_accept(stage):
    fact = stage.propose("ada", "water is wet")
    stage.confirm("ben", fact)
    stage.voices(fact, "confirmations", 1)
    assert all(node.fact(fact)["state"] == "pending" for node in stage.mesh)
    stage.confirm("cho", fact)
    stage.facts_are(fact, "accepted")
    told = stage.agents["dan"].wait_note("fact.updated", lambda params: params["fact"]["id"] == fact
                                         and params["fact"]["state"] == "accepted")
    assert {voice["agent_id"] for voice in told["fact"]["confirmations"]} == {"ben", "cho"}


def a_challenge_disputes(stage):
    """Of one who is trusted, that is; it ends with the word of who doubted."""
    fact = stage.propose("ada", "swans are white")
    stage.say("eve", "FACT_CHALLENGE", fact, reason="conflict", severity="high", notes="")
    stage.voices(fact, "challenges", 1)
    assert all(node.fact(fact)["state"] == "pending" for node in stage.mesh)
    stage.confirm("ben", fact)
    stage.confirm("cho", fact)
    stage.facts_are(fact, "accepted")
    stage.say("dan", "FACT_CHALLENGE", fact, reason="conflict", severity="high",
              notes="a black one")
    stage.facts_are(fact, "disputed")
    for node in stage.mesh:
        doubt = [doubt for doubt in node.fact(fact)["challenges"] if doubt["open"]]
        assert [one["agent_id"] for one in doubt] == ["dan"], doubt
    stage.confirm("dan", fact)
    stage.facts_are(fact, "accepted")


def one_node_refutes_nothing(stage):
    """Two on one node, and a stranger: what others know does not come to an end by them."""
    fact = stage.propose("ada", "bread is made of flour")
    stage.confirm("cho", fact)
    stage.confirm("dan", fact)
    stage.facts_are(fact, "accepted")
    for name in ("ben", "bob", "eve"):
        stage.reject(name, fact)
    stage.voices(fact, "rejections", 3)
    for node in stage.mesh:
        shown = node.fact(fact)
        assert shown["state"] == "accepted", shown
        assert sum(voice["counted"] for voice in shown["rejections"]) == 1, shown
        assert all(voice.get("why") for voice in shown["rejections"] if not voice["counted"])
    stage.reject("cho", fact)
    stage.facts_are(fact, "refuted")


def a_refutation_reaches_four_copies(stage):
    """One of them is with a node that is away while it happens."""
    fact = stage.propose("ada", "the sun goes round")
    stage.confirm("ben", fact)
    stage.confirm("cho", fact)
    stage.facts_are(fact, "accepted")
    here = [stage.a, stage.b, stage.c]
    stage.d.kill()
    for node in here:
        node.wait_until("d is gone", lambda: node.connected() == 2)
    stage.reject("ben", fact)
    stage.reject("cho", fact)
    stage.facts_are(fact, "refuted", here)
    for name in ("ada", "ben", "bob", "cho"):
        stage.agents[name].wait_note("fact.updated", lambda params: params["fact"]["id"] == fact and
                                     params["fact"]["state"] == "refuted")
    stage.d.start()
    stage.d.wait_fact(fact, "refuted")  # before any agent is there again
    stage.agents["dan"], stage.agents["eve"] = stage.d.agent("dan"), stage.d.agent("eve")
    for node in stage.mesh:
        node.wait_until("all are back", lambda: node.connected() == 3 and len(
            node.control.call("agents.list")["agents"]) == len(stage.homes))


# ---- humans

def human(consent="granted", pressure=10):
    return {"presence": "focused", "affect": "calm", "clarity": 90, "pressure": pressure,
            "consent": consent}


def hcp(client, kind, to, payload, consent="granted", **params):
    return client.call("agent.send", {"protocol": "hcp", "type": kind, "to": to, "payload": payload,
                                      "state": {"human": human(consent)}, **params})


def greet(client, to, consent="granted"):
    return hcp(client, "HCP_HELLO", to, {"identity": {"name": "x", "role": "y"},
                                         "consent_scope": ["topic:work"], "safety_flags": []},
               consent)


def intent(client, to, priority="normal", **params):
    return hcp(client, "HCP_INTENT", to, {"goal": "align", "topic": "work", "priority": priority},
               **params)["msg_id"]


def context(client, to, **params):
    return hcp(client, "HCP_CONTEXT", to, {"context": "so it is", "constraints": [],
                                           "shared_history": []}, **params)["msg_id"]


def came(client, until):
    """msg_ids of all words to the human that come before the message `until` does, and shortly
    after it."""
    found = []
    fence = False
    while True:
        try:
            message = client.wait_note("agent.message", deadline=QUIET if fence else DEADLINE)
        except TimeoutError:
            assert fence, f"the fence {until} did not come"
            return found
        envelope = message["envelope"]
        fence = fence or envelope["msg_id"] == until
        if "hcp" in envelope and envelope["type"] not in ("HCP_HELLO", "HCP_STATE_UPDATE"):
            found.append(envelope["msg_id"])


def consent_at(node, name, consent):
    node.wait_until(f"{name} {consent}", lambda: any(
        human["consent"] == consent and human.get("agent_id") == name
        for human in node.control.call("consent.list")["humans"]))


def nothing_reaches_a_human_after_revocation(stage):
    ada, ben = stage.agents["ada"], stage.agents["ben"]
    node = stage.b
    greet(ada, "ben")
    consent_at(node, "ada", "granted")
    greet(ben, "ada")
    consent_at(stage.a, "ben", "granted")
    first = intent(ada, "ben")
    assert came(ben, propose(ada, "fence 1")) == [first]

    # under pressure words wait: in the queue of ben's node, and durable ones in its store
    ben.call("agent.human_state", human(pressure=90))
    stage.a.wait_until("pressure is known", lambda: stage.a.control.call(
        "consent.show", {"human": stage.fingerprint("ben")})["human"]["pressure"] == 90)
    waiting = [context(ada, "ben"), intent(ada, "ben"), context(ada, "ben", durable=True),
               intent(ada, "ben", durable=True)]
    node.wait_until("they wait", lambda: node.control.call(
        "consent.show", {"human": stage.fingerprint("ben")})["human"]["waiting"] >= 2)
    assert came(ben, propose(ada, "fence 2")) == []

    # he takes consent back: from the answer on nothing comes, also not when he is at ease again
    ben.call("agent.human_state", human("revoked"))
    consent_at(stage.a, "ben", "revoked")
    for word in (intent, context):
        refused("consent_revoked", word, ada, "ben")
        refused("consent_revoked", word, ada, "ben", durable=True)
        refused("consent_revoked", word, ben, "ada", consent="revoked")
    assert came(ben, propose(ada, "fence 3")) == []
    shown = node.control.call("consent.show", {"human": stage.fingerprint("ben")})["human"]
    assert shown["consent"] == "revoked" and shown["relation"] == "restricted", shown
    assert not shown.get("waiting"), shown

    # nor after a restart of his node, nor of hers
    for again in (node, stage.a):
        again.kill()
        again.start()
        for name, home in stage.homes.items():
            if home is again:
                stage.agents[name] = home.agent(name)
        for each in stage.mesh:
            each.wait_until("all are back", lambda: each.connected() == 3 and len(
                each.control.call("agents.list")["agents"]) == len(stage.homes))
        ada, ben = stage.agents["ada"], stage.agents["ben"]
        for each in (stage.a, stage.b):
            consent_at(each, "ben", "revoked")
        refused("consent_revoked", intent, ada, "ben")
        refused("consent_revoked", context, ada, "ben", durable=True)
        assert came(ben, propose(ada, f"fence of {again.name}")) == []

    # and when he gives it again, what is new comes, and nothing that waited then
    greet(ben, "ada")
    consent_at(stage.a, "ben", "granted")
    new = context(ada, "ben")
    got = came(ben, propose(ada, "fence 5"))
    assert got == [new] and not set(got) & set(waiting), (got, new, waiting)


# ---- what comes from the internet

def bring(client, uri, statement):
    return client.call("agent.send", {
        "protocol": "lip", "type": "LIP_EVIDENCE", "to": "*",
        "payload": {"claims": [statement], "evidence": ["seen there"], "confidence": 0.8,
                    "extraction_notes": ""},
        "source": {"uri": uri, "trust_tier": "high", "retrieved_at": timestamp()}})["msg_id"]


def corroborate(client, uri, claim):
    return client.call("agent.send", {
        "protocol": "lip", "type": "LIP_ACCEPT", "to": "*",
        "payload": {"decision": "accept", "reason": "seen too", "corroborators": [],
                    "claim_ref": claim},
        "source": {"uri": uri, "trust_tier": "high", "retrieved_at": timestamp()}})["msg_id"]


def tier_low_with_one_confirmer_stays_pending(stage):
    uri = "https://gazette.example/today"
    for node in stage.mesh:
        source = node.control.call("sources.set", {"uri": "https://gazette.example",
                                                   "tier": "low"})["source"]
        assert source["tier"] == "low", source
    claim = bring(stage.agents["ada"], uri, "it rains")

    def shown(node):
        try:
            return node.control.call("claims.show", {"claim": claim})["claim"]
        except Refused as no:
            assert no.code == "not_found", no
            return {"corroborations": None, "state": "not there"}

    def voices(count):
        for node in stage.mesh:
            node.wait_until(f"{count} voices", lambda: shown(node)["corroborations"] is not None and
                            len(shown(node)["corroborations"]) == count)
            assert shown(node)["state"] == "pending", shown(node)
            counted = sum(voice["counted"] for voice in shown(node)["corroborations"])
            assert counted == min(count, 1), shown(node)
            assert shown(node)["source"]["tier"] == "low" and shown(node)["missing"]

    voices(0)
    corroborate(stage.agents["ben"], uri, claim)
    voices(1)
    corroborate(stage.agents["bob"], uri, claim)  # on one node with ben
    voices(2)
    corroborate(stage.agents["eve"], uri, claim)  # whom nobody trusts
    voices(3)
    corroborate(stage.agents["cho"], uri, claim)
    for node in stage.mesh:
        node.wait_until("accepted", lambda: shown(node)["state"] == "accepted")

    # a blocked source is not heard, whatever its messenger says of it
    for node in stage.mesh:
        node.control.call("sources.set", {"uri": "https://gazette.example", "tier": "blocked"})
    refused("source_blocked", bring, stage.agents["ada"], uri, "it pours")


SCENARIOS = [collusion_stays_pending, two_independent_confirmations_accept, a_challenge_disputes,
             nothing_reaches_a_human_after_revocation, tier_low_with_one_confirmer_stays_pending,
             one_node_refutes_nothing, a_refutation_reaches_four_copies]


def test_scenarios():
    # nobody under pressure gets a word meanwhile, however slow the machine
    with Mesh("a", "b", "c", "d", hcp={"pace_interval_ms": 3600000}) as mesh:
        stage = Stage(mesh)
        for scenario in SCENARIOS:
            started = time.monotonic()
            stage.begin()
            scenario(stage)
            print(f"{scenario.__name__}: {time.monotonic() - started:.1f} s", flush=True)


main([test_scenarios])
