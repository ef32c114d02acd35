"""One node with ten neighbours, one of which stands still: its messages end with a code, its contract
is violated and nobody else's, and the other nine get theirs as soon as before."""
import sys

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/bench")
from standstill import *

TICKS = 64
PAIRS = 3        # of rounds, in one attempt
ATTEMPTS = 6     # all rounds of all of them count
RATIO_MAX = 1.3  # that of the medians is told; scripts/bench is stricter, on a machine of its own


def test_nine_are_served_as_before():
    figures = Figures()
    with Crowd() as crowd:
        crowd.round(TICKS, False)
        for _ in range(ATTEMPTS):
            figures.take_turns(crowd, PAIRS, TICKS)
            if figures.ratio(figures.p95) < RATIO_MAX:
                break
        print(json.dumps(figures.summary()))
        assert figures.ratio(figures.p95) < RATIO_MAX, "one of ten slows the others"
        for session in crowd.hub.control.call("sessions.list")["sessions"]:
            state = next(c for c in session["channels"] if c["channel"] == "state")
            refused = figures.refused if session["peer"] == crowd.still_name else 0
            assert (state["errors"], state["failed"]) == (refused, 0), session
            assert state["attempted"] == state["enqueued"] + refused, session
            assert state["max_queue_len"] <= QUEUE and session["reconnects"] == 0, session


def test_what_the_operator_sees():
    """While it lasts: whose queue is full, and whose contract is violated."""
    with Crowd(sla={"max_drop_rate": 0.01, "window_ms": 1600}) as crowd:
        hub, still = crowd.hub, crowd.still_name
        watcher = Client(hub.control_socket)
        watcher.call("events.watch", {"types": ["overflow", "sla_violated", "sla_restored"]})
        crowd.still.process.send_signal(signal.SIGSTOP)
        outcomes = []
        for _ in range(3 * QUEUE):
            crowd.tick(outcomes)
        first = watcher.wait_note("node.event")
        assert (first["event"], first["peer"], first["channel"]) == ("overflow", still, "state"), first
        violated = watcher.wait_note("node.event", lambda e: e["event"] == "sla_violated")
        assert violated["peer"] == still, violated
        channels = {(c["peer"], c["channel"]): c for c in hub.control.call("channels.list")["channels"]}
        full = channels[(still, "state")]
        assert full["queued"] + full["in_flight"] == QUEUE, full
        assert all(c["queued"] == 0 and c["errors"] == 0 for (peer, _), c in channels.items()
                   if peer != still), channels
        for clause in hub.control.call("sla.list")["clauses"]:
            if clause["whose"] == "ours":
                assert (clause["state"] == "violated") == (clause["peer"] == still), clause
        crowd.still.process.send_signal(signal.SIGCONT)
        restored = watcher.wait_note("node.event", lambda e: e["event"] == "sla_restored")
        assert restored["peer"] == still, restored
        said = [note["params"] for note in watcher.notes]
        assert all(event["peer"] == still for event in said), said
        watcher.close()


main([test_nine_are_served_as_before, test_what_the_operator_sees])
