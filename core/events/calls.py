"""Events of calls: from the first ring to the end, tones and keys, recordings, transfers, voicemail."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from core.events.declare import Event, event
from core.line import Direction, EndReason


@event("call.incoming", personal=("number",))
class CallIncoming(Event, frozen=True, kw_only=True):
    """A call wants in. Sent once per call; number is null while unknown or when withheld."""

    number: str | None = None
    withheld: bool = False
    waiting: bool = False


@event("call.ring", fact=False, personal=("number",))
class CallRing(Event, frozen=True, kw_only=True):
    """One ring of an incoming call, numbered from 1; the same RING on two ports counts once."""

    ring: int
    number: str | None = None


@event("call.ringing", personal=("number",))
class CallRinging(Event, frozen=True, kw_only=True):
    """An outgoing call was taken by the modem and is being set up."""

    number: str | None = None


@event("call.alerting")
class CallAlerting(Event, frozen=True, kw_only=True):
    """The far end of an outgoing call rings."""


@event("call.connected", personal=("number",))
class CallConnected(Event, frozen=True, kw_only=True):
    """The call is answered, by us or by the far end."""

    direction: Direction
    number: str | None = None


@event("call.held")
class CallHeld(Event, frozen=True, kw_only=True):
    """The call was put on hold, or taken back (held: false)."""

    held: bool


@event("call.dtmf", personal=("digit",))
class CallDtmf(Event, frozen=True, kw_only=True):
    """The far end pressed a key."""

    digit: str | None


@event("call.tone")
class CallTone(Event, frozen=True, kw_only=True):
    """A tone of a network, a fax or a pager was recognised in what the far end sends. Told once while it lasts."""

    tone: Annotated[str, Meta(description="dial, ringback, busy, congestion, sit, cng, ced or paging")]
    frequency_hz: Annotated[float | None, Meta(description="The lower one of two; the first one of a sequence")] = None
    duration_ms: Annotated[int, Meta(description="From its beginning until it was certain")] = 0
    name: Annotated[str | None, Meta(description="Of the [[media.paging]] entry")] = None


@event("call.level", fact=False)
class CallLevel(Event, frozen=True, kw_only=True):
    """Levels of the last second, dB below full scale."""

    downlink_dbfs: float
    uplink_dbfs: float


@event("call.attached", fact=False)
class CallAttached(Event, frozen=True, kw_only=True):
    """A client is connected to the voice of the call (call.attach)."""

    attachment: Annotated[int, Meta(description="As call.attach gave it")]
    role: Annotated[str, Meta(description="listener or talker")]
    keep_hearing: Annotated[bool, Meta(description="False for a talker in whose place the core hears no turns")]


@event("call.detached", fact=False)
class CallDetached(Event, frozen=True, kw_only=True):
    """An attached client is gone, or never came; frames are of 20 ms."""

    attachment: int
    role: str
    reason: Annotated[str, Meta(description="left, all_played, replaced, call_ended or never_came")]
    frames_out: Annotated[int, Meta(description="Given to the client")] = 0
    dropped_out: Annotated[int, Meta(description="Not given, because it did not read in time")] = 0
    frames_in: Annotated[int, Meta(description="Taken from the client")] = 0
    dropped_in: Annotated[int, Meta(description="Not taken, because it sent more than the line takes")] = 0


@event("call.recorded")
class CallRecorded(Event, frozen=True, kw_only=True):
    """A recording is complete and under its last name; after the call, or after call.record stopped it."""

    path: Annotated[str | None, Meta(description="null when nothing could be recorded")]
    format: Annotated[str, Meta(description="wav or ogg; stereo, far end left, us right")]
    duration_s: float
    bytes: int = 0
    problem: Annotated[
        str | None,
        Meta(description="disk_full, too_large, stalled, no_consent, core_restarted … ; the file is valid up to there"),
    ] = None


@event("call.audio_failed")
class CallAudioFailed(Event, frozen=True, kw_only=True):
    """The modem gave no audio, or it stopped; the call itself may still be up."""

    reason: str
    attempts: int = 0


@event("call.claimed", fact=False)
class CallClaimed(Event, frozen=True, kw_only=True):
    """Who steers the call changed; holder is a client name, null when it is free."""

    holder: str | None = None


class CallAudio(Struct, frozen=True, kw_only=True):
    """What the audio of a call really did (see docs: audio report)."""

    attempts: int
    open_ms: int | None
    rate_hz: int
    measured_rate_hz: int | None
    bytes_in: int
    bytes_out: int
    in_bytes_per_s: int
    out_bytes_per_s: int
    downlink_dropped_frames: int
    uplink_silence_frames: int
    uplink_stalls: int
    alignment_shifts: int
    verdict: str


@event("call.missed", personal=("number",))
class CallMissed(Event, frozen=True, kw_only=True):
    """An incoming call was never answered."""

    number: str | None = None
    withheld: bool = False
    rings: int = 0


@event("call.ended", personal=("number",))
class CallEnded(Event, frozen=True, kw_only=True):
    """A call is over; sent exactly once per call."""

    direction: Direction
    reason: EndReason
    number: str | None = None
    network_text: str | None = None
    duration_s: float = 0.0
    turns: int = 0
    recording: str | None = None
    audio: CallAudio | None = None


class AnsweredBy(StrEnum):
    """Who took an outgoing call."""

    HUMAN = "human"
    MACHINE = "machine"  # an answering machine or a mailbox
    SCREENING = "screening"  # an assistant that asks who is calling
    IVR = "ivr"  # a menu
    SILENCE = "silence"
    UNKNOWN = "unknown"


@event("call.answered_by")
class CallAnsweredBy(Event, frozen=True, kw_only=True):
    """Who took our call, judged by what is heard. Comes again when what follows says otherwise, and at the beep."""

    answered_by: AnsweredBy
    confidence: Annotated[float, Meta(description="0 to 1; a judgement, no probability")]
    beep: Annotated[bool, Meta(description="The tone of a machine is over: it records from now on")] = False
    after_ms: Annotated[int, Meta(description="Of the line's time since the audio was opened")] = 0


class TransferState(StrEnum):
    """How far a transfer to a person is."""

    HELD = "held"  # the caller is on hold
    DIALING = "dialing"
    ANSWERED = "answered"
    JOINED = "joined"  # caller and person hear each other
    RETURNED = "returned"  # it did not work; the caller is with us again
    TAKING_MESSAGE = "taking_message"
    MESSAGE_SENT = "message_sent"
    FAILED = "failed"
    ENDED = "ended"  # after joined: the person has left, or the caller has


@event("call.transfer", personal=("to",))
class CallTransfer(Event, frozen=True, kw_only=True):
    """A transfer to a person went on. failed, message_sent and ended are its ends; call_id is the caller's call."""

    state: TransferState
    to: str | None = None
    reason: Annotated[
        str | None,
        Meta(
            description="busy, no_answer, no_carrier, declined, refused_by_network, not_allowed, modem, no_audio, "
            "nothing_said, person_left, caller_left …"
        ),
    ] = None
    transfer_call_id: Annotated[str | None, Meta(description="The call to the person")] = None
    message_id: Annotated[str | None, Meta(description="The short message to the person")] = None


@event("voicemail.received", personal=("number", "text"))
class VoicemailReceived(Event, frozen=True, kw_only=True):
    """A caller left a message; once per message."""

    voicemail_id: str
    number: str | None
    withheld: bool = False
    duration_s: float = 0.0
    text: Annotated[str | None, Meta(description="null where no recogniser could make words of it")] = None
    partial: Annotated[bool, Meta(description="The core, the modem or the disk stopped in the middle of it")] = False
