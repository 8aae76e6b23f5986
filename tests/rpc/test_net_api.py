"""net.* where the internet connection is none of the core's business, and what that costs: nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dialtone
from tests.station import ROOT, station

METHODS: dict[str, dict[str, Any]] = {
    "net.status": {}, "net.check": {"reason": "incoming call"}, "net.failover": {"mode": "on"}, "net.vpn": {},
    "net.wifi.list": {}, "net.wifi.saved": {}, "net.wifi.connect": {"network": "Home"},
    "net.wifi.set_priority": {"uuid": "8a4b3fb4-cba6-589a-75b9-d91f180c3020", "priority": 1},
}  # fmt: skip

HALF_INSTALLED = """
import sys
class Half:
    def find_spec(self, name, path=None, target=None):
        if name == "core.network":
            raise ImportError("half an installation")
sys.meta_path.insert(0, Half())
"""


async def test_a_core_without_net_says_so_to_every_method_and_is_well() -> None:
    async with station(emulator=False) as made, made.phone() as (phone, _):
        for method, params in METHODS.items():
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call_with(method, params)
            assert (refused.value.kind, refused.value.data["reason"]) == ("net_unavailable", "disabled"), method
        for method in ("status", "state.get"):
            assert (await phone.call(method))["net"] is None
        assert not [note for note in (await phone.call("health"))["notes"] if "net" in note]


async def test_a_part_that_can_not_be_loaded_is_said_and_takes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HALF_INSTALLED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with station("[net]\nenabled = true\n") as made, made.phone() as (phone, _):
        await made.ready(phone)
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("net.status")
        assert (refused.value.kind, refused.value.data["reason"]) == ("net_unavailable", "broken")
        assert any("internet" in note for note in (await phone.call("health"))["notes"])
        assert "half an installation" in made.log.read_text()


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("net.failover", {"mode": "perhaps"}),
        ("net.check", {"reason": ""}),
        ("net.wifi.set_priority", {"uuid": "x", "priority": 1}),
        ("net.wifi.connect", {"network": "Home", "password": "x" * 65}),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_asked(method: str, params: dict[str, object]) -> None:
    async with station(emulator=False) as made, made.phone() as (phone, _):
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call_with(method, params)
        assert refused.value.kind == "invalid_params"


def test_nothing_of_it_is_loaded_unless_it_is_enabled() -> None:
    code = (
        "import sys, core.daemon; from core.rpc.methods import load; load();"
        "print([name for name in ('core.network', 'core.net.watch', 'pyroute2', 'pydbus', 'gi', 'dns') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[]\n", "")
