"""Durable messages: SIGKILL of both nodes and of the agent at random moments, and every message whose
sending was answered comes, in order, again only when it has to, and marked then."""
import threading

from web4test import *

ROUNDS = int(os.environ.get("W4_TEST_ROUNDS", "12"))


def ask(topic):
    return {"goal": "ask", "topic": str(topic), "priority": "low"}


def send(client, to, topic, **params):
    return client.call("agent.send", {"type": "INTENT", "to": to, "payload": ask(topic),
                                      "durable": True, **params})


class Pair:
    """Two nodes with addresses that outlive them."""

    def __init__(self, **config):
        self.scratch = tempfile.mkdtemp(prefix="web4-test-")
        addresses = {name: f"unix:{self.scratch}/{name}.sock" for name in "ab"}
        self.a, self.b = (Node(self.scratch, name, listen=[addresses[name]],
                               seeds=[addresses[other]], **config)
                          for name, other in ("ab", "ba"))

    def __enter__(self):
        self.a.start()
        self.b.start()
        self.meet()
        return self

    def meet(self):
        for node in (self.a, self.b):
            node.wait_until("the other one", lambda: node.connected() == 1)

    def __exit__(self, kind, error, trace):
        for node in (self.a, self.b):
            if kind is not None:
                print(f"---- log of {node.name}\n{node.log()}", file=sys.stderr)
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


class Sender(threading.Thread):
    """Sends one after the other; notes what was answered."""

    def __init__(self, node):
        super().__init__()
        self.node = node
        self.accepted = []
        self.stopping = threading.Event()
        self.error = None

    def run(self):
        number = 0
        while not self.stopping.is_set() and self.error is None:
            try:
                agent = self.node.agent("ada")
                while not self.stopping.is_set():
                    number += 1
                    receipt = send(agent, "ben", number)
                    assert receipt["stored"] and receipt["recipients"] == 1, receipt
                    self.accepted.append(receipt["msg_id"])
                agent.close()
            except (OSError, ConnectionError):
                select.select([], [], [], 0.005)
            except BaseException as error:
                self.error = error


class Receiver(threading.Thread):
    """Takes what comes. Now and then it ends between a message and its acknowledgement."""

    def __init__(self, node, chance):
        super().__init__()
        self.node = node
        self.chance = chance
        self.came = []      # (msg_id, redelivered), in order
        self.done = set()   # acknowledged, and that was answered
        self.asked = set()  # acknowledged, whether that was answered or not
        self.stopping = threading.Event()
        self.error = None

    def take(self, agent):
        message = agent.wait_note("agent.message", deadline=0.5)
        msg_id = message["envelope"]["msg_id"]
        assert message["envelope"]["durable"] is True
        assert msg_id not in self.done, "given again after its acknowledgement was answered"
        self.came.append((msg_id, message.get("redelivered", False)))
        if self.chance.random() < 0.03:
            raise ConnectionError("this agent dies now")
        self.asked.add(msg_id)
        assert agent.call("agent.ack", {"msg_id": msg_id})["acknowledged"] is True
        self.done.add(msg_id)

    def run(self):
        while not self.stopping.is_set() and self.error is None:
            agent = None
            try:
                agent = self.node.agent("ben")
                while not self.stopping.is_set():
                    try:
                        self.take(agent)
                    except TimeoutError:
                        pass
            except (OSError, ConnectionError):
                select.select([], [], [], 0.005)
            except Refused as refused:
                if refused.code != "unauthorized":  # the node has not seen yet that the last one ended
                    self.error = refused
            except BaseException as error:
                self.error = error
            finally:
                if agent:
                    agent.close()


def check_account(accepted, receiver):
    first = {}
    for position, (msg_id, redelivered) in enumerate(receiver.came):
        if msg_id in first:
            assert redelivered, f"{msg_id} came again and was not marked"
        else:
            first[msg_id] = position
    missing = [msg_id for msg_id in accepted if msg_id not in first]
    assert not missing, f"{len(missing)} of {len(accepted)} did not come"
    places = [first[msg_id] for msg_id in accepted]
    assert places == sorted(places), "they came in another order"
    return len(receiver.came) - len(first)


def waiting_for_ben(pair):
    ben, = pair.b.control.call("agents.list", {"local": True})["agents"]
    return ben["waiting"]


