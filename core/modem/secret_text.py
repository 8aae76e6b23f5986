"""What no log may hold, whoever asks for it: PINs, PUKs and passwords in the lines of the wire. Pure."""

import re

_SECRET = re.compile(
    r"(\+?(?:CPIN|CPWD|CLCK|CGAUTH|QICSGP|CPASS)(?:=(?!\?)|: ?(?=[0-9]{1,2},[0-9],)))(.*)", re.IGNORECASE
)
"""Commands that carry one, also behind others in one line, and the answers that would show passwords."""


def without_secrets(text: str) -> str:
    """The same line with digits as 0 and all else between the commas as x; its form and length stay."""
    found = _SECRET.search(text)
    if found is None:
        return text
    hidden = re.sub(r"[^\s\",;0-9]", "x", re.sub(r"[0-9]", "0", found[2]))
    return text[: found.start(2)] + hidden + text[found.end(2) :]
