"""A QMI bearer with a modem below it: the real qmicli on a pty where it is installed, and the one that is a modem."""

import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from core.net.bearers import holding, qmi, qmi_run
from core.net.bearers.qmi import QmiBearer
from core.net.helper_client import HelperClient
from tests.net.helper_peer import HelperPeer, helper_peer
from tests.net.modem_tree import ModemTree
from tests.net.qmi_modem import QmiModem, qmi_pty

FAKE = Path(__file__).with_name("fake_qmicli")
NO_QMICLI = None if shutil.which("qmicli") else "qmicli (libqmi-utils) is not installed"


class QmiPeer(Protocol):
    """What a test sees of the modem, whichever it is."""

    program: str

    def order(self, **orders: Any) -> None: ...

    def restart(self) -> None:
        """All that it has given out is forgotten."""

    @property
    def clients(self) -> set[int]: ...

    @property
    def networks(self) -> dict[int, int]: ...

    @property
    def syncs(self) -> int: ...


class RealQmicli:
    program = "qmicli"

    def __init__(self) -> None:
        self.modem = QmiModem()

    def order(self, **orders: Any) -> None:
        for key, value in orders.items():
            assert hasattr(self.modem.orders, key)
            setattr(self.modem.orders, key, value)

    def restart(self) -> None:
        self.modem.restart()

    @property
    def clients(self) -> set[int]:
        return set(self.modem.clients)

    @property
    def networks(self) -> dict[int, int]:
        return dict(self.modem.networks)

    @property
    def syncs(self) -> int:
        return self.modem.syncs


class FakeQmicli:
    program = str(FAKE)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.order(protocol="802-3")

    def order(self, **orders: Any) -> None:
        path = self.folder / "orders.json"
        path.write_text(json.dumps(self._read("orders.json") | orders))

    def restart(self) -> None:
        (self.folder / "modem.json").unlink(missing_ok=True)

    @property
    def clients(self) -> set[int]:
        return set(self._read("modem.json").get("clients", []))

    @property
    def networks(self) -> dict[int, int]:
        return {int(client): handle for client, handle in self._read("modem.json").get("networks", {}).items()}

    @property
    def syncs(self) -> int:
        return int(self._read("modem.json").get("syncs", 0))

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls.log").read_text().splitlines()]

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return {}
        return found


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the modem is given in vain is not tested where it does answer, and a busy machine answers late."""
    for name, seconds in (("ASK_S", 20.0), ("START_S", 40.0), ("RELEASE_S", 40.0), ("UP_S", 55.0), ("DOWN_S", 55.0)):
        monkeypatch.setattr(qmi, name, seconds)
    monkeypatch.setattr(qmi_run, "LOCK_S", 30.0)
    monkeypatch.setattr(holding, "GIVE_BACK_S", 30.0)


class QmiDesk:
    def __init__(self, peer: QmiPeer, tree: ModemTree, helper: HelperPeer, folder: Path) -> None:
        self.peer = peer
        self.tree = tree
        self.helper = helper
        self.state = folder / "state"

    def bearer(self) -> QmiBearer:
        """A new life of the daemon: the same state, nothing known."""
        helper, finder = HelperClient(self.helper.socket), self.tree.finder()
        return QmiBearer(helper, finder, self.state, program=self.peer.program, proxy=False)

    def is_clean(self) -> bool:
        """Nothing of ours is left anywhere."""
        kept = self.state / "net/qmi.json"
        return not self.peer.clients and not self.peer.networks and self.helper.holds_nothing and not kept.exists()


@asynccontextmanager
async def qmi_desk(folder: Path, *, real: bool) -> AsyncIterator[QmiDesk]:
    tree = ModemTree(folder / "root")
    tree.qmi()
    with ExitStack() as stack:
        if real:
            peer: QmiPeer = RealQmicli()
            stack.enter_context(_served(peer, folder / "root/dev/cdc-wdm0"))
        else:
            peer = FakeQmicli(folder / "modem")
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("FAKE_QMICLI_DIR", str(folder / "modem"))
            patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # its python3, without a shim
        async with helper_peer(folder / "helper.sock", folder / "root/sys") as helper:
            yield QmiDesk(peer, tree, helper, folder)


def _served(peer: QmiPeer, link: Path) -> AbstractContextManager[None]:
    assert isinstance(peer, RealQmicli)
    return qmi_pty(peer.modem, link)


Until = Callable[[], bool]
