"""Three nodes on one wire, agents at each of them that talk to all others on all channels, and a
hundred faults: connections reset, plugs pulled for a moment or until it is noticed, hosts that are
heard by nobody, nodes killed and started again. Counted message by message: what agent.send accepted
came exactly once and in order, or its sender was told a code; and after a death no more was lost
than what lived in that process only."""
from weather import *

FAULTS = int(os.environ.get("W4_TEST_ROUNDS", "100"))


class Weather:
    """The nodes, the talk, and what can happen to them."""

    def __init__(self, talk, nodes, hosts):
        self.talk, self.nodes, self.hosts = talk, nodes, hosts
        self.chance = random.Random(SEED)
        self.done = {}

    def flows_of(self, node):
        return [flow for flow in self.talk.flows if node in (flow.sender.node, flow.receiver.node)]

    def some_sends(self, flows, count):
        """Until that many more were asked for: a span of time that a slow machine stretches."""
        marks = sum(len(flow.parcels) for flow in flows)
        self.talk.until("agents send", lambda: sum(len(flow.parcels) for flow in flows)
                        >= marks + count or not any(flow.sender.socket for flow in flows))

    def noticed(self, node, since):
        """By the node itself, or by both others."""
        lost = lambda n: self.talk.count(n, "transport_disconnect") - since[n.name]
        others = [n for n in self.nodes if n is not node]
        self.talk.until("it is noticed", lambda: lost(node) >= 2 and all(map(lost, others)))

    def counts(self):
        return {n.name: self.talk.count(n, "transport_disconnect") for n in self.nodes}

    # ---- faults
    def reset(self, node, host):
        host.reset()

    def short(self, node, host):
        """The kernel takes a second to believe that the plug is in again."""
        host.unplug()
        self.some_sends(self.talk.flows, self.chance.randrange(1, 30))
        host.plug()

    def long(self, node, host):
        since = self.counts()
        host.unplug()
        self.noticed(node, since)
        host.plug()

    def off(self, node, host):
        """Too short to be noticed by more than a resending."""
        host.card_off()
        self.some_sends(self.talk.flows, self.chance.randrange(1, 30))
        host.card_on()

    def mute(self, node, host):
        """One way only, until it is noticed."""
        others = [h for h in self.hosts if h is not host]
        since = self.counts()
        host.mislead(others)
        self.noticed(node, since)
        host.guide(others)

    def die(self, node, host, noticed=False, late=False):
        since = self.counts()
        node.kill()
        self.talk.died(node)
        if noticed:
            others = [n for n in self.nodes if n is not node]
            self.talk.until("the death is noticed", lambda: all(
                self.talk.count(n, "transport_disconnect") > since[n.name] for n in others))
            self.some_sends([f for f in self.talk.flows if f.sender.node is not node], 10)
        opened = {n.name: self.talk.count(n, "session_open") for n in self.nodes}
        node.start()
        self.talk.watch(node)
        if late:
            others = [n for n in self.nodes if n is not node]
            self.talk.until("it is back", lambda: all(
                self.talk.count(n, "session_open") > opened[n.name] for n in others))
            self.some_sends([f for f in self.talk.flows if f.sender.node is not node], 30)
        for voice in self.talk.voices:
            if voice.node is node:
                voice.attach()

    def die_long(self, node, host):
        self.die(node, host, noticed=True)

    def die_late(self, node, host):
        """Its agent comes back after it, and meanwhile others send to it."""
        self.die(node, host, late=True)

    def die_unplugged(self, node, host):
        """Nobody hears of its end: no packet says so."""
        host.unplug()
        self.die(node, host, noticed=True)
        host.plug()

    def strike(self, kind):
        node = self.chance.choice(self.nodes)
        getattr(self, kind)(node, self.hosts[self.nodes.index(node)])
        began = time.monotonic()
        # Healed is when each of its flows brings something that was sent after the mending.
        self.talk.all_move(self.flows_of(node), kind)
        self.done.setdefault(kind, []).append(time.monotonic() - began)


