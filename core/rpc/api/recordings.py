"""call.recordings, call.recording_file: the files that are kept of calls, listed and fetched."""

import asyncio
import base64
from typing import Annotated

from msgspec import Meta, Struct

from core.errors import NotFound, StoreFailed
from core.events import Scope
from core.recordings_files import CallFile
from core.rpc.api.recording_info import CallFileInfo, file_info
from core.rpc.methods import Request, method

PIECE_BYTES_MAX = 524_288
"""In base64 that is 700 kB: below the bound of what a client may leave unread."""


class RecordingsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40, description="Left out: of all calls")] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    offset: Annotated[int, Meta(ge=0)] = 0


class RecordingsPage(Struct, frozen=True, kw_only=True):
    files: list[CallFileInfo]
    total: int
    total_bytes: int
    next: Annotated[int | None, Meta(description="offset of the following page")] = None


class FileParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=120, description="As call.recordings gave it")]
    offset: Annotated[int, Meta(ge=0)] = 0
    max_bytes: Annotated[int, Meta(ge=1, le=PIECE_BYTES_MAX)] = PIECE_BYTES_MAX


class FilePiece(Struct, frozen=True, kw_only=True):
    name: str
    offset: int
    data: Annotated[str, Meta(description="base64")]
    bytes: Annotated[int, Meta(description="Of the whole file, as it is now")]
    next: Annotated[int | None, Meta(description="offset of the following piece; null at the end")] = None


@method("call.recordings", scope=Scope.CALLS, since="0.1")
async def recordings(request: Request, params: RecordingsParams) -> RecordingsPage:
    """Files kept of calls, newest first: recordings, and those of [recording] legacy_files and timing."""
    found = await request.core.services.calls.talk.recordings.files(params.call_id)
    newest_first = sorted(found, key=lambda file: (-file.modified_s, file.name))
    page = newest_first[params.offset : params.offset + params.limit]
    end = params.offset + len(page)
    return RecordingsPage(
        files=[file_info(file) for file in page],
        total=len(found),
        total_bytes=sum(file.bytes for file in found),
        next=end if end < len(found) else None,
    )


@method("call.recording_file", scope=Scope.CALLS, errors=(NotFound, StoreFailed), since="0.1")
async def recording_file(request: Request, params: FileParams) -> FilePiece:
    """A piece of one of these files."""
    keeper = request.core.services.calls.talk.recordings
    file = next((file for file in await keeper.files(None) if file.name == params.name), None)
    if file is None:
        raise NotFound("There is no such file; call.recordings lists them.")
    try:
        data, size = await asyncio.to_thread(_piece, file, params.offset, params.max_bytes)
    except FileNotFoundError:
        raise NotFound("The file was removed meanwhile.") from None
    except OSError:
        raise StoreFailed("The file can't be read.") from None
    end = params.offset + len(data)
    return FilePiece(
        name=file.name,
        offset=params.offset,
        data=base64.b64encode(data).decode(),
        bytes=size,
        next=end if data and end < size else None,
    )


def _piece(file: CallFile, offset: int, max_bytes: int) -> tuple[bytes, int]:
    with open(file.path, "rb") as source:
        source.seek(offset)
        return source.read(max_bytes), source.seek(0, 2)
