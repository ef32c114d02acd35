"""The disk of one of two nodes is full while durable messages are under way: whoever can't promise any
more says so with a code, nobody loses what he was promised, the session stays, and all goes on by
itself when there is room again."""
from test_durable import *
from test_pressure import DISK_BYTES, SmallDisk, mount, own_mounts, store_state

PADDING = "x" * 3000


def long_message(topic):
    return {"type": "INTENT", "to": "ben", "payload": {**ask(topic), "more": PADDING},
            "durable": True}


class Disks(Pair):
    """The state of one of the two is on a disk of its own, and small."""

    def __init__(self, small):
        own_mounts()
        super().__init__()
        self.small = self.a if small == "a" else self.b
        self.state = self.small.folder + "/state"
        os.mkdir(self.state, 0o700)
        try:
            mount("-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", self.state)
        except BaseException:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise

    def __enter__(self):
        super().__enter__()
        self.ada, self.ben = self.a.agent("ada"), self.b.agent("ben")
        self.a.wait_until("ada finds ben", lambda: self.ada.call(
            "peers.find", {"agent_id": "ben"})["agents"])
        self.accepted, self.came, self.done = [], [], set()
        return self

    def __exit__(self, *why):
        for node in (self.a, self.b):
            if node.process and node.process.poll() is None and why[0] is None:
                node.kill()
        subprocess.run(["umount", "-l", self.state], capture_output=True)
        super().__exit__(*why)

    def fill(self):
        self.reconnects = self.session()["reconnects"]  # both dial at first, one link goes
        SmallDisk.fill(self)

    def stays(self):
        session = self.session()
        assert (session["reconnects"], session["state"]) == (self.reconnects, "open"), session

    def room(self):
        os.unlink(self.ballast)

    def failed(self):
        return store_state(self.small) == "failed"

    def sends(self, **params):
        """Returns the answer; what is stored is promised."""
        receipt = self.ada.call("agent.send", {**long_message(len(self.accepted)), **params})
        assert receipt["stored"] and receipt["recipients"] == 1, receipt
        self.accepted.append(receipt["msg_id"])
        return receipt["msg_id"]

    def takes_all(self):
        until = time.monotonic() + DEADLINE
        while not set(self.accepted) <= self.done:
            note = self.ben.wait_note("agent.message", deadline=until - time.monotonic())
            msg_id = note["envelope"]["msg_id"]
            assert msg_id not in self.done, "given again after its acknowledgement was answered"
            self.came.append((msg_id, note.get("redelivered", False)))
            assert self.ben.call("agent.ack", {"msg_id": msg_id})["acknowledged"] is True
            self.done.add(msg_id)
        check_account(self.accepted, self)

    def session(self):
        session, = self.a.control.call("sessions.list")["sessions"]
        return session


def until_it_fails(disks):
    """The log of the store has some room that is its own."""
    for _ in range(1000):
        disks.sends()
        if disks.failed():
            break
    else:
        raise AssertionError("1000 messages went to a disk that is full")
    for _ in range(30):
        disks.sends()


def test_the_receiver_has_no_room():
    with Disks("b") as disks:
        for _ in range(5):
            disks.sends()
        disks.takes_all()
        disks.fill()
        until_it_fails(disks)
        given_up = [disks.sends(deadline_ms=1500) for _ in range(3)]
        for msg_id in given_up:
            told = disks.ada.wait_note("agent.delivery", lambda d: d["msg_id"] == msg_id)
            assert (told["outcome"], told["code"]) == ("timed_out", "timeout"), told
            disks.accepted.remove(msg_id)
        disks.stays()
        disks.room()
        disks.takes_all()
        assert store_state(disks.b) == "ok"
        disks.sends()
        disks.takes_all()
        disks.fill()
        until_it_fails(disks)
        disks.b.kill()  # the disk is full, and the power goes
        disks.room()
        disks.b.start()
        disks.ben = disks.b.agent("ben")
        disks.takes_all()
        print(f"  {len(disks.accepted)} sent")


def test_the_sender_has_no_room():
    with Disks("a") as disks:
        for _ in range(5):
            disks.sends()
        disks.takes_all()
        eve, refused = disks.a.agent("eve"), 0
        disks.fill()
        # One is taken and its answer held back, as it would promise what is not on the disk.
        waiting = None
        for _ in range(1000):
            disks.ada.number += 1
            disks.ada.send_raw(json.dumps({
                "jsonrpc": "2.0", "id": disks.ada.number, "method": "agent.send",
                "params": long_message("while it fills")}).encode() + b"\n")
            answer = answer_or_failure(disks)
            if answer is None:
                waiting = disks.ada.number
                break
            disks.accepted.append(answer["result"]["msg_id"])
        assert waiting is not None, "1000 messages went to a disk that is full"
        for _ in range(10):
            try:
                eve.call("agent.send", long_message("too late"))
                raise AssertionError("promised on a full disk")
            except Refused as no:
                assert no.code, no
                refused += 1
        disks.stays()
        disks.room()
        until = time.monotonic() + DEADLINE
        while True:
            answer = disks.ada.line(until)
            if answer.get("id") == waiting:
                break
        assert answer["result"]["stored"], answer
        disks.accepted.append(answer["result"]["msg_id"])
        disks.takes_all()
        disks.sends()
        disks.takes_all()
        print(f"  {len(disks.accepted)} sent, {refused} refused")


def answer_or_failure(disks):
    """The answer to the last call; None: the store has failed and there is none."""
    while True:
        try:
            message = disks.ada.line(time.monotonic() + 0.2)
        except TimeoutError:
            if disks.failed():
                return None
            continue
        if message.get("id") == disks.ada.number:
            assert message["result"]["stored"], message
            return message


if __name__ == "__main__":
    main([test_the_receiver_has_no_room, test_the_sender_has_no_room])
