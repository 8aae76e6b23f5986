"""Who has a port: real programs with real ptys and real lock files."""

import asyncio
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.modem.port_errors import PortTaken
from core.modem.usb_holder import Evidence, Holder, PortHeld, advice, held, holder_of, lock_name, read_lock
from core.modem.usb_lock import PortLock

OPENS = "import os,sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('ready', flush=True); sys.stdin.read()"
WAITS = "import sys; print('ready', flush=True); sys.stdin.read()"
LOCKS = """
import sys
from core.modem.usb_lock import PortLock
lock = PortLock(sys.argv[1], (sys.argv[2],))
print("here", flush=True)
sys.stdin.readline()
try:
    lock.take()
    print("taken", flush=True)
except Exception as problem:
    print(type(problem).__name__, flush=True)
sys.stdin.read()
"""


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that has said its first line; its standard input ends it."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield process
        finally:
            process.stdin.close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def a_dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


@pytest.fixture
def tty() -> Iterator[str]:
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    os.close(slave)
    yield path
    os.close(master)


@pytest.fixture
def locks(tmp_path: Path) -> str:
    folder = tmp_path / "lock"
    folder.mkdir()
    return str(folder)


def test_a_program_that_has_the_port_open_is_named(tty: str, tmp_path: Path) -> None:
    link = tmp_path / "if02"
    link.symlink_to(tty)
    with program("-c", OPENS, tty) as process:
        said(process)
        holder = holder_of(str(link))
        assert holder is not None and (holder.pid, holder.evidence) == (process.pid, Evidence.OPEN)
        assert holder.name.startswith("python")
        problem = held(str(link))
        assert isinstance(problem, PortTaken)
        assert str(process.pid) in str(problem) and "if02" in str(problem)


def test_a_port_that_nobody_has_is_held_by_nobody(tty: str, locks: str) -> None:
    assert holder_of(tty, locks=(locks,)) is None


def test_this_same_daemon_is_named_as_such(tty: str) -> None:
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        holder = holder_of(tty)
        assert holder is not None and holder.is_us
        assert "two lines" in advice(holder)
    finally:
        os.close(fd)


def test_another_program_is_named_before_ourselves(tty: str) -> None:
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        with program("-c", OPENS, tty) as process:
            said(process)
            holder = holder_of(tty)
            assert holder is not None and holder.pid == process.pid
    finally:
        os.close(fd)


def test_another_dialtone_is_known_by_its_command_line(tty: str, tmp_path: Path) -> None:
    script = tmp_path / "dialtone"
    script.write_text(OPENS)
    with program(str(script), tty) as process:
        said(process)
        holder = holder_of(tty)
        assert holder is not None and holder.name == "dialtone"
        assert "one line" in advice(holder)


def test_a_lock_file_of_a_living_process_names_it(tty: str, locks: str) -> None:
    with program("-c", WAITS) as process:
        said(process)
        Path(locks, lock_name(tty)).write_text(f"{process.pid:10d}\n")
        holder = holder_of(tty, locks=(locks,))
        assert holder is not None and (holder.pid, holder.evidence) == (process.pid, Evidence.LOCK)


def test_a_lock_file_of_a_dead_process_means_nothing(tty: str, locks: str) -> None:
    Path(locks, lock_name(tty)).write_text(f"{a_dead_pid():10d}\n")
    assert holder_of(tty, locks=(locks,)) is None


@pytest.mark.parametrize(
    ("content", "pid"),
    [
        (b"      1234\n", 1234),
        (b"1234\n", 1234),
        (b"      1234 minicom root\n", 1234),
        ((1234).to_bytes(4, "little"), 1234),
        (b"", None),
        (b"none\n", None),
        (b"\0\0\0\0", None),
    ],
)
def test_lock_files_are_read_in_all_their_forms(content: bytes, pid: int | None, tmp_path: Path) -> None:
    (tmp_path / "LCK..ttyUSB2").write_bytes(content)
    assert read_lock(str(tmp_path / "LCK..ttyUSB2")) == pid


def test_lock_files_are_named_after_the_device_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "if02").symlink_to("/dev/ttyUSB2")
    assert lock_name(str(tmp_path / "if02")) == lock_name("/dev/ttyUSB2") == "LCK..ttyUSB2"
    assert lock_name("/dev/pts/3") == "LCK..pts_3"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ModemManager", "ID_MM_DEVICE_IGNORE"),
        ("smsd", "smstools"),
        ("gammu-smsd", "gammu-smsd"),
        ("pppd", "poff"),
        ("minicom", "Ctrl-A X"),
        ("other", "kill 4711"),
    ],
)
def test_the_advice_says_what_to_do(name: str, remedy: str) -> None:
    assert remedy in advice(Holder(4711, name))


def a_process(proc: Path, pid: int, name: str, *, seen: bool) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cmdline").write_bytes(f"/usr/sbin/{name}\0".encode())
    if seen:
        (folder / "fd").mkdir()


