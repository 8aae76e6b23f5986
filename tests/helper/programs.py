"""Programs that stand in for those a test machine lacks: each checks its command line as the real one would, writes it
down, and fails when it is wrong."""

import json
import sys
from pathlib import Path

_HEAD = """#!{python} -IS
import json, os, re, sys
folder = {folder!r}
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(folder + "/calls", "a") as file:
    print(json.dumps([name, *words]), file=file)
def wrong(text):
    print(name + ": " + text, file=sys.stderr)
    sys.exit(2)
"""

RESOLVECTL = """
state_file = folder + "/resolved.json"
state = json.load(open(state_file)) if os.path.exists(state_file) else {"dns": {}, "domain": {}}
verb, link, *rest = words if len(words) >= 2 else wrong("too few arguments")
if verb == "revert" and not rest:
    for kind in state.values():
        kind.pop(link, None)
elif verb in state and not rest:
    print(f"Link 5 ({link}): " + " ".join(state[verb].get(link, [])))
elif verb == "dns" and all(re.fullmatch(r"[0-9.]+", each) for each in rest):
    state["dns"][link] = rest
elif verb == "domain" and all(re.fullmatch(r"~\\.|~?[a-z.]+", each) for each in rest):
    state["domain"][link] = rest
else:
    wrong("invalid arguments")
json.dump(state, open(state_file, "w"))
"""

RESOLVCONF = """
if len(words) < 2 or not re.fullmatch(r"[A-Za-z0-9.:_-]+", words[1]):
    wrong("a record is needed")
record = folder + "/record." + words[1]
if words[0] == "-a" and words[2:] == ["-m", "0", "-x"]:
    text = sys.stdin.read()
    if not text.startswith("nameserver "):
        wrong("nothing on stdin")
    open(record, "w").write(text)
elif words[0] == "-d" and words[2:] == ["-f"]:
    os.path.exists(record) and os.unlink(record)
else:
    wrong("usage")
"""

SYSTEMCTL = """
if words[:1] != ["restart"] or len(words) != 2 or not re.fullmatch(r"wg-quick@[\\w.-]+\\.service", words[1]):
    wrong("Unknown command verb")
"""

DHCLIENT = """
options = dict(zip(words[3:-1:2], words[4:-1:2]))
if words[:3] != ["-4", "-1", "-d"] or sorted(options) != ["-cf", "-lf", "-pf", "-sf"]:
    wrong("usage")
if not re.fullmatch(r"request [a-z, -]+;\\n", open(options["-cf"]).read()):
    wrong("syntax error")
def script(reason, **new):
    env = {"PATH": "/usr/bin:/bin", "reason": reason, "interface": words[-1]}
    pid = os.fork()
    if pid == 0:
        os.execve(options["-sf"], [options["-sf"]], env | new)
    os.waitpid(pid, 0)
script("PREINIT")
script("BOUND", new_ip_address="10.64.0.77", new_subnet_mask="255.255.255.0", new_routers="10.64.0.1",
       new_domain_name_servers="10.64.0.1 9.9.9.9", new_interface_mtu="1420", new_dhcp_lease_time="3600")
import time
time.sleep(60)
"""


def install(folder: Path, name: str, text: str) -> None:
    """Into folder, which a test names in --path."""
    file = folder / name
    file.write_text(_HEAD.format(python=sys.executable, folder=str(folder)) + text)
    file.chmod(0o755)


def calls(folder: Path) -> list[list[str]]:
    file = folder / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