def test_death_of_everybody():
    chance = random.Random(SEED)
    with Pair() as pair:
        pair.b.agent("ben").close()
        ada = pair.a.agent("ada")
        ben = pair.b.agent("ben")
        pair.a.wait_until("ada finds ben", lambda: ada.call("peers.find", {"agent_id": "ben"})["agents"])
        send(ada, "ben", "first contact")
        ben.call("agent.ack", {"msg_id": ben.wait_note("agent.message")["envelope"]["msg_id"]})
        ada.close()
        ben.close()
        sender, receiver = Sender(pair.a), Receiver(pair.b, random.Random(SEED + 1))
        sender.start()
        receiver.start()
        try:
            for round_number in range(ROUNDS):
                wanted = len(sender.accepted) + chance.randrange(5, 40)
                until = time.monotonic() + DEADLINE
                while len(sender.accepted) < wanted and time.monotonic() < until:
                    assert sender.error is None, sender.error
                    assert receiver.error is None, receiver.error
                    select.select([], [], [], 0.001)
                assert len(sender.accepted) >= wanted, f"round {round_number}: no more is taken"
                victims = chance.choice([[pair.a], [pair.b], [pair.a, pair.b], [pair.b, pair.a]])
                for node in victims:
                    node.kill()
                for node in victims:
                    node.start()
            sender.stopping.set()
            sender.join()
            until = time.monotonic() + 2 * DEADLINE
            while not set(sender.accepted) <= receiver.asked and time.monotonic() < until:
                assert receiver.error is None, receiver.error
                select.select([], [], [], 0.01)
            # One whose acknowledgement was lost with its node comes again, and is asked for again.
            pair.b.wait_until("nothing waits for ben", lambda: waiting_for_ben(pair) == 0)
        finally:
            sender.stopping.set()
            receiver.stopping.set()
            sender.join()
            receiver.join()
        assert sender.error is None and receiver.error is None, (sender.error, receiver.error)
        repeats = check_account(sender.accepted, receiver)
        left = set(sender.accepted) - receiver.asked
        assert not left, f"{len(left)} were never acknowledged"
        assert pair.b.agent("ben").attached["waiting"] == 0
        print(f"  {len(sender.accepted)} sent, {repeats} came again")


def test_away_and_back():
    with Pair() as pair:
        a, b = pair.a, pair.b
        ada, ben = a.agent("ada"), b.agent("ben")
        a.wait_until("ada finds ben", lambda: ada.call("peers.find", {"agent_id": "ben"})["agents"])
        sent = [send(ada, "ben", "both are here")["msg_id"]]
        assert ada.wait_note("agent.delivery")["outcome"] == "delivered"
        ben.wait_note("agent.message")
        ben.close()
        a.wait_until("ben is away", lambda: not ada.call("peers.find", {"agent_id": "ben"})["agents"])
        sent.append(send(ada, "ben", "ben is away")["msg_id"])
        delivery = ada.wait_note("agent.delivery")
        assert (delivery["msg_id"], delivery["outcome"]) == (sent[1], "held"), delivery
        away, = b.control.call("agents.list", {"local": True})["agents"]
        assert (away["agent_id"], away["attached"], away["waiting"]) == ("ben", False, 2), away
        try:
            ada.call("agent.send", {"type": "INTENT", "to": "ben", "payload": ask("not durable")})
            raise AssertionError("taken for one who is away")
        except Refused as refused:
            assert refused.code == "not_found", refused
        b.kill()
        a.wait_until("b is away", lambda: a.connected() == 0)
        sent.append(send(ada, "ben", "his node is away")["msg_id"])
        waiting = a.status()["durable"]
        assert (waiting["to_be_taken"], waiting["for_agents"], waiting["ends"]) == (1, 0, 0), waiting
        a.kill()
        a.start()
        b.start()
        # A connection that takes no messages finds none, and takes none away.
        deaf = b.agent("ben", subscribe=["agent.delivery"])
        pair.meet()
        b.wait_until("all is there", lambda: any(agent["agent_id"] == "ben" and agent["waiting"] == 3
                                                 for agent in b.control.call("agents.list")["agents"]))
        assert not deaf.notes, deaf.notes
        ben = b.agent("ben")
        assert ben.attached["waiting"] == 3, ben.attached
        came = [ben.wait_note("agent.message") for _ in sent]
        assert [message["envelope"]["msg_id"] for message in came] == sent
        assert [message.get("redelivered", False) for message in came] == [True, False, False]
        for msg_id in sent:
            assert ben.call("agent.ack", {"msg_id": msg_id})["acknowledged"]
            assert not ben.call("agent.ack", {"msg_id": msg_id})["acknowledged"]
        b.kill()
        b.start()
        assert b.agent("ben").attached["waiting"] == 0


