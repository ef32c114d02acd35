"""A session that moves: its link over tcp is cut, or falls silent, while messages are under way in
both directions, and it goes on over a unix socket. It is the same session, and every message came once
and in order, since nobody died."""
import threading

from web4test import *

QUICK = {"heartbeat_ms": 200, "timeout_ms": 1000}
EACH = 60  # messages in each direction between two moves


class Bridge:
    """Takes connections of one transport, and carries them to an address of another one. May be
    torn down, or stand still with all that is in it."""

    def __init__(self, listener, reach):
        self.listener, self.reach = listener, reach
        self.pairs = []
        self.still = False
        self.gone = False
        self.wake = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.gone:
            ends = [] if self.still else [end for pair in self.pairs for end in pair]
            for ready in select.select([self.wake[0], self.listener, *ends], [], [])[0]:
                if ready == self.wake[0]:
                    os.read(ready, 1)
                elif ready == self.listener:
                    near = self.listener.accept()[0]
                    try:
                        self.pairs.append((near, self.reach()))
                    except OSError:
                        near.close()
                else:
                    self.carry(ready)
        for pair in self.pairs:
            for end in pair:
                end.close()
        self.listener.close()

    def carry(self, ready):
        for pair in self.pairs:
            if ready in pair:
                other = pair[1 - pair.index(ready)]
                try:
                    data = ready.recv(65536)
                    other.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    self.pairs.remove(pair)
                    for end in pair:
                        end.close()
                return

    def tell(self):
        os.write(self.wake[1], b"!")

    def stand_still(self):
        self.still = True
        self.tell()

    def tear_down(self):
        self.gone = True
        self.tell()
        self.thread.join(DEADLINE)


class Talk:
    """One agent to another, both ways; who has said and heard what."""

    def __init__(self, *nodes):
        self.nodes = nodes
        self.agents = [node.agent(name, subscribe=["agent.message", "agent.delivery"])
                       for node, name in zip(nodes, ("ada", "ben"))]
        self.sent = [[], []]
        self.heard = [[], []]  # by whom it was said
        self.told = [{}, {}]
        for node in nodes:
            for agent in self.agents:
                node.control.call("trust.set", {"subject": agent.attached["fingerprint"],
                                                "state": "trusted"})
        for node in nodes:
            node.wait_until("all agents are known", lambda: len(
                node.control.call("agents.list")["agents"]) >= 2)

    def say(self, count):
        for _ in range(count):
            for i, agent in enumerate(self.agents):
                receipt = agent.call("agent.send", {
                    "type": "INTENT", "to": self.agents[1 - i].attached["fingerprint"],
                    "payload": {"goal": "ask", "topic": "tides", "priority": "normal",
                                "context": "." * 500, "number": len(self.sent[i])}})
                self.sent[i].append(receipt["msg_id"])
        self.keep()

    def keep(self):
        for i, agent in enumerate(self.agents):
            for note in agent.notes:
                said = note["params"]
                if note["method"] == "agent.message" and "number" in said["envelope"]["payload"]:
                    self.heard[1 - i].append(said["envelope"]["payload"]["number"])
                elif note["method"] == "agent.delivery":
                    self.told[i].setdefault(said["msg_id"], []).append(said["outcome"])
            agent.notes.clear()

    def is_over(self):
        return all(len(heard) >= len(sent) for heard, sent in zip(self.heard, self.sent)) and \
            all(set(sent) <= set(told) for told, sent in zip(self.told, self.sent))

    def settle(self):
        until = time.monotonic() + DEADLINE
        while not self.is_over():
            assert time.monotonic() < until, [(len(s), len(h), len(t)) for s, h, t in zip(
                self.sent, self.heard, self.told)]
            sockets = [agent.socket for agent in self.agents]
            ready = select.select(sockets, [], [], 1)[0]
            for agent in self.agents:
                if agent.socket in ready:
                    agent.notes.append(agent.line(until))
                while b"\n" in agent.buffer:
                    agent.notes.append(agent.line(until))
            self.keep()

    def check(self):
        for i in range(2):
            assert self.heard[i] == list(range(len(self.sent[i]))), (i, self.heard[i])
            assert all(self.told[i][msg_id] == ["delivered"] for msg_id in self.sent[i]), self.told[i]


def session_of(node):
    session, = node.control.call("sessions.list")["sessions"]
    return session


def moves(mesh, how):
    path = mesh.scratch + "/b.sock"
    b = Node(mesh.scratch, "b", listen=["unix:" + path], session=QUICK).start()
    front = socket.create_server(("127.0.0.1", 0))

    def reach():
        end = socket.socket(socket.AF_UNIX)
        end.connect(path)
        return end

    bridge = Bridge(front, reach)
    a = Node(mesh.scratch, "a", listen=[], session=QUICK,
             seeds=[f"tcp:127.0.0.1:{front.getsockname()[1]}"]).start()
    mesh.nodes += [a, b]
    for node in mesh.nodes:
        node.wait_until("they meet", lambda: node.connected() == 1)
    talk = Talk(a, b)
    first = session_of(a)
    assert first["address"].startswith("tcp:"), first
    talk.say(EACH)
    how(bridge)
    talk.say(EACH)  # nobody knows yet
    a.control.call("peers.add", {"address": "unix:" + path})
    a.wait_until("it moves", lambda: session_of(a)["state"] == "open" and
                 session_of(a)["address"].startswith("unix:"))
    talk.say(EACH)
    talk.settle()
    talk.check()
    moved = session_of(a)
    assert moved["id"] == first["id"] and moved["reconnects"] >= 1, (first, moved)
    assert session_of(b)["id"] == first["id"]
    if bridge.still:
        bridge.tear_down()


def test_cut():
    with Mesh() as mesh:
        moves(mesh, Bridge.tear_down)


def test_silent():
    with Mesh() as mesh:
        moves(mesh, Bridge.stand_still)


main([test_cut, test_silent])
