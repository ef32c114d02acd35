"""The example agents: that in C, built with nothing but what `meson install` puts down, and that in
Python. Each answers, comes back when its node was away, and ends a chain that does not."""
import signal

from web4test import *

BUILD = os.environ["W4_BUILD"]
PREFIX = os.environ["W4_PREFIX"]
LIBDIR = os.environ["W4_LIBDIR"]
SANITIZE = os.environ["W4_SANITIZE"]
SOURCE = os.environ["W4_EXAMPLE"]
SCRIPT = os.environ["W4_AGENT"]


def done(*words, **options):
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, **options)
    assert result.returncode == 0, result
    return result.stdout


def build(scratch):
    """agent.c against a library that is installed below scratch; how to start it."""
    done("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", scratch)
    libraries = f"{scratch}{PREFIX}/{LIBDIR}"
    flags = done("pkg-config", "--cflags", "--libs", "libweb4", env={
        **os.environ, "PKG_CONFIG_SYSROOT_DIR": scratch,
        "PKG_CONFIG_LIBDIR": libraries + "/pkgconfig"}).split()
    sanitize = [] if SANITIZE == "none" else ["-fsanitize=" + SANITIZE]
    program = scratch + "/agent"
    done("cc", "-Wall", "-Wextra", "-Werror", *sanitize, SOURCE, *flags, "-o", program)
    return program, {**os.environ, "LD_LIBRARY_PATH": libraries}


class Program:
    """An agent that runs beside the test."""

    def __init__(self, name, *words, env=None):
        self.name = name
        self.log_file = tempfile.NamedTemporaryFile(prefix="web4-test-", suffix=".log")
        self.process = subprocess.Popen([str(word) for word in words], stdout=self.log_file,
                                        stderr=subprocess.STDOUT, env=env)

    def log(self):
        with open(self.log_file.name) as file:
            return file.read()

    def wait_log(self, text, count=1):
        until = time.monotonic() + DEADLINE
        while self.log().count(text) < count:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, f"{self.name} does not say '{text}':\n{self.log()}"
            select.select([], [], [], 0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE)
        assert status == 0, f"{self.name} ends with {status}:\n{self.log()}"


def intent(client, to, **more):
    return client.call("agent.send", {"type": "INTENT", "to": to, "payload": {
        "goal": "ask", "topic": "the tides", "priority": "normal", "context": ""}, **more})["msg_id"]


def answer_to(client, msg_id):
    """The INTENT that answers it, which its chain tells."""
    return client.wait_note("agent.message", lambda note: note["envelope"].get("chain", {}).get(
        "root") == msg_id)["envelope"]


def await_agents(node, *names):
    node.wait_until("agents", lambda: set(names) <= {
        agent["agent_id"] for agent in node.control.call("agents.list")["agents"]})


def trust(node, *names):
    for name in names:
        node.control.call("trust.set", {"subject": name, "state": "trusted", "reason": "test"})


def tell(agent, node):
    """It answers, and comes back with its node; nothing durable is lost or done twice."""
    ada = node.agent("ada")
    await_agents(node, "ada", agent.name)
    trust(node, "ada", agent.name)
    asked = intent(ada, agent.name)
    answer = answer_to(ada, asked)
    assert answer["sender"]["agent_id"] == agent.name, answer
    assert answer["chain"]["depth"] == 1 and answer["chain"]["budget"] == 63, answer
    assert answer["chain"]["ancestors"] == [ada.attached["fingerprint"]], answer
    ada.close()
    node.kill()
    agent.wait_log("away")
    node.start()
    agent.wait_log("attached as", 2)
    ada = node.agent("ada")
    await_agents(node, "ada", agent.name)
    asked = intent(ada, agent.name, durable=True)
    assert answer_to(ada, asked)["sender"]["agent_id"] == agent.name
    node.wait_until("it has acknowledged", lambda: all(
        one["waiting"] == 0 for one in node.control.call("agents.list")["agents"]))
    ada.close()


def test_agent_in_c():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    try:
        program, environment = build(scratch)
        node = Node(scratch, "north").start()
        key = scratch + "/dee.pem"
        agent = Program("dee", program, node.agent_socket, "dee", key, env=environment)
        agent.wait_log("attached as", 1)
        tell(agent, node)
        assert oct(os.stat(key).st_mode & 0o777) == "0o600"
        agent.stop()
        refusals = [line for line in agent.log().split("\n") if "refused" in line]
        assert all("disconnected" in line for line in refusals), refusals  # when its node was killed
        usage = subprocess.run([program], capture_output=True, env=environment)
        assert usage.returncode == 2, usage
        node.stop()
    finally:
        shutil.rmtree(scratch)


def test_agent_in_python():
    with Mesh("north", "east") as mesh:
        north, east = mesh.nodes
        agent = Program("eve", SCRIPT, north.agent_socket, "eve", "--confirm", "test",
                        "--corroborate", "https://tides.example/")
        agent.wait_log("attached as", 1)
        tell(agent, north)
        north.wait_until("all peers", lambda: north.connected() == 1)
        ben = east.agent("ben")
        await_agents(north, "eve", "ben")
        await_agents(east, "eve", "ben")
        for node in mesh.nodes:
            trust(node, "eve", "ben")
        fact = propose(ben, "the tide comes at noon")
        east.wait_until("eve confirms", lambda: len(east.fact(fact)["confirmations"]) == 1)
        claim = ben.call("agent.send", {
            "protocol": "lip", "type": "LIP_EVIDENCE", "to": "*",
            "source": {"uri": "https://tides.example/today", "trust_tier": "low",
                       "retrieved_at": timestamp()},
            "payload": {"claims": ["high water at noon"], "evidence": ["a table"],
                        "confidence": 0.5}})["msg_id"]
        east.wait_until("eve corroborates", lambda: len(east.control.call(
            "claims.show", {"claim": claim})["claim"]["corroborations"]) == 1)
        agent.stop()


def test_two_that_answer_each_other():
    with Mesh("north", "east") as mesh:
        north, east = mesh.nodes
        agents = [Program("eve", SCRIPT, north.agent_socket, "eve"),
                  Program("pat", SCRIPT, east.agent_socket, "pat")]
        for agent in agents:
            agent.wait_log("attached as")
        for node in mesh.nodes:
            await_agents(node, "eve", "pat")
            trust(node, "eve", "pat")
        sender = north.agent("eve", subscribe=["agent.delivery"])
        intent(sender, "pat")
        until = time.monotonic() + DEADLINE
        while not any("chain_loop" in agent.log() for agent in agents):
            assert time.monotonic() < until, [agent.log() for agent in agents]
            select.select([], [], [], 0.02)
        for agent in agents:
            agent.stop()


main([test_agent_in_c, test_agent_in_python, test_two_that_answer_each_other])
