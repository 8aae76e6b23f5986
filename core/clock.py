"""The only place that reads the wall clock. Durations use time.monotonic at the place that measures them."""

import secrets
import time
from base64 import b32encode
from datetime import UTC, datetime

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def unix_s() -> float:
    """Seconds since 1970, UTC, from the host's clock. Never the modem's: that one starts in 1980."""
    return time.time()  # noqa: TID251 - this module is the exception that the rule exists for


def rfc3339(at_unix_s: float | None = None) -> str:
    """RFC 3339, UTC, milliseconds: 2026-11-21T07:16:00.123Z."""
    at = datetime.fromtimestamp(unix_s() if at_unix_s is None else at_unix_s, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def new_call_id() -> str:
    """call_<unix seconds>_<4 base32>: sorts by time, and two calls in one second stay apart."""
    return f"call_{int(unix_s())}_{''.join(secrets.choice(_BASE32) for _ in range(4))}"


def new_message_id() -> str:
    """sms_<unix seconds>_<8 base32>: hundreds a second stay apart (one clash in 1e12 pairs; the store refuses it)."""
    return f"sms_{int(unix_s())}_{b32encode(secrets.token_bytes(5)).decode().lower()}"


def new_voicemail_id() -> str:
    """vm_<unix seconds>_<8 base32>: also the name of its file."""
    return f"vm_{int(unix_s())}_{b32encode(secrets.token_bytes(5)).decode().lower()}"
