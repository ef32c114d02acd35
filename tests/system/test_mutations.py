"""Envelopes of every type, made by web4-protocols(7) and nothing else, and each member of each of
them spoiled in every way that its entry on that page forbids: the node has to say the code that the
page says, and to point at that very member. Asked of the pipeline (envelope.explain), of a
neighbour's session, and of the socket of agents."""
import copy
import pathlib
import re

from hostile_peer import *

PAGE = pathlib.Path(__file__).resolve().parents[2] / "man" / "web4-protocols.7.scd"
FAMILIES = {"cip": "CIP", "hcp": "HCP", "lip": "LIP", "mesh": "MESH"}
ENTRY = re.compile(r"(?m)^\*([\w.\[\]]+)\* \((.*), (required|optional)\)$")
TOGETHER = {"origin", "destination", "hops", "created_at"}  # "all four or not at all"
EITHER = {"result", "error"}  # "exactly one of them is there"

# ---- what the page says


class Member:
    def __init__(self, name, form, required):
        self.name, self.form, self.required = name, form.replace("\\", ""), required
        self.inner = []  # of an object, or of the objects of a list

    def __repr__(self):
        return "%s (%s)" % (self.name, self.form)


def tree(text):
    """The members of a list of entries, nested as their paths say."""
    top, known = [], {}
    for path, form, presence in ENTRY.findall(text):
        above, _, name = path.rpartition(".")
        member = Member(name, form, presence == "required")
        known[path], known[path + "[]"] = member, member
        (known[above].inner if above else top).append(member)
    return top


def part(text, heading):
    """What stands below a heading, up to the next of its kind."""
    level = heading.split(" ")[0]
    body = text.split("\n%s\n" % heading)[1]
    return re.split(r"(?m)^#{1,%d} " % len(level), body)[0]


def read_page():
    """{family: (members around the payload, {type: members of its payload})}"""
    text = PAGE.read_text()
    common = tree(part(text, "## Members of every envelope"))
    found = {}
    for family, title in FAMILIES.items():
        section = "\n" + part(text, "# " + title)
        own = tree(part(section, "## Members around the payload"))
        types = {}
        for name in re.findall(r"(?m)^## ([A-Z_]+)$", section):
            types[name] = tree(part(section, "## " + name).split("\nExample")[0])
        found[family] = (common + own, types)
    return found


# ---- values that fit a form, and values that do not


def bounds(form):
    """(least, most) of "1 to 255", "at most 1024" or "64"."""
    if form.isdigit():
        return int(form), int(form)
    match = re.search(r"(?:at most|(-?\d+) to) (\d+)", form)
    return (int(match[1] or 0), int(match[2])) if match else (0, None)


def listed(form):
    """(bounds, form of an element) of a list, or None."""
    match = re.fullmatch(r"array of (.*?): (.*)", form)
    return (bounds(match[1]), match[2]) if match else None


def good(member):
    form = member.form
    if listed(form):
        element = Member(member.name, listed(form)[1], True)
        element.inner = member.inner
        return [good(element)] * max(listed(form)[0][0], 1)
    if form == "object":
        return {inner.name: good(inner) for inner in member.inner}
    if form.startswith(("one of ", "always ")):
        return form.replace("one of ", "").replace("always ", "").split()[0]
    if form.startswith(("integer", "number")):
        return bounds(form)[0]
    return {
        "uuid": lambda: str(uuid.uuid4()), "time": timestamp, "boolean": lambda: True,
        "fingerprint": lambda: "ab" * 32, "fingerprint or *": lambda: "ab" * 32,
        "base64 of 32 bytes": lambda: base64.b64encode(bytes(31) + b"\1").decode(),
        "base64 of 16 bytes": lambda: base64.b64encode(bytes(16)).decode(),
        "32 hex digits": lambda: "ab" * 16,
        "string or object": lambda: "in words", "object or array": lambda: {},
        "any value": lambda: 7,
    }.get(form, lambda: member.name)()


