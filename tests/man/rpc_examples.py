#!/usr/bin/env python3
"""Types the lines that the EXAMPLES of web4-rpc(7) show, between two nodes, and compares what comes
with what stands there.

    rpc_examples.py PAGE [--show]    --show prints what was said, too

WHO> METHOD PARAMS calls; WHO| TEXT sends a line as it is; WHO< JSON is the result, WHO< error JSON the
error, WHO< NAME JSON a notification, and WHO< {"jsonrpc": ...} the whole line. Lines that begin with
a space go on. $NAME stands for a value: it is what comes there first, and that from then on. ... are
more members, or more elements. All else has to be that of the page. What only asks is asked again
until the answer is that of the page: nodes tell each other of what happens. Every method and
notification of the agent socket has to be there."""
import base64
import json
import pathlib
import re
import select
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from web4test import DEADLINE, Client, Key, Mesh, Refused, canonical, envelope, timestamp  # noqa: E402

MORE = "..."
ASKS = re.compile(r"\.(get|list|show|find|query|why)$")
WHERE = {"ada": ("north", "agent"), "ben": ("south", "agent"), "cid": ("north", "agent"),
         "op": ("north", "control")}


class Different(Exception):
    pass


def lines_of(page):
    """(who, sign, text) of each line of a conversation."""
    examples = page.split("\n# EXAMPLES\n")[1].split("\n# ")[0]
    for block in re.findall(r"(?ms)^```\n(.*?)^```$", examples):
        for line in re.sub(r"\n +", " ", block).split("\n"):
            found = re.match(r"(\w+)([<>|]) (.*)", line)
            if found:
                yield found.groups()


def with_more(text):
    """JSON in which ... may stand for members or elements."""
    text = re.sub(r"([{,]\s*)\.\.\.(\s*})", r'\1"...": 0\2', text)
    return json.loads(re.sub(r"([\[,]\s*)\.\.\.(\s*\])", r'\1"..."\2', text))


def same(shown, said, values, where=""):
    """Raises Different; takes note of what $NAME is."""
    if isinstance(shown, str) and re.fullmatch(r"\$\w+", shown):
        if values.setdefault(shown, said) != said:
            raise Different(f"{where}: {shown} is {values[shown]}, not {said}")
    elif isinstance(shown, dict) and isinstance(said, dict):
        for name, value in shown.items():
            if name == MORE:
                continue
            if name not in said:
                raise Different(f"{where}/{name}: not there in {json.dumps(said)}")
            same(value, said[name], values, f"{where}/{name}")
        if MORE not in shown and set(said) - set(shown):
            raise Different(f"{where}: more is there: {sorted(set(said) - set(shown))}")
    elif isinstance(shown, list) and isinstance(said, list):
        more = shown[-1:] == [MORE]
        shown = shown[:-1] if more else shown
        if len(said) < len(shown) or not more and len(said) > len(shown):
            raise Different(f"{where}: {len(said)} elements: {json.dumps(said)}")
        for at, value in enumerate(shown):
            same(value, said[at], values, f"{where}/{at}")
    elif json.dumps(shown) != json.dumps(said):
        raise Different(f"{where}: {json.dumps(said)}, not {json.dumps(shown)}")


def filled(value, values):
    if isinstance(value, dict):
        return {name: filled(member, values) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(element, values) for element in value]
    return values[value] if isinstance(value, str) and value in values else value


def succession(old, new):
    """What both keys sign; after all that the old one has signed."""
    text = {"document": "succession", "key": "1.0", "kind": "agent", "made_at": timestamp(1),
            "new": new.pubkey, "old": old.pubkey}
    sign = {name: base64.b64encode(key.sign(canonical(text))).decode()
            for name, key in (("new", new), ("old", old))}
    return {**text, "sign": {"algo": "ed25519", **sign}}


