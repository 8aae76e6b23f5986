"""The sockets themselves: their files, who may connect, and connections that misbehave."""

import asyncio
import errno
import grp
import json
import os
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.config import AccessConfig, SocketConfig
from core.events import CallIncoming, Scope
from core.rpc import pipe
from core.rpc.access import Access, PeerId, peer_of
from core.rpc.listen import ListenError, listen
from tests.rpc.client import Client, RpcFailure
from tests.rpc.service import Running, serving, tell

# --- files


def test_a_socket_has_its_mode_and_group_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "run" / "dialtone" / "core.sock"
    group = grp.getgrgid(os.getgid()).gr_name
    listener = listen(SocketConfig(path=str(path), mode="0620", group=group))
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o620, os.getgid())
    assert [each.name for each in path.parent.iterdir()] == ["core.sock"]
    listener.close()
    assert list(path.parent.iterdir()) == []


def test_a_socket_is_nowhere_open_to_more_than_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the moment in which the socket gets its mode: nothing is at its place yet, and where it is being made
    nobody else can go."""
    path = tmp_path / "core.sock"
    seen: list[tuple[bool, int]] = []
    real = os.chmod

    def chmod(target: os.PathLike[str], mode: int) -> None:
        seen.append((path.exists(), stat.S_IMODE(Path(target).parent.stat().st_mode)))
        real(target, mode)

    monkeypatch.setattr(os, "chmod", chmod)
    before = os.umask(0)
    try:
        listener = listen(SocketConfig(path=str(path), mode="0600"))
    finally:
        os.umask(before)
    assert seen == [(False, 0o700)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listener.close()


def test_a_long_path_works_up_to_what_clients_can_connect_to(tmp_path: Path) -> None:
    room = 107 - len(os.fsencode(tmp_path)) - 1
    path = tmp_path / ("s" * room)
    listener = listen(SocketConfig(path=str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    with pytest.raises(ListenError, match="107 bytes"):
        listen(SocketConfig(path=str(path) + "s"))


def test_a_socket_that_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    bind = f"s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen()"
    program = f"import os, socket; {bind}; os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], check=False, timeout=50)
    assert path.is_socket()
    listener = listen(SocketConfig(path=str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    assert not path.exists()


def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    first = listen(SocketConfig(path=str(path)))
    with pytest.raises(ListenError, match="another program listens"):
        listen(SocketConfig(path=str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    first.close()


def test_a_daemon_that_is_too_busy_to_accept_still_holds_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    with ExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(str(path))
        busy.listen(0)
        waiting = 0
        while waiting == 0:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            waiting = client.connect_ex(str(path))
        assert waiting == errno.EAGAIN
        with pytest.raises(ListenError, match="another program listens"):
            listen(SocketConfig(path=str(path)))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    path.write_text("important")
    with pytest.raises(ListenError, match="not a socket"):
        listen(SocketConfig(path=str(path)))
    assert path.read_text() == "important"


def test_an_unknown_group_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="no group 'nobody-has-this'"):
        listen(SocketConfig(path=str(tmp_path / "core.sock"), group="nobody-has-this"))
    assert list(tmp_path.iterdir()) == []


def test_a_socket_put_there_by_someone_else_meanwhile_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    listener = listen(SocketConfig(path=str(path)))
    path.unlink()
    path.write_text("another's")
    listener.close()
    assert path.exists()


async def test_a_server_that_can_not_make_all_its_sockets_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("in the way")
    sockets = [{"path": str(tmp_path / name)} for name in "ab"]
    with pytest.raises(ListenError):
        async with serving(tmp_path, config={"rpc": {"socket": sockets}}):
            pass
    assert not (tmp_path / "a").exists()


async def test_the_sockets_are_gone_after_the_server_stopped_and_its_clients_are_closed(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        path = server.path
        client = await Client.connect(path)
        client.send({"jsonrpc": "2.0", "id": 1, "method": "test.wait"})
        await server.waits.until(lambda: server.waits.begun == 1)
    assert not path.exists()
    await client.closed()
    await client.close()


# --- who


def test_the_kernel_says_who_the_peer_is() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == PeerId(os.getpid(), os.getuid(), frozenset({os.getgid(), *os.getgroups()}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process other groups")
def test_the_supplementary_groups_of_a_peer_count(tmp_path: Path) -> None:
    path = tmp_path / "core.sock"
    listener = listen(SocketConfig(path=str(path)))
    listener.sock.settimeout(50)
    connect = f"s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); s.recv(1)"
    child = subprocess.Popen([sys.executable, "-c", f"import os, socket; os.setgroups([4711, 4712]); {connect}"])
    try:
        sock, _ = listener.sock.accept()
        with sock:
            assert peer_of(sock) == PeerId(child.pid, 0, frozenset({os.getgid(), 4711, 4712}))
    finally:
        listener.close()
        child.wait(20)


def test_users_and_groups_add_up_by_name_and_by_number() -> None:
    name = grp.getgrgid(0).gr_name
    access = Access(
        AccessConfig(
            users={"5000": ("messages",), "no-such-user": ("admin",)}, groups={name: ("calls",), "77": ("admin",)}
        ),
        owner_uid=4999,
    )
    observer = {Scope.OBSERVE}
    assert access.scopes(PeerId(1, 6000, frozenset({6000}))) == frozenset()
    assert access.scopes(PeerId(1, 5000, frozenset({6000}))) == observer | {Scope.MESSAGES}
    assert access.scopes(PeerId(1, 5000, frozenset({0}))) == observer | {Scope.MESSAGES, Scope.CALLS}
    assert access.scopes(PeerId(1, 6000, frozenset({77}))) == set(Scope)
    assert access.scopes(PeerId(1, 4999, frozenset())) == set(Scope)
    assert access.scopes(PeerId(1, 0, frozenset())) == set(Scope)


@pytest.mark.parametrize("framing", ["lines", "length", "headers"])
async def test_an_unknown_peer_gets_an_error_and_is_closed(tmp_path: Path, framing: str) -> None:
    async with serving(tmp_path, identify=lambda _: PeerId(1, 4711, frozenset({4711}))) as server:
        client = await server.client(framing)
        with pytest.raises(RpcFailure) as failure:
            await client.call("test.echo", text="let me in")
        assert (failure.value.code, failure.value.kind) == (-32007, "forbidden")
        await client.closed()
        await tell(server.store, CallIncoming())
        assert len(client.seen) == 1


async def test_connections_over_the_limit_get_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path, config={"rpc": {"max_connections": 2}}) as server:
        first, second, third = [await server.client() for _ in range(3)]
        for client in (first, second):
            await client.call("test.echo", text="hello")
        with pytest.raises(RpcFailure) as failure:
            await third.call("test.echo", text="hello")
        assert failure.value.kind == "limit"
        await third.closed()
        await first.close()
        await server.until(lambda: len(served()) == 1)
        assert await (await server.client()).call("test.echo", text="hello")
        assert await second.call("test.echo", text="still here")


def served() -> list[str]:
    """The server's tasks of connections: a session is no longer listed before its place is free."""
    return [name for task in asyncio.all_tasks() if (name := task.get_name()) == "rpc.session"]


