"""A folder of links as a USB: real directories, real inotify, and the emulator itself."""

import asyncio
import contextlib
import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from core.modem import usb_folder, usb_settle
from core.modem.emulator.ptys import PortSet
from core.modem.usb import UsbDoes
from core.modem.usb_folder import FolderUsbSource
from core.modem.usb_roles import Role
from core.modem.usb_settle import QUIET_S
from tests.modem.usb_tree import following, running


def link(folder: Path, *interfaces: int) -> None:
    """Links to something that is there."""
    for interface in interfaces:
        fresh = folder / f".if{interface:02x}.new"
        fresh.symlink_to("/dev/null")
        fresh.rename(folder / f"if{interface:02x}")


def unlink(folder: Path, *interfaces: int) -> None:
    for interface in interfaces:
        (folder / f"if{interface:02x}").unlink()


async def test_a_folder_with_all_links_is_a_modem(tmp_path: Path) -> None:
    link(tmp_path, 0, 1, 2, 3, 4)
    async with running(FolderUsbSource(str(tmp_path))) as watch:
        change = await following(watch)
    assert change.does is UsbDoes.ADDED
    assert change.modem.port(Role.AT) == str(tmp_path / "if02")
    assert change.modem.port(Role.PCM) == str(tmp_path / "if04")
    assert change.modem.path == str(tmp_path)


async def test_a_replug_is_seen_at_once_even_under_the_same_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET_S", "MOST_S"):
        monkeypatch.setattr(usb_settle, name, 30.0)  # which are not waited for
    link(tmp_path, 0, 1, 2, 3, 4)
    async with running(FolderUsbSource(str(tmp_path))) as watch:
        first = await following(watch)
        unlink(tmp_path, 0, 1, 2, 3, 4)
        link(tmp_path, 0, 1, 2, 3, 4)
        started_s = time.monotonic()
        assert (await following(watch)).does is UsbDoes.REMOVED
        again = await following(watch)
        assert time.monotonic() - started_s < 15
    assert again.does is UsbDoes.ADDED
    assert not again.modem.same_plug(first.modem)


async def test_a_folder_may_come_later_and_go_again(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two" / "modem"
    async with running(FolderUsbSource(str(folder))) as watch:
        for _ in range(3):
            await asyncio.sleep(0.05)  # so that it is the event of the mkdir that counts
            folder.mkdir(parents=True)
            await asyncio.sleep(0.05)  # and here that of the links
            link(folder, 0, 1, 2, 3, 4)
            assert (await following(watch)).does is UsbDoes.ADDED
            shutil.rmtree(tmp_path / "one")
            assert (await following(watch)).does is UsbDoes.REMOVED


async def test_a_folder_that_is_moved_away_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "modem"
    folder.mkdir()
    link(folder, 0, 1, 2, 3, 4)
    async with running(FolderUsbSource(str(folder))) as watch:
        await following(watch)
        folder.rename(tmp_path / "elsewhere")
        assert (await following(watch)).does is UsbDoes.REMOVED
        folder.mkdir()
        link(folder, 0, 1, 2, 3, 4)
        assert (await following(watch)).does is UsbDoes.ADDED
        unlink(tmp_path / "elsewhere", 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await watch.next()


async def test_links_of_the_ports_that_are_needed_suffice(tmp_path: Path) -> None:
    link(tmp_path, 2, 3, 4)
    started_s = time.monotonic()
    async with running(FolderUsbSource(str(tmp_path))) as watch:
        change = await following(watch)
    assert sorted(change.modem.ports) == [2, 3, 4]
    assert QUIET_S <= time.monotonic() - started_s < 20


async def test_a_link_to_nothing_is_no_port(tmp_path: Path) -> None:
    link(tmp_path, 0, 1, 2, 3)
    (tmp_path / "if04").symlink_to(tmp_path / "gone")
    async with running(FolderUsbSource(str(tmp_path))) as watch:
        change = await following(watch)
    assert change.modem.port(Role.PCM) is None


async def test_one_lost_link_is_the_end_of_that_plug(tmp_path: Path) -> None:
    link(tmp_path, 0, 1, 2, 3, 4)
    async with running(FolderUsbSource(str(tmp_path))) as watch:
        await following(watch)
        unlink(tmp_path, 2)
        assert (await following(watch)).does is UsbDoes.REMOVED
        less = await following(watch)
    assert less.does is UsbDoes.ADDED and 2 not in less.modem.ports


@pytest.mark.skipif(os.getuid() == 0, reason="root may watch every folder")
async def test_a_folder_that_may_not_be_watched_is_no_modem(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    source = FolderUsbSource(str(tmp_path / "shut" / "modem"))
    async with running(source) as watch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await watch.next()


async def test_two_watches_are_told_each_for_itself(tmp_path: Path) -> None:
    source = FolderUsbSource(str(tmp_path))
    async with running(source) as watch:
        link(tmp_path, 0, 1, 2, 3, 4)
        late = source.watch()
        assert (await following(watch)).does is UsbDoes.ADDED
        unlink(tmp_path, 0, 1, 2, 3, 4)
        assert (await following(watch)).does is UsbDoes.REMOVED
        link(tmp_path, 0, 1, 2, 3, 4)
        assert (await following(watch)).does is UsbDoes.ADDED
        assert (await following(late)).does is UsbDoes.ADDED  # what is over is not told
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await late.next()
        assert source.devices() != ()


async def test_the_emulator_comes_and_goes_under_new_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "modem"
    async with running(FolderUsbSource(str(folder))) as watch:
        ports = PortSet(folder, lambda interface, data: None, asyncio.get_running_loop())
        with contextlib.closing(ports):
            ports.plug()
            first = await following(watch)
            assert first.does is UsbDoes.ADDED and first.modem.complete
            ports.unplug()
            assert (await following(watch)).does is UsbDoes.REMOVED
            ports.plug(renumber=True)
            again = await following(watch)
            assert again.does is UsbDoes.ADDED and again.modem.complete
            assert (folder / "ttyUSB7").exists()
        assert (await following(watch)).does is UsbDoes.REMOVED


async def test_without_inotify_the_folder_is_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**options: object) -> object:
        raise OSError(errno.EMFILE, "Too many open files")  # inotify_init(2), with no instance left for this user

    monkeypatch.setattr(usb_folder, "Inotify", refused)
    monkeypatch.setattr(usb_folder, "UNWATCHED_S", 0.02)
    async with running(FolderUsbSource(str(tmp_path))) as watch:
        link(tmp_path, 0, 1, 2, 3, 4)
        assert (await following(watch)).does is UsbDoes.ADDED
        unlink(tmp_path, 0, 1, 2, 3, 4)
        assert (await following(watch)).does is UsbDoes.REMOVED
