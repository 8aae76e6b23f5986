"""Texts of calls under their old names: the timing of each turn, and what was said."""

from core.call_files_text import transcription
from core.call_files_timing import STAGES, Timeline
from core.events import CallChunk, CallPartial, CallSpeaking, CallSpeech, CallSpoken, CallTurnEnd, CallTurnStart
from core.store import calls as rows

CALL = "call_1795246560_k2fq"


def test_a_turn_has_all_its_stages_in_order_and_their_delays() -> None:
    timeline = Timeline(CALL, started_s=100.0, started_unix_s=1_795_246_560.0)
    timeline.mark("call_started", 100.0)
    timeline.saw(CallTurnStart(turn=1, at_ms=0), 103.0)
    timeline.saw(CallChunk(turn=1, chunk=1, duration_ms=1500), 105.05)
    timeline.saw(CallPartial(turn=1, chunk=1, text="hello", stt_ms=120, engine="phrases"), 105.2)
    timeline.saw(CallTurnEnd(turn=1, chunks=1, silence_ms=800), 105.3)
    timeline.saw(CallSpeech(turn=1, text="hello", understood=True, engine="phrases"), 105.31)
    timeline.saw(CallSpeaking(utterance=2, text="Hi there.", latency_ms=50, made_ms=20), 105.46)
    timeline.saw(
        CallSpoken(utterance=2, text="Hi there.", heard_text="Hi there.", played_ms=900, completed=True), 106.4
    )
    timeline.saw(CallSpeaking(utterance=3, text="And more.", latency_ms=950, made_ms=3), 106.42)
    report = timeline.report(10.0)
    (turn,) = report["turns"]
    assert tuple(turn["stages"]) == STAGES
    times = list(turn["stages"].values())
    assert turn["stages"] == {
        "speech_end": 4.5, "stt_start": 5.08, "stt_end": 5.2, "turn_end": 5.3, "speech_told": 5.31,
        "speak_asked": 5.41, "tts_first_byte": 5.43, "first_pcm": 5.46, "heard": 6.4,
    }  # fmt: skip
    assert times == sorted(times)
    assert turn["delays"]["reply"] == 0.96 and turn["delays"]["brain"] == 0.1 and turn["delays"]["stt"] == 0.12
    assert report["summary"] == {
        "vad_chunks": 1, "turns": 1, "replies": 1, "reply_median": 0.96, "events_left_out": 0,
    }  # fmt: skip
    names = [event["name"] for event in report["events"]]
    assert names[0] == "call_started" and names.count("tts_first_pcm") == 2 and "tts_playback_complete" in names
    assert [event["time"] for event in report["events"]] == sorted(event["time"] for event in report["events"])
    assert set(report["events"][0]) == {"name", "time", "timestamp", "details"}
    assert "Z" not in report["start_time"] and "hello" not in str(report), "local time, and no words"


def test_a_turn_that_nobody_answered_has_the_stages_it_had() -> None:
    timeline = Timeline(CALL, 0.0, 0.0)
    timeline.saw(CallTurnEnd(turn=1, chunks=1, silence_ms=800), 3.0)
    (turn,) = timeline.report(5.0)["turns"]
    assert turn["stages"] == {"speech_end": 2.2, "turn_end": 3.0} and turn["delays"] == {"endpoint": 0.8}


def row(ordinal: int, role: str, text: str | None, **more: object) -> rows.TurnRow:
    given = {"call_id": CALL, "ordinal": ordinal, "turn": ordinal, "role": role, "text": text, "at_ms": ordinal * 1000}
    return rows.TurnRow(**(given | more))  # type: ignore[arg-type]


def test_a_transcription_has_the_blocks_of_old() -> None:
    said = [
        row(1, "bot", "Good morning.", heard_text="Good morning."),
        row(2, "caller", "I would like\nto book", turn=1, duration_ms=400),
        row(4, "bot", "Which day, please? We have Monday, and Friday.", heard_text="Which day,"),
        row(5, "caller", None, turn=2),
    ]
    lines = transcription("2026-11-21T07:16:00.000Z", said).splitlines()
    assert [line[10:] for line in lines if line.startswith("[")] == [" Chunk #0:", " Chunk #1:", " Chunk #2:"]
    assert "Caller: I would like to book" in lines and "Caller: (not understood)" in lines
    assert "Bot: Which day, please? We have Monday, and Friday. (heard: Which day,)" in lines
    assert "VPS Processing: 1.60s from the end of speech to the first sound" in lines
    assert "Tokenization: 4 | Which day, | please? | We have Monday, | and Friday." in lines
