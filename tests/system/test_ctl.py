"""web4ctl without a node: envelopes, keys, configuration, usage, completion."""
import math
import struct

from web4test import *

WORK = tempfile.mkdtemp(prefix="web4-test-")
SECONDS = 5.0  # for anything, with sanitizers on a busy machine


def ctl(*arguments, stdin=b"", **environment):
    started = time.monotonic()
    base = {"PATH": os.environ["PATH"], "HOME": WORK}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            base[name] = os.environ[name]
    process = subprocess.Popen([WEB4CTL, *arguments], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**base, **environment})
    out, err = process.communicate(stdin, timeout=60)
    took = time.monotonic() - started
    assert took < SECONDS, f"{arguments} took {took:.1f} s"
    return process.returncode, out, err


def refused(result, code, status=1):
    """Nothing on stdout, one printable line on stderr that begins with the code."""
    assert result[0] == status, result
    assert result[1] == b"", result
    line = result[2].decode("ascii")
    assert line.startswith(f"web4ctl: {code}"), result
    assert line.endswith("\n") and line[:-1].isprintable(), result


def path(name, content=None, mode=0o600):
    full = os.path.join(WORK, name)
    if content is not None:
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(full, mode)
    return full


# ---- canon

def test_canon_of_the_rfc():
    cases = [
        (r'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
         r'"string": "\u20ac$\u000F\u000aA' r"'" r'\u0042\u0022\u005c\\\"\/","literals": [null, true, false]}',
         '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
         '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'),
        (r'{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",'
         r'"1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",'
         r'"\u00f6":"Latin Small Letter O With Diaeresis"}',
         '{"\\r":"Carriage Return","1":"One","\u0080":"Control",'
         '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
         '"\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'),
        ('[56,{"d":true,"10":null,"1":[]}]', '[56,{"1":[],"10":null,"d":true}]'),
        (' null ', 'null'), ('"a"', '"a"'), ('-0', '0'), ('-0.0e5', '0'), ('[]', '[]'), ('{ }', '{}'),
    ]
    for text, expected in cases:
        result = ctl("envelope", "canon", stdin=text.encode())
        assert result == (0, expected.encode(), b""), (text, result)


def test_canon_of_numbers():
    """Appendix B of RFC 8785: bits of a double and its text."""
    rows = """0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2""".splitlines()
    inputs, outputs = [], []
    for row in rows:
        bits, text = row.split()
        value = struct.unpack(">d", bytes.fromhex(bits))[0]
        assert math.isfinite(value)
        inputs.append("%.17e" % value)
        outputs.append(text)
    result = ctl("envelope", "canon", stdin=("[" + ",".join(inputs) + "]").encode())
    assert result == (0, ("[" + ",".join(outputs) + "]").encode(), b""), result


def test_canon_refuses():
    cases = [
        b"", b" ", b"{", b"}", b"{]", b"[1,]", b"{\"a\":1,}", b"[1 2]", b"nul", b"NaN", b"Infinity",
        b"+1", b"01", b"1.", b".5", b"1e", b"0x10", b"'a'", b"\"a", b"\"\\x41\"", b"\"\\u12\"",
        b"\"\t\"", b"\"\x00\"", b"[1]]", b"1 2", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00",
        b"\"\xff\"", b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"",
        b"\"\\ud800\"", b"\"\\udc00\\ud800\"", b"{\"\\ud800\":1}", b"{\"a\":1,\"a\":2}",
        b"{\"a\":1,\"\\u0061\":2}", b"[{\"b\":{\"x\":1,\"y\":2,\"x\":3}}]", b"1e400", b"-1e400",
        b"9007199254740993", b"// a\n1", b"/* a */ 1", b"{\"a\" 1}", b"{1:2}", b"\x00", b"\x1b[31m",
        bytes(range(256)),
    ]
    for text in cases:
        refused(ctl("envelope", "canon", stdin=text), "bad_json: ")