def bad(member):
    """[(what is wrong, value, code, path below the member)]"""
    form, code = member.form, "bad_envelope"
    if listed(form):
        (least, most), inner = listed(form)
        element = Member(member.name, inner, True)
        element.inner = member.inner
        too_many = [good(element)] * (most + 1)
        found = [("no list", "x", code, ""), ("no list", {}, code, ""), ("null", None, code, ""),
                 ("too many", too_many, "too_large" if most >= 1024 else code, "")]
        if least > 0:
            found.append(("none", [], code, ""))
            found.append(("too few", [good(element)] * (least - 1), code, ""))
        rest = [good(element)] * (least - 2)
        return found + [("element: " + what, [good(element), value, *rest], c, "/1" + below)
                        for what, value, c, below in bad(element)]
    if form == "any value":
        return []
    if form == "object":
        found = [("no object", "x", code, ""), ("no object", [], code, "")]
    elif form == "boolean":
        found = [("no boolean", "true", code, ""), ("no boolean", 1, code, "")]
    elif form == "string or object":
        found = [("neither", 5, code, ""), ("neither", [], code, "")]
    elif form == "object or array":
        found = [("neither", 5, code, ""), ("neither", "x", code, "")]
    elif form.startswith(("integer", "number")):
        least, most = bounds(form)
        found = [("no number", "5", code, ""), ("too small", least - 1, code, ""),
                 ("too great", most + 1, code, "")]
        if form.startswith("integer"):
            found.append(("no integer", least + 0.5, code, ""))
    else:
        found = [("no string", 5, code, ""), ("no string", ["x"], code, ""),
                 ("no string", True, code, "")]
        found += [(what, value, code, "") for what, value in bad_text(member)]
    return found + [("null", None, code, "")]


def bad_text(member):
    form = member.form
    least, most = bounds(form)
    found = []
    if form.startswith(("one of ", "always ")):
        return [("another word", "xyzzy"), ("upper case", good(member).upper() + "X"), ("empty", "")]
    if most:
        found.append(("too long", "x" * (most + 1)))
    if least:
        found.append(("empty", ""))
    if form.startswith(("label", "agent_id")):
        found += [("a control character", "a\nb"), ("DEL", "a\x7f")]
    if form.startswith("agent_id"):
        found.append(("everybody", "*"))
    found += {
        "uuid": [("no uuid", "1"), ("upper case", str(uuid.uuid4()).upper()),
                 ("version 1", "7b1f0c1e-5d0a-1c57-9a52-0f6a3f1d9c01")],
        "time": [("no time", "yesterday"), ("no zone", "2026-01-31T12:00:00"),
                 ("another zone", "2026-01-31T12:00:00+01:00"),
                 ("no such day", "2026-02-30T12:00:00Z"), ("a space", "2026-01-31 12:00:00Z")],
        "fingerprint": [("upper case", "AB" * 32), ("short", "ab" * 31), ("everybody", "*")],
        "fingerprint or *": [("upper case", "AB" * 32), ("short", "ab" * 31)],
        "32 hex digits": [("upper case", "AB" * 16), ("short", "ab" * 15)],
        "base64 of 32 bytes": [("short", base64.b64encode(bytes(31)).decode()),
                               ("no base64", "!" * 44), ("no padding", "A" * 43)],
        "base64 of 16 bytes": [("long", base64.b64encode(bytes(17)).decode()),
                               ("no padding", "A" * 22)],
    }.get(form, [])
    return found


# ---- envelopes


class Maker:
    def __init__(self, page):
        self.page, self.key = page, FastKey()

    def make(self, family, kind, full):
        """With all its members, or with those alone that have to be there."""
        around, types = self.page[family]
        document = {m.name: good(m) for m in around if full or m.required}
        document["payload"] = self.chosen(types[kind], full)
        document["type"] = kind
        document["sender"] = {**document["sender"], "fingerprint": self.key.fingerprint,
                              "pubkey": self.key.pubkey}
        if not full:
            document = self.trimmed(around, document)
            document["sender"]["pubkey"] = self.key.pubkey
        document.pop("durable", None)  # not of every type, says the page
        return document

    def chosen(self, members, full):
        wanted = [m for m in members if full or m.required]
        if EITHER <= {m.name for m in members}:
            wanted = [m for m in members if m.required or m.name == ("error" if full else "result")]
        payload = {m.name: good(m) for m in wanted}
        return payload if full else self.trimmed(members, payload)

    def trimmed(self, members, document):
        for m in members:
            value = document.get(m.name)
            if m.inner and isinstance(value, dict):
                kept = {i.name: value[i.name] for i in m.inner if i.required and i.name in value}
                document[m.name] = self.trimmed(m.inner, kept)
        return document

    def finish(self, document):
        bare = {name: value for name, value in document.items() if name != "sign"}
        signature = base64.b64encode(self.key.sign(canonical(bare))).decode()
        return canonical({**bare, "sign": {"algo": "ed25519", "signature": signature}})


