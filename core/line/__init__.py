"""A line: what the services know of a phone. A modem with its SIM is one; SIP or AudioSocket could be others.

Services never name a modem. Facts come up by being pulled (`await line.next()`), wishes go down as calls, so that a
line never waits for a service. `handle` names one call on one line as long as the process lives; it never repeats.
"""

from core.line.audio import AudioClosed, AudioPort, AudioReport, Tick
from core.line.facts import (
    LineCaller,
    LineCallEvent,
    LineDtmf,
    LineEvent,
    LineFix,
    LineIncoming,
    LineModemEvent,
    LineProgress,
    LineRecovery,
    LineReleased,
    LineRing,
    LineSignal,
    LineStatus,
)
from core.line.messages import (
    MAIL_ITEMS,
    HeldPdu,
    LineLateReference,
    LineLateRefusal,
    LineMail,
    LineMemory,
    LineMessage,
    LineUssd,
    Place,
    SendRefused,
    SendUncertain,
    UssdAnswer,
)
from core.line.protocol import Line
from core.line.report import LineCarrier, LineData, LineInfo, LineReport, MemoryUse, PacketContext
from core.line.words import AudioVerdict, CallState, Direction, EndReason, LineState, UssdState

__all__ = [
    "AudioClosed",
    "AudioPort",
    "AudioReport",
    "AudioVerdict",
    "CallState",
    "Direction",
    "EndReason",
    "HeldPdu",
    "Line",
    "LineCallEvent",
    "LineCaller",
    "LineCarrier",
    "LineData",
    "LineDtmf",
    "LineEvent",
    "LineFix",
    "LineIncoming",
    "LineInfo",
    "LineLateReference",
    "LineLateRefusal",
    "LineMail",
    "LineMemory",
    "LineMessage",
    "LineModemEvent",
    "LineProgress",
    "LineRecovery",
    "LineReleased",
    "LineReport",
    "LineRing",
    "LineSignal",
    "LineState",
    "LineStatus",
    "LineUssd",
    "MAIL_ITEMS",
    "MemoryUse",
    "PacketContext",
    "Place",
    "SendRefused",
    "SendUncertain",
    "Tick",
    "UssdAnswer",
    "UssdState",
]
