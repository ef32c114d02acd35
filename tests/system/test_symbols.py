"""test_symbols.py LIBRARY HEADER: the library shows what the header declares, and nothing else."""
import re
import subprocess
import sys

library, header = sys.argv[1:]
listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True,
                        check=True).stdout.split("\n")
# The version itself is listed as an absolute symbol.
shown = {line.split()[2].split("@")[0] for line in listed if line and line.split()[1] != "A"}
with open(header) as file:
    declared = set(re.findall(r"WEB4_API[^;(]*?\b(web4_\w+)\(", file.read()))
print(f"{len(declared)} declared, {len(shown)} shown")
for name in sorted(shown - declared):
    print("shown, but not declared:", name)
for name in sorted(declared - shown):
    print("declared, but not shown:", name)
foreign = sorted(name for name in shown if not name.startswith("web4_"))
sys.exit(1 if shown != declared or foreign or not declared else 0)