def test_codes():
    with Pair(durable={"sender_messages": 3}) as pair:
        a, b = pair.a, pair.b
        ada, ben = a.agent("ada"), b.agent("ben")
        a.wait_until("ada finds ben", lambda: ada.call("peers.find", {"agent_id": "ben"})["agents"])
        send(ada, "ben", "first contact")
        ben.wait_note("agent.message")
        ada.wait_note("agent.delivery")
        b.kill()
        a.wait_until("b is away", lambda: a.connected() == 0)
        late = send(ada, "ben", "not for long", deadline_ms=50)["msg_id"]
        told = ada.wait_note("agent.delivery")
        assert (told["msg_id"], told["outcome"], told["code"]) == (late, "timed_out", "timeout"), told
        late = send(ada, "ben", "nor this", deadline_ms=2000)["msg_id"]
        ada.close()
        watcher = a.agent("other")
        for number in range(3):
            try:
                send(watcher, "ben", number)
            except Refused as refused:
                raise AssertionError(f"{number}: {refused}")
        try:
            send(watcher, "ben", "one too many")
            raise AssertionError("there is no bound")
        except Refused as refused:
            assert refused.code == "backpressure", refused
        for params in ({"to": "*"}, {"type": "HELLO", "payload": {}}):
            try:
                watcher.call("agent.send", {"type": "INTENT", "to": "ben", "payload": ask("?"),
                                            "durable": True, **params})
                raise AssertionError(f"taken: {params}")
            except Refused as refused:
                assert refused.code == "bad_envelope", refused
        # What a message ended with while its sender was away is told when he is back.
        until = time.monotonic() + DEADLINE
        told = None
        while told is None and time.monotonic() < until:
            ada = a.agent("ada")
            try:
                told = ada.wait_note("agent.delivery", deadline=0.3)
            except TimeoutError:
                ada.close()
        assert told and (told["msg_id"], told["outcome"]) == (late, "timed_out"), told


def test_commands():
    with Pair() as pair:
        a, b = pair.a, pair.b
        ada, ben = a.agent("ada"), b.agent("ben")
        a.wait_until("ada finds ben", lambda: ada.call("peers.find", {"agent_id": "ben"})["agents"])
        send(ada, "ben", "first contact")
        ben.call("agent.ack", {"msg_id": ben.wait_note("agent.message")["envelope"]["msg_id"]})
        ada.close()
        ben.close()

        def ctl(node, *args):
            done = subprocess.run([WEB4CTL, "--agent-socket", node.agent_socket, "-s",
                                   node.control_socket, "--json", *args], capture_output=True,
                                  text=True, timeout=DEADLINE)
            assert done.returncode == 0, done
            return done.stdout

        sent = json.loads(ctl(a, "send", "--as", "ada", "--to", "ben", "--durable", "INTENT",
                              json.dumps(ask("by hand"))))
        assert sent["stored"] and sent["deliveries"][0]["outcome"] == "held", sent
        listening = subprocess.Popen([WEB4CTL, "--agent-socket", a.agent_socket, "listen", "--as", "ada"],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "listening as ada" in listening.stderr.readline()
        heard = json.loads(ctl(b, "listen", "--as", "ben", "--number", "1"))
        end = listening.stderr.readline()  # of what another process had sent for it
        assert sent["msg_id"] in end and end.endswith(": delivered\n"), end
        listening.terminate()
        assert listening.communicate(timeout=DEADLINE)[0] == ""
        assert heard["msg_id"] == sent["msg_id"] and heard["durable"] is True
        assert b.agent("ben").attached["waiting"] == 0  # listen has acknowledged it


if __name__ == "__main__":
    main([test_death_of_everybody, test_away_and_back, test_codes, test_commands])
