"""Three nodes at work for a long time: nothing that is over may stay behind. Part `soak` of
scripts/test-long; takes the seconds it shall last (1800).

Agents come, write to all others (now and then durably, now and then to somebody who is away) and go;
sessions are closed and come back; operators ask and change their minds. What a node keeps by design
for a time (who spoke when, what it has seen) is as much as it will be after ten minutes, so the
memory of the last third is compared with that of the second one; descriptors must never grow."""
import statistics

from web4test import *

NAMES = ("ada", "ben", "cho", "dan", "eve", "fay")
LASTS = float(sys.argv[1]) if len(sys.argv) > 1 else 1800.0
STEADY = 600.0  # from then on nothing that is kept for a time is more than before
GROWTH = 1.05  # of the last third to the second one ...
SLACK = 512 * 1024  # ... and this


class Mast(Mesh):
    environment = lean()


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def ask(text):
    return {"goal": "ask", "topic": text, "priority": "normal"}


def take_notes(client):
    """All that came; what is durable is acknowledged."""
    taken = 0
    while True:
        try:
            note = client.notes.pop(0) if client.notes else client.line(time.monotonic() + 0.05)
        except TimeoutError:
            return taken
        if note.get("method") == "agent.message":
            taken += 1
            envelope = note["params"]["envelope"]
            if envelope.get("durable"):
                try:
                    client.call("agent.ack", {"msg_id": envelope["msg_id"]})
                except Refused as refused:
                    assert refused.code == "not_found", refused


def one_round(mesh, number):
    """Everybody comes but one, writes to everybody, listens, and goes."""
    away = NAMES[number % len(NAMES)]
    here = {name: mesh.nodes[i % 3].agent(name) for i, name in enumerate(NAMES) if name != away}
    taken = sent = 0
    for name, client in here.items():
        for to in NAMES:
            if to == name:
                continue
            try:
                client.call("agent.send", {"type": "INTENT", "to": to, "payload": ask("soak"),
                                           "durable": (number + len(to)) % 4 == 0,
                                           "deadline_ms": 60000})
                sent += 1
            except Refused as refused:
                assert refused.code in ("not_found", "no_route", "backpressure", "rate_limited",
                                        "untrusted", "disconnected"), refused
    for client in here.values():
        taken += take_notes(client)
        client.close()
    for node in mesh:
        for method in ("status.get", "peers.list", "agents.list", "facts.list", "trust.list"):
            node.control.call(method)
    if number % 7 == 0:
        sessions = mesh.nodes[1].control.call("sessions.list")["sessions"]
        if sessions:
            mesh.nodes[1].control.call("sessions.close", {"session": random.choice(sessions)["id"]})
    return sent, taken


def measure(mesh, seen):
    for node in mesh:
        seen[node.name].append((resident(node), descriptors(node)))


def judge(seen, lasted):
    for name, samples in seen.items():
        third = len(samples) // 3
        middle, last = samples[third:2 * third], samples[2 * third:]
        assert third > 0, "it has lasted for less than three rounds"
        open_then, open_now = max(s[1] for s in middle), max(s[1] for s in last)
        was, now = (statistics.median(s[0] for s in part) for part in (middle, last))
        print(f"{name}: {was / 1024:.0f} KiB, then {now / 1024:.0f} KiB; {open_then}, then {open_now} "
              f"descriptors; {len(samples)} rounds in {lasted:.0f} s", flush=True)
        assert open_now <= open_then + 4, "descriptors grow"
        if lasted / 3 >= STEADY:
            assert now <= was * GROWTH + SLACK, "memory grows"


def test_nothing_stays_behind():
    with Mast("a", "b", "c") as mesh:
        seen = {node.name: [] for node in mesh}
        began, number, sent, taken = time.monotonic(), 0, 0, 0
        while time.monotonic() - began < LASTS or number < 9:
            more_sent, more_taken = one_round(mesh, number)
            sent, taken, number = sent + more_sent, taken + more_taken, number + 1
            measure(mesh, seen)
            for node in mesh:
                assert node.process.poll() is None, f"{node.name} is dead"
        print(f"{sent} messages were accepted, {taken} came", flush=True)
        assert taken > sent / 2, "hardly anything comes"
        judge(seen, time.monotonic() - began)


if __name__ == "__main__":
    main([test_nothing_stays_behind])
