"""Speech on disk: one file per text, named by what makes the same audio again. All of it blocks.

A file is written beside its place and renamed, so that it is whole or not there; a damaged one is a miss and removed.
Nothing here is worth an error to a caller: what goes wrong is logged once and costs a synthesis.
"""

import hashlib
import json
import os
import re
import struct
import threading
import zlib
from collections import OrderedDict
from pathlib import Path

import msgspec

from core.log import Log
from core.media.engines import WordMark
from core.media.speech_cache import Made
from core.media.tts_ask import SpeechKey

log = Log("tts.cache")

FREE_BYTES_MIN = 200 * 1024 * 1024
"""The disk is the station's: messages and calls must find room on it, so the cache stops long before."""
VERSION = 1
"""Of the file's form and of how texts are read out; another one makes all files misses."""

_MAGIC = b"DTSP\x01\n"
_HEAD = struct.Struct("<IIII")  # rate_hz, marks, bytes of PCM, CRC-32 of all that follows the head
_MARK = struct.Struct("<III")
_NAME = re.compile(r"[0-9a-f]{64}\.speech")
_PART = re.compile(r"[0-9a-f]{64}\.[0-9]+\.part")


class DiskCache:
    """Least recently used goes first; a use is remembered in the file's time, so that restarts know it."""

    def __init__(self, directory: Path, max_bytes: int, free_bytes_min: int = FREE_BYTES_MIN) -> None:
        self._directory, self._max_bytes, self._free_bytes_min = directory, max_bytes, free_bytes_min
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] | None = None
        self._complained: set[str] = set()
        self.bytes_kept = 0

    def get(self, key: SpeechKey) -> Made | None:
        name = file_name(key)
        with self._lock:
            sizes = self._index()
            if name not in sizes:
                return None
            path = self._directory / name
            try:
                made = decode(path.read_bytes(), key.rate_hz)
                os.utime(path)
            except (OSError, ValueError) as problem:
                self._complain("speech on disk can't be used and is made again", problem)
                self._remove(sizes, name)
                return None
            sizes.move_to_end(name)
            return made

    def put(self, key: SpeechKey, made: Made) -> bool:
        """Whether it lies there now."""
        name, data = file_name(key), encode(made, key.rate_hz)
        with self._lock:
            sizes = self._index()
            if name in sizes:
                return True
            if len(data) > self._max_bytes:
                return False
            while sizes and self.bytes_kept + len(data) > self._max_bytes:
                self._remove(sizes, next(iter(sizes)))
            try:
                if not self._has_room(len(data)):
                    return False
                self._write(name, data)
            except OSError as problem:
                self._complain("speech can't be kept on disk", problem)
                return False
            sizes[name] = len(data)
            self.bytes_kept += len(data)
            return True

    def holds(self, key: SpeechKey) -> bool:
        with self._lock:
            return file_name(key) in self._index()

    def _index(self) -> OrderedDict[str, int]:
        """What lies there, oldest use first; of the folder only our own files count. Read once."""
        if self._sizes is None:
            found: list[tuple[float, str, int]] = []
            try:
                with os.scandir(self._directory) as entries:
                    for entry in entries:
                        if _PART.fullmatch(entry.name):
                            os.unlink(entry.path)  # of a daemon that was killed while it wrote
                        elif _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                            status = entry.stat(follow_symlinks=False)
                            found.append((status.st_mtime, entry.name, status.st_size))
            except FileNotFoundError:
                pass
            except OSError as problem:
                self._complain("the folder of kept speech can't be read", problem)
            self._sizes = OrderedDict((name, size) for _, name, size in sorted(found))
            self.bytes_kept = sum(self._sizes.values())
            while self._sizes and self.bytes_kept > self._max_bytes:  # the bound was made smaller
                self._remove(self._sizes, next(iter(self._sizes)))
        return self._sizes

    def _has_room(self, size: int) -> bool:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk = os.statvfs(self._directory)
        if disk.f_bavail * disk.f_frsize - size >= self._free_bytes_min:
            return True
        self._complain("speech is not kept: the disk is nearly full", None)
        return False

    def _write(self, name: str, data: bytes) -> None:
        part = self._directory / f"{name.removesuffix('.speech')}.{os.getpid()}.part"
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with open(fd, "wb") as file:
                file.write(data)
            os.replace(part, self._directory / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _remove(self, sizes: OrderedDict[str, int], name: str) -> None:
        self.bytes_kept -= sizes.pop(name)
        try:
            (self._directory / name).unlink(missing_ok=True)
        except OSError as problem:
            self._complain("kept speech can't be removed", problem)

    def _complain(self, text: str, problem: Exception | None) -> None:
        """Once a reason: a full disk would fill the log, too."""
        reason = (problem.strerror or "") if isinstance(problem, OSError) else str(problem or "")
        if (text + reason) not in self._complained:
            self._complained.add(text + reason)
            log.warning(text, reason=reason)


def file_name(key: SpeechKey) -> str:
    """The hash keeps the text itself off the disk."""
    content = json.dumps([VERSION, msgspec.to_builtins(key)], ensure_ascii=True).encode()
    return f"{hashlib.sha256(content).hexdigest()}.speech"


def encode(made: Made, rate_hz: int) -> bytes:
    marks = b"".join(_MARK.pack(mark.char_start, mark.char_end, mark.at_ms) for mark in made.marks)
    body = marks + made.pcm
    return _MAGIC + _HEAD.pack(rate_hz, len(made.marks), len(made.pcm), zlib.crc32(body)) + body


def decode(data: bytes, rate_hz: int) -> Made:
    """ValueError for anything but what encode made at that rate."""
    start = len(_MAGIC) + _HEAD.size
    if len(data) < start or not data.startswith(_MAGIC):
        raise ValueError("not a file of kept speech")
    rate, marks, pcm_bytes, sum_ = _HEAD.unpack_from(data, len(_MAGIC))
    body = data[start:]
    if rate != rate_hz or len(body) != marks * _MARK.size + pcm_bytes or pcm_bytes % 2 or zlib.crc32(body) != sum_:
        raise ValueError("damaged")
    end = marks * _MARK.size
    return Made(body[end:], tuple(WordMark(*found) for found in _MARK.iter_unpack(body[:end])))
