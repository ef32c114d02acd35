"""Durable messages in bad weather: agents that take them, acknowledge them late, and go away now and
then; and what must be true of each message, and of each time that it came."""
from weather import *


class KeptParcel(Parcel):
    def __init__(self, flow, number):
        super().__init__(flow, number)
        # So often had its receiver gone when it was sent; it may be given to one that is gone
        # already, until its node sees that.
        self.ends = flow.receiver.ends if flow.receiver.socket else -1
        self.acked = False  # and that was answered
        self.faults = []

    def accepted(self):
        return self.msg_id is not None

    def come(self, voice, params):
        """It was given to its agent: may it be?"""
        again = params.get("redelivered", False)
        if params["envelope"].get("durable") is not True:
            self.faults.append("came, and is not durable")
        if self.msg_id not in (None, params["envelope"]["msg_id"]):
            self.faults.append("came under another msg_id")
        if self.acked:
            self.faults.append("came after its acknowledgement was answered")
        if self.came > 1 and not again:
            self.faults.append("came again and was not marked")
        if self.came == 1 and again and voice.ends == self.ends:
            self.faults.append("was marked, and its receiver was never gone")


class KeptFlow(Flow):
    """Durable messages of one agent to another, on all channels by turns: they come in one order."""

    OPEN_MAX = 16

    def __init__(self, sender, receiver):
        super().__init__(sender, receiver, "kept", durable=True)
        self.comings = []  # (which attachment of the receiver, number)

    def parcel(self, number):
        return KeptParcel(self, number)

    def message(self, parcel, channel):
        return super().message(parcel, CHANNELS[parcel.number % len(CHANNELS)])


class Keeper(Voice):
    """Takes durable messages. It owes a few acknowledgements at any time."""

    OWED = 3

    def __init__(self, talk, node, name):
        super().__init__(talk, node, name)
        self.ends = 0  # its connection has ended so often
        self.away = False  # of its own will
        self.owed = []
        self.patient = True

    def attach(self):
        self.owed = []
        super().attach()

    def gone(self):
        """Its connection has ended, or its node has: what it owed comes again."""
        self.ends += 1
        if self.socket:
            self.socket.close()
            self.socket = None

    def take_kept(self, params, parcel):
        parcel.flow.comings.append((self.attached, parcel.number))
        parcel.come(self, params)
        self.owed.append((parcel, params["envelope"]["msg_id"]))
        self.pay(self.OWED if self.patient else 0)

    def pay(self, left):
        while len(self.owed) > left:
            parcel, msg_id = self.owed.pop(0)
            self.ask(Acknowledgement(parcel), "agent.ack", {"msg_id": msg_id})

    def settle(self):
        """From now on it owes nothing."""
        self.patient = False
        self.pay(0)


class Acknowledgement:
    def __init__(self, parcel):
        self.parcel = parcel

    def answered(self, message):
        if message.get("result", {}).get("acknowledged") is not True:
            self.parcel.faults.append(f"its acknowledgement was answered {message}")
        self.parcel.acked = True


class KeptTalk(Talk):
    def __init__(self):
        super().__init__()
        self.keepers, self.kept = [], []

    def add_keeper(self, node, name):
        self.keepers.append(Keeper(self, node, name))
        self.voices.append(self.keepers[-1])
        self.keepers[-1].attach()

    def answered(self, parcel, message):
        if isinstance(parcel, Acknowledgement):
            parcel.answered(message)
        else:
            super().answered(parcel, message)

    def handle(self, voice, params, parcel):
        if isinstance(parcel, KeptParcel):
            voice.take_kept(params, parcel)

    def may_start(self, flow):
        return super().may_start(flow) and flow.open < getattr(flow, "OPEN_MAX", self.OPEN_MAX)

    def died(self, node):
        super().died(node)
        for keeper in self.keepers:
            if keeper.node is node:
                keeper.gone()

    def all_came(self):
        return all(p.came or not p.accepted() for flow in self.kept for p in flow.parcels)


def outcome_faults(parcel):
    """Told once by each connection at most; an end that came while nobody listened is told, unless
    it is that it was delivered."""
    if len(set(parcel.told_at)) < len(parcel.told_at):
        yield "told twice"
    if any(outcome != ("delivered", None) for outcome in parcel.outcomes):
        yield "not delivered"
    if not parcel.outcomes and not parcel.sender_died:
        yield "nothing was told"


def judge_kept(flow):
    """Yields (fault, parcel), message by message."""
    first = {}
    for (attachment, number), (later, after) in zip(flow.comings, flow.comings[1:]):
        if later == attachment and after <= number:
            yield f"out of order, {after} after {number}", flow.parcels[after]
    for _, number in flow.comings:
        first.setdefault(number, len(first))
    if list(first) != sorted(first):
        yield "first came in another order", flow.parcels[next(iter(first))]
    for parcel in flow.parcels:
        for fault in parcel.faults:
            yield fault, parcel
        if parcel.accepted():
            if not parcel.stored:
                yield "accepted, durable, and not stored", parcel
            if not parcel.came:
                yield "accepted, durable, and lost", parcel
            for fault in outcome_faults(parcel):
                yield fault, parcel
        elif parcel.refused and parcel.came:
            yield "refused, and yet it came", parcel
