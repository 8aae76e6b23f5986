"""The last words of a conversation, as the VPS wants them with each request."""

from collections import deque
from dataclasses import dataclass

LAST = 5
"""Messages that the VPS is sent (documented contract of the old station)."""
TEXT_CHARS = 2000
"""Of one message: a reply read aloud for two minutes."""


@dataclass(slots=True)
class Message:
    """role: caller or bot. utterance: of ours, until it is known what was heard of it."""

    role: str
    text: str
    utterance: int | None = None


class Context:
    """One call's. Bot messages are what the caller really heard."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=LAST)

    def caller(self, text: str) -> None:
        self._add(Message("caller", _plain(text)))

    def speaking(self, utterance: int, text: str) -> None:
        """An utterance of ours began; one that goes on after a pause is there already."""
        if not any(message.utterance == utterance for message in self._messages):
            self._add(Message("bot", _plain(text), utterance))

    def spoken(self, utterance: int, heard: str | None) -> None:
        """It is over. heard: what the caller was given of it; nothing: it was never said."""
        for message in list(self._messages):
            if message.utterance == utterance:
                message.text, message.utterance = _plain(heard or ""), None
                if not message.text:
                    self._messages.remove(message)

    def __str__(self) -> str:
        return "\n".join(f"{message.role}: {message.text}" for message in self._messages)

    def _add(self, message: Message) -> None:
        if message.text:
            self._messages.append(message)


def _plain(text: str) -> str:
    """One line: a newline ends a message."""
    return " ".join(text.split())[:TEXT_CHARS]
