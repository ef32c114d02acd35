"""A refutation reaches four copies of a fact, one of them on a node that was dead meanwhile, and one on a
node that has never heard of it; so do decisions."""
from web4test import *

NAMES = "abcd"


def reject(client, fact_id):
    client.call("agent.send", {"type": "FACT_REJECT", "to": "*", "payload": {
        "fact_ref": fact_id, "decision": "reject", "confidence": 1, "notes": "looked again"}})


class Four:
    """Four nodes with addresses that outlive them, and an agent on each."""

    def __enter__(self):
        self.scratch = tempfile.mkdtemp(prefix="web4-test-")
        addresses = {name: f"unix:{self.scratch}/{name}.sock" for name in NAMES}
        self.nodes = [Node(self.scratch, name, listen=[addresses[name]],
                           seeds=[addresses[other] for other in NAMES if other != name])
                      for name in NAMES]
        try:
            for node in self.nodes:
                node.start()
            self.meet()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def meet(self):
        for node in self.nodes:
            node.wait_until("the other three", lambda: node.connected() == 3)

    def trust(self, client):
        for node in self.nodes:
            node.control.call("trust.set", {"subject": client.attached["fingerprint"],
                                            "state": "trusted", "reason": "test"})

    def wait(self, fact, state, nodes=None):
        for node in nodes or self.nodes:
            node.wait_fact(fact, state)

    def __exit__(self, kind, error, trace):
        for node in self.nodes:
            if kind is not None and os.path.exists(node.log_file):
                print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


def test_refutation_reaches_all():
    with Four() as mesh:
        agents = {}
        for node, name in zip(mesh.nodes, ("ada", "ben", "cho", "dan")):
            agents[name] = node.agent(name)
            mesh.trust(agents[name])
        first = propose(agents["ada"], "the bridge is closed")
        mesh.wait(first, "pending")
        confirm(agents["ben"], first)
        confirm(agents["cho"], first)
        mesh.wait(first, "accepted")
        payload = fact_payload("take the ferry")
        payload["causal_links"] = [first]
        effect = agents["ada"].call("agent.send", {"type": "FACT_PROPOSE", "to": "*",
                                                   "payload": payload})["msg_id"]
        mesh.wait(effect, "pending")
        confirm(agents["ben"], effect)
        confirm(agents["cho"], effect)
        mesh.wait(effect, "accepted")

        dead, others = mesh.nodes[3], mesh.nodes[:3]
        dead.kill()
        missed = propose(agents["ben"], "said while one was away")
        mesh.wait(missed, "pending", others)
        reject(agents["ben"], first)
        reject(agents["cho"], first)
        mesh.wait(first, "refuted", others)

        # Whoever said it is away when he comes back: only a node that heard it can tell him.
        for node in mesh.nodes[1:3]:
            node.kill()
        dead.start()
        dead.wait_fact(first, "refuted")
        dead.wait_fact(missed, "pending")
        for node in mesh.nodes[1:3]:
            node.start()
        mesh.meet()
        mesh.wait(first, "refuted")
        mesh.wait(missed, "pending")
        for node in mesh.nodes:
            node.wait_until("the mark", lambda: node.fact(effect)["unsupported"])
            fact = node.fact(first)
            assert sorted(voice["agent_id"] for voice in fact["rejections"]) == ["ben", "cho"], fact
            assert all(voice["counted"] for voice in fact["rejections"]), fact
            assert node.fact(effect)["state"] == "accepted"
            why = node.control.call("facts.why", {"fact": effect})
            support = [part for part in why["conditions"] if part["condition"] == "support"]
            assert not support[0]["holds"] and first in support[0]["why"], why

        # The operator of one node thinks better of it, for himself; and has it written down.
        node = mesh.nodes[0]
        told = subprocess.run([WEB4CTL, "-s", node.control_socket, "facts", "settle", "--reason",
                               "seen with my own eyes", first, "accepted"],
                              capture_output=True, text=True, timeout=DEADLINE)
        assert told.returncode == 0 and "seen with my own eyes" in told.stdout, told
        fact = node.fact(first)
        assert fact["state"] == "accepted" and fact["settled"]["verdict"] == "accepted", fact
        node.wait_until("no mark", lambda: not node.fact(effect)["unsupported"])
        assert mesh.nodes[1].fact(first)["state"] == "refuted"
        node.kill()
        node.start()
        assert node.fact(first)["state"] == "accepted"
        node.control.call("facts.settle", {"fact": first, "verdict": "none"})
        assert node.fact(first)["state"] == "refuted"
        assert "settled" not in node.fact(first)


def test_decisions_reach_who_was_away():
    """One that no fact follows from, shared before a node had ever run, by an agent whose node is
    gone by then; and what came of it."""
    def decide(client, back=None):
        payload = {"decision": {"choice": "take the ferry", "outcome": "planned"},
                   "dmp_trace": {"decision_id": "d-1", "steps": ["looked"]}}
        if back:
            payload["retrospective"] = back
            payload["decision"]["outcome"] = "late"
        return client.call("agent.send", {"type": "DECISION_SHARE", "to": "*",
                                          "payload": payload})["msg_id"]

    def known(node):
        answer = node.control.call("memory.query", {"kind": "decision"})
        return [entry["id"] for entry in answer["entries"]]

    with Four() as mesh:
        first_home, middle, last = mesh.nodes[:3]
        ada = first_home.agent("ada")
        mesh.trust(ada)
        last.kill()
        mesh.nodes[3].kill()
        first = decide(ada)
        second = decide(ada, "leave earlier")
        middle.wait_until("both", lambda: sorted(known(middle)) == sorted([first, second]))
        first_home.kill()
        last.start()
        last.wait_until("both", lambda: sorted(known(last)) == sorted([first, second]))
        entries = last.control.call("memory.query", {"kind": "decision"})["entries"]
        told = {entry["id"]: entry for entry in entries}
        assert [back["msg_id"] for back in told[first]["retrospectives"]] == [second], told
        assert told[second]["retrospective_of"] == first, told


if __name__ == "__main__":
    main([test_refutation_reaches_all, test_decisions_reach_who_was_away])
