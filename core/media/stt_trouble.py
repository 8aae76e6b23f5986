"""Why an engine gave no words, in stable words for events, logs and decisions."""

from enum import StrEnum

from core.errors import EngineMissing, InvalidParams, LimitExceeded, PublicError, TimedOut


class Trouble(StrEnum):
    MISSING = "missing"  # not installed, no model, or a model that can't be loaded
    CRASHED = "crashed"  # its process ended
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"  # it raised an error of its own
    TIMEOUT = "timeout"  # its deadline passed; a process that does not stop then is killed
    LOADING = "loading"  # the deadline passed while the model was being read
    BUSY = "busy"  # the deadline passed before its turn came
    LANGUAGE = "language"  # it does not know the language
    LIMIT = "limit"  # more audio than it is given at a time
    RESTING = "resting"  # left out for a while after troubles in a row
    NO_PHRASES = "no_phrases"  # it hears declared phrases, and there are none
    NO_ANSWER = "no_answer"  # nobody answered with stt.result in time
    CALL_OVER = "call_over"  # the call ended before there was an answer


def trouble_of(problem: PublicError) -> Trouble:
    """The reason that the error names, else the one that its kind means."""
    reason = str(problem.details.get("reason"))
    if reason in set(Trouble):
        return Trouble(reason)
    match problem:
        case EngineMissing():
            return Trouble.MISSING
        case TimedOut():
            return Trouble.TIMEOUT
        case InvalidParams():
            return Trouble.LANGUAGE
        case LimitExceeded():
            return Trouble.LIMIT
        case _:
            return Trouble.FAILED


def told(engine: str, trouble: Trouble) -> str:
    """As call.speech has it in `problem`."""
    return f"{engine}: {trouble}"
