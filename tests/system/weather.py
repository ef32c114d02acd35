"""Hosts of the tests' own on one wire, agents that talk over it without end, and a ledger of what
was accepted, what became of it, and what came out at the other side."""
from cable import *

HEARTBEAT_MS = 100
TIMEOUT_MS = 400
CHANNELS = ("control", "state", "knowledge")
NOBODY = "02:00:00:00:00:99"  # a hardware address that no card on the wire has


class Host:
    """A namespace with one card on the wire, held by a child that sleeps."""

    def __init__(self, number):
        self.card, self.ip = f"host{number}", f"10.99.7.{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"\n":
            raise Skipped("no second network namespace here")
        self.inside = ["nsenter", "--net", "-t", str(self.holder.pid)]
        tool("ip", "link", "add", self.card, "type", "veth", "peer", "name", "card",
             "netns", str(self.holder.pid))
        tool("ip", "link", "set", self.card, "master", "wire", "up")
        tool(*self.inside, "ip", "link", "set", "lo", "up")
        tool(*self.inside, "ip", "addr", "add", self.ip + "/24", "dev", "card")
        tool(*self.inside, "ip", "link", "set", "card", "up")

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(DEADLINE)

    # Each fault is a pair: what is done to this host, and what mends it.
    def unplug(self):
        """The plug is out: no carrier at this end."""
        tool("ip", "link", "set", self.card, "down")

    def plug(self):
        tool("ip", "link", "set", self.card, "up")

    def card_off(self):
        """The card is off: no route from here."""
        tool(*self.inside, "ip", "link", "set", "card", "down")

    def card_on(self):
        tool(*self.inside, "ip", "link", "set", "card", "up")

    def mislead(self, others):
        """What this host says goes nowhere; it still hears everybody."""
        for other in others:
            tool(*self.inside, "ip", "neigh", "replace", other.ip, "lladdr", NOBODY, "dev",
                 "card", "nud", "permanent")

    def guide(self, others):
        for other in others:
            tool(*self.inside, "ip", "neigh", "del", other.ip, "dev", "card")

    def reset(self):
        """Its connections end at once, as when a firewall forgets them."""
        tool(*self.inside, "ss", "-K", "-t", "state", "established")


class Wire:
    """Some hosts, all on one bridge."""

    def __init__(self, count):
        own_network()
        self.hosts = []
        tool("ip", "link", "add", "wire", "type", "bridge")
        tool("ip", "link", "set", "wire", "up")
        try:
            self.hosts = [Host(number) for number in range(1, count + 1)]
        except BaseException:
            self.close()
            raise

    def close(self):
        for host in self.hosts:
            host.close()
        subprocess.run(["ip", "link", "del", "wire"], capture_output=True, timeout=DEADLINE)


class Parcel:
    """One message, from agent.send on."""

    def __init__(self, flow, number):
        self.flow, self.number = flow, number
        self.msg_id = None
        self.stored = False
        self.held = False  # said to be kept for one who is away
        self.came = 0
        self.outcomes, self.told_at = [], []
        self.refused = None
        # Deaths that may excuse it: of its sender's or its receiver's node while it was under way.
        self.sender_died = self.receiver_died = False
        self.told_before = False  # it died when the sender had been told of it already

    def __repr__(self):
        return (f"{self.flow.name}:{self.number} ({self.msg_id}, stored {self.stored}, came "
                f"{self.came}, outcomes {self.outcomes}, died {self.sender_died} "
                f"{self.receiver_died})")


class Flow:
    """Messages of one agent to another on one channel, numbered."""

    def __init__(self, sender, receiver, channel, **more):
        self.sender, self.receiver, self.channel, self.more = sender, receiver, channel, more
        self.name = f"{sender.name}>{receiver.name}/{channel}{'+' if more else ''}"
        self.parcels = []
        self.asked = None  # the one that agent.send has not answered for yet
        self.open = 0  # accepted, and nothing told of them yet
        self.heard = []  # numbers, in the order they came
        self.paused = False
        self.not_before = 0.0  # after a refusal it waits a little
        self.refusals = {}
        self.bytes = 0  # of each message, about; 0: small ones, and a large one now and then

    def start(self):
        parcel = self.parcel(len(self.parcels))
        self.parcels.append(parcel)
        self.asked = parcel
        self.sender.ask(parcel, "agent.send", {
            "to": self.receiver.fingerprint, **self.message(parcel, self.channel), **self.more})

    def parcel(self, number):
        return Parcel(self, number)

    def message(self, parcel, channel):
        topic = f"{self.name}:{parcel.number}"
        context = "." * (self.bytes or (16000 if parcel.number % 50 == 49 else 20))
        if channel == "knowledge":
            payload = fact_payload(topic)
            payload["fact"]["context"] = context
            return {"type": "FACT_PROPOSE", "channel": channel, "payload": payload}
        return {"type": "INTENT", "channel": channel, "payload": {
            "goal": "ask", "topic": topic, "priority": "low", "context": context}}


