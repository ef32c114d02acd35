"""Networks of the tests' own: namespaces of the kernel, joined by a cable that can be pulled."""
import ctypes

from web4test import *

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)
    if done.returncode != 0:
        raise Skipped(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")


def own_network():
    """This process, and the nodes it starts, get a network of their own that ends with them."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWNET | (CLONE_NEWUSER if uid != 0 else 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise Skipped("no network namespace here: " + os.strerror(ctypes.get_errno()))
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    tool("ip", "link", "set", "lo", "up")


class Cable:
    """A pair of ends: one here, one in a namespace that a sleeping child holds."""

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if self.holder.stdout.readline() != b"\n":
                raise Skipped("no second network namespace here")
            self.inside = ["nsenter", "--net", "-t", str(self.holder.pid)]
            tool("ip", "link", "add", "here", "type", "veth", "peer", "name", "there",
                 "netns", str(self.holder.pid))
            tool("ip", "addr", "add", "10.99.7.1/24", "dev", "here")
            tool("ip", "link", "set", "here", "up")
            tool(*self.inside, "ip", "addr", "add", "10.99.7.2/24", "dev", "there")
            tool(*self.inside, "ip", "link", "set", "lo", "up")
            self.put_back()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.wait(DEADLINE)

    def pull(self):
        tool(*self.inside, "ip", "link", "set", "there", "down")

    def put_back(self):
        tool(*self.inside, "ip", "link", "set", "there", "up")
