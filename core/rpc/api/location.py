"""location.*: where the modem is, by its satellite receiver. Positions of people: admin only."""

from typing import Annotated

from msgspec import Meta, Struct

from core.errors import ModemOffline, ModemRefused, NotFound, Unsupported
from core.events import LocationFix, Scope
from core.line import Line
from core.modems import fix_event
from core.rpc.api.shared import LineName
from core.rpc.methods import Request, method


class LocationParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None


class LocationInfo(Struct, frozen=True, kw_only=True):
    """Fields as in location.fix; all null while there is no fix."""

    line: str
    on: Annotated[bool, Meta(description="Whether the receiver runs; after location.start it may take a minute")]
    latitude: Annotated[float, Meta(description="Degrees north, WGS 84")] | None = None
    longitude: Annotated[float, Meta(description="Degrees east, WGS 84")] | None = None
    altitude_m: Annotated[float, Meta(description="Above mean sea level")] | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    fixed_at: Annotated[str, Meta(description="UTC of the fix, RFC 3339")] | None = None


_SWITCHING = (NotFound, Unsupported, ModemOffline, ModemRefused)


@method("location.start", scope=Scope.ADMIN, errors=_SWITCHING, since="0.3")
async def start(request: Request, params: LocationParams) -> LocationInfo:
    """Switches satellite positioning on until location.stop; location.fix follows once a second as soon as there is a
    fix, and again after the modem was away. It outlives no restart of the daemon; gnss = true in core.toml does."""
    return await _switch(request, params, on=True)


@method("location.stop", scope=Scope.ADMIN, errors=_SWITCHING, since="0.3")
async def stop(request: Request, params: LocationParams) -> LocationInfo:
    """Switches it off. The next start takes up to a minute: the receiver needs its time to end."""
    return await _switch(request, params, on=False)


@method("location.get", scope=Scope.ADMIN, errors=(NotFound,), since="0.3")
async def get(request: Request, params: LocationParams) -> LocationInfo:
    """The last position, and whether the receiver runs."""
    return _info(request.core.services.modems.line_named(params.line))


async def _switch(request: Request, params: LocationParams, *, on: bool) -> LocationInfo:
    line = request.core.services.modems.line_named(params.line)
    await line.locate(on)
    return _info(line)


def _info(line: Line) -> LocationInfo:
    fix = line.location
    if fix is None:
        return LocationInfo(line=line.name, on=False)
    told = fix_event(line.name, fix)
    names = (
        name for name in LocationFix.__struct_fields__ if name in LocationInfo.__struct_fields__ and name != "line"
    )
    return LocationInfo(line=line.name, on=True, **{name: getattr(told, name) for name in names})
