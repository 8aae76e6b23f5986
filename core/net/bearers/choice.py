"""bearer = "auto": what the modem is at the moment decides, anew at each start, since its composition may change."""

from core.net.bearers.device import DataWay, DeviceFinder
from core.net.types import Bearer, BearerFailed, BearerTrouble, BearerUp, DataAccess


class ChosenBearer:
    """A core.net.types.Bearer: QMI when the modem has a control device, else what it is as a network card."""

    def __init__(self, finder: DeviceFinder, *, qmi: Bearer, ecm: Bearer) -> None:
        self._finder = finder
        self._ways = {DataWay.QMI: qmi, DataWay.ECM: ecm}
        self._chosen = qmi  # what an earlier life left behind can only be QMI's
        self._look()

    @property
    def kind(self) -> str:
        return self._chosen.kind

    @property
    def interface(self) -> str | None:
        return self._chosen.interface

    async def up(self, access: DataAccess) -> BearerUp:
        before = self._chosen
        found = self._look()
        if before is not self._chosen:
            await before.down()
        if not found:
            await self._chosen.down()
            raise BearerFailed(BearerTrouble.NO_DEVICE, "the modem has neither a QMI device nor a network card")
        return await self._chosen.up(access)

    async def down(self) -> None:
        await self._chosen.down()

    async def alive(self) -> bool:
        return await self._chosen.alive()

    async def renew(self) -> None:
        await self._chosen.renew()

    def _look(self) -> bool:
        device = self._finder.find()
        way = device.way if device is not None else None
        if way is not None:
            self._chosen = self._ways[way]
        return way is not None