def test_canon_is_bounded():
    refused(ctl("envelope", "canon", stdin=b" " * (32 << 20)), "too_large: ")
    refused(ctl("envelope", "canon", stdin=b"\x00" * (32 << 20)), "too_large: ")
    refused(ctl("envelope", "canon", stdin=b"[" * 5_000_000), "too_deep: ")
    refused(ctl("envelope", "canon", stdin=b'{"a":' * 2_000_000), "too_deep: ")
    refused(ctl("envelope", "canon", stdin=b"[" + b"1," * 2_000_000 + b"1]"), "too_large: ")
    refused(ctl("envelope", "canon", stdin=b"{" + b'"a":1,' * 100_000 + b'"b":1}'), "bad_json: ")
    refused(ctl("envelope", "canon", stdin=b"1" * 1_000_000), "bad_json: ")
    # Names that all differ, in the worst order, are only sorted.
    names = b",".join(b'"%06d":%d' % (n, n) for n in range(100_000, 0, -1))
    assert ctl("envelope", "canon", stdin=b"{" + names + b"}")[0] == 0


# ---- sign and verify

def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True,
                          timeout=60).stdout


class OpensslKey:
    """An identity made and used by openssl alone."""

    def __init__(self, name):
        self.file = path(name)
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.file)
        os.chmod(self.file, 0o600)
        self.public = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-32:]
        self.pubkey = base64.b64encode(self.public).decode()
        self.fingerprint = hashlib.sha256(self.public).hexdigest()

    def sign(self, message):
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in",
                       path("message", message))


def intent(key, **members):
    return envelope(key, "ada", "INTENT",
                    {"goal": "ask", "topic": "t\u00f6pic", "priority": "low"}, **members)


def spaced(document):
    """The same in another form: insertion order, white space, escapes."""
    return json.dumps(document, indent=1, ensure_ascii=True).encode()


def verify(document):
    return ctl("envelope", "verify",
               stdin=document if isinstance(document, bytes) else spaced(document))


def changed(document, pointer, value):
    """A deep copy with one member set; value None takes it out."""
    copy = json.loads(json.dumps(document))
    place = copy
    *way, last = pointer.split("/")[1:]
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copy


def test_verify_what_openssl_signed():
    key = OpensslKey("ada.pem")
    document = intent(key, note="kept", z={"unknown": [1, 2.5]})
    assert verify(document) == (0, canonical(document), b"")
    assert verify(canonical(document)) == (0, canonical(document), b"")
    # Not fresh, and of nobody we know: that is not asked here.
    old = envelope(key, "ada", "INTENT", {"goal": "ask", "topic": "t", "priority": "low"})
    del old["sign"]
    old["timestamp"] = "2001-01-01T00:00:00Z"
    old["sign"] = {"algo": "ed25519",
                   "signature": base64.b64encode(key.sign(canonical(old))).decode()}
    assert verify(old)[0] == 0


