"""What dialtone-helper's refusals are to a bearer."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.net.helper_client import HelperFailed
from core.net.types import BearerFailed, BearerTrouble

_OTHER_WORDS = {"no_interface": BearerTrouble.NO_DEVICE}
_SAME_WORDS = {trouble.value: trouble for trouble in BearerTrouble}


@contextmanager
def by_helper() -> Iterator[None]:
    """Turns HelperFailed into BearerFailed."""
    try:
        yield
    except HelperFailed as failed:
        trouble = _OTHER_WORDS.get(failed.trouble) or _SAME_WORDS.get(failed.trouble, BearerTrouble.FAILED)
        raise BearerFailed(trouble, failed.text) from None
