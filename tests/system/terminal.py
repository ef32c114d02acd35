"""A program on a terminal of its own, for the system tests."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from web4test import DEADLINE, WEB4CTL

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HOME, HIDE, SHOW = "\x1b[H", "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """web4ctl with a terminal of its own."""

    def __init__(self, *arguments, columns=80, lines=24, **environment):
        self.master, slave = pty.openpty()
        self.size(columns, lines)
        self.process = subprocess.Popen(
            [WEB4CTL, *arguments], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text = ""

    def size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, what, done):
        until = time.monotonic() + DEADLINE
        while not done(self.text):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise TimeoutError(f"{what}: {self.text!r}")
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # nobody has the other side any more
                chunk = b""
            if not chunk:
                if done(self.text):
                    break
                raise EOFError(f"{what}: {self.text!r}")
            self.text += chunk.decode().replace("\r\n", "\n")

    def end(self):
        """All that it said, and its status."""
        ended = [False]

        def drained(_):
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                chunk = b""
            self.text += chunk.decode().replace("\r\n", "\n")
            ended[0] = not chunk
            return ended[0]

        until = time.monotonic() + DEADLINE
        while not ended[0]:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                self.process.kill()
                raise TimeoutError(f"does not end: {self.text!r}")
            drained(None)
        os.close(self.master)
        return self.process.wait(DEADLINE)

    def frames(self):
        return self.text.split(HOME)[1:]


def lines_of(text):
    return ESCAPE.sub("", text).split("\n")
