"""What speech services have in common besides HTTP: whether they may be asked, one connection ahead, and an end."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from core.media.cloud_keys import Access, Denied
from core.media.cloud_speech import CloudSession
from core.media.engines import Failure, SpeechFailed


class CloudSynthesiser(ABC):
    """Part of a core.media.engines.Synthesiser. base: where its requests go unless an endpoint says otherwise."""

    base = ""

    def __init__(self, cloud: CloudSession) -> None:
        self._cloud = cloud

    def missing(self, keys: Mapping[str, str]) -> str | None:
        found = self._access(keys)
        return found.reason if isinstance(found, Denied) else None

    async def warm(self) -> None:
        access = self._access({})
        if isinstance(access, Access):
            await self._cloud.touch(access.endpoint or self.base)

    async def close(self) -> None:
        await self._cloud.close()

    def _granted(self, keys: Mapping[str, str]) -> Access:
        """SpeechFailed where it may not be asked."""
        found = self._access(keys)
        if isinstance(found, Denied):
            raise SpeechFailed(Failure.MISSING, found.reason)
        return found

    @abstractmethod
    def _access(self, keys: Mapping[str, str]) -> Access | Denied:
        """What a request with these keys of a call is made with."""