def test_verify_refuses():
    key = OpensslKey("eve.pem")
    other = OpensslKey("other.pem")
    document = intent(key)
    signature = base64.b64decode(document["sign"]["signature"])
    scalar = int.from_bytes(signature[32:], "little") + L
    malleable = signature[:32] + scalar.to_bytes(32, "little")
    b64 = lambda raw: base64.b64encode(raw).decode()
    cases = [
        ("/payload/topic", "other", "bad_signature"),
        ("/sender/fingerprint", other.fingerprint, "bad_fingerprint"),
        ("/sender/pubkey", other.pubkey, "bad_fingerprint"),
        ("/sender/pubkey", None, "unknown_sender"),
        ("/sign/signature", b64(bytes(64)), "bad_signature"),
        ("/sign/signature", b64(b"\xff" * 64), "bad_signature"),
        ("/sign/signature", b64(malleable), "bad_signature"),
        ("/sign/signature", b64(signature[:63]), "bad_signature"),
        ("/sign/signature", b64(signature + b"\x00"), "bad_signature"),
        ("/sign/signature", b64(signature).rstrip("="), "bad_signature"),
        ("/sign/signature", b64(signature)[:-3] + "h==", "bad_signature"),
        ("/sign/signature", "\x1b[31m\n", "bad_signature"),
        ("/sign/signature", 1, "bad_envelope"),
        ("/sign/algo", "none", "bad_envelope"),
        ("/sign", None, "bad_envelope"),
        ("/sign", "x", "bad_envelope"),
        ("/sender/fingerprint", key.fingerprint.upper(), "bad_envelope"),
        ("/sender", [], "bad_envelope"),
        ("/payload", None, "bad_envelope"),
        ("/payload/priority", "urgent", "bad_envelope"),
        ("/timestamp", "2026-01-01T00:00:60Z", "bad_envelope"),
        ("/msg_id", "1", "bad_envelope"),
        ("/hcp", "1.0", "bad_envelope"),
        ("/cip", None, "bad_envelope"),
        ("/cip", "2.0", "unsupported_version"),
        ("/type", "HCP_HELLO", "unknown_type"),
        ("/type", "\x1b]0;title\x07", "unknown_type"),
    ]
    for pointer, value, code in cases:
        refused(verify(changed(document, pointer, value)), code + ": ")
    refused(verify(b"{"), "bad_json: ")
    refused(verify(b'"' + b"a" * 300_000 + b'"'), "too_large: ")
    refused(verify(b"[" * 1000), "too_deep: ")
    # Signed over another form than the canonical one.
    unsigned = {name: value for name, value in document.items() if name != "sign"}
    for form in (json.dumps(unsigned).encode(), json.dumps(unsigned, sort_keys=True).encode(),
                 canonical(unsigned) + b"\n", hashlib.sha256(canonical(unsigned)).digest()):
        wrong = {"algo": "ed25519", "signature": b64(key.sign(form))}
        refused(verify({**unsigned, "sign": wrong}), "bad_signature: ")


def test_verify_refuses_weak_keys():
    """Keys of small order, with the signature that fits every message under some of them."""
    weak = ["00" * 32, "01" + "00" * 31, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "00" * 31 + "80", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "ff" * 32]
    for text in weak:
        raw = bytes.fromhex(text)
        document = intent(Key(b"\x01" * 32))
        document["sender"]["pubkey"] = base64.b64encode(raw).decode()
        document["sender"]["fingerprint"] = hashlib.sha256(raw).hexdigest()
        for point in (raw, b"\x01" + bytes(31)):
            document["sign"]["signature"] = base64.b64encode(point + bytes(32)).decode()
            refused(verify(document), "bad_signature: ")


def test_sign():
    key = OpensslKey("sign.pem")
    document = intent(key)
    unsigned = {name: value for name, value in document.items() if name != "sign"}
    sign = lambda value, *more: ctl("envelope", "sign", "--key", key.file, *more,
                                    stdin=spaced(value))
    assert sign(unsigned) == (0, canonical(document), b"")
    assert sign(changed(document, "/payload/topic", "t\u00f6pic")) == (0, canonical(document), b"")
    refused(sign(changed(unsigned, "/sender/fingerprint", "00" * 32)), "bad_fingerprint: ")
    refused(sign(changed(unsigned, "/payload/goal", None)), "bad_envelope: /payload/goal: ")
    refused(sign([]), "bad_envelope: ")
    refused(ctl("envelope", "sign", stdin=spaced(unsigned)), "envelope sign wants --key", 2)
    for name, content, mode in (("none.pem", None, 0), ("empty.pem", b"", 0o600),
                                ("open.pem", open(key.file, "rb").read(), 0o644),
                                ("cut.pem", open(key.file, "rb").read()[:60], 0o600)):
        file = path(name, content, mode)
        result = ctl("envelope", "sign", "--key", file, stdin=spaced(unsigned))
        refused(result, file + ": ")
    link = path("link.pem")
    os.symlink(key.file, link)
    refused(ctl("envelope", "sign", "--key", link, stdin=spaced(unsigned)), link + ": ")
    openssl("genpkey", "-algorithm", "x25519", "-out", path("x25519.pem"))
    os.chmod(path("x25519.pem"), 0o600)
    refused(ctl("envelope", "sign", "--key", path("x25519.pem"), stdin=spaced(unsigned)),
            path("x25519.pem") + ": ")


