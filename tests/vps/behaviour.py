"""How an endpoint behaves, request by request: words such as "500*3" or "late:10" and the queue of them. Pure.

| word | what happens |
|---|---|
| `ok` | the documented answer |
| `500`, `404` … | that status, with a short text |
| `429`, `429:3` | too many requests; with a number also Retry-After in seconds |
| `html` | 200 and a web page |
| `half` | 200, and half of the answer before the connection breaks |
| `wrong_call_id` | the documented answer with another call's id |
| `late:10` | the documented answer, 10 s late |
| `hang` | the request is read and never answered |
| `reset` | the request is read and the connection broken |
| `refuse`, `refuse:3` | connections are refused, until told otherwise or for 3 s; open ones are broken |
| `flap:0.5` | refuses for half a second, serves for half a second, and so on until told otherwise |

`word*3` stands three times; the last word stays. Reads and judges the body first in every case.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    OK = "ok"
    STATUS = "status"
    HTML = "html"
    HALF = "half"
    WRONG_CALL_ID = "wrong_call_id"
    LATE = "late"
    HANG = "hang"
    RESET = "reset"
    REFUSE = "refuse"
    FLAP = "flap"


_WITH_SECONDS = {Kind.LATE: True, Kind.REFUSE: False, Kind.FLAP: True}
"""Whether the number must be there."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One word. seconds: of late, refuse and flap, and Retry-After of a 429. status: of `status`."""

    kind: Kind
    seconds: float | None = None
    status: int = 200

    @property
    def is_outage(self) -> bool:
        """Whether it is about connections, and no answer to a request."""
        return self.kind in (Kind.REFUSE, Kind.FLAP)

    def __str__(self) -> str:
        name = str(self.status) if self.kind is Kind.STATUS else str(self.kind)
        return name if self.seconds is None else f"{name}:{self.seconds:g}"


OK = Behaviour(Kind.OK)


def parse(text: str) -> list[Behaviour]:
    """One word of the table, with its `*count`. ValueError for any other."""
    word, _, count = text.partition("*")
    name, _, value = word.strip().partition(":")
    times = int(count) if count else 1
    seconds = float(value) if value else None
    if times < 1 or (seconds is not None and not 0 <= seconds <= 86_400):
        raise ValueError(f"no such behaviour: {text!r}")
    if name.isdigit():
        return [Behaviour(Kind.STATUS, seconds, _status(int(name), seconds, text))] * times
    if name == Kind.STATUS or name not in set(Kind):
        raise ValueError(f"no such behaviour: {text!r}")
    kind = Kind(name)
    if (seconds is not None) if kind not in _WITH_SECONDS else (seconds is None and _WITH_SECONDS[kind]):
        raise ValueError(f"no such behaviour: {text!r}")
    return [Behaviour(kind, seconds)] * times


def _status(status: int, seconds: float | None, text: str) -> int:
    if not 200 <= status <= 599 or (seconds is not None and status not in (429, 503)):
        raise ValueError(f"no such behaviour: {text!r}")
    return status


class Sequence:
    """What is to come. Empty it means ok."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._coming = deque(one for word in words for one in parse(word))

    @property
    def head(self) -> Behaviour:
        return self._coming[0] if self._coming else OK

    def take(self) -> Behaviour:
        """For one request; the last one stays."""
        head = self.head
        if len(self._coming) > 1 and not head.is_outage:
            self._coming.popleft()
        return head

    def outage_over(self) -> None:
        """A timed refusal has had its time."""
        if self._coming and self._coming[0].is_outage:
            self._coming.popleft()
