"""Three nodes on one wire, agents at each of them that talk to all others on all channels, and a
hundred faults: connections reset, plugs pulled for a moment or until it is noticed, hosts that are
heard by nobody, nodes killed and started again, two of these at a time. Counted message by message:
what agent.send accepted came exactly once and in order, or its sender was told a code; and after a
death no more was lost than what lived in that process only. Beside them durable messages, to agents
that come and go: what was accepted comes, in order, and again only when it has to, and marked."""
from kept import *

FAULTS = int(os.environ.get("W4_TEST_ROUNDS", "100"))


class Weather:
    """The nodes, the talk, and what can happen to them. What happens is told as lanes: each yields
    what it waits for, (what, check), and several of them wait at the same time."""

    def __init__(self, talk, nodes, hosts, kinds):
        self.talk, self.nodes, self.hosts, self.kinds = talk, nodes, hosts, kinds
        self.chance = random.Random(SEED)
        self.chance.shuffle(kinds)
        self.done = {}
        self.busy = set()  # nodes that something happens to
        self.lanes = 0
        self.absences = self.waited = 0

    def run(self, lanes):
        """All lanes to their ends, each wait within its deadline."""
        waits = {lane: (None, lambda: True, 0) for lane in lanes}
        while waits:
            for lane, (what, check, until) in list(waits.items()):
                if check():
                    wait = next(lane, None)
                    if wait is None:
                        del waits[lane]
                    else:
                        waits[lane] = (*wait, time.monotonic() + DEADLINE)
                else:
                    assert time.monotonic() < until, f"it did not happen: {what}"
            self.talk.pump(time.monotonic() + 0.02)

    def others(self, node):
        """Those who can tell how it is."""
        return [n for n in self.nodes if n is not node and n not in self.busy]

    def some_sends(self, flows, count):
        """Until that many more were asked for: a span of time that a slow machine stretches."""
        marks = sum(len(flow.parcels) for flow in flows)
        return "agents send", lambda: sum(len(flow.parcels) for flow in flows) >= marks + count or \
            not any(flow.sender.socket for flow in flows)

    def noticed(self, node):
        """By the node itself, or by the others."""
        linked = self.talk.is_linked
        return "it is noticed", lambda: not self.talk.links[node.name] or \
            not any(linked(n, node) for n in self.others(node))

    # ---- faults
    def reset(self, node, host):
        host.reset()
        return ()

    def short(self, node, host):
        """The kernel takes a second to believe that the plug is in again."""
        host.unplug()
        yield self.some_sends(self.talk.flows, self.chance.randrange(1, 30))
        host.plug()

    def long(self, node, host):
        host.unplug()
        yield self.noticed(node)
        host.plug()

    def off(self, node, host):
        """Too short to be noticed by more than a resending."""
        host.card_off()
        yield self.some_sends(self.talk.flows, self.chance.randrange(1, 30))
        host.card_on()

    def mute(self, node, host):
        """One way only, until it is noticed."""
        others = [h for h in self.hosts if h is not host]
        host.mislead(others)
        yield self.noticed(node)
        host.guide(others)

    def die(self, node, host, noticed=False, late=False):
        node.kill()
        self.talk.died(node)
        elsewhere = [f for f in self.talk.flows if f.sender.node is not node]
        if noticed:
            yield "the death is noticed", lambda: not any(
                self.talk.is_linked(n, node) for n in self.others(node))
            yield self.some_sends(elsewhere, 10)
        node.start(wait=False)
        yield "it is up", lambda: self.is_up(node)
        self.talk.watch(node)
        if late:
            yield "it is back", lambda: all(
                self.talk.is_linked(n, node) for n in self.others(node))
            yield self.some_sends(elsewhere, 30)
        for voice in self.talk.voices:
            away = voice in self.talk.keepers and voice.away
            if voice.node is node and not voice.socket and not away:
                voice.attach()

    def is_up(self, node):
        assert node.process.poll() is None, f"{node.name} has ended"
        try:
            node.control = Client(node.control_socket)
            node.control.call("status.get")
            return True
        except (OSError, ConnectionError):
            return False

    def die_long(self, node, host):
        return self.die(node, host, noticed=True)

    def die_late(self, node, host):
        """Its agents come back after it, and meanwhile others send to it."""
        return self.die(node, host, late=True)

    def die_unplugged(self, node, host):
        """Nobody hears of its end: no packet says so."""
        host.unplug()
        yield from self.die(node, host, noticed=True)
        host.plug()

    # ---- lanes
    def faults(self):
        """One after the other, each at a host where nothing else happens."""
        self.lanes += 1
        while self.kinds:
            kind = self.kinds.pop()
            node = self.chance.choice([n for n in self.nodes if n not in self.busy])
            self.busy.add(node)
            yield from getattr(self, kind)(node, self.hosts[self.nodes.index(node)])
            began = time.monotonic()
            yield self.healed(node, kind)
            self.busy.discard(node)
            self.done.setdefault(kind, []).append(time.monotonic() - began)
        self.lanes -= 1

    def healed(self, node, kind):
        """When each of its flows brings something that was sent after the mending; of those to where
        something else happens it is asked at the end of that."""
        ends = {flow: {flow.sender.node, flow.receiver.node} for flow in self.talk.plain}
        waits = {flow: self.talk.progress([flow], 1) for flow in ends if node in ends[flow]}

        def check():
            for flow, moves in list(waits.items()):
                if ends[flow] & self.busy != {node} or moves():
                    del waits[flow]
            return not waits

        return f"the flows of {node.name} move after {kind}", check

    def absentees(self):
        """Agents that leave what they owe, and come back when others have sent to them."""
        while self.lanes:
            keeper = self.chance.choice(self.talk.keepers)
            if keeper.node in self.busy:
                yield "somebody can go", lambda: not self.lanes or any(
                    k.node not in self.busy for k in self.talk.keepers)
                continue
            keeper.away = True
            keeper.gone()
            yield "something waits for it", self.accepted(
                [flow for flow in self.talk.kept if flow.receiver is keeper], 3)
            yield "it is back", lambda: self.comes_back(keeper)
            self.absences += 1
            self.waited += keeper.waiting

    def accepted(self, flows, count):
        """That many more."""
        marks = [(flow, len(flow.parcels)) for flow in flows]
        return lambda: sum(p.accepted() for flow, mark in marks for p in flow.parcels[mark:]) >= count

    def comes_back(self, keeper):
        try:
            keeper.attach()
        except Refused as refused:  # its node has not seen yet that it went
            assert refused.code == "unauthorized", refused
            return False
        except (OSError, ConnectionError):  # its node goes or comes
            return False
        keeper.away = False
        return True


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

    for flow in talk.plain:
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