# ---- keys

def test_keys():
    key = OpensslKey("shown.pem")
    status, out, err = ctl("keys", "show", key.file, "--json")
    assert (status, err) == (0, b"") and json.loads(out) == {
        "fingerprint": key.fingerprint, "pubkey": key.pubkey, "path": key.file}
    status, out, _ = ctl("keys", "show", key.file)
    assert status == 0 and key.fingerprint.encode() in out and key.pubkey.encode() in out
    made = path("made.pem")
    status, out, _ = ctl("--json", "keys", "generate", made)
    assert status == 0 and os.stat(made).st_mode & 0o777 == 0o600
    public = openssl("pkey", "-in", made, "-pubout", "-outform", "DER")[-32:]
    assert json.loads(out)["fingerprint"] == hashlib.sha256(public).hexdigest()
    before = open(made, "rb").read()
    refused(ctl("keys", "generate", made), made + ": ")
    assert open(made, "rb").read() == before
    status, pem, err = ctl("keys", "generate")
    assert (status, err) == (0, b"") and pem != before
    assert len(openssl("pkey", "-pubout", "-outform", "DER", stdin=pem)) == 44


# ---- configuration

def test_config_check():
    good = path("good.json", '{"paths": {"state_dir": "/s", "runtime_dir": "/r"},'
                             ' "listen": ["tcp:127.0.0.1:0"]}')
    status, out, err = ctl("config", "check", good, "--json")
    answer = json.loads(out)
    assert (status, err, answer["valid"], answer["files"]) == (0, b"", True, [good])
    path("fragments/conf.d/20-b.json", '{"cip": {"quorum": 3}}')
    path("fragments/conf.d/10-a.json", '{"cip": {"quorum": 2}}')
    path("fragments/conf.d/.hidden.json", "{")
    path("fragments/conf.d/note.txt", "{")
    main = path("fragments/web4d.json", "{}")
    files = json.loads(ctl("config", "check", main, "--json")[1])["files"]
    assert [os.path.basename(name) for name in files] == ["web4d.json", "10-a.json", "20-b.json"]

    bad = path("bad/web4d.json", '{"listn": [], "session": {"heartbeat_ms": 0}, "cip": {"quorum": "2"}}')
    path("bad/conf.d/a.json", '{"log":\n {"level": "loud" "x"}}')
    status, out, err = ctl("config", "check", bad)
    lines = err.decode().splitlines()
    assert (status, out, len(lines)) == (1, b"", 4), err
    assert lines[0] == f"web4ctl: {bad}: /session/heartbeat_ms: expected an integer from 100 to 3600000"
    assert lines[1] == f"web4ctl: {bad}: /cip/quorum: expected an integer from 2 to 64"
    assert lines[2] == f'web4ctl: {bad}: /listn: no such member; did you mean "listen"?'
    assert lines[3].startswith(f"web4ctl: {WORK}/bad/conf.d/a.json:2:"), lines[3]


def test_config_files_of_every_kind():
    fifo = path("fifo.json")
    os.mkfifo(fifo)
    big = path("big.json")
    with open(big, "wb") as file:
        file.truncate(1 << 30)
    for file in (path("missing.json"), WORK, fifo, big, "/dev/zero", path("empty.json", b""),
                 path("bom.json", b"\xef\xbb\xbf{}"), path("binary.json", bytes(range(256)))):
        refused(ctl("config", "check", file), file)