def schedule():
    if "W4_TEST_FAULTS" in os.environ:
        return os.environ["W4_TEST_FAULTS"].split(",")
    kinds = ["reset"] * 41 + ["short"] * 4 + ["off"] * 24 + ["long"] * 10 + ["mute"] * 6 + \
        ["die"] * 6 + ["die_long"] * 3 + ["die_late"] * 4 + ["die_unplugged"] * 2
    return [kinds[i * len(kinds) // FAULTS % len(kinds)] for i in range(FAULTS)]


def judge(talk, facts):
    """Message by message. facts: those that the node of each agent knows."""
    sums = {"accepted": 0, "delivered": 0, "coded": 0, "lost with its sender": 0,
            "lost with its receiver": 0, "kept by its node only": 0}
    faults = []

    def judge_delivered(parcel):
        sums["delivered"] += 1
        if parcel.came:
            return
        if parcel.stored and parcel.msg_id in facts[parcel.flow.receiver.name]:
            sums["kept by its node only"] += 1  # its node died between disk and agent
        elif parcel.told_before:
            sums["lost with its receiver"] += 1
        else:
            faults.append(("delivered, they say", parcel))

    def judge_untold(parcel):
        if not parcel.sender_died:
            faults.append(("nothing was told", parcel))
        elif not parcel.came:
            sums["lost with its sender"] += 1
            if parcel.stored and parcel.msg_id not in facts[parcel.flow.receiver.name]:
                faults.append(("stored, and lost with its sender", parcel))

    for flow in talk.flows:
        for parcel in flow.parcels:
            if parcel.came > 1:
                faults.append(("came twice", parcel))
            if parcel.msg_id is None:
                continue
            sums["accepted"] += 1
            if len(parcel.outcomes) > 1:
                faults.append(("told twice", parcel))
            outcome, code = parcel.outcomes[0] if parcel.outcomes else (None, None)
            if outcome == "delivered":
                judge_delivered(parcel)
            elif outcome is None:
                judge_untold(parcel)
            else:
                sums["coded"] += 1
                if not code:
                    faults.append(("no code", parcel))
                elif parcel.came and not parcel.receiver_died:
                    faults.append(("came, and yet a code", parcel))
        for before, after in zip(flow.heard, flow.heard[1:]):
            if after < before:
                faults.append((f"out of order, {after} after {before}", flow.parcels[after]))
    return sums, faults


def test_a_hundred_faults():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    wire = Wire(3)
    talk, nodes = Talk(), []
    session = {"heartbeat_ms": HEARTBEAT_MS, "timeout_ms": TIMEOUT_MS}
    try:
        for name, host in zip("abc", wire.hosts):
            node = Node(scratch, name, limits={"facts_max": 1000000}, listen=[f"tcp:{host.ip}:7474"], session=session,
                        seeds=[f"tcp:{other.ip}:7474" for other in wire.hosts
                               if other is not host])
            node.command = [*host.inside, WEB4D]
            nodes.append(node.start())
        for node in nodes:
            node.wait_until("all meet", lambda: node.connected() == 2)
            talk.watch(node)
        for node, name in zip(nodes, ("ada", "ben", "cho")):
            talk.voices.append(Voice(talk, node, name))
            talk.voices[-1].attach()
        for node in nodes:
            node.wait_until("all agents", lambda: len(
                node.control.call("agents.list")["agents"]) == 3)
        for node in nodes:
            for voice in talk.voices:
                node.control.call("trust.set", {"subject": voice.fingerprint, "state": "trusted"})
        talk.flows = [Flow(s, r, channel) for s in talk.voices for r in talk.voices if s is not r
                      for channel in CHANNELS]
        weather = Weather(talk, nodes, wire.hosts)
        talk.all_move(talk.flows, "the start")
        kinds = schedule()
        weather.chance.shuffle(kinds)
        began = time.monotonic()
        for kind in kinds:
            weather.strike(kind)
        print(f"{len(kinds)} faults in {time.monotonic() - began:.1f} s")
        for kind, times in sorted(weather.done.items()):
            times.sort()
            print(f"  {kind}: {len(times)}, flows again after {times[len(times) // 2]:.2f} s, "
                  f"at most {times[-1]:.2f} s")
        for flow in talk.flows:
            flow.paused = True
        talk.until("all is told", talk.all_told)
        talk.until("all has come", lambda: not talk.missing(), 8)
        sums, faults = judge(talk, {voice.name: {fact["id"] for fact in voice.node.facts()}
                                    for voice in talk.voices})
        refusals = {}
        for flow in talk.flows:
            for code, count in flow.refusals.items():
                refusals[code] = refusals.get(code, 0) + count
        print(sums, "refused:", refusals, "rejected:", talk.rejected)
        for fault in faults[:40]:
            print(*fault)
        assert not faults, f"{len(faults)} faults"
    except BaseException:
        print(*talk.missing(), sep="\n")
        for node in nodes:
            print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
        raise
    finally:
        talk.close()
        for node in nodes:
            if node.process and node.process.poll() is None:
                node.kill()
        wire.close()
        shutil.rmtree(scratch, ignore_errors=True)


main([test_a_hundred_faults])
