"""dialtone models against a real HTTP server that breaks off, lies, and has no ranges."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from clients.models.catalogue import Model, ModelFile, models
from clients.models.fetch import FetchFailed, fetch, look_up
from clients.models.folder import State, models_dir, part_of, state_of, suggested, verify

CONTENT = bytes(range(256)) * 4096
OTHER = b"not what was asked for"


def model(content: bytes = CONTENT, place: str = "voice.bin") -> Model:
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return Model("whisper", "test", "any", (ModelFile("voice.bin", place, len(content), "sha1", digest),))


@dataclass
class Mirror:
    """breaks_at: how many bytes the first answer has before its connection ends; ranges: what the client asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks_at: int | None = None
    ignores_ranges: bool = False
    ranges: list[str | None] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        content = self.files.get(request.path.lstrip("/"))
        if content is None:
            return web.Response(status=404)
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.ignores_ranges else 0
        if start >= len(content):
            return web.Response(status=416)
        headers = {"Content-Length": str(len(content) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        if self.breaks_at is not None:
            await response.write(content[start : self.breaks_at])
            self.breaks_at = None
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(content[start:])
        return response


@asynccontextmanager
async def mirror(**files: bytes) -> AsyncIterator[Mirror]:
    made = Mirror(files={name.replace("__", "."): content for name, content in files.items()})
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = str(site.name)
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.fixture
def seen() -> Iterator[list[tuple[str, int, int | None]]]:
    yield []


async def test_a_model_comes_whole_with_progress(tmp_path: Path, seen: list[tuple[str, int, int | None]]) -> None:
    async with mirror(voice__bin=CONTENT) as server:
        await fetch(model(), tmp_path / "new", [server.url], lambda *told: seen.append((told[0].name, *told[1:])))
    assert (tmp_path / "new/voice.bin").read_bytes() == CONTENT
    assert verify(model(), tmp_path / "new") is State.GOOD
    assert seen[-1] == ("voice.bin", len(CONTENT), len(CONTENT))


async def test_a_broken_download_goes_on_where_it_was(tmp_path: Path) -> None:
    async with mirror(voice__bin=CONTENT) as server:
        server.breaks_at = 300_000
        with pytest.raises(FetchFailed):
            await fetch(model(), tmp_path, [server.url], lambda *_: None)
        kept = part_of(tmp_path, model().files[0]).stat().st_size
        assert 0 < kept <= 300_000
        assert state_of(model(), tmp_path) is State.PARTIAL
        await fetch(model(), tmp_path, [server.url], lambda *_: None)
        assert server.ranges == [None, f"bytes={kept}-"]
    assert verify(model(), tmp_path) is State.GOOD
    assert not part_of(tmp_path, model().files[0]).exists()


async def test_a_mirror_without_ranges_starts_again(tmp_path: Path) -> None:
    async with mirror(voice__bin=CONTENT) as server:
        server.ignores_ranges = True
        part_of(tmp_path, model().files[0]).write_bytes(CONTENT[:1000])
        await fetch(model(), tmp_path, [server.url], lambda *_: None)
    assert verify(model(), tmp_path) is State.GOOD


async def test_a_finished_part_needs_nothing_more(tmp_path: Path) -> None:
    async with mirror(voice__bin=CONTENT) as server:
        part_of(tmp_path, model().files[0]).write_bytes(CONTENT)
        await fetch(model(), tmp_path, [server.url], lambda *_: None)
    assert verify(model(), tmp_path) is State.GOOD


async def test_content_with_another_digest_is_thrown_away_and_the_next_mirror_asked(tmp_path: Path) -> None:
    async with mirror(voice__bin=OTHER) as liar, mirror(voice__bin=CONTENT) as honest:
        await fetch(model(), tmp_path, [liar.url, honest.url], lambda *_: None)
        assert verify(model(), tmp_path) is State.GOOD
        (tmp_path / "voice.bin").unlink()
        with pytest.raises(FetchFailed, match="sha1 differs"):
            await fetch(model(), tmp_path, [liar.url], lambda *_: None)
    assert os.listdir(tmp_path) == []


async def test_a_good_file_is_not_fetched_again_and_a_damaged_one_is(tmp_path: Path) -> None:
    async with mirror(voice__bin=CONTENT) as server:
        (tmp_path / "voice.bin").write_bytes(CONTENT[:-1] + b"x")
        assert verify(model(), tmp_path) is State.DAMAGED
        for _ in range(2):
            await fetch(model(), tmp_path, [server.url], lambda *_: None)
        assert server.ranges == [None]


async def test_an_unreachable_mirror_is_said_in_one_line(tmp_path: Path) -> None:
    async with mirror() as server:
        gone = server.url
        with pytest.raises(FetchFailed, match="HTTP 404"):
            await fetch(model(), tmp_path, [server.url], lambda *_: None)
    with pytest.raises(FetchFailed, match="is there internet"):
        await fetch(model(), tmp_path, [gone], lambda *_: None)


async def test_a_voice_that_the_catalogue_does_not_know_comes_from_the_mirrors_own_list(tmp_path: Path) -> None:
    files = {
        f"ro/ro_RO/mihai/medium/ro_RO-mihai-medium.{end}": {
            "size_bytes": len(content),
            "md5_digest": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        }
        for end, content in (("onnx", CONTENT), ("onnx.json", b"{}"))
    }
    card = {"ro/ro_RO/mihai/medium/MODEL_CARD": {"size_bytes": 1, "md5_digest": "x"}}
    async with mirror() as server:
        server.files["voices.json"] = json.dumps({"ro_RO-mihai-medium": {"files": files | card}}).encode()
        found = await look_up("ro_RO-mihai-medium", [server.url])
        assert found is not None
        assert [file.name for file in found.files] == ["ro_RO-mihai-medium.onnx", "ro_RO-mihai-medium.onnx.json"]
        assert await look_up("xx_XX-nobody-low", [server.url]) is None
        server.files["voices.json"] = b"<html>"
        with pytest.raises(FetchFailed, match=r"voices\.json"):
            await look_up("ro_RO-mihai-medium", [server.url])


async def run(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "models", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_lists_verifies_and_tells_where_a_model_lies(tmp_path: Path) -> None:
    voice = models()["de_DE-thorsten-low"]
    for file in voice.files:
        (tmp_path / file.name).write_bytes(b"\0" * (file.size_bytes if file.size_bytes < 10_000 else 0))
    code, out, _ = await run("list", "--language", "de", "--json", "--dir", str(tmp_path))
    rows = {row["name"]: row for row in json.loads(out)["models"]}
    assert code == 0
    assert rows["de_DE-thorsten-low"]["state"] == "damaged"
    assert rows["whisper-base"]["state"] == "absent"
    assert "fr_FR-siwis-low" not in rows
    assert (await run("verify", "de_DE-thorsten-low", "--dir", str(tmp_path)))[:2] == (
        1,
        "de_DE-thorsten-low: damaged\n",
    )
    assert (await run("path", "--dir", str(tmp_path)))[:2] == (0, f"{tmp_path}\n")
    code, _, err = await run("path", "whisper-base", "--dir", str(tmp_path))
    assert code == 1 and "dialtone models get whisper-base" in err
    code, _, err = await run("get", "whatever", "--dir", str(tmp_path))
    assert code == 2 and "no such model" in err


async def test_the_command_fetches_from_the_mirror_that_is_named(tmp_path: Path) -> None:
    async with mirror() as server:
        code, out, err = await run("get", "tiny", "--dir", str(tmp_path), "--mirror", server.url)
    assert (code, out) == (1, "")
    assert "whisper-tiny" in err and "HTTP 404" in err and "Traceback" not in err


def test_what_is_suggested_speaks_the_language_and_exists() -> None:
    for language, voice in (("de", "de_DE-thorsten-low"), ("es-MX", "es_MX-ald-medium"), ("lt", None)):
        names = suggested(language)
        assert all(name in models() for name in names)
        assert [name for name in names if not name.startswith("whisper-")] == ([voice] if voice else [])


def test_every_model_of_the_catalogue_has_names_places_and_digests_of_the_right_form() -> None:
    lengths = {"sha1": 40, "md5": 32}
    for found in models().values():
        for file in found.files:
            assert len(file.digest) == lengths[file.algorithm] and int(file.digest, 16)
            assert file.place.endswith(file.name) and "/" not in file.name
            assert file.size_bytes > 0


def test_the_folder_is_the_one_named_by_the_option_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALTONE_MODELS", "/srv/models")
    assert models_dir(None) == Path("/srv/models")
    assert models_dir("/elsewhere") == Path("/elsewhere")