def test_config_defaults_and_schema():
    status, out, err = ctl("config", "defaults", XDG_STATE_HOME="/x/state", XDG_RUNTIME_DIR="/x/run")
    assert (status, err) == (0, b"")
    defaults = json.loads(out)
    if os.geteuid() != 0:
        assert defaults["paths"]["store"] == "/x/state/web4/web4.db", defaults["paths"]
        assert defaults["paths"]["control_socket"] == "/x/run/web4/control.sock"
    assert defaults["session"]["heartbeat_ms"] == 5000 and defaults["seeds"] == []
    file = path("defaults.json", out)
    assert ctl("config", "check", file)[0] == 0
    status, out, _ = ctl("config", "schema")
    assert status == 0
    with open(os.environ["W4_CONF"] + "/web4d.schema.json", "rb") as shipped:
        assert shipped.read() == out, "conf/web4d.schema.json: web4ctl config schema says otherwise"
    check_instance(json.loads(out), defaults, "")
    example = os.environ["W4_CONF"] + "/web4d.json"
    assert ctl("config", "check", example)[0] == 0
    with open(example) as file:
        check_instance(json.loads(out), json.load(file), "")


def check_instance(schema, value, place):
    """As much of JSON Schema as the exported one uses."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), (place, value)
    assert value in schema.get("enum", [value]), (place, value)
    if isinstance(value, dict):
        for name, member in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            assert inner is not False, (place, name)
            if isinstance(inner, dict):
                check_instance(inner, member, f"{place}/{name}")
    if isinstance(value, list):
        for index, element in enumerate(value):
            check_instance(schema.get("items", {}), element, f"{place}/{index}")
    if isinstance(value, int) and not isinstance(value, bool):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), place


# ---- usage

def commands():
    lines = ctl("--help")[1].decode().split("Commands:\n")[1].split("\n\n")[0].splitlines()
    return [line.strip().split("  ")[0] for line in lines if line.startswith("  ") and line[2] != " "]


def test_help():
    assert len(commands()) > 25
    for words in commands():
        for arguments in ((*words.split(), "--help"), ("-h", *words.split())):
            status, out, err = ctl(*arguments)
            assert (status, err) == (0, b""), (arguments, err)
            assert out.decode().startswith(f"Usage: web4ctl {words}"), out
    status, out, _ = ctl("trust", "--help")
    assert status == 0 and b"trust why" in out and b"peers" not in out
    assert ctl("--version")[1].startswith(b"web4ctl ")
    assert b"\x1b" not in ctl("--help")[1]


def test_wrong_usage():
    for arguments in ([], ["nope"], ["stauts"], ["trust", "sett"], ["trust", "set"],
                      ["trust", "set", "a"], ["trust", "set", "a", "god"],
                      ["trust", "set", "a", "trusted", "b"], ["trust", "set", "", "trusted"],
                      ["trust", "set", "a\x1b[31m", "trusted"], ["trust", "set", "a\nb", "trusted"],
                      ["trust", "set", "\u009b", "trusted"], ["trust", "set", b"\xff", "trusted"],
                      ["trust", "set", "a", "trusted", "--kind", "dog"], ["--nope"], ["-x"],
                      ["status", "--socket"], ["status", "--json=yes"], ["status", "--watch", "0"],
                      ["status", "--watch", "x"], ["status", "--watch", "999999999999999999999"],
                      ["status", "--limit", "1"], ["facts", "list", "--limit", "0"],
                      ["facts", "list", "--limit", "1", "--limit", "2"], ["status", "extra"],
                      ["envelope", "canon", "extra"], ["envelope", "canon", "--watch", "1"],
                      ["send", "--as", "ada", "--to", "ben", "INTENT"], ["send", "INTENT", "{}"],
                      ["send", "--as", "ada", "INTENT", "{}"],
                      ["send", "--as", "ada", "--to", "ben", "INTENT", "{"],
                      ["send", "--as", "ada", "--to", "ben", "INTENT", "[]"],
                      ["send", "--as", "ada", "--to", "ben", "--family", "dip", "INTENT", "{}"],
                      ["send", "--as", "ada", "--to", "ben", "intent", "{}"], ["schema", "intent"],
                      ["listen"], ["completion"], ["completion", "csh"], ["peers", "add", "a b"],
                      ["peers", "add", "tcp:a:1", "--pin", "00"], ["stop", "--watch", "1"],
                      ["watch", "--number", "-1"], ["x" * 100_000]):
        refused(ctl(*arguments), "", 2)


def test_no_node():
    for arguments in (["status"], ["facts", "list"], ["stop"], ["listen", "--as", "ada"],
                      ["send", "--as", "ada", "--to", "*", "INTENT", "{}"], ["watch"], ["keys", "show"],
                      ["-s", WORK + "/none.sock", "status"], ["-s", "/" + "x" * 200, "status"],
                      ["--agent-socket", WORK + "/none.sock", "listen", "--as", "ada"],
                      ["trust", "set", "--", "--help", "trusted"]):
        result = ctl(*arguments, XDG_RUNTIME_DIR=WORK)
        refused(result, "cannot talk to /", 3)
    assert b"web4d" in ctl("status", XDG_RUNTIME_DIR=WORK)[2]  # how to start one
    # A plain file where the socket should be.
    refused(ctl("-s", path("plain", b""), "status"), "cannot talk to /", 3)


# ---- completion

def complete(*words):
    """What bash offers behind these words; the last one is the beginning of a word."""
    script = ctl("completion", "bash")[1].decode()
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in ("web4ctl",) + words)
    program = (f"compopt() {{ :; }}\n{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words)}\n"
               "_web4ctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    result = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True,
                            timeout=60, cwd=WORK)
    assert result.returncode == 0 and result.stderr == "", result
    return set(result.stdout.split())


def test_completion_in_bash():
    assert complete("st") == {"status", "stop", "store"}
    assert {"trust", "peers", "envelope", "--json"} <= complete("")
    assert complete("trust", "") >= {"list", "show", "set", "why"}
    assert complete("trust", "s") == {"show", "set"}
    assert complete("trust", "set", "ben", "tru") == {"trusted"}
    assert complete("trust", "set", "--kind", "") == {"agent", "node", "human"}
    assert complete("--json", "trust", "--kind", "node", "w") == {"why"}
    assert complete("send", "--fam") == {"--family"}
    assert complete("send", "--family", "h") == {"hcp"}
    assert complete("send", "INTENT", "--to", "x", "--dea") == {"--deadline"}
    assert complete("completion", "") >= {"bash", "zsh", "fish"}
    path("only.pem", b"")
    assert "only.pem" in complete("keys", "show", "onl")
    assert "only.pem" in complete("envelope", "sign", "--key", "onl")
    for words in commands():  # each command can be reached
        *noun, verb = words.split()
        assert verb in complete(*noun, verb[:-1]), words


def test_completion_scripts_parse():
    for shell in ("bash", "zsh", "fish"):
        status, out, err = ctl("completion", shell)
        assert (status, err) == (0, b"")
        for words in commands():
            assert words.split()[-1].encode() in out, (shell, words)
        if shutil.which(shell):
            subprocess.run([shell, "-n", path("completion." + shell, out)], check=True, timeout=60)


try:
    main([test_canon_of_the_rfc, test_canon_of_numbers, test_canon_refuses, test_canon_is_bounded,
          test_verify_what_openssl_signed, test_verify_refuses, test_verify_refuses_weak_keys,
          test_sign, test_keys, test_config_check, test_config_files_of_every_kind,
          test_config_defaults_and_schema, test_help, test_wrong_usage, test_no_node,
          test_completion_in_bash, test_completion_scripts_parse])
finally:
    shutil.rmtree(WORK, ignore_errors=True)
