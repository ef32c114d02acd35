"""LAN beacons: two nodes without seeds find each other on a network of their own."""
from cable import *


def test_nodes_find_each_other():
    own_network()
    with Cable() as cable:
        scratch = tempfile.mkdtemp(prefix="web4-test-")
        nodes = []
        try:
            for name, device, address in (("a", "here", "10.99.7.1"), ("b", "there", "10.99.7.2")):
                node = Node(scratch, name, listen=[f"tcp:{address}:0"],
                            mesh={"beacons": {"interfaces": [device], "interval_ms": 200}})
                if name == "b":
                    node.command = [*cable.inside, *node.command]
                nodes.append(node)
                node.start()
            for node in nodes:
                node.wait_until("the other one", lambda: node.connected() == 1)
            # no seed, no remembered address: only a beacon can have told
            peer = nodes[0].control.call("peers.list")["peers"][0]
            assert peer["name"] == "b", peer
        finally:
            for node in nodes:
                if node.process.poll() is None:
                    node.kill()
            shutil.rmtree(scratch, ignore_errors=True)


main([test_nodes_find_each_other])
