"""status, health, state.get; clients and brains."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.call import CallInfo
from core.clock import rfc3339, unix_s
from core.errors import NetUnavailable
from core.events import FailoverState, Scope
from core.line import LineState
from core.registry import new_alarm
from core.rpc.api.shared import Empty, attend, client_name, shown
from core.rpc.methods import Request, method

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class LineStatusInfo(Struct, frozen=True, kw_only=True):
    name: str
    state: LineState
    reason: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    revision: str | None = None
    sim: str | None = None
    operator: str | None = None
    registration: str | None = None
    rssi_dbm: int | None = None


class ClientInfo(Struct, frozen=True, kw_only=True):
    name: str
    connected: bool
    scopes: list[str] = field(default_factory=list)
    brain_priority: int | None = None
    state: str | None = None
    detail: str | None = None


class AlarmInfo(Struct, frozen=True, kw_only=True):
    alarm: str
    severity: str
    client: str
    at: str
    text: str | None = None


class Engines(Struct, frozen=True, kw_only=True):
    tts: str
    stt: str
    vad: Annotated[str, Meta(description="What tells speech from noise: webrtc, silero or ten")] = "webrtc"


class NetBrief(Struct, frozen=True, kw_only=True):
    """The internet connection; net.status has the rest."""

    state: FailoverState
    primary: Annotated[str | None, Meta(description="The main link's interface")]
    interface: Annotated[str | None, Meta(description="What carries the traffic")]


class State(Struct, frozen=True, kw_only=True):
    """True at `seq`: subscribe with since: seq and nothing is missed or told twice."""

    seq: int
    lines: list[LineStatusInfo]
    calls: list[CallInfo]
    clients: list[ClientInfo]
    alarms: list[AlarmInfo]
    net: Annotated[NetBrief | None, Meta(description="null where [net] is not enabled")] = None


class Status(Struct, frozen=True, kw_only=True):
    service: str
    version: str
    uptime_s: float
    seq: int
    lines: list[LineStatusInfo]
    calls: list[CallInfo]
    clients: list[ClientInfo]
    alarms: list[AlarmInfo]
    engines: Engines
    net: Annotated[NetBrief | None, Meta(description="null where [net] is not enabled")] = None


class Health(Struct, frozen=True, kw_only=True):
    status: Literal["ok", "degraded", "failed"]
    problems: list[str]
    timestamp: str
    notes: Annotated[list[str], Meta(description="Worth knowing; they don't make the status worse")] = field(
        default_factory=list
    )


class AlarmReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    alarm: Annotated[str, Meta(pattern="^[a-z0-9_.-]{1,64}$", description="A stable name")]
    severity: Literal["info", "warning", "error", "critical"] = "warning"
    text: Annotated[str, Meta(max_length=1000)] | None = None


class ReportParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    state: Annotated[str, Meta(min_length=1, max_length=64)]
    detail: Annotated[str, Meta(max_length=500)] | None = None
    alarms: Annotated[list[AlarmReport], Meta(max_length=50)] | None = None


class BrainParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    priority: Annotated[int, Meta(ge=-1000, le=1000, description="Higher steers first")] = 0
    lines: list[Name] = field(default_factory=list)


class BrainResult(Struct, frozen=True, kw_only=True):
    priority: int
    calls: Annotated[list[str], Meta(description="Calls that this brain steers now")]


class WithdrawResult(Struct, frozen=True, kw_only=True):
    calls: Annotated[list[str], Meta(description="Calls that this brain steered until now")]


@method("status", scope=Scope.OBSERVE, since="0.1")
async def status(request: Request, params: Empty) -> Status:
    """Everything worth a look: lines, calls, clients, alarms, engines."""
    now = _state(request)
    core = request.core
    return Status(
        service="dialtone",
        version=program_version(),
        uptime_s=round(unix_s() - core.started_at, 1),
        seq=now.seq,
        lines=now.lines,
        calls=now.calls,
        clients=now.clients,
        alarms=now.alarms,
        net=now.net,
        engines=Engines(
            tts=core.services.speech.tts.engine_name,
            stt=core.services.speech.stt.engine_name,
            vad=core.services.speech.vads.engine,
        ),
    )


@method("state.get", scope=Scope.OBSERVE, since="0.1")
async def state_get(request: Request, params: Empty) -> State:
    """A snapshot with the seq it is true at."""
    return _state(request)


@method("health", scope=Scope.OBSERVE, since="0.1")
async def health(request: Request, params: Empty) -> Health:
    """ok; degraded while some line can't take calls; failed while none can."""
    lines = [line.info for line in request.core.services.calls.lines.values()]
    problems = [
        f"line {info.name} is {info.state}{': ' + info.reason if info.reason else ''}"
        for info in lines
        if info.state is not LineState.READY
    ]
    if not lines:
        problems.append("no line is configured")
    ready = any(info.state is LineState.READY for info in lines)
    verdict: Literal["ok", "degraded", "failed"] = "ok" if not problems else "degraded" if ready else "failed"
    return Health(status=verdict, problems=problems, timestamp=rfc3339(), notes=_notes(request))