# --- framings and misbehaviour


@pytest.mark.parametrize("framing", ["lines", "length", "headers"])
async def test_every_framing_is_answered_in_kind(server: Running, framing: str) -> None:
    client = await server.client(framing)
    for text in ("x", "ä" * 5000):
        assert await client.call("test.echo", text=text) == {"text": text}
    await tell(server.store, CallIncoming())
    assert (await client.event())["seq"] == 1


async def test_the_bytes_of_vscode_jsonrpc_are_understood_one_by_one(server: Running) -> None:
    client = await server.raw()
    body = '{"jsonrpc":"2.0","id":0,"method":"test.echo","params":{"text":"grüß"}}'.encode()
    for byte in b"Content-Length: %d\r\n\r\n" % len(body) + body:
        client.writer.write(bytes([byte]))
        await client.writer.drain()
        await asyncio.sleep(0)
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"Content-Length: ")
    reply = json.loads(await client.reader.readexactly(int(head[16:])))
    assert reply == {"jsonrpc": "2.0", "id": 0, "result": {"text": "grüß"}}


@pytest.mark.parametrize(
    ("configured", "wrong"),
    [("length", b'{"jsonrpc":"2.0"}\n'), ("headers", b"{}\n\r\n\r\n"), ("auto", b"GET / HTTP/1.1\r\n")],
)
async def test_garbage_closes_that_connection_alone_with_a_logged_reason(
    tmp_path: Path, configured: str, wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    sockets = [{"path": str(tmp_path / "core.sock"), "framing": configured}]
    async with serving(tmp_path, config={"rpc": {"socket": sockets}}) as server:
        good = await server.client("lines" if configured == "auto" else configured)
        await good.call("test.echo", text="x")
        bad = await server.raw()
        bad.writer.write(wrong)
        await bad.closed()
        closed = [record for record in caplog.records if record.getMessage() == "connection closed"]
        assert len(closed) == 1 and closed[0].__dict__["fields"]["reason"]
        assert await good.call("test.echo", text="still here")


@pytest.mark.parametrize("framing", ["lines", "length", "headers"])
async def test_a_message_over_the_limit_closes_that_connection_alone(tmp_path: Path, framing: str) -> None:
    async with serving(tmp_path, config={"rpc": {"max_message_bytes": 20_000}}) as server:
        good, bad = await server.client(framing), await server.client(framing)
        await good.call("test.echo", text="x" * 10_000)
        bad.ask("test.echo", text="x" * 20_000)
        assert (await bad.receive())["error"]["data"]["kind"] == "limit"
        await bad.closed()
        assert await good.call("test.echo", text="still here")


async def test_a_client_that_does_not_read_its_replies_is_closed_and_others_do_not_feel_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "REPLY_GRACE_S", 6.0)
    async with serving(tmp_path, config={"rpc": {"unread_bytes": 65536}}) as server:
        flooding, good = await server.raw(), await server.client()
        flooding.stop_reading()

        async def flood() -> None:
            try:
                for number in range(5000):
                    flooding.send(
                        {"jsonrpc": "2.0", "id": number, "method": "test.echo", "params": {"text": "x" * 999}}
                    )
                    await flooding.writer.drain()
            except OSError:
                pass  # closed, as it should be

        async with asyncio.timeout(50), asyncio.TaskGroup() as group:
            task = group.create_task(flood())
            slowest_s = 0.0
            while len(server.core.sessions) == 2 or not good.seen:
                began_s = asyncio.get_running_loop().time()
                await good.call("test.echo", text="y")
                slowest_s = max(slowest_s, asyncio.get_running_loop().time() - began_s)
                await asyncio.sleep(0.01)
            task.cancel()
        assert slowest_s < 5.0  # a stuck server would need the grace of 6 s
        reasons = [record.__dict__["fields"].get("cause") for record in caplog.records if record.name == "dialtone.rpc"]
        assert "unread" in reasons


async def test_one_reply_larger_than_the_bound_goes_to_a_client_that_reads(tmp_path: Path) -> None:
    async with serving(tmp_path, config={"rpc": {"unread_bytes": 4096}}) as server:
        client = await server.client()
        asked = [client.ask("test.echo", text="x" * 1000, count=1000) for _ in range(8)]
        for _ in asked:
            reply = await client.receive()
            assert len(reply["result"]["text"]) == 1_000_000


async def test_a_socket_takes_connections_again_after_it_ran_out_of_descriptors(server: Running) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd"))
    client = await server.raw()
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 2, hard))
    try:
        waiting = socket.socket(socket.AF_UNIX)
        waiting.setblocking(False)
        waiting.connect(str(server.path))
        await asyncio.sleep(0.3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    waiting.setblocking(True)
    reader, writer = await asyncio.open_unix_connection(sock=waiting)
    writer.write(b'{"jsonrpc":"2.0","id":1,"method":"test.echo","params":{"text":"x"}}\n')
    async with asyncio.timeout(30):
        assert b'"x"' in await reader.readline()
    writer.close()
    await client.close()
