"""Agents that do not read, or hardly: what is for them ends with a code, the memory of their node
stays bounded, and everybody else is served as before."""
from weather import *

QUEUE = 512 * 1024
BYTES = 4000  # of a message, about


class Chatter(Talk):
    """One sender, several readers of their own pace."""
    PAUSE_S = 0.0
    OPEN_MAX = 8


def outcomes_of(flow):
    count = {}
    for parcel in flow.parcels:
        for outcome in parcel.outcomes[:1]:
            count[outcome] = count.get(outcome, 0) + 1
    return count


def test_agents_that_do_not_read():
    """ben reads nothing, dan a line a second, eve all. ada talks to all three as fast as each
    flow's last few messages have had their outcomes."""
    mesh = Mesh("a", "b", limits={"client_queue_bytes": QUEUE, "accepts_per_s": 10000})
    mesh.environment = lean()
    with mesh:
        a, b = mesh
        talk = Chatter()
        ada, ben, dan, eve = (Voice(talk, node, name) for node, name in (
            (a, "ada"), (b, "ben"), (b, "dan"), (b, "eve")))
        for voice in (ada, ben, dan, eve):
            voice.attach()
        a.wait_until("all are known", lambda: len(
            a.control.call("agents.list")["agents"]) == 4)
        talk.voices = [ada, eve]
        talk.flows = [Flow(ada, reader, "state") for reader in (ben, dan, eve)]
        to_ben, to_dan, to_eve = talk.flows
        for flow in talk.flows:
            flow.bytes = BYTES
        talk.until("eve hears", talk.progress([to_eve], 50))
        before = resident(b)

        def second_of_all(lines_of_dan):
            """About a second of talk; dan reads a line of it."""
            end = time.monotonic() + 1
            while time.monotonic() < end:
                talk.pump(end)
            for _ in range(lines_of_dan):
                read_line(dan)

        talk.until("ben's messages get a code", lambda: outcomes_of(to_ben).get(
            ("refused", "backpressure"), 0) >= 100)
        heard = len(to_eve.heard)
        seconds = 0
        while b.status()["clients"]["agent"] == 3:
            second_of_all(1)
            seconds += 1
            assert seconds < 40, "ben is never cut off"
        assert seconds >= 5, "ben is cut off too soon"
        per_second = (len(to_eve.heard) - heard) / seconds
        for _ in range(4):
            second_of_all(1)
        assert b.status()["clients"]["agent"] == 2, "dan reads, and is cut off"
        assert per_second > 20, f"eve hears {per_second:.0f} a second only"
        grown = resident(b) - before
        assert grown < 24 * 2 ** 20, f"{grown >> 20} MiB more"
        talk.until("ben is gone for ada too", lambda: "not_found" in to_ben.refusals)

        # ben comes back and reads: it goes on by itself
        left = read_rest(ben)
        ben.attach()
        talk.voices.append(ben)
        talk.until("ben hears", talk.progress([to_ben], 20))
        talk.voices.append(dan)
        dan.socket.setblocking(False)
        talk.until("dan hears", talk.progress([to_dan], 20))
        for flow in talk.flows:
            flow.paused = True
        talk.until("all is told", talk.all_told)
        talk.until("what was delivered to dan and eve is there", lambda: not any(
            p.outcomes and p.outcomes[0][0] == "delivered" and not p.came
            for flow in (to_dan, to_eve) for p in flow.parcels))
        for flow in talk.flows:
            count = outcomes_of(flow)
            print(flow.receiver.name, len(flow.parcels), count, flow.refusals)
            assert flow.heard == sorted(set(flow.heard)), "doubled or out of order"
            coded = [p for p in flow.parcels if p.outcomes and p.outcomes[0][0] != "delivered"]
            assert all(p.outcomes[0][1] for p in coded), coded[:1]
            assert not any(p.came for p in coded), "came, and yet a code"
            assert not any(len(p.outcomes) > 1 for p in flow.parcels), "told twice"
        lost = [p for p in to_ben.parcels if p.outcomes and p.outcomes[0][0] == "delivered"
                and not p.came]
        # Only what was held for the connection that was cut off went with it.
        assert len(lost) * BYTES <= QUEUE, f"{len(lost)} delivered to ben, they say"
        assert set(outcomes_of(to_eve)) == {("delivered", None)}, outcomes_of(to_eve)
        print(f"ben was cut off after {seconds} s, {left} lines were left for him, {len(lost)} "
              f"went with the connection; eve heard {per_second:.0f} a second")
        talk.close()


def read_line(voice):
    """One more line, as a slow program reads it."""
    while b"\n" not in voice.buffer:
        if not select.select([voice.socket], [], [], DEADLINE)[0]:
            raise TimeoutError(f"nothing for {voice.name}")
        chunk = voice.socket.recv(512)
        assert chunk, f"{voice.name} was cut off"
        voice.buffer += chunk
    line, voice.buffer = voice.buffer.split(b"\n", 1)
    voice.take(json.loads(line))


def read_rest(voice):
    """What the kernel still has for one that was cut off."""
    count = 0
    voice.socket.setblocking(True)
    while True:
        chunk = voice.socket.recv(1 << 20)
        if not chunk:
            voice.socket.close()
            return count
        *lines, voice.buffer = (voice.buffer + chunk).split(b"\n")
        for line in lines:
            voice.take(json.loads(line))
            count += 1


main([test_agents_that_do_not_read])