def spoiled(members, document, pointer=""):
    """[(what, a document with one thing wrong, code, pointer)] of the members and all below."""
    for member in members:
        at = pointer + "/" + member.name
        if member.name not in document:
            continue
        if member.name not in TOGETHER | EITHER:
            less = copy.deepcopy(document)
            del less[member.name]
            yield "missing", less, "bad_envelope" if member.required else None, at
        for what, value, code, below in bad(member):
            yield what, {**copy.deepcopy(document), member.name: value}, code, at + below
        value = document[member.name]
        if isinstance(value, dict) and member.inner:
            for what, inner, code, where in spoiled(member.inner, value, at):
                yield what, {**copy.deepcopy(document), member.name: inner}, code, where
        if isinstance(value, list) and member.inner:
            for what, inner, code, where in spoiled(member.inner, value[0], at + "/0"):
                yield what, {**copy.deepcopy(document), member.name: [inner]}, code, where
    yield "unknown member", {**copy.deepcopy(document), "later": {"x": [1]}}, None, pointer


def mutants(maker, family, kind):
    """[(what, bytes, code or None, pointer)] of one type."""
    around, types = maker.page[family]
    sealed = {"sign", "payload", family, "type"}  # judged by themselves below
    document = maker.make(family, kind, True)
    for what, other, code, at in spoiled([m for m in around if m.name not in sealed], document):
        if at.startswith("/sender/") and code is None:
            code = "later"  # the form is good, but not what it says: another stage has it
        yield what, maker.finish(other), code, at
    for what, payload, code, at in spoiled(types[kind], document["payload"], "/payload"):
        yield what, maker.finish({**document, "payload": payload}), code, at
    for value in None, "x", [], 5:
        yield "no object", maker.finish({**document, "payload": value}), "bad_envelope", "/payload"
    yield ("another version", maker.finish({**document, family: "1.1"}), "unsupported_version", None)
    yield "no version", maker.finish({**document, family: 1}), "bad_envelope", "/" + family
    yield ("two families", maker.finish({**document, "cip": "1.0", "mesh": "1.0"}), "bad_envelope",
           None)
    none = {name: value for name, value in document.items() if name != family}
    yield "no family", maker.finish(none), "bad_envelope", None
    yield "another type", maker.finish({**document, "type": "XYZZY"}), "unknown_type", None
    yield "no type", maker.finish({**document, "type": 5}), "bad_envelope", "/type"
    yield "missing", maker.finish(document_without(document, "type")), "bad_envelope", "/type"
    good_one = json.loads(maker.finish(document))
    sign = next(m for m in around if m.name == "sign")
    for what, other, code, at in spoiled(sign.inner, good_one["sign"], "/sign"):
        yield what, canonical({**good_one, "sign": other}), code, at
    yield "unsigned", canonical(document_without(good_one, "sign")), "bad_envelope", "/sign"


def document_without(document, name):
    return {n: value for n, value in document.items() if n != name}


# ---- asking


def explain(operator, bytes_):
    told = operator.call("envelope.explain", {
        "bytes": base64.b64encode(bytes_).decode(), "as": "node"})
    form = next(gate for gate in told["gates"] if gate["gate"] == "form")
    return form["verdict"], told


def check(operator, kind, what, bytes_, code, at):
    verdict, told = explain(operator, bytes_)
    where = (kind, what, at, told.get("code"), told.get("pointer"), bytes_[:2000])
    if code is None or code == "later":
        assert verdict == "passes", where
        return
    assert verdict == "refuses" and told["code"] == code, where
    # too_large is about the document; what holds of a whole object may point at the object
    assert code != "bad_envelope" or at is None or told["pointer"] == at, where


def every_type(page):
    return [(family, kind) for family in page for kind in page[family][1]]


