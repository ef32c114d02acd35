#!/usr/bin/env python3
"""Lives through the examples of web4-protocols(7): each envelope of the page is said once more, now,
by an implementation of its own (tests/system/web4test.py), and a node has to take it.

    protocol_examples.py PAGE           runs them (WEB4D, WEB4CTL and W4_CONF in the environment)
    protocol_examples.py PAGE --sign    writes the signatures of all examples of the page anew

An example is said again with the time of now, another msg_id, and the receiver that is there;
where one names another by its msg_id, it names what that was said as. What agents say is handed
over by an agent that holds its own key; what nodes say goes through `envelope explain`, as if that
node had brought it. Each of both is asked about before, and the answer has to be the same."""
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from web4test import DEADLINE, Client, Key, Mesh, canonical, timestamp  # noqa: E402

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
SPOKEN = ("cip", "hcp", "lip")
FENCE = re.compile(r"(?ms)^```\n(.*?)^```$")


def is_example(block):
    return block.startswith("{") and '"msg_id"' in block and '"sign"' in block


def examples(page):
    return [json.loads(block) for block in FENCE.findall(page) if is_example(block)]


def signature(key, document):
    bare = {name: value for name, value in document.items() if name != "sign"}
    return base64.b64encode(key.sign(canonical(bare))).decode()


# ---- writing the page

def signed_block(key, match):
    block = match.group(1)
    if not is_example(block):
        return match.group(0)
    document = json.loads(block)
    for record in document["payload"].get("records", []):
        record["sign"]["signature"] = signature(key, record)
        block = re.sub(r'"signature": "[^"]*"', '"signature": "%s"' % record["sign"]["signature"],
                       block, count=1)
    before, _, after = block.rpartition('"signature": "')
    rest = after.partition('"')[2]
    return "```\n%s\"signature\": \"%s\"%s```" % (before, signature(key, document), rest)


# ---- living through it

class Story:
    """Ada, who is the sender of the page, and ben, whose key the node holds."""

    def __init__(self, node):
        self.node, self.key, self.names = node, Key(SEED), {}
        self.ada = Client(node.agent_socket)
        self.ada.call("agent.attach", {"agent_id": "ada", "key": self.key.pubkey,
                                       "capabilities": [], "subscribe": ["agent.delivery"]})
        self.ben = node.agent("ben", capabilities=["fetch"], subscribe=["agent.message"])
        for subject in (self.key.fingerprint, self.ben.attached["fingerprint"]):
            node.control.call("trust.set", {"subject": subject, "state": "trusted"})
        node.control.call("trust.set", {"subject": self.key.fingerprint, "kind": "node",
                                        "state": "probing"})
        # the other human is there as well
        state = {"presence": "focused", "affect": "calm", "clarity": 80, "pressure": 20,
                 "consent": "granted"}
        self.ben.call("agent.send", {"protocol": "hcp", "type": "HCP_HELLO", "to": "*", "payload": {
            "identity": {"name": "Ben", "role": "driver"}, "consent_scope": [], "safety_flags": []},
            "state": {"human": state}})

    def renamed(self, value):
        if isinstance(value, dict):
            return {name: self.renamed(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.renamed(inner) for inner in value]
        return self.names.get(value, value) if isinstance(value, str) else value

    def said_now(self, example):
        """The same with what is different each time."""
        self.names[example["msg_id"]] = str(uuid.uuid4())
        document = self.renamed(example)
        document["timestamp"] = timestamp()
        if document["receiver"]["agent_id"] == "ben":
            document["receiver"]["fingerprint"] = self.ben.attached["fingerprint"]
        document["sign"]["signature"] = signature(self.key, document)
        return document

    def explained(self, document, by):
        done = subprocess.run([os.environ["WEB4CTL"], "-s", self.node.control_socket, "--json",
                               "envelope", "explain", "--by", by], input=canonical(document),
                              capture_output=True, timeout=DEADLINE)
        told = json.loads(done.stdout)
        assert told["outcome"] == "passes", (document["type"], told)
        assert done.returncode == 0, done

    def live(self, example):
        document = self.said_now(example)
        spoken = any(family in document for family in SPOKEN)
        self.explained(document, "agent" if spoken else "node")
        if not spoken:
            return
        sent = self.ada.call("agent.submit", {"envelope": document})
        assert sent["msg_id"] == document["msg_id"], sent
        if document["type"] == "HELLO":
            return  # the node answers for ben, whose key it holds
        got = self.ben.wait_note(
            "agent.message", lambda p: p["envelope"]["msg_id"] == document["msg_id"])
        assert got["envelope"] == document, got


def main(path, *options):
    page = pathlib.Path(path).read_text()
    if options == ("--sign",):
        key = Key(SEED)
        pathlib.Path(path).write_text(FENCE.sub(lambda match: signed_block(key, match), page))
        return 0
    found = examples(page)
    with Mesh("a") as mesh:
        story = Story(next(iter(mesh)))
        for example in found:
            story.live(example)
    print("%d examples said, and taken" % len(found))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
