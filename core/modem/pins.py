"""PINs as far as this process knows them, by card. In memory alone: never in a file, a log or a repr.

A PIN that was wrong once is never sent again to that card: a loop of lives would use up its tries within a minute.
"""


class Pins:
    """One per line; outlives the lives of its modem. card: the ICCID, None where it can't be read."""

    def __init__(self, configured: str | None = None) -> None:
        self._configured = configured
        self._right: dict[str, str] = {}
        self._wrong: set[tuple[str, str]] = set()

    def candidate(self, card: str | None) -> str | None:
        """The PIN to enter by ourselves: one that opened this card before, else the configured one if not yet wrong."""
        known = self._right.get(card or "", self._configured)
        return None if known is None or self.was_wrong(card, known) else known

    @property
    def is_configured(self) -> bool:
        return self._configured is not None

    def was_wrong(self, card: str | None, code: str) -> bool:
        return (card or "", code) in self._wrong

    def sending(self, card: str | None, code: str) -> None:
        """Counts as wrong until the modem has said otherwise: a core or modem that dies now must not try it again."""
        self._wrong.add((card or "", code))

    def not_counted(self, card: str | None, code: str) -> None:
        """The SIM did not take it for a try."""
        self._wrong.discard((card or "", code))

    def right(self, card: str | None, pin: str) -> None:
        """It opened the card: after a reset of the modem nobody needs to be asked again."""
        self._wrong.discard((card or "", pin))
        self._right[card or ""] = pin
