"""Where the time of a call goes: what happened when, and for each turn every stage from the end of speech to the reply.

Pure. Times are time.monotonic() seconds as they come in, and seconds since the call began as they go out, in the
shape of the station that this one replaces (`timing_analysis/<call_id>.json`).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.events import (
    CallBargeIn,
    CallChunk,
    CallDtmf,
    CallPartial,
    CallSpeaking,
    CallSpeech,
    CallSpoken,
    CallTurnEnd,
    CallTurnStart,
    Event,
)

EVENTS_KEPT = 20_000
"""Hours of talk; later ones are counted."""

STAGES = (
    "speech_end", "stt_start", "stt_end", "turn_end", "speech_told",
    "speak_asked", "tts_first_byte", "first_pcm", "heard",
)  # fmt: skip
"""Of a turn: the caller's last sound; the recogniser's run that gave the words; the end of the turn; the words told to
the brain; its reply; first sound of the engine; first and last frame of the reply on the line."""


@dataclass(slots=True)
class TurnTimes:
    """One turn. reply: the utterance that answered it."""

    turn: int
    at: dict[str, float] = field(default_factory=dict)
    chunks: list[tuple[int, float, int]] = field(default_factory=list)
    reply: int | None = None


class Timeline:
    """One call's. started_s: monotonic; started_unix_s: the same moment by the clock on the wall."""

    def __init__(self, call_id: str, started_s: float, started_unix_s: float) -> None:
        self._call_id, self._started_s, self._started_unix_s = call_id, started_s, started_unix_s
        self._events: list[tuple[float, str, dict[str, Any]]] = []
        self._turns: dict[int, TurnTimes] = {}
        self._left_out = 0

    def mark(self, name: str, at_s: float, **details: Any) -> None:
        """One thing that happened; details without texts and keys."""
        if len(self._events) >= EVENTS_KEPT:
            self._left_out += 1
            return
        self._events.append((at_s, name, details))

    def saw(self, event: Event, at_s: float) -> None:
        """An event of the call, as it happens."""
        match event:
            case CallTurnStart():
                self._turn(event.turn)
                self.mark("vad_speech_start", at_s, turn=event.turn)
            case CallChunk():
                self._turn(event.turn).chunks.append((event.chunk, at_s, event.duration_ms))
                self.mark("vad_chunk", at_s, turn=event.turn, chunk=event.chunk, audio=event.duration_ms / 1000)
            case CallPartial():
                stt_s = event.stt_ms / 1000
                times = self._turn(event.turn).at
                times["stt_start"], times["stt_end"] = at_s - stt_s, at_s
                self.mark("stt_end", at_s, turn=event.turn, chunk=event.chunk, duration=stt_s, engine=event.engine)
            case CallTurnEnd():
                times = self._turn(event.turn).at
                times["speech_end"], times["turn_end"] = at_s - event.silence_ms / 1000, at_s
                self.mark("vad_speech_end", times["speech_end"], turn=event.turn)
                self.mark("vad_turn_end", at_s, turn=event.turn, reason=event.reason, silence=event.silence_ms / 1000)
            case CallSpeech():
                self._told(event, at_s)
            case CallSpeaking(resumed=False):
                self._speaking(event, at_s)
            case CallSpoken():
                self._spoken(event, at_s)
            case CallBargeIn():
                self.mark("barge_in", at_s, utterance=event.utterance, duration=event.reaction_ms / 1000)
            case CallDtmf():
                self.mark("dtmf", at_s)
            case _:
                pass

    def _turn(self, turn: int) -> TurnTimes:
        return self._turns.setdefault(turn, TurnTimes(turn))

    def _told(self, event: CallSpeech, at_s: float) -> None:
        turn = self._turn(event.turn)
        turn.at["speech_told"] = at_s
        if event.engine is not None and "stt_end" not in turn.at:  # it was done after the end of the turn, or elsewhere
            turn.at["stt_start"] = turn.chunks[-1][1] if turn.chunks else turn.at.get("turn_end", at_s)
            turn.at["stt_end"] = at_s
        length = len(event.text or "")
        self.mark("speech_told", at_s, turn=event.turn, understood=event.understood, text_length=length)

    def _speaking(self, event: CallSpeaking, at_s: float) -> None:
        asked_s = at_s - event.latency_ms / 1000
        made_s = asked_s + event.made_ms / 1000
        length = len(event.text or "")
        self.mark("tts_request_sent", asked_s, utterance=event.utterance, text_length=length)
        self.mark("tts_audio_loaded", made_s, utterance=event.utterance, duration=event.made_ms / 1000)
        self.mark("tts_first_pcm", at_s, utterance=event.utterance, duration=event.latency_ms / 1000)
        told = [turn for turn in self._turns.values() if turn.at.get("speech_told", at_s) <= asked_s]
        answered = max(told, key=lambda turn: turn.turn, default=None)
        if answered is not None and answered.reply is None and not event.filler:
            answered.reply = event.utterance
            answered.at |= {"speak_asked": asked_s, "tts_first_byte": made_s, "first_pcm": at_s}

    def _spoken(self, event: CallSpoken, at_s: float) -> None:
        self.mark("tts_playback_complete", at_s, utterance=event.utterance, completed=event.completed)
        for turn in self._turns.values():
            if turn.reply == event.utterance:
                turn.at["heard"] = at_s

    # --- the file -----------------------------------------------------------------------------------------------------

    def report(self, duration_s: float) -> dict[str, Any]:
        """All of it, ready for JSON."""
        turns = [self._turn_report(turn) for turn in sorted(self._turns.values(), key=lambda turn: turn.turn)]
        replies = sorted(turn["delays"]["reply"] for turn in turns if "reply" in turn["delays"])
        return {
            "call_id": self._call_id,
            "start_time": self._local(self._started_s),
            "duration": round(duration_s, 3),
            "summary": {
                "vad_chunks": sum(1 for turn in self._turns.values() if turn.chunks),
                "turns": len(turns),
                "replies": len(replies),
                "reply_median": replies[len(replies) // 2] if replies else None,
                "events_left_out": self._left_out,
            },
            "turns": turns,
            "events": [
                {"name": name, "time": self._since(at_s), "timestamp": self._local(at_s), "details": _rounded(details)}
                for at_s, name, details in sorted(self._events, key=lambda event: event[0])
            ],
        }

    def _turn_report(self, turn: TurnTimes) -> dict[str, Any]:
        at = turn.at
        delays = {
            "endpoint": ("speech_end", "turn_end"),
            "stt": ("stt_start", "stt_end"),
            "told": ("turn_end", "speech_told"),
            "brain": ("speech_told", "speak_asked"),
            "tts": ("speak_asked", "tts_first_byte"),
            "playout": ("tts_first_byte", "first_pcm"),
            "reply": ("speech_end", "first_pcm"),
        }
        return {
            "turn": turn.turn,
            "chunks": [
                {"chunk": chunk, "time": self._since(at_s), "duration": duration_ms / 1000}
                for chunk, at_s, duration_ms in turn.chunks
            ],
            "stages": {stage: self._since(at[stage]) for stage in STAGES if stage in at},
            "delays": {
                name: round(at[to] - at[since], 3) for name, (since, to) in delays.items() if since in at and to in at
            },
        }

    def _since(self, at_s: float) -> float:
        return round(at_s - self._started_s, 3)

    def _local(self, at_s: float) -> str:
        """Local time without its zone, as the old files have it."""
        moment = datetime.fromtimestamp(self._started_unix_s + at_s - self._started_s, UTC)
        return moment.astimezone().replace(tzinfo=None).isoformat(timespec="microseconds")


def _rounded(details: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in details.items()
        if value is not None
    }
