"""States and reasons of a line and its calls, as clients see them, too."""

from enum import StrEnum


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class CallState(StrEnum):
    """States of a call as clients see them (design §3)."""

    INCOMING = "incoming"
    DIALING = "dialing"
    ALERTING = "alerting"
    ACTIVE = "active"
    HELD = "held"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a call is over. The network's own words stand beside it as network_text."""

    REMOTE_HANGUP = "remote_hangup"
    LOCAL_HANGUP = "local_hangup"
    REJECTED = "rejected"
    MISSED = "missed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NO_CARRIER = "no_carrier"
    MODEM_LOST = "modem_lost"
    CORE_RESTARTED = "core_restarted"
    LIMIT = "limit"
    ERROR = "error"


class LineState(StrEnum):
    """What `status` and modem.state say of a line."""

    OFFLINE = "offline"  # never seen, or gone for longer than the grace
    STARTING = "starting"  # ports open, being configured
    READY = "ready"
    RECONNECTING = "reconnecting"  # gone a moment ago; sticks re-enumerate by themselves
    FAILED = "failed"  # answers, but can't be used; `reason` says why


class AudioVerdict(StrEnum):
    HEALTHY = "healthy"  # first attempt, no stall
    SUSPECT = "suspect"  # came up late or stalled for a moment: the next call may be bad
    ONE_WAY = "one_way"  # one direction carried nothing
    FAILED = "failed"  # never came up


class UssdState(StrEnum):
    """<m> of +CUSD (TS 27.007 §7.15)."""

    DONE = "done"  # 0: no further action needed
    REPLY_WANTED = "reply_wanted"  # 1: the network waits for ussd.reply
    TERMINATED = "terminated"  # 2: by the network
    ELSEWHERE = "elsewhere"  # 3: another local client has responded
    UNSUPPORTED = "unsupported"  # 4
    TIMEOUT = "timeout"  # 5: network time out
