"""Those who answer calls, made by synthesisers: people in several manners, machines, menus, screening assistants, and
nobody. Each is the same at every run. None of them is a real person: see docs/calls.md for what that means."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from core.audio import LINE_FORMAT
from core.events import AnsweredBy
from core.media.tones import beep
from core.modem.emulator import speech

ESPEAK = ("en-gb+m3", "en-gb+f2", "en-us+m1", "en-us+f5", "en-gb-x-rp+f5", "en-gb+m7", "en-us+f3", "en-gb-scotland+m2")
FLITE = ("flite:slt", "flite:awb", "flite:kal16", "flite:rms")

PEOPLE = (
    "Hello?", "Yes?", "Hello, who is this?", "Hi.", "Miller.", "This is John.", "Hello, this is Jane Miller speaking.",
    "Good morning.", "Jane Miller, good morning.", "Yes, hello?", "Who's there?", "Hello, Miller residence.",
    "Hi, it's Bob.", "Doctor Smith's office.", "Acme Plumbing, how can I help you?",
    "Good afternoon, this is the workshop, what can I do for you?", "Uh, hello?", "Yeah?",
    "Speaking.", "Good evening, Brown.",
)  # fmt: skip
WORDY = (
    "Good morning, Miller and Sons, this is Jane speaking, how can I help you?",
    "Thank you for calling the Blue Door restaurant, my name is Anna, what can I do for you today?",
)
"""What a receptionist says: longer than most machines are silent."""
MACHINES = (
    "You have reached the voicemail of Jane Miller. Please leave a message after the tone.",
    "Hi, this is Bob. I can't come to the phone right now. Leave me a message and I will get back to you.",
    "The person you are calling is not available. At the tone, please record your message. When you have finished "
    "recording, you may hang up.",
    "Hello. You've reached the Browns. We are not at home at the moment. Please leave your name and number after the "
    "beep.",
    "Welcome to the mailbox of, 0 7 7 0 0, 9 0 0, 1 2 3. Please speak after the tone.",
    "Hi, it's me. You know what to do. Leave your message after the beep.",
    "Our office is closed. Our hours are nine to five, Monday to Friday. Please leave a message and we will call you "
    "back on the next working day.",
    "Sorry I missed you. Leave a message.",
    "The mobile phone you have called is switched off or out of reach. You may leave a voice message after the signal.",
    "Good day, this is the answering machine of Smith and Partners. Nobody can take your call. Please leave a message.",
)  # fmt: skip
MENUS = (
    "Thank you for calling Acme. Your call is important to us. For sales, press one. For support, press two. For "
    "billing, press three. To speak to an operator, press zero. To hear this menu again, press star.",
    "Welcome to City Bank. Please listen carefully, as our options have changed. For your balance, press one. To "
    "report a lost card, press two. For all other questions, stay on the line. To repeat these options, press nine.",
    "You have reached the town hall. If you know your party's extension, dial it now. For the registry, press one. "
    "For taxes, press two. For waste collection, press three. For anything else, please hold.",
)  # fmt: skip
SCREENING = (
    ("Hi, the person you are calling is using a screening service, and will get a copy of this conversation. Go ahead "
     "and say your name, and why you are calling.", "Are you still there? Please say your name."),
    ("Hi, if you record your name and reason for calling, I will see if this person is available.",
     "Please say your name after the tone, and I will try to connect you."),
    ("The number you are calling uses call screening. Please state your name and the reason for your call, then wait.",
     "I did not hear you. Who is calling, please?"),
)  # fmt: skip
BEEPS = (
    (1000.0, 300), (440.0, 500), (850.0, 180), (1400.0, 250), (2000.0, 150), (620.0, 1000), (1004.0, 800), (480.0, 140),
    (2400.0, 400), (1250.0, 1800),
)  # fmt: skip
"""Frequencies in Hz and lengths in ms."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """pcm: s16le at the line's rate, from the answer on. style: for people who look at what went wrong."""

    who: AnsweredBy
    style: str
    pcm: bytes
    beep: bool = False