class Conversation:
    def __init__(self, mesh):
        self.nodes = {node.name: node for node in mesh.nodes}
        self.clients = {}
        self.values = {}
        self.calls = {}    # who: the last method and its params
        self.answers = {}  # who: the last line that answers
        self.seen = set()  # methods and notifications

    def client(self, who):
        if who not in self.clients:
            node, socket = WHERE[who]
            node = self.nodes[node]
            self.clients[who] = Client(node.agent_socket if socket == "agent"
                                       else node.control_socket)
        return self.clients[who]

    def prepare(self):
        """What the page says was there before."""
        cid = Key(b"cid")
        self.values["$CID_KEY"] = cid.pubkey
        self.values["$CID"] = cid.fingerprint
        later = Key(b"cid, later")
        self.values["$CID_NEW_KEY"] = later.pubkey
        self.values["$CID_NEW"] = later.fingerprint
        self.values["$SUCCESSION"] = succession(cid, later)
        self.values["$ENVELOPE"] = envelope(cid, "cid", "INTENT", {
            "goal": "ask", "topic": "tides", "priority": "normal"})

    def call(self, who, method, params):
        self.calls[who] = (method, params)
        try:
            self.answers[who] = {"result": self.client(who).call(method, filled(params, self.values))}
        except Refused as refused:
            self.answers[who] = {"error": refused.error}
        self.seen.add(method)

    def raw(self, who, text):
        client = self.client(who)
        client.send_raw(text.encode() + b"\n")
        while True:
            message = client.line(time.monotonic() + client.deadline)
            if "method" not in message:
                break
            client.notes.append(message)
        self.answers[who] = message

    def note(self, who, name, shown):
        why = []

        def wanted(params):
            values = dict(self.values)
            try:
                same(shown, params, values)
            except Different as different:
                why.append(str(different))
                return False
            self.values.update(values)
            return True

        try:
            self.client(who).wait_note(name, wanted)
        except TimeoutError:
            raise Different(f"no such {name}: {why[-3:]}")
        self.seen.add(name)

    def result(self, who, shown):
        until = time.monotonic() + DEADLINE
        while True:
            values = dict(self.values)
            try:
                if "result" not in self.answers[who]:
                    raise Different(f"refused: {self.answers[who]}")
                same(shown, self.answers[who]["result"], values)
                self.values = values
                return
            except Different:
                if not ASKS.search(self.calls[who][0]) or time.monotonic() > until:
                    raise
            select.select([], [], [], 0.02)
            self.call(who, *self.calls[who])

    def line(self, who, sign, text):
        if sign == ">":
            method, _, params = text.partition(" ")
            self.call(who, method, with_more(params or "{}"))
        elif sign == "|":
            self.raw(who, text)
            self.seen.update(re.findall(r'"method":"([a-z._]+)"', text))
        elif text.startswith('{"jsonrpc"'):
            same(with_more(text), self.answers[who], self.values)
        elif text.startswith("error "):
            same(with_more(text[6:]), self.answers[who].get("error"), self.values)
        elif text.startswith("{"):
            self.result(who, with_more(text))
        else:
            name, _, params = text.partition(" ")
            self.note(who, name, with_more(params))


def wanted_of(page):
    """Methods of the agent socket, and notifications."""
    names = []
    for section in ("METHODS OF THE AGENT SOCKET", "NOTIFICATIONS"):
        part = page.split("\n# %s\n" % section)[1].split("\n# ")[0]
        names += re.findall(r"(?m)^## ([a-z_.]+)$", part)
    return set(names)


def check(page, show):
    faults, count = [], 0
    with Mesh("north", "south") as mesh:
        conversation = Conversation(mesh)
        conversation.prepare()
        for who, sign, text in lines_of(page):
            count += 1
            try:
                conversation.line(who, sign, text)
            except (Different, KeyError, json.JSONDecodeError) as why:
                faults.append(f"{who}{sign} {text}\n    {why!r}")
                break  # the rest rests on it
            if show:
                print(f"{who}{sign} {text}")
                if sign in ">|":
                    print("    ", json.dumps(conversation.answers.get(who)))
        for client in conversation.clients.values():
            client.close()
        missing = sorted(wanted_of(page) - conversation.seen)
    faults += [f"no example of {name}" for name in missing]
    print("\n".join(faults))
    print(f"{count} lines, {len(conversation.seen)} methods and notifications, {len(faults)} faults")
    return 1 if faults or count < 20 else 0


if __name__ == "__main__":
    sys.exit(check(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), "--show" in sys.argv[2:]))
