"""The daemon as a program: arguments, configuration, second instances, signals, sockets handed
over, notifications to a service manager."""
from web4test import *


def run(*arguments, **options):
    return subprocess.run([WEB4D, *arguments], capture_output=True, text=True, timeout=DEADLINE,
                          stdin=subprocess.DEVNULL, **options)


def test_arguments():
    assert run("--version").stdout.startswith("web4d ")
    assert "usage:" in run("--help").stdout
    for wrong in (["--nonsense"], ["extra"], ["--config"]):
        result = run(*wrong)
        assert result.returncode == 2 and "usage:" in result.stderr, result


def test_bad_configs_are_refused():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    cases = {
        "empty": (b"", ""), "comma": (b'{"listen": [],}', "1:"), "bom": (b"\xef\xbb\xbf{}", ""),
        "twice": (b'{"log":{},"log":{}}', "log"), "typo": (b'{"lisen": []}', "listen"),
        "kind": (b'{"listen": "tcp:127.0.0.1:1"}', "/listen"),
        "port": (b'{"listen": ["tcp:127.0.0.1:70000"]}', "/listen/0"),
        "range": (b'{"cip": {"quorum": 1}}', "/cip/quorum"), "array": (b"[]", "object"),
    }
    try:
        for name, (text, expected) in cases.items():
            path = os.path.join(scratch, name + ".json")
            with open(path, "wb") as file:
                file.write(text)
            for arguments in (["--check-config"], []):
                result = run("--config", path, *arguments)
                assert result.returncode == 1, (name, result)
                assert path in result.stderr and expected in result.stderr, (name, result.stderr)
        fifo = os.path.join(scratch, "fifo")
        os.mkfifo(fifo)
        for path in (os.path.join(scratch, "missing"), scratch, fifo):
            result = run("--config", path, "--check-config")
            assert result.returncode == 1 and path in result.stderr, result
        both = os.path.join(scratch, "both.json")
        with open(both, "w") as file:
            file.write('{"lisen": [], "cip": {"quorum": 1}, "limits": {"depth": "x"}}')
        report = run("--config", both, "--check-config").stderr
        assert all(word in report for word in ("lisen", "/cip/quorum", "/limits/depth")), report
        good = os.path.join(scratch, "good.json")
        os.makedirs(os.path.join(scratch, "conf.d"))
        with open(good, "w") as file:
            file.write('{"node": {"name": "one"}}')
        with open(os.path.join(scratch, "conf.d", "10.json"), "w") as file:
            file.write('{"node": {"name": "two"}}')
        result = run("--config", good, "--check-config")
        assert result.returncode == 0 and json.loads(result.stdout)["node"]["name"] == "two", result
    finally:
        shutil.rmtree(scratch)


def test_second_instance_is_refused():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        result = run("--config", a.config_file)
        assert result.returncode == 1, result
        assert "another" in result.stderr or "in use" in result.stderr, result.stderr
        assert a.status()["state"] == "running"


def test_as_a_plain_user_without_flags():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    try:
        environment = {**os.environ, "HOME": scratch, "XDG_CONFIG_HOME": scratch + "/config",
                       "XDG_STATE_HOME": scratch + "/state", "XDG_RUNTIME_DIR": scratch + "/run"}
        os.makedirs(scratch + "/config/web4/conf.d")
        with open(scratch + "/config/web4/conf.d/port.json", "w") as file:
            file.write('{"listen": ["tcp:127.0.0.1:0"]}')
        command = [WEB4D]
        if os.geteuid() == 0:
            os.chown(scratch, 65534, 65534)
            for folder, _, _ in os.walk(scratch):
                os.chown(folder, 65534, 65534)
            os.chmod(scratch, 0o755)
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", WEB4D]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL)
        try:
            path = scratch + "/run/web4/control.sock"
            until = time.monotonic() + DEADLINE
            while True:
                try:
                    client = Client(path)
                    break
                except OSError:
                    assert process.poll() is None, process.stderr.read()
                    assert time.monotonic() < until
                    select.select([], [], [], 0.01)
            assert client.call("status.get")["state"] == "running"
            state = scratch + "/state/web4"
            assert os.stat(state + "/identity.pem").st_mode & 0o777 == 0o600
            assert os.stat(state + "/web4.db").st_mode & 0o777 == 0o600
            client.call("node.stop")
            assert process.wait(DEADLINE) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(scratch)