def test_a_known_taker_whose_files_are_hidden_from_us_is_suspected(tty: str, tmp_path: Path, locks: str) -> None:
    """As without root: the descriptors of ModemManager can't be listed."""
    proc = tmp_path / "proc"
    a_process(proc, 100, "bash", seen=False)
    a_process(proc, 200, "ModemManager", seen=False)
    holder = holder_of(tty, str(proc), (locks,))
    assert holder == Holder(200, "ModemManager", Evidence.SUSPECT)
    assert "seems to have" in str(PortHeld(tty, holder)) and "ID_MM_DEVICE_IGNORE" in str(PortHeld(tty, holder))


def test_a_known_taker_that_can_be_seen_not_to_have_it_is_not_suspected(tty: str, tmp_path: Path, locks: str) -> None:
    a_process(tmp_path / "proc", 200, "ModemManager", seen=True)
    assert holder_of(tty, str(tmp_path / "proc"), (locks,)) is None


def test_looking_for_the_holder_leaves_the_loop_alone(tty: str) -> None:
    """It takes its time in a thread; the loop goes on meanwhile."""

    async def look() -> float:
        worst_s = 0.0
        async with asyncio.TaskGroup() as tasks:
            search = tasks.create_task(asyncio.to_thread(holder_of, tty), name="holder")
            while not search.done():
                before_s = time.monotonic()
                await asyncio.sleep(0)
                worst_s = max(worst_s, time.monotonic() - before_s)
        return worst_s

    assert asyncio.run(look()) < 15.0


# --- our own lock ----------------------------------------------------------------------------------------------------


def test_a_lock_is_a_file_with_our_process_id_that_goes_with_it(tty: str, locks: str) -> None:
    file = Path(locks, lock_name(tty))
    with PortLock(tty, (locks,)) as lock:
        assert file.read_text() == f"{os.getpid():10d}\n"
        assert lock.file == str(file)
    assert os.listdir(locks) == []


def test_a_port_locked_by_another_program_is_refused_with_its_name(tty: str, locks: str) -> None:
    with program("-c", LOCKS, tty, locks) as process:
        assert said(process) == "here" and process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert said(process) == "taken"
        with pytest.raises(PortHeld, match=str(process.pid)) as refusal:
            PortLock(tty, (locks,)).take()
        assert refusal.value.holder is not None and refusal.value.holder.evidence is Evidence.LOCK


@pytest.mark.parametrize("content", [None, "", "rubbish\n"])
def test_a_stale_lock_is_replaced(content: str | None, tty: str, locks: str) -> None:
    file = Path(locks, lock_name(tty))
    file.write_text(f"{a_dead_pid():10d}\n" if content is None else content)
    with PortLock(tty, (locks,)):
        assert read_lock(str(file)) == os.getpid()
    assert os.listdir(locks) == []


def test_a_lock_of_an_earlier_life_with_our_own_process_id_is_stale(tty: str, locks: str) -> None:
    """In a container each life of the daemon may be process 1."""
    Path(locks, lock_name(tty)).write_text(f"{os.getpid():10d}\n")
    with PortLock(tty, (locks,)) as lock:
        assert lock.file is not None


def test_two_lines_of_one_daemon_do_not_get_the_same_port(tty: str, locks: str) -> None:
    with PortLock(tty, (locks,)):
        with pytest.raises(PortHeld, match="two lines"):
            PortLock(tty, (locks,)).take()
        assert os.path.exists(os.path.join(locks, lock_name(tty)))


def test_a_lock_that_somebody_replaced_is_left_to_him(tty: str, locks: str) -> None:
    file = Path(locks, lock_name(tty))
    lock = PortLock(tty, (locks,))
    lock.take()
    other = file.with_name("new")
    other.write_text("         1\n")
    other.rename(file)
    lock.release()
    assert read_lock(str(file)) == 1


def test_without_a_folder_to_write_to_it_works_without_a_lock(tty: str, tmp_path: Path) -> None:
    with PortLock(tty, (str(tmp_path / "none"),)) as lock:
        assert lock.file is None


def test_a_lock_in_the_second_folder_counts_too(tty: str, locks: str, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    with program("-c", WAITS) as process:
        said(process)
        (second / lock_name(tty)).write_text(f"{process.pid:10d}\n")
        with pytest.raises(PortHeld):
            PortLock(tty, (locks, str(second))).take()
    assert os.listdir(locks) == []


def test_of_many_that_find_a_stale_lock_one_gets_it(tty: str, locks: str) -> None:
    Path(locks, lock_name(tty)).write_text(f"{a_dead_pid():10d}\n")
    with ExitStack() as stack:
        contenders = [stack.enter_context(program("-c", LOCKS, tty, locks)) for _ in range(4)]
        for contender in contenders:
            assert said(contender) == "here"
        for contender in contenders:
            assert contender.stdin is not None
            contender.stdin.write("go\n")
            contender.stdin.flush()
        assert sorted(said(contender) for contender in contenders) == ["PortHeld"] * 3 + ["taken"]
        assert os.listdir(locks) == [lock_name(tty)]