class Voice:
    """An agent at a node, spoken to without waiting for it."""

    def __init__(self, talk, node, name):
        self.talk, self.node, self.name = talk, node, name
        self.socket = None
        self.fingerprint = None
        self.attached = 0  # so many times

    def attach(self):
        client = self.node.agent(self.name, subscribe=["agent.message", "agent.delivery"])
        self.fingerprint = client.attached["fingerprint"]
        self.socket, self.out = client.socket, b""
        self.socket.setblocking(False)
        self.asked, self.number = {}, client.number
        self.attached += 1
        self.waiting = client.attached["waiting"]
        for note in client.notes:
            self.take(note)
        self.take_lines(client.buffer)  # that came in one piece with the answer

    def ask(self, parcel, method, params):
        self.number += 1
        self.asked[self.number] = parcel
        self.out += json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method,
                                "params": params}).encode() + b"\n"
        self.write()

    def write(self):
        try:
            self.out = self.out[self.socket.send(self.out):]
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass

    def read(self):
        """False: the node is gone."""
        while True:
            try:
                chunk = self.socket.recv(1 << 20)
            except BlockingIOError:
                return True
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                self.socket.close()
                self.socket = None
                return False
            self.take_lines(self.buffer + chunk)

    def take_lines(self, text):
        *lines, self.buffer = text.split(b"\n")
        for line in lines:
            self.take(json.loads(line))

    def take(self, message):
        if "method" not in message:
            parcel = self.asked.pop(message["id"])
            if parcel is not None:
                self.talk.answered(parcel, message)
        elif message["method"] == "agent.message":
            self.talk.came(self, message["params"])
        elif message["method"] == "agent.delivery":
            self.talk.told(self, message["params"])