def test_reload_and_stop():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        before = a.status()["config_digest"]
        a.config["cip"] = {"quorum": 3}
        a.write_config()
        watcher = Client(a.control_socket)
        watcher.call("events.watch", {"types": ["config_reloaded"]})
        a.process.send_signal(signal.SIGHUP)
        event = watcher.wait_note("node.event")
        assert event["data"]["ok"] and event["data"]["previous"] == before, event
        assert a.control.call("config.show")["effective"]["cip"]["quorum"] == 3
        with open(a.config_file, "w") as file:
            file.write('{"cip": {"quorum": "many"}}')
        try:
            a.control.call("config.reload")
            raise AssertionError("a bad config was taken")
        except Refused as refused:
            assert "/cip/quorum" in str(refused), refused
            assert "\n" not in refused.error["message"] and "\\n" not in refused.error["message"]
        for address in ("nonsense", "tcp:127.0.0.1:99999", "tcp::1", "unix:relative"):
            try:
                a.control.call("peers.add", {"address": address})
                raise AssertionError(f"{address} was taken")
            except Refused as refused:
                assert refused.error["code"] == -32602 and "/address" in str(refused), refused
        assert a.control.call("config.show")["effective"]["cip"]["quorum"] == 3
        assert a.stop() == 0
        assert not os.path.exists(a.control_socket)


def test_addresses_come_and_go():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        call = a.control.call
        assert call("peers.add", {"address": "tcp:127.0.0.1:1"})["added"]
        assert not call("peers.add", {"address": "tcp:127.0.0.1:1"})["added"]
        a.wait_until("the dial failed",
                     lambda: call("peers.list")["dialling"][0].get("last_error"))
        assert call("peers.remove", {"peer": "tcp:127.0.0.1:1"})["removed"] == 1
        assert call("peers.list")["dialling"] == []
        try:
            call("peers.remove", {"peer": "tcp:127.0.0.1:1"})
            raise AssertionError("it was removed twice")
        except Refused as refused:
            assert refused.code == "not_found", refused


def test_key_files_are_guarded():
    with Mesh("a") as mesh:
        a = mesh.nodes[0]
        key = a.folder + "/state/identity.pem"
        a.kill()
        with open(key) as file:
            good = file.read()
        cases = [("others can read", good, 0o644), ("empty", "", 0o600),
                 ("cut", good[:60], 0o600)]
        for name, text, mode in cases:
            with open(key, "w") as file:
                file.write(text)
            os.chmod(key, mode)
            result = run("--config", a.config_file)
            assert result.returncode == 1 and key in result.stderr, (name, result)
            with open(key) as file:
                assert file.read() == text, name
        with open(key, "w") as file:
            file.write(good)
        os.chmod(key, 0o600)
        a.start()


def test_sockets_and_notifications_of_a_manager():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(scratch + "/handed.sock")
    listening.listen()
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(scratch + "/notify")
    notify.settimeout(DEADLINE)
    node = Node(scratch, "a")
    process = None
    try:
        # LISTEN_PID must be the pid of the daemon: a shell that becomes it knows it.
        script = ('export LISTEN_PID=$$; exec 3<&%d; exec "$0" --config "$1"' % listening.fileno())
        environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "control",
                       "NOTIFY_SOCKET": scratch + "/notify", "WATCHDOG_USEC": "2000000"}
        process = subprocess.Popen(["sh", "-c", script, WEB4D, node.config_file], env=environment,
                                   pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL)
        seen = ""
        while "READY=1" not in seen or "WATCHDOG=1" not in seen or "STATUS=" not in seen:
            seen += notify.recv(4096).decode() + "\n"
        client = Client(scratch + "/handed.sock")
        assert client.call("status.get")["state"] == "running"
        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in seen:
            seen += notify.recv(4096).decode() + "\n"
        assert process.wait(DEADLINE) == 0
        assert os.path.exists(scratch + "/handed.sock"), "a socket of the manager was removed"
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
        shutil.rmtree(scratch)


main([test_arguments, test_bad_configs_are_refused, test_second_instance_is_refused,
      test_as_a_plain_user_without_flags, test_reload_and_stop, test_addresses_come_and_go, test_key_files_are_guarded,
      test_sockets_and_notifications_of_a_manager])
