"""The units: no complaint of systemd-analyze, an exposure of at most 1.2."""
import glob
import re

from web4test import *

UNITS = os.environ["W4_UNITS"].split(":")


def copied_units(scratch):
    """The units, with a program and a manual that are there wherever the tests run."""
    files = []
    for folder in UNITS:
        for path in glob.glob(folder + "/*.service") + glob.glob(folder + "/*.socket"):
            with open(path) as file:
                text = file.read()
            text = re.sub(r"^ExecStart=\S+", "ExecStart=" + WEB4D, text, flags=re.M)
            text = re.sub(r"^ExecReload=\S+", "ExecReload=" + WEB4CTL, text, flags=re.M)
            text = re.sub(r"^Documentation=.*$", "", text, flags=re.M)
            target = os.path.join(scratch, os.path.basename(path))
            with open(target, "w") as file:
                file.write(text)
            files.append(target)
    return sorted(files)


def test_verify():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    try:
        files = copied_units(scratch)
        assert len(files) == 4, files
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", *files],
                                capture_output=True, text=True, timeout=60)
        said = [line for line in result.stderr.splitlines() if "web4d" in line]
        assert result.returncode == 0 and not said, result
    finally:
        shutil.rmtree(scratch)


def test_exposure():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    try:
        for path in copied_units(scratch):
            if not path.endswith("web4d.service"):
                continue
            result = subprocess.run(["systemd-analyze", "security", "--offline=true", path],
                                    capture_output=True, text=True, timeout=60)
            level = re.search(r"Overall exposure level for .*: ([0-9.]+)", result.stdout)
            assert level and float(level.group(1)) <= 1.2, result.stdout[-400:]
            print(f"exposure {level.group(1)}")
    finally:
        shutil.rmtree(scratch)


main([test_verify, test_exposure])