class Talk:
    """All voices, flows and parcels, and the loop that serves them."""

    OPEN_MAX = 48  # of each flow, accepted and without an outcome
    PAUSE_S = 0.03  # between two messages of a flow

    def __init__(self):
        self.voices, self.flows, self.watchers = [], [], {}
        self.links = {}  # by node: the peers it has an open session with
        self.by_id, self.early = {}, {}
        self.rejected = {}
        self.wild = []

    def close(self):
        for voice in self.voices:
            if voice.socket:
                voice.socket.close()
        for watcher in self.watchers.values():
            watcher.close()

    def watch(self, node):
        """Follows the events of a node: which sessions are open, and what it rejects."""
        watcher = Client(node.control_socket)
        self.links[node.name] = set()
        watcher.call("events.watch", {"open": True, "types": [
            "session_open", "session_close", "envelope_rejected"]})
        watcher.socket.setblocking(False)
        self.watchers[node.name] = watcher
        for note in watcher.notes:
            self.take_event(node.name, note["params"])
        self.take_events(node.name, watcher, watcher.buffer)

    def is_linked(self, node, other):
        """node has an open session with the other one, for all it knows."""
        return other.fingerprint in self.links.get(node.name, ())

    # ---- what the agents hear
    def answered(self, parcel, message):
        parcel.flow.asked = None
        if "error" in message:
            parcel.refused = (message["error"].get("data") or {}).get("code") or \
                message["error"]["message"]
            flow = parcel.flow
            flow.refusals[parcel.refused] = flow.refusals.get(parcel.refused, 0) + 1
            flow.not_before = time.monotonic() + self.PAUSE_S
            return
        result = message["result"]
        assert result["recipients"] == 1, message
        parcel.msg_id, parcel.stored = result["msg_id"], result["stored"]
        self.by_id[parcel.msg_id] = parcel
        parcel.flow.open += 1
        for voice, params in self.early.pop(parcel.msg_id, ()):
            self.told(voice, params)

    def told(self, voice, params):
        parcel = self.by_id.get(params["msg_id"])
        if parcel is None:
            self.early.setdefault(params["msg_id"], []).append((voice, params))
            return
        if not parcel.outcomes and not parcel.held and not parcel.sender_died:
            parcel.flow.open -= 1
        if params["outcome"] == "held":
            parcel.held = True  # no end yet, but who sent it need not wait for one that is away
            return
        parcel.outcomes.append((params["outcome"], params.get("code")))
        parcel.told_at.append(voice.attached)

    def came(self, voice, params):
        payload = params["envelope"]["payload"]
        topic = payload["fact"]["statement"] if "fact" in payload else payload["topic"]
        name, number = topic.rsplit(":", 1)
        flow = next(flow for flow in self.flows if flow.name == name)
        assert flow.receiver is voice, (voice.name, topic)
        parcel = flow.parcels[int(number)]
        parcel.came += 1
        flow.heard.append(int(number))
        self.handle(voice, params, parcel)

    def handle(self, voice, params, parcel):
        """What an agent does with a message; some tests do more."""

    def may_start(self, flow):
        return not flow.paused and flow.asked is None and flow.open < self.OPEN_MAX and \
            flow.sender.socket

    # ---- the loop
    def pump(self, until):
        """Serves all sockets until the deadline passes or something was heard."""
        readers = {voice.socket: voice for voice in self.voices if voice.socket}
        watchers = {w.socket: (name, w) for name, w in self.watchers.items()}
        writers = [s for s, voice in readers.items() if voice.out]
        now = time.monotonic()
        due = min([flow.not_before for flow in self.flows if self.may_start(flow)], default=until)
        ready, writable, _ = select.select([*readers, *watchers], writers, [],
                                           max(0.0, min(until, due) - now))
        now = time.monotonic()
        for sock in writable:
            readers[sock].write()
        for sock in ready:
            if sock in readers:
                readers[sock].read()
            else:
                self.read_events(*watchers[sock])
        for flow in self.flows:
            if self.may_start(flow) and flow.not_before <= now:
                flow.not_before = now + self.PAUSE_S
                flow.start()

    def read_events(self, name, watcher):
        try:
            chunk = watcher.socket.recv(1 << 20)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            del self.watchers[name]
            return
        self.take_events(name, watcher, watcher.buffer + chunk)

    def take_events(self, name, watcher, text):
        *lines, watcher.buffer = text.split(b"\n")
        for line in lines:
            self.take_event(name, json.loads(line)["params"])

    def take_event(self, name, params):
        if params["event"] == "session_open":
            self.links[name].add(params["peer"])
        elif params["event"] == "session_close":
            self.links[name].discard(params["peer"])
        else:
            key = (name, params["data"]["code"])
            self.rejected[key] = self.rejected.get(key, 0) + 1

    def until(self, what, check, deadline=DEADLINE):
        until = time.monotonic() + deadline
        while not check():
            assert time.monotonic() < until, f"it did not happen: {what}"
            self.pump(until)

    def progress(self, flows, count):
        """A check that is true when each of the flows has brought that many messages that were not
        begun yet when this was called."""
        marks = {flow: len(flow.parcels) for flow in flows}
        return lambda: all(sum(number >= mark for number in flow.heard[-4 * count:]) >= count
                           for flow, mark in marks.items())

    def all_move(self, flows, after):
        try:
            self.until("all flows move after " + after, self.progress(flows, 1))
        except AssertionError:
            for flow in flows:
                print(flow.name, len(flow.parcels), flow.heard[-1:], flow.open, flow.refusals,
                      [p for p in flow.parcels if p.msg_id and not p.outcomes][:1])
            raise

    # ---- deaths
    def died(self, node):
        """The node was killed: what its voices have been sent before is read to the end, then
        everything that was under way from or to it is marked."""
        for voice in self.voices:
            if voice.node is node:
                while voice.socket and voice.read():
                    select.select([voice.socket], [], [], DEADLINE)
        for flow in self.flows:
            if flow.sender.node is node:
                flow.asked, flow.open = None, 0
                for parcel in flow.parcels:
                    if not parcel.outcomes and not parcel.refused:
                        parcel.sender_died = True
            if flow.receiver.node is node:
                for parcel in flow.parcels:
                    if not (parcel.came and parcel.outcomes) and not parcel.refused:
                        parcel.told_before |= bool(parcel.outcomes) and not parcel.receiver_died
                        parcel.receiver_died = True

    # ---- the count
    def all_told(self):
        return all(p.outcomes or p.sender_died or p.refused
                   for flow in self.flows for p in flow.parcels)

    def missing(self):
        """What was delivered, they say, and has not come out at the other end, though nobody died
        whom it could have died with."""
        return [p for flow in self.flows for p in flow.parcels
                if not p.came and p.outcomes and p.outcomes[0][0] == "delivered"
                and not p.receiver_died]
