"""What was said to one agent only: others at its node do not see it, by no question and in no note, not
even after a restart; operators see all."""
from web4test import *

SOURCE = {"uri": "https://example.org/a", "trust_tier": "high", "retrieved_at": "2026-01-01T00:00:00.000Z"}
WATCHED = ["agent.message", "fact.updated", "claim.updated", "node.event"]


def tell(client, to):
    """A fact and a claim."""
    claim = client.call("agent.send", {
        "protocol": "lip", "type": "LIP_EVIDENCE", "to": to, "source": SOURCE,
        "payload": {"claims": ["high water at noon"], "evidence": ["a table"], "confidence": 0.8}})
    return propose(client, f"only {to}", to), claim["msg_id"]


def seen(where, fact, claim):
    """By each way of asking: all agree."""
    answers = []
    for kind, one, name in (("facts", fact, "fact"), ("claims", claim, "claim")):
        listed = where.call(f"{kind}.list", {})
        assert listed["total"] == len(listed[kind]), listed
        there = one in [entry["id"] for entry in listed[kind]]
        try:
            assert where.call(f"{kind}.show", {name: one[:13]})[name]["id"] == one
            shown = True
        except Refused as refused:
            assert refused.code == "not_found", refused
            shown = False
        assert there == shown, (listed, one)
        answers.append(there)
    assert answers[0] == answers[1], answers
    return answers[0]


def told(client, fence):
    """What came by itself before that fact was told as new by an event, as text."""
    found = []
    while True:
        note = client.notes.pop(0) if client.notes else client.line(time.monotonic() + DEADLINE)
        found.append(json.dumps(note))
        if note.get("method") == "node.event" and note["params"].get("data", {}).get("id") == fence:
            return "\n".join(found)


def remembered(where):
    return {entry["id"] for entry in where.call("memory.query", {})["entries"]}


def test_others_are_not_told():
    with Mesh("a", "b") as mesh:
        a, b = mesh
        ada = a.agent("ada")
        ben, eve = b.agent("ben", subscribe=WATCHED), b.agent("eve", subscribe=WATCHED)
        nobody = Client(b.agent_socket)
        mesh.trust_all((ada, ben, eve))
        a.wait_until("ben is known", lambda: "ben" in {
            agent["agent_id"] for agent in a.control.call("agents.list")["agents"]})
        fact, claim = tell(ada, "ben")
        b.wait_fact(fact, "pending")
        b.wait_until("the claim", lambda: claim in {
            entry["id"] for entry in b.control.call("claims.list")["claims"]})
        for where, may in ((ben, True), (eve, False), (nobody, False), (b.control, True),
                           (a.control, True), (ada, True)):
            assert seen(where, fact, claim) == may, where.path
        b.control.call("sources.set", {"uri": SOURCE["uri"], "tier": "high", "reason": "test"})
        b.wait_until("the claim is accepted", lambda: b.control.call(
            "claims.show", {"claim": claim})["claim"]["state"] == "accepted")
        fence = propose(ada, "for all")
        b.wait_fact(fence, "pending")
        text = told(ben, fence)
        assert fact in text and claim in text and "fact.updated" in text, text
        text = told(eve, fence)
        assert fact not in text and claim not in text and "only ben" not in text, text
        assert claim in remembered(ben) and claim in remembered(b.control)
        assert not remembered(eve) & {fact, claim}

        b.stop()
        b.start()
        ben, eve = b.agent("ben"), b.agent("eve")
        assert seen(ben, fact, claim) and seen(b.control, fact, claim)
        assert not seen(eve, fact, claim)
        assert fence in [entry["id"] for entry in eve.call("facts.list", {})["facts"]]


if __name__ == "__main__":
    main([test_others_are_not_told])
