"""The polkit rule that lets the core restart wg-quick, as polkit's own JavaScript sees it, and that it is installed."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "systemd/polkit/50-dialtone.rules"
MANAGE = "org.freedesktop.systemd1.manage-units"

# polkit(8), "Authorization rules": one global object; lookup gives undefined for what an action does not tell.
STAND_IN = """
let rule; const polkit = {addRule: given => rule = given, Result: {YES: "yes", NO: "no", NOT_HANDLED: null}};
new Function("polkit", require("fs").readFileSync(process.argv[1], "utf8"))(polkit);
const asked = JSON.parse(process.argv[2]);
console.log(JSON.stringify(asked.map(a => rule({id: a.id, lookup: name => a[name]}, {user: a.user}) ?? null)));
"""


def asked(*questions: dict[str, str]) -> list[str | None]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, "-e", STAND_IN, str(RULES), json.dumps(questions)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def question(**other: str) -> dict[str, str]:
    return {"id": MANAGE, "user": "dialtone", "verb": "restart", "unit": "wg-quick@wg0.service"} | other


def test_the_core_may_restart_a_tunnel_of_wg_quick() -> None:
    assert asked(question(), question(unit="wg-quick@wg-home.2.service")) == ["yes", "yes"]


def test_it_may_do_nothing_else_and_nobody_else_gets_anything_by_it() -> None:
    refused = [
        question(user="root"),
        question(user="pi"),
        question(verb="stop"),
        question(verb="start"),
        question(id="org.freedesktop.systemd1.manage-unit-files"),
        question(id="org.freedesktop.login1.reboot"),
        *(
            question(unit=unit)
            for unit in (
                "ssh.service",
                "wg-quick@.service",
                "wg-quick@wg0.target",
                "xwg-quick@wg0.service",
                "wg-quick@wg0.service\nssh.service",
                "wg-quick@-x.service",
                "wg-quick@etc-passwd\\x2d.service",
                "wg-quick@0123456789abcdefg.service",
            )
        ),
        {"id": MANAGE, "user": "dialtone"},  # an old systemd does not tell unit and verb
    ]
    assert asked(*refused) == [None] * len(refused)


def test_make_install_puts_it_where_polkit_looks_and_uninstall_takes_it_away(tmp_path: Path) -> None:
    installed = tmp_path / "etc/polkit-1/rules.d/50-dialtone.rules"
    for target in ("install", "uninstall"):
        subprocess.run(
            ["make", "-s", target, f"DESTDIR={tmp_path}", "PACKAGES=none"], cwd=ROOT, check=True, capture_output=True
        )
        if target == "install":
            assert installed.read_text() == RULES.read_text()
            assert installed.stat().st_mode & 0o777 == 0o644
    assert not installed.exists()