@method("client.report_state", scope=Scope.CALLS, since="0.1", facts=True)
async def report_state(request: Request, params: ReportParams) -> Empty:
    """What this client is doing, and the full set of alarms that it has now; the core tells the difference."""
    name = client_name(request)
    alarms = None
    if params.alarms is not None:
        alarms = [new_alarm(alarm.alarm, alarm.severity, alarm.text, name) for alarm in params.alarms]
    await request.core.services.clients.report(name, params.state, params.detail, alarms)
    return Empty()


@method("brain.register", scope=Scope.CALLS, since="0.1")
async def brain_register(request: Request, params: BrainParams) -> BrainResult:
    """Makes this connection a brain: it steers each call of its lines, the highest priority first."""
    attend(request)
    steered = request.core.services.calls.steering.register(
        request.session.id, client_name(request), params.priority, params.lines
    )
    return BrainResult(priority=params.priority, calls=[call.call_id for call in steered])


@method("brain.withdraw", scope=Scope.CALLS, since="0.1")
async def brain_withdraw(request: Request, params: Empty) -> WithdrawResult:
    """Steps aside without closing the connection: calls that this brain steers go to the next one at once, which is
    told by call.claimed. brain.register comes back."""
    given = request.core.services.calls.steering.withdraw(request.session.id)
    return WithdrawResult(calls=[call.call_id for call in given])


def _notes(request: Request) -> list[str]:
    """What was configured and is not there while something else stands in, and the internet: calls do without it."""
    vads = request.core.services.speech.vads
    found = [] if vads.fault is None else [f"media.vad: {vads.engine} stands in for {vads.wanted}: {vads.fault.text}"]
    if request.core.services.network is None and request.core.config.net.enabled:
        found.append("net: the internet connection is not looked after; the daemon's log says why")
    net = _net(request)
    if net is not None and net.state in (FailoverState.BOTH_DOWN, FailoverState.BACKUP, FailoverState.RECOVERING):
        says = "there is no internet" if net.state is FailoverState.BOTH_DOWN else "the SIM's data carries the traffic"
        found.append(f"net: {says}")
    return found


def program_version() -> str:
    try:
        return version("dialtone-core")
    except PackageNotFoundError:
        return "0"


def _state(request: Request) -> State:
    core = request.core
    clear = Scope.ADMIN in request.session.scopes
    return State(
        seq=core.store.bus.head_seq,
        lines=[_line(request, name) for name in core.services.calls.lines],
        calls=[shown(request, call.info()) for call in core.services.calls.book.live()],
        clients=_clients(request),
        alarms=[
            AlarmInfo(alarm=a.alarm, severity=a.severity, client=a.client, at=a.at, text=a.text if clear else None)
            for a in core.services.clients.alarms
        ],
        net=_net(request),
    )


def _net(request: Request) -> NetBrief | None:
    network = request.core.services.network
    if network is None:
        return None
    try:
        now = network.status()
    except NetUnavailable:  # for the moment in which it is started anew
        return None
    return NetBrief(state=now.state, primary=now.links.primary, interface=now.interface)


def _line(request: Request, name: str) -> LineStatusInfo:
    info = request.core.services.calls.lines[name].info
    return LineStatusInfo(**{key: getattr(info, key) for key in LineStatusInfo.__struct_fields__})


def _clients(request: Request) -> list[ClientInfo]:
    core = request.core
    found = []
    for session in core.sessions:
        name = session.name or f"session {session.id}"
        entry = core.services.clients.entry(name)
        brain = core.services.calls.steering.brains.get(session.id)
        found.append(
            ClientInfo(
                name=name,
                connected=True,
                scopes=sorted(scope.value for scope in session.scopes),
                brain_priority=brain.priority if brain else None,
                state=entry.state if entry else None,
                detail=entry.detail if entry else None,
            )
        )
    return found
