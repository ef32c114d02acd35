"""web4ctl on a terminal of 80 columns: tables that fit, and --watch that draws in place."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile

from terminal import HIDE, SHOW, Terminal, lines_of
from web4test import DEADLINE, WEB4CTL, Mesh, confirm, main, propose


def widest(text):
    return max(len(line) for line in lines_of(text))


def with_facts(mesh):
    ada, ben = mesh.nodes[0].agent("ada"), mesh.nodes[1].agent("ben")
    mesh.trust_all([ada, ben])
    fact = propose(ada, "the tide at Dover turns at 14:20, and that is a long statement " * 3)
    mesh.nodes[1].wait_fact(fact, "pending")
    confirm(ben, fact)
    return fact


TABLES = [["status"], ["status", "--memory"], ["peers"], ["sessions"], ["channels"], ["sla"], ["agents"],
          ["trust"], ["facts"], ["graph"], ["keys"], ["consent"]]


def test_tables_fit_eighty_columns():
    with Mesh("a", "b") as mesh:
        with_facts(mesh)
        a = mesh.nodes[0]
        for words in TABLES:
            terminal = Terminal("-s", a.control_socket, *words)
            assert terminal.end() == 0, terminal.text
            piped = subprocess.run([WEB4CTL, "-s", a.control_socket, *words], check=True,
                                   stdout=subprocess.PIPE, timeout=DEADLINE).stdout.decode()
            for line in lines_of(terminal.text):
                # records are not cut: long values stand alone behind their name
                assert len(line) <= 80 or ":  " in line, (words, line)
            assert "(not shown" not in piped and "\x1b" not in piped, piped
            if "(not shown: " in terminal.text:
                hidden = re.search(r"\(not shown: ([^)]*)\)", terminal.text).group(1).split(", ")
                for title in hidden:
                    assert title in piped, (words, title)
        wide = Terminal("-s", a.control_socket, "sessions", columns=250)
        assert wide.end() == 0 and "not shown" not in wide.text, wide.text


def test_draws_in_place_until_interrupted():
    with Mesh("a", "b") as mesh:
        a = mesh.nodes[0]
        terminal = Terminal("-s", a.control_socket, "sessions", "--watch", "1", lines=6)
        terminal.read_until("two frames", lambda text: text.count("\x1b[J") >= 3)
        assert terminal.text.startswith(HIDE), terminal.text
        for frame in terminal.frames()[1:]:
            shown = lines_of(frame)
            assert len(shown) <= 6, frame
            assert shown[0].startswith("sessions list  every 1 s"), frame
        assert "\x1b[2J" not in terminal.text  # no flicker
        os.write(terminal.master, b"\x03")
        assert terminal.end() == 0, terminal.text
        assert terminal.text.endswith(SHOW + "\n"), terminal.text


def test_follows_the_size_of_the_terminal():
    with Mesh("a", "b") as mesh:
        terminal = Terminal("-s", mesh.nodes[0].control_socket, "sessions", "--watch", "3600")
        terminal.read_until("a frame", lambda text: text.count("\x1b[J") >= 2)
        before = len(terminal.text)
        terminal.size(40, 24)
        terminal.read_until("a narrower frame", lambda text: text.count("\x1b[J") >= 3)
        assert widest(terminal.text[before:]) <= 40, terminal.text[before:]
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 0
        assert terminal.text.endswith(SHOW + "\n"), terminal.text


def test_ends_with_the_node():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        terminal = Terminal("-s", a.control_socket, "status", "--watch", "3600")
        piped = subprocess.Popen([WEB4CTL, "-s", a.control_socket, "status", "--watch", "3600"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        terminal.read_until("a frame", lambda text: text.count("\x1b[J") >= 2)
        assert piped.stdout.readline()
        a.stop()
        assert terminal.end() == 3, terminal.text
        assert "closed the connection" in terminal.text and terminal.text.endswith(SHOW), \
            terminal.text
        _, err = piped.communicate(timeout=DEADLINE)
        assert piped.returncode == 3 and b"closed the connection" in err, err


def test_a_stuck_node_does_not_hold_it():
    with tempfile.TemporaryDirectory() as scratch, socket.socket(socket.AF_UNIX) as server:
        server.bind(scratch + "/stuck.sock")
        server.listen()
        terminal = Terminal("-s", scratch + "/stuck.sock", "status", "--watch", "1")
        client, _ = server.accept()
        assert b"status.get" in client.recv(4096)  # it waits for the answer now
        os.write(terminal.master, b"\x03")
        assert terminal.end() == 0
        assert terminal.text.endswith(SHOW), terminal.text
        client.close()


def test_one_object_a_line():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        piped = subprocess.Popen([WEB4CTL, "-s", a.control_socket, "--json", "status", "--watch", "1"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2):
            assert json.loads(piped.stdout.readline())["name"] == "a"
        piped.send_signal(signal.SIGINT)
        out, err = piped.communicate(timeout=DEADLINE)
        assert piped.returncode == 0 and out == b"" and err == b"", (out, err)
        refused = subprocess.run([WEB4CTL, "-s", a.control_socket, "stop", "--watch", "1"],
                                 stderr=subprocess.PIPE, timeout=DEADLINE)
        assert refused.returncode == 2 and b"cannot be watched" in refused.stderr, refused


main([test_tables_fit_eighty_columns, test_draws_in_place_until_interrupted,
      test_follows_the_size_of_the_terminal, test_ends_with_the_node,
      test_a_stuck_node_does_not_hold_it, test_one_object_a_line])
