"""What is kept of calls as files, as methods show it."""

from typing import Annotated

from msgspec import Meta, Struct

from core.clock import rfc3339
from core.recordings_files import CallFile, FileKind
from core.store.recordings import RecordingRow


class CallFileInfo(Struct, frozen=True, kw_only=True):
    call_id: str
    name: Annotated[str, Meta(description="Below the folder of [recording]; for call.recording_file")]
    kind: FileKind
    format: Annotated[str, Meta(description="wav, ogg, txt or json")]
    bytes: int
    modified_at: str


class RecordingInfo(Struct, frozen=True, kw_only=True):
    """One finished recording of a call, whatever became of its file."""

    part: Annotated[int, Meta(description="From 1; 0 where nothing was recorded, see problem")]
    path: str | None
    format: str
    duration_s: float
    bytes: int
    problem: str | None = None
    removed_at: str | None = None
    removed_because: Annotated[str | None, Meta(description="age or size, by [recording] keep_days and max_bytes")] = (
        None
    )


def file_info(file: CallFile) -> CallFileInfo:
    return CallFileInfo(
        call_id=file.call_id,
        name=file.name,
        kind=file.kind,
        format=file.format,
        bytes=file.bytes,
        modified_at=rfc3339(file.modified_s),
    )


def recording_info(row: RecordingRow) -> RecordingInfo:
    return RecordingInfo(**{name: getattr(row, name) for name in RecordingInfo.__struct_fields__})
