"""Agents that sign for themselves, in another language and by web4-protocols(7) alone: an envelope of
each type they may send is taken by their node, reaches an agent of another node byte by byte as it
was signed, and does there what the page says."""
import pathlib
import re

from web4test import *

PAGE = pathlib.Path(__file__).resolve().parents[2] / "man" / "web4-protocols.7.scd"

ADA, BEN, CHO = (Key(bytes([number]) * 32) for number in (31, 32, 33))


class Foreign:
    """An agent whose key its node has never had."""

    def __init__(self, node, name, key):
        self.name, self.key = name, key
        self.client = Client(node.agent_socket)
        self.client.attached = self.client.call("agent.attach", {
            "agent_id": name, "key": key.pubkey, "capabilities": ["fetch"]})

    def say(self, family, kind, payload, to=None, **around):
        """Signs it, sends it. The document."""
        receiver = {"agent_id": to.name, "fingerprint": to.key.fingerprint} if to else {
            "agent_id": "*", "fingerprint": "*"}
        document = {family: "1.0", "msg_id": str(uuid.uuid4()), "type": kind,
                    "timestamp": timestamp(), "receiver": receiver, "payload": payload,
                    "sender": {"agent_id": self.name, "fingerprint": self.key.fingerprint,
                               "pubkey": self.key.pubkey}, **around}
        signature = base64.b64encode(self.key.sign(canonical(document))).decode()
        document["sign"] = {"algo": "ed25519", "signature": signature}
        self.client.call("agent.submit", {"envelope": document})
        return document

    def gets(self, document):
        told = self.client.wait_note("agent.message", lambda params:
                                     params["envelope"]["msg_id"] == document["msg_id"])
        assert canonical(told["envelope"]) == canonical(document), told


def human(consent="granted"):
    return {"presence": "focused", "affect": "calm", "clarity": 90, "pressure": 10,
            "consent": consent}


def source(uri="https://example.org/a"):
    return {"uri": uri, "trust_tier": "high", "retrieved_at": timestamp()}


def vote(fact, decision):
    return {"fact_ref": fact, "decision": decision, "confidence": 0.9, "notes": ""}


def say_cip(ada, ben, mesh):
    trace = {"decision_id": "d-1", "steps": ["looked"], "counterfactuals": [], "evidence": []}
    fact = ada.say("cip", "FACT_PROPOSE", {
        "fact": {"statement": "it is noon", "domain": "time", "confidence": 0.9, "sources": [],
                 "context": ""}, "dmp_trace": trace, "causal_links": []})
    yield fact
    for node in mesh:
        node.wait_fact(fact["msg_id"], "pending")
    decision = ada.say("cip", "DECISION_SHARE", {
        "decision": {"choice": "wait", "outcome": "none yet", "context": ""},
        "dmp_trace": {**trace, "decision_id": "d-2"}, "retrospective": ""})
    yield decision
    follows = ada.say("cip", "FACT_PROPOSE", {
        "fact": {"statement": "so we wait", "domain": "time", "confidence": 0.5, "sources": [],
                 "context": ""}, "dmp_trace": {**trace, "decision_id": "d-3"},
        "causal_links": [fact["msg_id"], decision["msg_id"]]})
    yield follows
    yield ada.say("cip", "INTENT", {"goal": "learn", "topic": "time", "priority": "normal",
                                    "context": ""}, to=ben)
    yield ada.say("cip", "STATE_UPDATE", {"presence": "focused", "lri": 7})


def say_votes(ada, ben, cho, mesh):
    fact = ben.say("cip", "FACT_PROPOSE", fact_payload("water boils"))["msg_id"]
    for node in mesh:
        node.wait_fact(fact, "pending")
    yield ada.say("cip", "FACT_CHALLENGE", {"fact_ref": fact, "reason": "conflict",
                                            "severity": "low", "notes": ""})
    for node in mesh:
        node.wait_fact(fact, "disputed")
    yield ada.say("cip", "FACT_CONFIRM", vote(fact, "confirm"))
    cho.say("cip", "FACT_CONFIRM", vote(fact, "confirm"))
    for node in mesh:
        node.wait_fact(fact, "accepted")
    yield ada.say("cip", "FACT_REJECT", vote(fact, "reject"))
    cho.say("cip", "FACT_REJECT", vote(fact, "reject"))
    for node in mesh:
        node.wait_fact(fact, "refuted")


