"""The turn as a table: every state, everything that can happen in it, what is to be done."""

from enum import StrEnum


class Turn(StrEnum):
    """Where a caller's turn is."""

    LISTENING = "listening"  # nothing under way
    TRYING = "trying"  # speech was heard, not yet enough to be a turn
    HEARING = "hearing"  # in a turn, the last frame was speech
    PAUSING = "pausing"  # in a turn, quiet, with speech that no chunk holds yet
    WAITING = "waiting"  # in a turn, quiet, all speech is in chunks
    CONTINUING = "continuing"  # the last turn reached its greatest length; speech goes on as the next without a minimum


class On(StrEnum):
    """What one frame means. Several can hold for one frame; they are then applied in this order."""

    SPEECH = "speech"
    SILENCE = "silence"
    ENOUGH = "enough"  # the minimum of speech is reached
    PHRASE = "phrase"  # a short pause after long speech
    PAUSE = "pause"  # the first threshold of silence
    END = "end"  # the second
    FULL = "full"  # the greatest length of a turn
    UNSAID = "unsaid"  # the newest speech was none (a key's tone); some before it still counts
    NOTHING = "nothing"  # the same, and all speech before it is in chunks, or there was none
    FLUSH = "flush"  # the audio is over


class Do(StrEnum):
    OPEN = "open"  # begin to count: a turn or a noise
    START = "start"  # TurnStart
    CUT = "cut"  # Chunk
    RESUME = "resume"  # Resumed
    END = "end"  # TurnEnd
    DROP = "drop"  # Noise


Step = tuple[Turn, tuple[Do, ...]]

_MATTERS: dict[tuple[Turn, On], Step] = {
    (Turn.LISTENING, On.SPEECH): (Turn.TRYING, (Do.OPEN,)),
    (Turn.TRYING, On.ENOUGH): (Turn.HEARING, (Do.START,)),
    (Turn.TRYING, On.END): (Turn.LISTENING, (Do.DROP,)),
    (Turn.TRYING, On.FLUSH): (Turn.LISTENING, (Do.DROP,)),
    (Turn.TRYING, On.NOTHING): (Turn.LISTENING, ()),
    (Turn.HEARING, On.SILENCE): (Turn.PAUSING, ()),
    (Turn.HEARING, On.FULL): (Turn.CONTINUING, (Do.CUT, Do.END)),
    (Turn.HEARING, On.FLUSH): (Turn.LISTENING, (Do.CUT, Do.END)),
    (Turn.HEARING, On.UNSAID): (Turn.PAUSING, ()),
    (Turn.HEARING, On.NOTHING): (Turn.WAITING, ()),
    (Turn.PAUSING, On.SPEECH): (Turn.HEARING, ()),
    (Turn.PAUSING, On.PHRASE): (Turn.WAITING, (Do.CUT,)),
    (Turn.PAUSING, On.PAUSE): (Turn.WAITING, (Do.CUT,)),
    (Turn.PAUSING, On.END): (Turn.LISTENING, (Do.CUT, Do.END)),
    (Turn.PAUSING, On.FULL): (Turn.CONTINUING, (Do.CUT, Do.END)),
    (Turn.PAUSING, On.FLUSH): (Turn.LISTENING, (Do.CUT, Do.END)),
    (Turn.PAUSING, On.NOTHING): (Turn.WAITING, ()),
    (Turn.WAITING, On.SPEECH): (Turn.HEARING, (Do.RESUME,)),
    (Turn.WAITING, On.END): (Turn.LISTENING, (Do.END,)),
    (Turn.WAITING, On.FULL): (Turn.CONTINUING, (Do.END,)),
    (Turn.WAITING, On.FLUSH): (Turn.LISTENING, (Do.END,)),
    (Turn.CONTINUING, On.SPEECH): (Turn.HEARING, (Do.OPEN, Do.START)),
    (Turn.CONTINUING, On.END): (Turn.LISTENING, ()),
    (Turn.CONTINUING, On.FLUSH): (Turn.LISTENING, ()),
}

NEXT: dict[tuple[Turn, On], Step] = {
    (state, happened): _MATTERS.get((state, happened), (state, ())) for state in Turn for happened in On
}
"""Total: what is not written above changes nothing."""
