"""Events of lines and their modems."""

from typing import Annotated

from msgspec import Meta

from core.events.declare import Event, event
from core.line import LineState


@event("modem.state")
class ModemState(Event, frozen=True, kw_only=True):
    """The line changed: offline, starting, ready, reconnecting or failed."""

    state: LineState
    reason: str | None = None


@event("modem.lost")
class ModemLost(Event, frozen=True, kw_only=True):
    """The modem is gone for longer than the grace of 20 s."""

    reason: str | None = None


@event("modem.signal", fact=False)
class ModemSignal(Event, frozen=True, kw_only=True):
    """Signal strength, quality or access technology changed by more than it flickers."""

    rssi_dbm: int | None
    rsrp_dbm: Annotated[float | None, Meta(description="LTE only, as the two below")] = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    access_technology: Annotated[
        str | None, Meta(description="gsm, gprs, edge, wcdma, hsdpa, hsupa, hspa or lte; null without service")
    ] = None


@event("modem.recovery")
class ModemRecovery(Event, frozen=True, kw_only=True):
    """The daemon heals a modem: one rung of the ladder began, helped or did not (docs/recovery.md)."""

    rung: Annotated[str, Meta(description="resync, other_port, radio, reset, usb_reset, power or human")]
    state: Annotated[str, Meta(description="started, succeeded, failed or skipped")]
    reason: Annotated[str, Meta(description="What was wrong, for people")]
    attempt: Annotated[int, Meta(description="How often this rung was taken within the hour")] = 1
    duration_s: Annotated[float | None, Meta(description="Set when it is over")] = None


@event("location.fix", fact=False, personal=("latitude", "longitude", "altitude_m"))
class LocationFix(Event, frozen=True, kw_only=True):
    """Where the modem is, once a second at most while location.start is in force."""

    latitude: Annotated[float | None, Meta(description="Degrees north, WGS 84")]
    longitude: Annotated[float | None, Meta(description="Degrees east, WGS 84")]
    altitude_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    fixed_at: Annotated[str | None, Meta(description="UTC of the fix, RFC 3339")] = None
