"""web4-transport-check with backends from outside: the example passes, and each copy of it that
breaks a promise fails the rule that is about it. They are built from nothing but the headers that
are installed.

    test_plugins.py CHECK SOURCE     the program and the top of the sources"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile

CHECK, SOURCE = [os.path.abspath(word) for word in sys.argv[1:3]]
PLUGINS = SOURCE + "/tests/contract/plugin"

# What is broken: the rule that says so. A broken one still comes up, but where that is what is broken.
BROKEN = {
    "WHOLE": "frames-arrive-whole",
    "BYTES": "frames-arrive-whole",
    "ORDER": "frames-keep-order-and-number",
    "ONCE": "frames-keep-order-and-number",
    "LOSS": "frames-keep-order-and-number",
    "END": "the-end-is-told",
    "END_TWICE": "the-end-is-told",
    "REASON": "nobody-is-gone",
    "LEAK": "memory-is-given-back",
    "LINK_LEAK": "memory-is-given-back",
    "WRITABLE": "full-then-writable",
    "BOUND": "one-who-does-not-read",
    "FLUSH": "taken-before-the-end",
    "DESCRIPTORS": "transports-leave-nothing",
    "WAKE": "links-come-up",
    "LIMIT": "sources-are-limited",
    "OUTPUT": "listened-on-once",
    "DEADLINE": "idle-costs-nothing",
    "CRASH": "frames-arrive-whole",
    "HANG": "frames-arrive-whole",
}
# What cannot be loaded at all: what is said about it.
UNFIT = {"ABI": "another version", "SYMBOL": "has no web4_transport_backend", "FUNCTION": "lacks a function"}
UNUSED = ["-Wno-unused-function", "-Wno-unused-variable"]  # in broken.c, by what is broken
WORDS = {"END_TWICE": "after GONE", "ORDER": "overtaken", "ONCE": "twice", "LOSS": "arrive", "CRASH": "crashes", "HANG": "hangs"}


def build(scratch, source, name, *flags):
    path = f"{scratch}/{name}.so"
    done = subprocess.run(["cc", "-std=c17", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
                           "-Wshadow", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                           f"-I{scratch}/include", *flags, f"{PLUGINS}/{source}", "-o", path],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def check(*words):
    # Leaks are the business of the rules here, not of what looks for them at the end of the process.
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:handle_abort=0"}
    done = subprocess.run([CHECK, *words], capture_output=True, text=True, timeout=300, env=env)
    return done.returncode, done.stdout, done.stderr


def verdicts(*words):
    status, said, errors = check("--json", *words)
    assert said, (words, status, errors)
    backends = json.loads(said)["backends"]
    assert len(backends) == 1, said
    return status, {rule["rule"]: rule for rule in backends[0]["rules"]}, errors


def test_the_example_passes(scratch):
    plugin = build(scratch, "seqpacket.c", "seqpacket")
    status, rules, errors = verdicts("--plugin", plugin, "--seeds", "1")
    failed = [rule for rule in rules.values() if rule["verdict"] != "PASS"]
    assert status == 0 and not failed and len(rules) > 40, (status, failed, errors)
    # A name without a slash is a file here.
    done = subprocess.run([CHECK, "--plugin", "seqpacket.so", "--rule", "links-come-up"], cwd=scratch,
                          capture_output=True, text=True)
    assert done.returncode == 0, done
    # And at an address of one's own.
    status, rules, errors = verdicts("--plugin", plugin, "--address", "seq:{folder}/mine-{n}", "--rule", "links-come-up")
    assert status == 0 and rules["links-come-up"]["verdict"] == "PASS", errors


def test_one_that_promises_less_passes(scratch):
    plugin = build(scratch, "broken.c", "honest", "-DHONEST", *UNUSED)
    status, rules, errors = verdicts("--plugin", plugin, "--seeds", "1")
    failed = [rule for rule in rules.values() if rule["verdict"] != "PASS"]
    assert status == 0 and not failed, (status, failed, errors)


def test_broken_ones_fail(scratch):
    def one(name, rule):
        plugin = build(scratch, "broken.c", "broken-" + name, "-DBREAK_" + name, *UNUSED)
        status, rules, errors = verdicts("--plugin", plugin, "--wait", "2", "--rule", rule, "--rule",
                                         "bad-addresses-are-refused")
        said = rules[rule]
        assert status == 1 and said["verdict"] == "FAIL", (name, rules, errors)
        assert rules["bad-addresses-are-refused"]["verdict"] == "PASS", (name, rules)
        assert WORDS.get(name, "") in said["why"], (name, said)
        assert said["replay"].startswith("web4-transport-check --plugin") and rule in said["replay"], said
        return f"{name}: {rule}: {said['why']}"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for line in pool.map(one, BROKEN, BROKEN.values()):
            print(line)


def test_the_replay_is_a_command(scratch):
    plugin = build(scratch, "broken.c", "it's broken", "-DBREAK_ONCE", *UNUSED)
    status, rules, _ = verdicts("--plugin", plugin, "--rule", "frames-loss", "--rule", "session-fair", "--seed", "77")
    said = rules["frames-loss"]
    assert status == 1 and said["verdict"] == "FAIL" and said["seed"] == 77, rules
    assert rules["session-fair"]["verdict"] == "PASS", rules  # a session bears it
    words = said["replay"].replace("web4-transport-check", f"'{CHECK}'", 1)
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True)
    assert done.returncode == 1 and "FAIL seqpacket frames-loss: seed 77" in done.stdout, done


def test_seeds_are_shared(scratch):
    # Ten seeds for the nine rules of frames under faults: each has one, one of them two.
    for first in ("1", "1000000007", "9223372036854775000"):
        status, said, _ = check("--backend", "memory", "--seeds", "10", "--from", first, "--json")
        rules = json.loads(said)["backends"][0]["rules"]
        runs = sorted(rule["runs"] for rule in rules[22:31])
        assert status == 0 and rules[22]["rule"] == "frames-loss", rules
        assert runs == [1] * 8 + [2], (first, runs)


def test_what_cannot_be_loaded(scratch):
    for name, word in UNFIT.items():
        plugin = build(scratch, "broken.c", "unfit-" + name, "-DBREAK_" + name, *UNUSED)
        status, said, errors = check("--plugin", plugin)
        assert status == 2 and word in errors and not said, (name, status, said, errors)
    status, _, errors = check("--plugin", scratch + "/nothing.so")
    assert status == 2 and "nothing.so" in errors, errors


def test_wrong_usage(scratch):
    plugin = build(scratch, "seqpacket.c", "seqpacket")
    for words in (["--backend", "nosuch"], ["--rule", "nosuch"], ["--seeds", "0"], ["--seeds", "x"], ["--seed", "-1"],
                  ["--wait", "0"], ["--wait", "3601"], ["--jobs", "0"], ["--from", "-1"], ["--from", "9223372036854775808"], ["--jobs", "65"], ["--address", "tcp:127.0.0.1:0"], ["more"], ["--nosuch"],
                  ["--plugin", plugin, "--backend", "tcp"], ["--plugin"]):
        status, said, errors = check(*words)
        assert status == 2 and not said and errors, (words, status, said, errors)
    # Where it cannot listen nothing can be checked.
    for address in ("tcp:192.0.2.1:0", "unix:/tmp/x"):
        status, said, errors = check("--backend", "tcp", "--address", address)
        assert status == 2 and "not checked" in said, (status, said, errors)


def test_help_and_list(scratch):
    status, said, _ = check("--help")
    assert status == 0 and said.startswith("usage: web4-transport-check"), said
    status, said, _ = check("--list")
    assert status == 0 and "  memory " in said and "  session-all-faults " in said, said
    status, said, _ = check("--version")
    assert status == 0 and said.startswith("web4-transport-check "), said


def run(test):
    """What is wrong, or None. Its backends do little but wait: so all tests are run at once."""
    scratch = tempfile.mkdtemp(prefix="web4-plugins-")
    try:
        os.makedirs(scratch + "/include/web4/base")
        shutil.copy(SOURCE + "/lib/transport/backend.h", scratch + "/include/web4/transport.h")
        shutil.copy(SOURCE + "/lib/base/types.h", scratch + "/include/web4/base/types.h")
        test(scratch)
    except Exception as error:  # pylint: disable=broad-except
        return f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(scratch)
    return None


def main():
    tests = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(tests)) as pool:
        for test, wrong in zip(tests, pool.map(run, tests)):
            failed += wrong is not None
            print(f"FAILED {test.__name__}: {wrong}" if wrong else f"ok {test.__name__}")
    return 1 if failed else 0


sys.exit(main())
