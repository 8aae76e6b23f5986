"""guard.*: what the guard of a line would say, and how much of its limits is used."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.errors import NotDialable, NotFound, StoreFailed
from core.events import Scope
from core.limits import Usage
from core.rpc.api.shared import LineName, Number
from core.rpc.methods import Request, method

REFUSING = "emergency, deny, allow, premium, dry_run, sms_per_hour, sms_per_day, calls_per_hour or calls_per_day"


class GuardCheckParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: Number
    kind: Literal["sms", "call"] = "sms"
    line: LineName | None = None


class GuardVerdict(Struct, frozen=True, kw_only=True):
    """What sms.send or call.start would be told now, as far as the guard is concerned."""

    allowed: bool
    number: Annotated[str, Meta(description="E.164 where the number can be understood, else its digits")]
    rule: Annotated[str, Meta(description=f"Which rule refuses: {REFUSING}")] | None = None
    text: str | None = None
    retry_after_s: (
        Annotated[float, Meta(description="When a limit is reached: how long until it is free again")] | None
    ) = None


class GuardStatusParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: Annotated[str, Meta(max_length=31, description="Left out: all lines")] | None = None


class GuardLimits(Struct, frozen=True, kw_only=True):
    """As in [guard] of core.toml; 0 is no limit."""

    sms_per_minute: int
    sms_per_hour: int
    sms_per_day: int
    calls_per_hour: int
    calls_per_day: int


class GuardLine(Struct, frozen=True, kw_only=True):
    """One line. SMS are counted in parts, as networks bill them; a day is the last 24 hours."""

    line: str
    sms_last_hour: int
    sms_last_day: int
    calls_last_hour: int
    calls_last_day: int
    limits: GuardLimits
    region: Annotated[str, Meta(description="Country by which numbers without + are read")] | None = None


class GuardStatus(Struct, frozen=True, kw_only=True):
    lines: list[GuardLine]
    dry_run: bool
    premium: Literal["deny", "allow"]
    deny: Annotated[int, Meta(description="Patterns of the deny list")]
    allow: Annotated[int, Meta(description="Patterns of the allow list")]


@method("guard.check", scope=Scope.MESSAGES, errors=(NotDialable, NotFound, StoreFailed), since="0.2")
async def check(request: Request, params: GuardCheckParams) -> GuardVerdict:
    """Whether the guard would let a message or a call to this number through now; nothing is sent or counted."""
    services = request.core.services
    line = services.calls.line_named(params.line)
    found = await services.guard.foretell(params.kind, params.to, line.name)
    return GuardVerdict(
        allowed=found.allowed,
        number=found.number,
        rule=found.rule,
        text=found.text,
        retry_after_s=found.retry_after_s,
    )


@method("guard.status", errors=(NotFound, StoreFailed), since="0.2")
async def status(request: Request, params: GuardStatusParams) -> GuardStatus:
    """How much each line has sent and dialled, and its limits."""
    services = request.core.services
    names = [services.calls.line_named(params.line).name] if params.line is not None else list(services.calls.lines)
    config = services.guard.config
    limits = GuardLimits(
        sms_per_minute=config.sms_per_minute,
        sms_per_hour=config.sms_per_hour,
        sms_per_day=config.sms_per_day,
        calls_per_hour=config.calls_per_hour,
        calls_per_day=config.calls_per_day,
    )
    used = [await services.guard.usage(name) for name in names]
    return GuardStatus(
        lines=[_line(each, limits, services.guard.region(each.line)) for each in used],
        dry_run=services.guard.dry_run,
        premium=config.premium,
        deny=len(config.deny),
        allow=len(config.allow),
    )


def _line(used: Usage, limits: GuardLimits, region: str | None) -> GuardLine:
    return GuardLine(
        line=used.line,
        sms_last_hour=used.sms_last_hour,
        sms_last_day=used.sms_last_day,
        calls_last_hour=used.calls_last_hour,
        calls_last_day=used.calls_last_day,
        limits=limits,
        region=region,
    )