def judge_durable(talk):
    sums = {"accepted": 0, "delivered": 0, "again": 0}
    faults = []
    for flow in talk.kept:
        accepted = [p for p in flow.parcels if p.accepted()]
        sums["accepted"] += len(accepted)
        sums["delivered"] += sum(bool(p.outcomes) for p in accepted)
        sums["again"] += sum(p.came - 1 for p in flow.parcels if p.came)
        faults += judge_kept(flow)
    return sums, faults


def start_nodes(scratch, wire, nodes):
    session = {"heartbeat_ms": HEARTBEAT_MS, "timeout_ms": TIMEOUT_MS}
    for name, host in zip("abc", wire.hosts):
        node = Node(scratch, name, listen=[f"tcp:{host.ip}:7474"], session=session,
                    seeds=[f"tcp:{other.ip}:7474" for other in wire.hosts if other is not host],
                    limits={"facts_max": 1000000})
        node.command = [*host.inside, WEB4D]
        nodes.append(node.start())
    for node in nodes:
        node.wait_until("all meet", lambda: node.connected() == 2)
        node.fingerprint = node.status()["node"]


def start_talk(talk, nodes):
    for node, name, keeper in zip(nodes, ("ada", "ben", "cho"), ("dan", "eve", "fay")):
        talk.watch(node)
        talk.voices.append(Voice(talk, node, name))
        talk.voices[-1].attach()
        talk.add_keeper(node, keeper)
    for node in nodes:
        node.wait_until("all agents", lambda: len(
            node.control.call("agents.list")["agents"]) == len(talk.voices))
        for voice in talk.voices:
            node.control.call("trust.set", {"subject": voice.fingerprint, "state": "trusted"})
    speakers = [voice for voice in talk.voices if voice not in talk.keepers]
    talk.plain = [Flow(s, r, channel) for s in speakers for r in speakers if s is not r
                  for channel in CHANNELS]
    talk.kept = [KeptFlow(s, r) for s in speakers for r in talk.keepers if s.node is not r.node]
    talk.flows = talk.plain + talk.kept
    talk.all_move(talk.flows, "the start")


def nothing_waits(nodes):
    for node in nodes:
        durable = node.status()["durable"]
        if durable["to_be_taken"] + durable["for_agents"] > 0:
            return False
    return True


def come_to_rest(talk, nodes):
    """Nothing more is sent, and what was gets where it has to."""
    for flow in talk.flows:
        flow.paused = True
    for keeper in talk.keepers:
        keeper.settle()
    talk.until("all is told", talk.all_told)
    talk.until("all that is durable has come", talk.all_came)
    talk.until("all has come", lambda: not talk.missing(), 8)
    talk.until("all is acknowledged", lambda: not any(keeper.asked for keeper in talk.keepers))
    assert nothing_waits(nodes), [node.status()["durable"] for node in nodes]


def print_account(talk, weather, took):
    print(f"{FAULTS} faults in {took:.1f} s")
    for kind, times in sorted(weather.done.items()):
        times.sort()
        print(f"  {kind}: {len(times)}, flows again after {times[len(times) // 2]:.2f} s, "
              f"at most {times[-1]:.2f} s")
    print(f"  absent: {weather.absences}, {weather.waited} durable messages waited for them")
    refusals = {}
    for flow in talk.flows:
        for code, count in flow.refusals.items():
            refusals[code] = refusals.get(code, 0) + count
    print("refused:", refusals, "rejected:", talk.rejected)


def test_a_hundred_faults():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    wire = Wire(3)
    talk, nodes = KeptTalk(), []
    try:
        start_nodes(scratch, wire, nodes)
        start_talk(talk, nodes)
        weather = Weather(talk, nodes, wire.hosts, schedule())
        began = time.monotonic()
        weather.run([weather.faults(), weather.faults(), weather.absentees()])
        took = time.monotonic() - began
        come_to_rest(talk, nodes)
        print_account(talk, weather, took)
        sums, faults = judge(talk, {voice.name: {fact["id"] for fact in voice.node.facts()}
                                    for voice in talk.voices})
        durable, more = judge_durable(talk)
        print(sums, "durable:", durable)
        faults += more
        for fault in faults[:40]:
            print(*fault)
        assert not faults, f"{len(faults)} faults"
        assert not any(flow.refusals for flow in talk.kept), "durable messages were refused"
        assert weather.waited and durable["again"], "the weather was too good"
    except Skipped as reason:  # not in the middle of it
        raise AssertionError(reason)
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
