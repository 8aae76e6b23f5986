"""Events of what is said in a call, by the caller and by us."""

from typing import Annotated

from msgspec import Meta

from core.events.declare import Event, Scope, event


@event("call.turn_start", fact=False)
class CallTurnStart(Event, frozen=True, kw_only=True):
    """The caller began to speak (after the minimum of speech)."""

    turn: int
    at_ms: Annotated[int, Meta(description="Start of the speech, ms since the call was connected")]


@event("call.chunk", fact=False)
class CallChunk(Event, frozen=True, kw_only=True):
    """New audio of a turn was cut at the first silence threshold; fetch it with call.chunk_audio."""

    turn: int
    chunk: Annotated[int, Meta(description="Numbered from 1 per call")]
    duration_ms: int


@event("call.partial", fact=False, personal=("text",))
class CallPartial(Event, frozen=True, kw_only=True):
    """What was understood so far while the turn may still go on."""

    turn: int
    chunk: int
    text: str | None
    confidence: float | None = None
    language: str | None = None
    engine: str | None = None
    stt_ms: Annotated[int, Meta(description="How long the engine took")] = 0
    audio_ms: Annotated[int, Meta(description="Audio of the turn that these words are of")] = 0


@event("call.turn_resumed", fact=False)
class CallTurnResumed(Event, frozen=True, kw_only=True):
    """The caller went on after a chunk was cut: an answer that is being prepared is premature."""

    turn: int
    at_ms: Annotated[int, Meta(description="Where the speech goes on, ms since the call was connected")]


@event("call.turn_end", fact=False)
class CallTurnEnd(Event, frozen=True, kw_only=True):
    """The caller stopped speaking: the second silence threshold passed."""

    turn: int
    chunks: int
    silence_ms: int
    reason: Annotated[
        str,
        Meta(
            description="silence: the ordinary threshold; complete: sooner, after a whole phrase that a client "
            "expects; number: later, in mid-number; max_length: the next turn goes on; flushed: the call ended"
        ),
    ] = "silence"


@event("call.speech", personal=("text",))
class CallSpeech(Event, frozen=True, kw_only=True):
    """What the caller said in one turn. understood is false when no engine could tell; text is then null."""

    turn: int
    text: str | None
    understood: bool
    language: str | None = None
    confidence: float | None = None
    engine: str | None = None
    problem: Annotated[
        str | None, Meta(description="engine: why, e.g. whisper: timeout; another engine gave the text, or nobody did")
    ] = None
    duration_ms: int = 0
    start_ms: Annotated[int, Meta(description="First speech of the turn, ms since the call was connected")] = 0
    end_ms: Annotated[int, Meta(description="End of its last speech")] = 0
    latency_ms: Annotated[int, Meta(description="From the end-of-turn threshold to this text")] = 0
    stt_ms: Annotated[int, Meta(description="How long the engine took")] = 0
    audio_ms: Annotated[int, Meta(description="Audio that it was given")] = 0


@event("call.speaking", fact=False, personal=("text",))
class CallSpeaking(Event, frozen=True, kw_only=True):
    """The first frame of an utterance of ours went out."""

    utterance: int
    text: str | None = None
    latency_ms: Annotated[int, Meta(description="From the accepted request to its first PCM byte")] = 0
    made_ms: Annotated[int, Meta(description="From the accepted request to the first audio of the engine or file")] = 0
    resumed: Annotated[bool, Meta(description="It goes on: what interrupted it was no interruption")] = False
    filler: Annotated[bool, Meta(description="Of the core itself, while the brain thinks")] = False


@event("tts.failed_over", fact=False)
class TtsFailedOver(Event, frozen=True, kw_only=True):
    """A speech engine failed or was late, and the next one goes on with the text; the caller hears every sentence."""

    from_engine: str
    to_engine: str
    reason: Annotated[
        str,
        Meta(description="unreachable, refused, auth, rate_limited, no_voice, timeout, truncated, crashed or missing"),
    ]
    utterance: Annotated[int | None, Meta(description="None: speech outside of calls")] = None


@event("call.spoken", personal=("text", "heard_text"))
class CallSpoken(Event, frozen=True, kw_only=True):
    """An utterance of ours is over: played to its end, or cut; heard_text is what the far end was given."""

    utterance: int
    text: str | None
    heard_text: str | None
    played_ms: int
    completed: bool
    filler: Annotated[bool, Meta(description="Of the core itself, while the brain thinks")] = False
    problem: Annotated[
        str | None,
        Meta(description="Why not all of it could be made: an error's kind, e.g. speech_unavailable: unreachable"),
    ] = None


@event("call.barge_in", personal=("heard_text",))
class CallBargeIn(Event, frozen=True, kw_only=True):
    """The caller spoke into our utterance and playout stopped; call.spoken follows, or call.speaking with resumed."""

    utterance: int
    heard_text: str | None
    played_ms: int
    reaction_ms: Annotated[int, Meta(description="From the onset of the caller's speech to our last PCM byte")]


@event("stt.progress", fact=False, scope=Scope.CALLS)
class SttProgress(Event, frozen=True, kw_only=True):
    """How far stt.transcribe is with a recording; job is the name that the request gave."""

    job: str
    done_ms: int
    total_ms: int
