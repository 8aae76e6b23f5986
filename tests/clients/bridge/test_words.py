"""Requests, answers, context and the bridge's own words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bridge.context import Context
from clients.bridge.live_call import PIECE_CHARS, pieces
from clients.bridge.texts import BUILT_IN, Phrase, Texts
from clients.bridge.transcription import (
    Answer,
    Audio,
    BadAnswer,
    Caller,
    Status,
    chunk_request,
    end_request,
    read_answer,
)

CALLER = Caller("call_1770000000", "+37060000000", "lt")
SAMPLE: dict[str, Any] = {
    "status": "success",
    "call_id": "call_1770000000",
    "transcription": "noriu užsiregistruoti rytoj",
    "response": "Kurią valandą?",
    "continue": True,
    "processing_time_ms": 1480,
    "chunks": [
        {"chunk_number": 1, "transcription": "noriu užsiregistruoti", "transcription_time_ms": 520},
        {"chunk_number": 2, "transcription": "rytoj", "transcription_time_ms": 310},
    ],
    "timing": {"total_time_ms": 1480},
}


def test_a_chunk_and_an_end_signal_are_as_documented() -> None:
    context = "caller: labas\nbot: Laba diena"
    assert json.loads(chunk_request(CALLER, 1, Audio("T2dnUw==", 2340, 8000), context, 1770000012)) == {
        "call_id": "call_1770000000", "chunk_number": 1, "audio": "T2dnUw==", "language": "lt", "context": context,
        "caller_id": "+37060000000", "end_sentence": False,
        "metadata": {"timestamp": 1770000012, "duration_ms": 2340, "sample_rate": 8000},
    }  # fmt: skip
    assert json.loads(end_request(CALLER, 1, 800, None, "", 1770000013)) == {
        "call_id": "call_1770000000", "chunk_number": 1, "audio": None, "language": "lt", "context": "",
        "caller_id": "+37060000000", "end_sentence": True,
        "metadata": {"timestamp": 1770000013, "silence_duration_ms": 800, "type": "end_signal"},
    }  # fmt: skip


def test_the_documented_answers_are_understood() -> None:
    assert read_answer(SAMPLE, CALLER.call_id) == Answer(
        Status.SUCCESS, "noriu užsiregistruoti rytoj", "Kurią valandą?"
    )
    without = {key: value for key, value in SAMPLE.items() if key not in ("transcription", "call_id")}
    assert read_answer(without, CALLER.call_id).transcription == "noriu užsiregistruoti rytoj"
    processing = {"status": "processing", "call_id": CALLER.call_id, "chunk_received": 1, "message": "ok"}
    assert read_answer(processing, CALLER.call_id) == Answer(Status.PROCESSING)
    error = {"status": "error", "error": "text", "fallback_response": "Prašau pakartoti", "continue": True}
    assert read_answer(error, CALLER.call_id) == Answer(Status.ERROR, None, "Prašau pakartoti")
    assert read_answer(SAMPLE | {"continue": False}, CALLER.call_id).go_on is False


@given(
    st.dictionaries(
        st.sampled_from([*SAMPLE, "fallback_response"]),
        st.sampled_from(["success", "error", "processing", "call_1770000000", "", 0, None, [], {}, [None, {}], False]),
    )
)
def test_no_answer_does_more_than_be_refused(body: dict[str, Any]) -> None:
    try:
        found = read_answer(body, CALLER.call_id)
    except BadAnswer:
        return
    assert body["status"] in list(Status)
    assert found.reply is None or found.reply.strip()


def test_another_calls_answer_is_refused() -> None:
    with pytest.raises(BadAnswer):
        read_answer(SAMPLE, "call_2")


def test_the_context_is_the_last_five_messages_as_they_were_heard() -> None:
    context = Context()
    context.speaking(1, "Laba diena")
    context.spoken(1, "Laba diena")
    context.caller("labas\nvisiems")
    context.speaking(2, "Kurią valandą jums patogu?")
    assert str(context).endswith("bot: Kurią valandą jums patogu?")
    context.spoken(2, "Kurią")  # the caller interrupted
    context.speaking(3, "Never heard.")
    context.spoken(3, None)
    assert str(context) == "bot: Laba diena\ncaller: labas visiems\nbot: Kurią"
    for number in range(4):
        context.caller(f"{number}")
    assert str(context) == "bot: Kurią\ncaller: 0\ncaller: 1\ncaller: 2\ncaller: 3"


def test_every_language_has_every_phrase_and_others_fall_back() -> None:
    assert set(BUILT_IN) == {"en", "lt", "ro", "es", "de", "fr"}
    assert all(set(table) == set(Phrase) for table in BUILT_IN.values())
    texts = Texts({"de": {Phrase.REPEAT: "Wie bitte?"}, "pl": {Phrase.REPEAT: "Słucham?"}})
    assert texts.text(Phrase.REPEAT, "de-AT") == ("Wie bitte?", "de")
    assert texts.text(Phrase.GOODBYE, "de") == (BUILT_IN["de"][Phrase.GOODBYE], "de")
    assert texts.text(Phrase.REPEAT, "pl") == ("Słucham?", "pl")
    assert texts.text(Phrase.GOODBYE, "pl") == (BUILT_IN["en"][Phrase.GOODBYE], "en")
    assert texts.text(Phrase.REPEAT, None)[1] == "en"
    assert texts.ours("Wie bitte?") and texts.ours(BUILT_IN["lt"][Phrase.PROBLEM]) and not texts.ours("What?")


@given(st.text(st.sampled_from("ab "), max_size=3 * PIECE_CHARS))
def test_a_long_reply_is_cut_and_nothing_of_it_is_lost(text: str) -> None:
    found = pieces(text)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert all(0 < len(piece) <= PIECE_CHARS for piece in found)
