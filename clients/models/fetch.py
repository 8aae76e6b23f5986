"""Downloads that can be broken off and go on: into NAME.part, by HTTP ranges, checked against the catalogue's digest
before the file gets its name. Mirrors are tried in order."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import msgspec

from clients.models.catalogue import Model, ModelFile
from clients.models.folder import digest, part_of

CONNECT_S = 15.0
SILENCE_S = 60.0
"""Without a byte for so long a mirror counts as dead; what came is kept."""
BLOCK_BYTES = 256 * 1024
SPARE_BYTES = 64 * 1024 * 1024
"""What a download leaves free on the disk at least."""

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
LIST_BYTES_MAX = 16 * 1024 * 1024

Progress = Callable[[ModelFile, int, int | None], None]
"""File, bytes so far, bytes in all where the server told."""


class FetchFailed(Exception):
    """One line for people."""


async def fetch(model: Model, folder: Path, mirrors: Sequence[str], progress: Progress) -> None:
    """All files of a model that are not there in a good state. FetchFailed; what came by then is resumed next time."""
    os.makedirs(folder, exist_ok=True)
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for file in model.files:
            path = folder / file.name
            if path.is_file() and digest(path, file):
                continue
            _check_space(folder, file)
            await _one(session, file, folder, mirrors, progress)


async def _one(
    session: aiohttp.ClientSession, file: ModelFile, folder: Path, mirrors: Sequence[str], progress: Progress
) -> None:
    problems = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.place}"
        try:
            await _download(session, url, part_of(folder, file), file, progress)
        except (aiohttp.ClientError, TimeoutError) as problem:
            problems.append(f"{url}: {_reason(problem)}")
            continue
        part = part_of(folder, file)
        if digest(part, file):
            os.replace(part, folder / file.name)
            return
        part.unlink()
        problems.append(f"{url}: the content is not what the catalogue knows ({file.algorithm} differs); thrown away")
    raise FetchFailed("; ".join(problems) or "no mirror is named")


async def _download(session: aiohttp.ClientSession, url: str, part: Path, file: ModelFile, progress: Progress) -> None:
    have = _size(part)
    headers = {"Range": f"bytes={have}-"} if have else {}
    async with session.get(url, headers=headers) as answer:
        if answer.status == 416:  # all of it is there, or the file is another one now: the digest decides
            return
        answer.raise_for_status()
        if answer.status != 206 or not _continues(answer, have):
            have = 0
        length = answer.content_length
        total = have + length if length is not None else None
        with part.open("r+b" if have else "wb") as stream:
            stream.seek(have)
            stream.truncate()
            async for block in answer.content.iter_chunked(BLOCK_BYTES):
                stream.write(block)
                have += len(block)
                progress(file, have, total)
            stream.flush()
            os.fsync(stream.fileno())
        if total is not None and have < total:
            raise aiohttp.ClientPayloadError("the connection ended early")


async def look_up(name: str, mirrors: Sequence[str]) -> Model | None:
    """A Piper voice that the catalogue doesn't know, as the mirror's own voices.json has it; None where it has not.

    Its digests come from where the files come from: they find damage, not deceit.
    """
    problems = []
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for mirror in mirrors:
            try:
                async with session.get(f"{mirror.rstrip('/')}/voices.json") as answer:
                    answer.raise_for_status()
                    raw = await answer.content.read(LIST_BYTES_MAX)
                entry = msgspec.json.decode(raw, type=dict[str, _Voice]).get(name)
            except (aiohttp.ClientError, TimeoutError) as problem:
                problems.append(f"{mirror}: {_reason(problem)}")
                continue
            except msgspec.MsgspecError:
                problems.append(f"{mirror}: voices.json is not what it was")
                continue
            return _voice(name, entry) if entry is not None else None
    raise FetchFailed("; ".join(problems))


class _VoiceFile(msgspec.Struct):
    size_bytes: int
    md5_digest: str


class _Voice(msgspec.Struct):
    files: dict[str, _VoiceFile]


def _voice(name: str, entry: _Voice) -> Model:
    files = tuple(
        ModelFile(place.rpartition("/")[2], place, file.size_bytes, "md5", file.md5_digest)
        for place, file in sorted(entry.files.items())
        if place.rpartition("/")[2] in (f"{name}.onnx", f"{name}.onnx.json")
    )
    return Model("piper", name, name.partition("-")[0].replace("_", "-"), files)


def _continues(answer: aiohttp.ClientResponse, have: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _reason(problem: Exception) -> str:
    if isinstance(problem, aiohttp.ClientResponseError):
        return f"HTTP {problem.status}"
    if isinstance(problem, aiohttp.ClientConnectorError):
        return "not reachable; is there internet?"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return str(problem) or type(problem).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_space(folder: Path, file: ModelFile) -> None:
    missing = file.size_bytes - _size(part_of(folder, file))
    free = shutil.disk_usage(folder).free
    if missing + SPARE_BYTES > free:
        raise FetchFailed(f"{folder}: {file.name} wants {missing >> 20} MiB, and {free >> 20} MiB are free")
