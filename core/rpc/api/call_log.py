"""call.list and call.get: the log of calls."""

from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from core.errors import NotFound
from core.events import CallAudio, Scope
from core.line import CallState, Direction, EndReason
from core.rpc.api.recording_info import CallFileInfo, RecordingInfo, file_info, recording_info
from core.rpc.api.shared import LineName
from core.rpc.methods import Request, method
from core.store import calls as rows
from core.store.recordings import recordings_of


class ListParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[str, Meta(max_length=40, description="next of the page before")] | None = None
    line: LineName | None = None
    direction: Direction | None = None


class TurnInfo(Struct, frozen=True, kw_only=True):
    role: Annotated[str, Meta(description="caller or bot")]
    turn: int
    text: str | None = None
    heard_text: str | None = None
    understood: bool = True
    confidence: float | None = None
    engine: str | None = None
    language: str | None = None
    at_ms: int = 0
    duration_ms: int = 0
    latency_ms: int = 0


class CallRecord(Struct, frozen=True, kw_only=True):
    """A call of the log. turns, recordings and files are there in call.get only."""

    call_id: str
    line: str
    direction: Direction
    state: CallState
    number: str | None = None
    withheld: bool = False
    rings: int = 0
    started_at: str | None = None
    connected_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    reason: EndReason | None = None
    network_text: str | None = None
    recording: str | None = None
    audio: CallAudio | None = None
    turns: list[TurnInfo] = field(default_factory=list)
    recordings: list[RecordingInfo] = field(default_factory=list)
    files: list[CallFileInfo] = field(default_factory=list)


class CallPage(Struct, frozen=True, kw_only=True):
    calls: list[CallRecord]
    next: str | None = None


class GetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40)]


@method("call.list", scope=Scope.OBSERVE, errors=(NotFound,), since="0.1")
async def list_calls(request: Request, params: ListParams) -> CallPage:
    """The call log, newest first; next is the cursor of the following page."""
    found = await request.core.store.read(
        lambda conn: rows.list_calls(
            conn,
            limit=params.limit + 1,
            before=params.before,
            line=params.line,
            direction=params.direction,
        )
    )
    page = found[: params.limit]
    more = page[-1].call_id if len(found) > params.limit else None
    return CallPage(calls=[_record(request, row, []) for row in page], next=more)


@method("call.get", scope=Scope.OBSERVE, errors=(NotFound,), since="0.1")
async def get(request: Request, params: GetParams) -> CallRecord:
    """One call with its turns."""
    row = await request.core.store.read(lambda conn: rows.get_call(conn, params.call_id))
    if row is None:
        raise NotFound("There is no call with this id in the log.")
    turns = await request.core.store.read(lambda conn: rows.turns(conn, params.call_id))
    made = await request.core.store.read(lambda conn: recordings_of(conn, params.call_id))
    kept = await request.core.services.calls.talk.recordings.files(params.call_id)
    return replace(
        _record(request, row, turns),
        recordings=[recording_info(each) for each in made],
        files=[file_info(file) for file in kept],
    )


def _record(request: Request, row: rows.CallRow, turns: list[rows.TurnRow]) -> CallRecord:
    clear = Scope.CALLS in request.session.scopes
    return CallRecord(
        call_id=row.call_id,
        line=row.line,
        direction=row.direction,
        state=row.state,
        number=row.number if clear else None,
        withheld=row.withheld,
        rings=row.rings,
        started_at=row.started_at,
        connected_at=row.connected_at,
        ended_at=row.ended_at,
        duration_s=row.duration_s,
        reason=row.reason,
        network_text=row.network_text,
        recording=row.recording,
        audio=CallAudio(**row.audio) if row.audio else None,
        turns=[_turn(turn, clear) for turn in turns],
    )


def _turn(row: rows.TurnRow, clear: bool) -> TurnInfo:
    return TurnInfo(
        role=row.role,
        turn=row.turn,
        text=row.text if clear else None,
        heard_text=row.heard_text if clear else None,
        understood=row.understood is not False,
        confidence=row.confidence,
        engine=row.engine,
        language=row.language,
        at_ms=row.at_ms,
        duration_ms=row.duration_ms or 0,
        latency_ms=row.latency_ms or 0,
    )
