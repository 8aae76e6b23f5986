"""modem.*: what a modem is, hears and does, and the few things that are done to it by hand."""

from typing import Annotated

from msgspec import Meta, Struct, convert

from core.errors import (
    Forbidden,
    ModemBusy,
    ModemOffline,
    ModemRefused,
    ModemRestarting,
    NotFound,
    NotNow,
    SimLocked,
    StoreFailed,
    TimedOut,
    Unsupported,
)
from core.events import Scope
from core.rpc.api.modem_info import ModemSignalInfo, ModemStatus, signal_of, status_of
from core.rpc.api.shared import LineName, client_name
from core.rpc.methods import Request, method

ASKING = (NotFound, ModemOffline, ModemBusy, ModemRestarting, TimedOut)
Pin = Annotated[str, Meta(pattern="^[0-9]{4,8}$", description="Never logged, kept on disk or sent back")]
Puk = Annotated[str, Meta(pattern="^[0-9]{8}$", description="With it, pin is the new PIN")]


class ModemLineParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None


class ModemStatusParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None
    fresh: Annotated[
        bool, Meta(description="Ask the modem now, or fail; otherwise what it said within the last 10 s will do")
    ] = False


class ModemCarrier(Struct, frozen=True, kw_only=True):
    """The carrier that the SIM belongs to, as far as it is known, and what it takes to use it."""

    line: str
    name: str | None
    country: str | None
    mcc_mnc: Annotated[str, Meta(description="Country and network code, such as 234-15")]
    apn: str
    ims_apn: str
    volte: Annotated[bool | None, Meta(description="null: nobody knows; the network decides")]
    source: Annotated[str, Meta(description="config, file, override, system, shipped or fallback")]


class ModemUnlockParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pin: Pin
    puk: Puk | None = None
    line: LineName | None = None


class ModemUnlocked(Struct, frozen=True, kw_only=True):
    line: str
    sim: str | None


class ModemResetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=200, description="For the history")] | None = None


class ModemResetResult(Struct, frozen=True, kw_only=True):
    line: str


class ModemHistoryParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: Annotated[str, Meta(max_length=31, description="Left out: all lines")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class ModemFact(Struct, frozen=True, kw_only=True):
    """A modem.state, modem.lost or modem.recovery event, as it was told; state is that of the line or of the rung."""

    seq: int
    topic: str
    at: str
    line: str | None = None
    state: str | None = None
    reason: str | None = None
    rung: str | None = None
    attempt: int | None = None
    duration_s: float | None = None


class ModemHistory(Struct, frozen=True, kw_only=True):
    facts: Annotated[list[ModemFact], Meta(description="The newest first")]


class ModemAtParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    command: Annotated[str, Meta(pattern="^[Aa][Tt][ -~]*$", max_length=559, description="Such as AT+CSQ")]
    line: LineName | None = None
    timeout_s: Annotated[float, Meta(ge=1, le=180)] = 10.0


class ModemAtResult(Struct, frozen=True, kw_only=True):
    lines: list[str]
    final: Annotated[str, Meta(description="OK, ERROR, +CME ERROR: …")]


@method("modem.status", errors=ASKING, since="0.3")
async def status(request: Request, params: ModemStatusParams) -> ModemStatus:
    """Everything about a modem, its SIM and its network. Without a modem it says so, and what it says by asking is
    null."""
    modems = request.core.services.modems
    found = await modems.report(params.line, fresh=params.fresh)
    info = modems.line_named(params.line).info
    return status_of(info, found, clear=Scope.ADMIN in request.session.scopes)


@method("modem.signal", errors=(NotFound,), since="0.3")
async def signal(request: Request, params: ModemLineParams) -> ModemSignalInfo:
    """Strength and quality as last heard; nothing is asked of the modem."""
    return signal_of(request.core.services.modems.line_named(params.line).info)


@method("modem.carrier", errors=ASKING, since="0.3")
async def carrier(request: Request, params: ModemLineParams) -> ModemCarrier:
    """The carrier of the SIM: its name, access points and VoLTE, and where that is known from."""
    modems = request.core.services.modems
    line = modems.line_named(params.line)
    found = await modems.report(line.name) or await modems.report(line.name, fresh=True)
    known = found.report.carrier if found is not None else None
    if known is None:
        raise NotFound("The SIM has not been read yet, so its carrier is not known. See sim in modem.status.")
    return ModemCarrier(
        line=line.name, name=known.name, country=known.country, mcc_mnc=known.mcc_mnc, apn=known.apn,
        ims_apn=known.ims_apn, volte=known.volte, source=known.source,
    )  # fmt: skip


@method("modem.unlock", scope=Scope.ADMIN, errors=(*ASKING, SimLocked, ModemRefused, NotNow), since="0.3")
async def unlock(request: Request, params: ModemUnlockParams) -> ModemUnlocked:
    """Enter the SIM's PIN; with its PUK, set a new one. Never done with fewer than two tries left."""
    line = request.core.services.modems.line_named(params.line)
    await line.unlock(params.pin, params.puk)
    return ModemUnlocked(line=line.name, sim=line.info.sim)


@method("modem.reset", scope=Scope.ADMIN, errors=(*ASKING, NotNow, ModemRefused, Unsupported), since="0.3")
async def reset(request: Request, params: ModemResetParams) -> ModemResetResult:
    """Restart the modem; answers once it has taken the command. modem.state tells when it is back."""
    line = request.core.services.modems.line_named(params.line)
    await line.restart(params.reason or f"asked for by {client_name(request)}")
    return ModemResetResult(line=line.name)


@method("modem.history", errors=(NotFound, StoreFailed), since="0.3")
async def history(request: Request, params: ModemHistoryParams) -> ModemHistory:
    """What happened to the modems: lost, found, healed, with reasons and how long it took."""
    found = await request.core.services.modems.history(params.line, params.limit)
    return ModemHistory(facts=[convert(fact, ModemFact) for fact in found])


@method("modem.at", scope=Scope.ADMIN, errors=(*ASKING, Forbidden, NotNow), since="0.3")
async def at(request: Request, params: ModemAtParams) -> ModemAtResult:
    """One AT command by hand, if raw_at is set for the line. An error of the modem is a result, too."""
    *lines, final = await request.core.services.modems.raw_at(params.line, params.command, params.timeout_s)
    return ModemAtResult(lines=lines, final=final)