def test_each_type_by_the_page():
    page = read_page()
    assert len(every_type(page)) >= 27, every_type(page)
    maker = Maker(page)
    with Mesh("a") as mesh:
        operator = mesh.nodes[0].control
        for family, kind in every_type(page):
            for full in True, False:
                bytes_ = maker.finish(maker.make(family, kind, full))
                verdict, told = explain(operator, bytes_)
                assert verdict == "passes", (kind, full, told, bytes_)
                for gate in "fingerprint", "signature", "freshness":
                    said = [g["verdict"] for g in told["gates"] if g["gate"] == gate]
                    assert said in (["passes"], ["not_reached"]), (kind, gate, told)
                assert told.get("ended") not in ("fingerprint", "signature", "speaker"), told


def test_each_member_spoiled():
    page = read_page()
    maker, count = Maker(page), 0
    with Mesh("a") as mesh:
        operator = mesh.nodes[0].control
        for family, kind in every_type(page):
            for what, bytes_, code, at in mutants(maker, family, kind):
                check(operator, kind, what, bytes_, code, at)
                count += 1
    print("  %d mutants" % count)
    assert count > 4000, count


def test_what_only_the_bytes_show():
    maker = Maker(read_page())
    with Mesh("a") as mesh:
        operator = mesh.nodes[0].control

        def ends(bytes_, gate, code, pointer):
            told = explain(operator, bytes_)[1]
            assert (told["ended"], told["code"], told["pointer"]) == (gate, code, pointer), told

        document = maker.make("cip", "INTENT", True)
        other = FastKey()
        ends(maker.finish({**document, "sender": {**document["sender"], "pubkey": other.pubkey}}),
             "fingerprint", "bad_fingerprint", "/sender/fingerprint")
        ends(maker.finish({**document, "sender": {**document["sender"],
                                                  "fingerprint": other.fingerprint}}),
             "fingerprint", "bad_fingerprint", "/sender/fingerprint")
        ends(maker.finish({**document, "sender": document_without(document["sender"], "pubkey")}),
             "signature", "unknown_sender", "/sender/pubkey")
        changed = json.loads(maker.finish(document))
        changed["payload"]["topic"] = "another"
        ends(canonical(changed), "signature", "bad_signature", "/sign/signature")
        for signature in "", "AAAA", "!" * 88, base64.b64encode(bytes(64)).decode():
            changed = json.loads(maker.finish(document))
            changed["sign"]["signature"] = signature
            ends(canonical(changed), "signature", "bad_signature", "/sign/signature")
        ends(maker.finish({**document, "timestamp": timestamp(-400)}), "freshness", "stale",
             "/timestamp")
        good_one = maker.finish(document)
        ends(good_one.replace(b'{"chain"', b'{ "chain"'), "form", "not_canonical", "")
        ends(good_one[:-1], "form", "bad_json", "")


def test_over_a_session_and_over_the_socket():
    """The same of both doors, for a sample of them all."""
    page = read_page()
    maker = Maker(page)
    sample = [m for family, kind in every_type(page)
              for m in mutants(maker, family, kind) if m[2] not in (None, "later")][::9]
    with Mesh("a") as mesh:
        a, = mesh
        operator = Client(a.control_socket)
        operator.call("events.watch", {"types": ["envelope_rejected"]})
        peer = HostileNode(a).open()
        agent = Client(a.agent_socket)
        agent.call("agent.attach", {"agent_id": "sender", "key": maker.key.pubkey,
                                    "capabilities": [], "subscribe": []})
        for at in range(0, len(sample), 16):
            some = sample[at:at + 16]
            for _, bytes_, _, _ in some:
                peer.tell(CONTROL, json.loads(bytes_))
            for what, bytes_, code, pointer in some:
                data = operator.wait_note("node.event")["data"]
                assert data["code"] == code, (what, code, data, bytes_)
                if code == "bad_envelope" and pointer is not None:
                    assert data["text"].startswith(pointer + ": "), (what, pointer, data)
            peer.answered()
        for what, bytes_, code, pointer in sample:
            try:
                agent.call("agent.submit", {"envelope": json.loads(bytes_)})
                raise AssertionError((what, "was taken", bytes_))
            except Refused as refused:
                said = refused.error["data"]
                assert said["code"] == code, (what, code, said)
                if code == "bad_envelope" and pointer is not None:
                    assert said["pointer"] == pointer, (what, pointer, said)
    print("  %d mutants, twice" % len(sample))


main([test_each_type_by_the_page, test_each_member_spoiled, test_what_only_the_bytes_show,
      test_over_a_session_and_over_the_socket])