def say_hcp(ada, ben):
    state = {"human": human()}
    hello = {"identity": {"name": "x", "role": "y"}, "consent_scope": ["topic:work"],
             "safety_flags": []}
    greeting = ben.say("hcp", "HCP_HELLO", hello, to=ada, state=state)
    ada.gets(greeting)
    for kind, payload in (
            ("HCP_HELLO", hello),
            ("HCP_INTENT", {"goal": "align", "topic": "work", "priority": "high"}),
            ("HCP_CONTEXT", {"context": "so", "constraints": [], "shared_history": []}),
            ("HCP_DECISION", {"decision": "go", "rationale": "it is late",
                              "alternatives": ["stay"], "follow_up": ""}),
            ("HCP_FEEDBACK", {"feedback": "fine", "corrections": [], "satisfaction": 80}),
            ("HCP_STATE_UPDATE", human())):
        yield ada.say("hcp", kind, payload, to=ben, state=state)


def say_lip(ada, ben, cho, mesh):
    def claim_is(claim, state):
        for node in mesh:
            node.wait_until("claim " + state, lambda: any(
                shown["id"] == claim and shown["state"] == state
                for shown in node.control.call("claims.list")["claims"]))

    # that ben was refuted has cost him trust
    mesh.trust_all([ada.client, ben.client, cho.client])
    claims = []
    for number in range(3):
        evidence = ben.say("lip", "LIP_EVIDENCE", {
            "claims": ["claim %d" % number], "evidence": ["seen"], "confidence": 0.8,
            "extraction_notes": ""}, source=source())
        claims.append(evidence["msg_id"])
        claim_is(claims[-1], "pending")
    yield ada.say("lip", "LIP_FETCH", {"query": "is it noon", "constraints": []}, to=ben,
                  source=source())
    yield ada.say("lip", "LIP_EVIDENCE", {"claims": ["c"], "evidence": [{"page": 1}],
                                          "confidence": 0, "extraction_notes": ""}, source=source())
    yield ada.say("lip", "LIP_ACCEPT", {"decision": "accept", "reason": "", "corroborators": [],
                                        "claim_ref": claims[0]}, source=source())
    cho.say("lip", "LIP_ACCEPT", {"decision": "accept", "claim_ref": claims[0]}, source=source())
    claim_is(claims[0], "accepted")
    yield ada.say("lip", "LIP_CONFLICT", {"conflicts": [claims[1]], "local_refs": [],
                                          "severity": "low"}, source=source())
    claim_is(claims[1], "disputed")
    yield ada.say("lip", "LIP_REJECT", {"decision": "reject", "reason": "", "corroborators": [],
                                        "claim_ref": claims[2]}, source=source())
    cho.say("lip", "LIP_REJECT", {"decision": "reject", "claim_ref": claims[2]}, source=source())
    claim_is(claims[2], "rejected")


def test_each_type_takes_effect():
    wanted = {kind for kind in re.findall(r"(?m)^## ([A-Z_]+)$", PAGE.read_text())
              if not kind.startswith(("MESH_", "SERVICE_"))} - {"HELLO"}  # test_agents has that
    said = set()
    with Mesh("a", "b", "c") as mesh:
        a, b, c = mesh
        ada, ben, cho = Foreign(a, "ada", ADA), Foreign(b, "ben", BEN), Foreign(c, "cho", CHO)
        for node in mesh:
            node.wait_until("three agents", lambda: len(
                node.control.call("agents.list")["agents"]) == 3)
        mesh.trust_all([ada.client, ben.client, cho.client])
        for words in (say_cip(ada, ben, mesh), say_votes(ada, ben, cho, mesh), say_hcp(ada, ben),
                      say_lip(ada, ben, cho, mesh)):
            for document in words:
                ben.gets(document)
                said.add(document["type"])
    print("  %d types" % len(said))
    assert said == wanted, said ^ wanted


main([test_each_type_takes_effect])