def answerers(every: int = 1, *, flite: bool = True) -> Iterator[Answerer]:
    """60 people, 60 machines, 20 menus, 20 screening assistants, 20 who say nothing; or each `every`-th of them."""
    voices = cycle(ESPEAK + (FLITE if flite else ()))
    rng = np.random.default_rng(5)
    for number in range(60):
        voice = next(voices)
        if number % every == 0:
            yield _person(number, voice, rng)
    for number in range(60):
        voice = next(voices)
        if number % every == 0:
            yield _machine(number, voice, rng)
    for number in range(20):
        voice = next(voices)
        if number % every == 0:
            menu = _say(MENUS[number % len(MENUS)], voice, number)
            pcm = _quiet(500, rng) + menu + _quiet(3000 + 200 * number, rng) + menu + _quiet(2000, rng)
            yield Answerer(AnsweredBy.IVR, "menu", pcm)
    for number in range(20):
        voice = next(voices)
        if number % every == 0:
            first, again = SCREENING[number % len(SCREENING)]
            waits = _quiet(3600 + 150 * number, rng)
            pcm = _quiet(400, rng) + _say(first, voice, number) + waits + _say(again, voice, number) + _quiet(4000, rng)
            yield Answerer(AnsweredBy.SCREENING, "screening", pcm)
    for number in range(0, 20, every):
        yield Answerer(AnsweredBy.SILENCE, "silence", _quiet(8000, rng, level_dbfs=-70 + number))


def _person(number: int, voice: str, rng: np.random.Generator) -> Answerer:
    before, after = _quiet(150 + 45 * (number % 30), rng), _quiet(6000, rng)
    if number % 10 == 9:
        text = WORDY[number // 10 % len(WORDY)]
        return Answerer(AnsweredBy.HUMAN, "wordy", before + _say(text, voice, number) + after)
    text = PEOPLE[number % len(PEOPLE)]
    if number % 10 == 4:
        again = _quiet(1100, rng) + _say("Hello?", voice, number)
        return Answerer(AnsweredBy.HUMAN, "asks again", before + _say(text, voice, number) + again + after)
    if number % 10 == 6:
        return Answerer(AnsweredBy.HUMAN, "noisy", before + _say(text, voice, number, snr_db=12) + after)
    return Answerer(AnsweredBy.HUMAN, "plain", before + _say(text, voice, number) + after)


def _machine(number: int, voice: str, rng: np.random.Generator) -> Answerer:
    frequency_hz, duration_ms = BEEPS[number % len(BEEPS)]
    level = -15.0 - number % 4 * 5
    tone = beep(LINE_FORMAT.rate_hz, frequency_hz=frequency_hz, duration_ms=duration_ms, level_dbfs=level)
    text = MACHINES[(number + number // 10) % len(MACHINES)]
    pause = _quiet(100 + 23 * number, rng)
    pcm = _quiet(200 + 20 * number, rng) + _say(text, voice, number) + pause + tone + _quiet(5000, rng)
    return Answerer(AnsweredBy.MACHINE, text[:24], pcm, beep=True)


def _say(text: str, voice: str, seed: int, snr_db: float = 25.0) -> bytes:
    samples, rate_hz = speech.synthesize(text, voice, 150 + seed % 5 * 8, 50)
    prepared = speech.prepare(
        samples, rate_hz, line_rate_hz=LINE_FORMAT.rate_hz, snr_db=snr_db, telephone=True, seed=seed
    )
    return prepared.pcm


def _quiet(ms: int, rng: np.random.Generator, level_dbfs: float = -60.0) -> bytes:
    """A line on which nobody speaks: faint noise."""
    noise = rng.normal(0.0, 32768 * 10 ** (level_dbfs / 20), LINE_FORMAT.rate_hz * ms // 1000)
    return np.clip(np.rint(noise), -32768, 32767).astype("<i2").tobytes()
