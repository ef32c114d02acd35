"""scripts/bench measures with tiny counts: it works, and its answer has the shape it promises."""
import json
import os
import subprocess
import sys

BENCH = os.environ["W4_BENCH"]
BUILD = os.environ["W4_BUILD"]


def run(*options):
    command = [BENCH, "session", "--use", BUILD, "--tiny", "--runs", "1", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.returncode
    return done.stdout


def test_json():
    document = json.loads(run("--json"))
    cells = {(row["transport"], row["size"]) for row in document["throughput"]}
    assert cells == {(t, s) for t in ("memory", "unix", "tcp") for s in (256, 1024, 16384)}, cells
    assert len(document["throughput"]) == 9
    for row in document["throughput"]:
        assert set(row) == {"transport", "size", "messages_per_s", "reference_messages_per_s",
                            "ratio"}, row
        assert row["messages_per_s"] > 0 and row["reference_messages_per_s"] > 0, row
        ratio = row["messages_per_s"] / row["reference_messages_per_s"]
        assert abs(row["ratio"] - ratio) < 1e-9 * ratio, row
    for row in document["round_trip"]:
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["p999_us"], row
    assert [row["sessions"] for row in document["memory"]] == [10], document["memory"]
    assert document["handshake"]["accept_cpu_us"] > 0
    names = [line["name"] for line in document["lines"]]
    assert len(set(names)) == len(names), names
    assert set(document["under"]) <= set(names)


def test_table():
    lines = run().splitlines()
    assert lines[0].split() == ["result", "reference", "ratio", "target"], lines[0]
    assert any(line.startswith("hop, signed 1 KiB") for line in lines), lines


def test_wrong_use():
    done = subprocess.run([BENCH, "session", "--use", "/nonexistent"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "is missing" in done.stderr, done
    for runs in ("0", "-1", "some"):
        done = subprocess.run([BENCH, "session", "--runs", runs], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and "--runs" in done.stderr and not done.stdout, done


for test in (test_json, test_table, test_wrong_use):
    test()
    print(f"{test.__name__}: ok")
sys.exit(0)
