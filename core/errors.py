"""Every error a client may see: one class a kind, one table, numbered once and never again.

`data.kind` is authoritative for clients; the code is only its number. `retry` says whether the same request can
succeed later without being changed. Messages say what to do and hold no numbers, texts or keys of people.
"""

from typing import ClassVar

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
REQUEST_CANCELLED = -32800
"""As in the Language Server Protocol, whose $/cancelRequest we also speak."""


class PublicError(Exception):
    """An error that a client can act on. Subclasses set code, kind and retry; the message says what to do."""

    code: ClassVar[int] = INTERNAL_ERROR
    kind: ClassVar[str] = "internal"
    retry: ClassVar[bool] = False
    summary: ClassVar[str] = "The daemon failed; its log has the reason."

    def __init__(
        self, message: str | None = None, *, retry_after_s: float | None = None, **details: str | int | float | None
    ) -> None:
        super().__init__(message or self.summary)
        self.message = message or self.summary
        self.retry_after_s = retry_after_s
        self.details = details

    def data(self) -> dict[str, object]:
        """The `data` member of the JSON-RPC error object."""
        retry = self.retry or self.retry_after_s is not None  # a limit over time passes, a limit of size does not
        found: dict[str, object] = {"kind": self.kind, "retry": retry}
        if self.retry_after_s is not None:
            found["retry_after_s"] = self.retry_after_s
        return found | self.details


class InvalidParams(PublicError):
    code, kind = INVALID_PARAMS, "invalid_params"
    summary = "A parameter is missing, unknown or of the wrong type; data.path names it."


class Cancelled(PublicError):
    code, kind, retry = REQUEST_CANCELLED, "cancelled", True
    summary = "The wait was cancelled by its client; what the modem had begun was carried through."


class ModemOffline(PublicError):
    code, kind, retry = -32001, "modem_offline", True
    summary = "The modem of this line is not connected. Check its cable and power; the daemon reconnects by itself."


class ModemBusy(PublicError):
    code, kind, retry = -32002, "modem_busy", True
    summary = "Too many commands wait for the modem. Try again in a moment."


class LineBusy(PublicError):
    code, kind, retry = -32003, "line_busy", True
    summary = "The line has a call already. Hang it up or hold it first."


class NotFound(PublicError):
    code, kind = -32004, "not_found"
    summary = "There is no such thing under that name or id."


class NotNow(PublicError):
    code, kind = -32005, "not_now"
    summary = "The call is not in a state in which this can be done."


class NotDialable(PublicError):
    code, kind = -32006, "not_dialable"
    summary = "The number can't be dialled: use + and digits, or a short code of digits, * and #."


class Forbidden(PublicError):
    code, kind = -32007, "forbidden"
    summary = "Your user or group has no scope for this. The [access] table of core.toml grants scopes."


class Claimed(PublicError):
    code, kind, retry = -32008, "claimed", True
    summary = "Another client steers this call. Present its claim token, or wait until it lets go."


class EngineMissing(PublicError):
    code, kind = -32009, "engine_missing"
    summary = "That speech engine is not installed or has no model."


class PathRefused(PublicError):
    code, kind = -32010, "path_refused"
    summary = "Files are read only below the roots named in core.toml; send the audio as base64 instead."


class LimitExceeded(PublicError):
    code, kind = -32011, "limit"
    summary = "The request is over a limit."


class EmergencyDenied(PublicError):
    code, kind = -32012, "emergency_denied"
    summary = 'Emergency numbers are refused. Set emergency = "allow" in [call] if this line may call them.'


class AudioFailed(PublicError):
    code, kind, retry = -32013, "audio_failed", True
    summary = "The modem gave no audio for this call."


class TimedOut(PublicError):
    code, kind, retry = -32014, "timeout", True
    summary = "It took longer than its deadline."


class StoreFailed(PublicError):
    code, kind, retry = -32015, "store_failed", True
    summary = "The disk refused the write: look at free space and permissions of the state directory."


class AckBeyondHead(PublicError):
    code, kind = -32016, "ack_beyond_head"
    summary = "That seq has not been given out yet. Ack only what you have read."


class ModemRefused(PublicError):
    code, kind = -32017, "modem_refused"
    summary = "The modem or the network refused the command; data.network_text has its words."


class Displaced(PublicError):
    code, kind = -32018, "displaced"
    summary = "A newer connection took over this consumer name."


class NotUnderstood(PublicError):
    code, kind = -32019, "not_understood"
    summary = "No engine could make words of this audio."


class Unsupported(PublicError):
    code, kind = -32020, "unsupported"
    summary = "This line can't do that."


class RefTaken(PublicError):
    code, kind = -32021, "ref_taken"
    summary = "This client_ref belongs to another message with other content. Use a new one for each message."


class GuardRefused(PublicError):
    code, kind = -32022, "guard_refused"
    summary = "The guard of this line refuses it; data.rule says which rule of [guard] in core.toml."


class TooLong(PublicError):
    code, kind = -32023, "too_long"
    summary = "The text does not fit into one message, even in parts."


class UssdFailed(PublicError):
    code, kind = -32024, "ussd_failed"
    summary = "The network did not answer this USSD code with a text; data.state says what it did."


class ModemRestarting(PublicError):
    code, kind, retry = -32025, "modem_restarting", True
    summary = "The modem is being restarted to heal it. Messages wait by themselves; try the call again in a moment."


class SimLocked(PublicError):
    code, kind = -32026, "sim_locked"
    summary = "The SIM wants a PIN or PUK; data.tries_left says how often it may be tried. See modem.unlock."


class SpeechUnavailable(PublicError):
    code, kind, retry = -32027, "speech_unavailable", True
    summary = "No speech engine could say it; data.reason has a stable word, data.engine the last one that was tried."


class NetUnavailable(PublicError):
    code, kind = -32028, "net_unavailable"
    summary = "The core can't do that for the internet connection here; data.reason says what is missing."


class NetFailed(PublicError):
    code, kind, retry = -32029, "net_failed", True
    summary = "The network, NetworkManager or the modem's data refused; data.trouble has a stable word."


def error_table() -> list[type[PublicError]]:
    """All kinds, by code, for the schema. A test checks that no code and no kind stands twice."""
    return sorted(PublicError.__subclasses__(), key=lambda error: error.code, reverse=True)
