"""A slow link, full of facts all the time: heartbeats pass them. The round trip of a PING stays below
twice that of an idle link plus the time that one part takes on the link, and the session stands."""
import statistics
import traceback

from cable import *
from hostile_peer import *

SPEED = 100000  # bytes a second
PART = 16384
BULK = 16000  # makes envelopes of a part and a short one
WAITING = 8   # facts that are on their way at all times
SECONDS = float(os.environ.get("W4_TEST_SECONDS", "6"))
WINDOW_S = 3.0   # judged by itself; a machine that is busy otherwise may spoil one
WINDOWS_MAX = 5


class Pinger(HostileNode):
    """A neighbour that asks again and again, and takes all that comes."""

    def read(self):
        frames = self.record()
        self.handle(frames)
        self.taken += sum(len(frame[4]) for frame in frames if frame[0] == DATA)
        self.messages.clear()
        return frames

    def window(self, seconds):
        """Round trips of PINGs, one after the other with a breath between them."""
        times, asked, due = [], None, 0.0
        self.taken = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end or asked:
            now = time.monotonic()
            if not asked and now >= due:
                asked, due = (random.randrange(1, 1 << 60), now), now + 0.02
                self.send((PING, 0, 0, asked[0], b""))
            if select.select([self.socket], [], [], 0.02)[0]:
                frames = self.read()
                if asked and any(f[0] == PONG and f[3] == asked[0] for f in frames):
                    times.append(time.monotonic() - asked[1])
                    asked = None
        return sorted(times)


class Proposer:
    """An agent in a process of its own that keeps the knowledge channel full, once it is told to."""

    def __init__(self, node):
        ours, theirs = socket.socketpair()
        self.end = ours
        self.process = os.fork()
        if self.process == 0:
            ours.close()
            code = 1
            try:
                self.work(node, theirs)
                code = 0
            except BaseException:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(code)
        theirs.close()
        assert self.end.recv(1) == b"!", "the agent does not come up"

    def begin(self):
        self.end.sendall(b"!")

    def stop(self):
        self.end.close()
        assert os.waitpid(self.process, 0)[1] == 0, "something was not delivered"

    @staticmethod
    def work(node, end):
        client = node.agent("ada", subscribe=["agent.delivery"])
        end.sendall(b"!")
        assert end.recv(1) in (b"!", b"")
        sent = told = 0
        while True:
            while sent - told < WAITING:
                payload = fact_payload(f"fact {sent}")
                payload["fact"]["context"] = "." * BULK
                receipt = client.call("agent.send", {"type": "FACT_PROPOSE", "to": "*",
                                                     "payload": payload})
                assert receipt["recipients"] == 1, receipt
                sent += 1
            while not client.notes:
                if b"\n" not in client.buffer and \
                        end in select.select([client.socket, end], [], [], DEADLINE)[0]:
                    return
                client.notes.append(client.line(time.monotonic() + DEADLINE))
            delivery = client.wait_note("agent.delivery")
            assert delivery["outcome"] == "delivered", delivery
            told += 1


def middle_and_most(times):
    return statistics.median(times), times[len(times) * 95 // 100]


def shown(times):
    middle, most = middle_and_most(times)
    return f"{len(times)}: p50 {middle * 1e3:.1f} ms, p95 {most * 1e3:.1f} ms, " \
           f"at most {times[-1] * 1e3:.1f} ms"


def judge(peer, idle):
    """Whether heartbeats pass what fills the link: in more than half of the windows."""
    part = PART / SPEED
    bounds = [2 * t + part for t in middle_and_most(idle)]
    good = windows = taken = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or (good * 2 <= windows and windows < WINDOWS_MAX):
        busy = peer.window(WINDOW_S)
        windows += 1
        taken += peer.taken
        good += all(t < bound for t, bound in zip(middle_and_most(busy), bounds))
        print("full", shown(busy), f"{peer.taken / WINDOW_S / SPEED:.0%} of the link")
    print(f"{good} of {windows} windows below {bounds[0] * 1e3:.1f} and {bounds[1] * 1e3:.1f} ms, "
          f"one part takes {part * 1e3:.1f} ms")
    assert good * 2 > windows, "heartbeats wait"
    assert taken / (windows * WINDOW_S) > SPEED / 2, "the link was not full"


def test_heartbeats_pass_bulk():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    own_network()
    node = None
    try:
        with Cable() as cable:
            tool(*cable.inside, "tc", "qdisc", "add", "dev", "there", "root", "tbf", "rate",
                 f"{SPEED * 8}bit", "burst", "3kb", "limit", "1mb")
            node = Node(scratch, "a", listen=["tcp:10.99.7.2:7474"])
            node.command = [*cable.inside, WEB4D]
            node.start()
            ada = Proposer(node)
            peer = Pinger(node).open()
            idle = peer.window(WINDOW_S / 2)
            print("idle", shown(idle))
            ada.begin()
            judge(peer, idle)
            ada.stop()
            session, = node.control.call("sessions.list")["sessions"]
            assert (session["state"], session["reconnects"]) == ("open", 0), session
            peer.close()
    except BaseException:
        if node:
            print(node.log(), file=sys.stderr)
        raise
    finally:
        if node and node.process and node.process.poll() is None:
            node.kill()
        shutil.rmtree(scratch, ignore_errors=True)


main([test_heartbeats_pass_bulk])
