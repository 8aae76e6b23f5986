"""MessageBox against firmware that does as it likes: what it refuses, forgets or tells wrongly."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.line import HeldPdu, LineLateReference, LineLateRefusal, LineMail, LineMessage, Place
from core.modem import messages as messages_module
from core.modem import outgoing
from core.modem.at import Command, Urc
from core.modem.messages import MessageBox
from core.modem.port import AtPort
from core.modem.profile import MessageProfile, load_profile
from tests.modem.scripted import OK, ScriptedModem, running, scripted_modem, until

PROFILE = load_profile("sim7600")
STORAGE = 'AT+CPMS="ME","SM","ME"'


class Box:
    """A MessageBox on a scripted modem; `mail` is what it offered."""

    def __init__(self, modem: ScriptedModem, box: MessageBox, told: list[LineMessage]) -> None:
        self.modem = modem
        self.box = box
        self.told = told

    @property
    def mail(self) -> list[HeldPdu]:
        return [item for fact in self.told if isinstance(fact, LineMail) for item in fact.items]

    def places(self) -> list[Place]:
        return [item.place for item in self.mail if item.place is not None]

    async def hears(self, command: str, times: int = 1) -> None:
        await self.modem.hears(command, times)

    async def settles(self) -> None:
        """Nothing is under way for some moments; in one of them the machine may have stood still."""
        before, calm = -1, 0
        while calm < 3:
            calm = calm + 1 if before == len(self.modem.heard) else 0
            before = len(self.modem.heard)
            await asyncio.sleep(0.11)  # longer than the port is quiet after it has synchronised


@asynccontextmanager
async def _box(
    modem: ScriptedModem, profile: MessageProfile = PROFILE.messages, *, sweep_s: float = 60
) -> AsyncIterator[Box]:
    told: list[LineMessage] = []
    async with running(AtPort("at", modem.path, urcs=PROFILE.urcs)) as port, asyncio.TaskGroup() as tasks:
        box = MessageBox([port], profile, told.append, itertools.count(1), sweep_s=sweep_s)

        async def pump() -> None:
            while True:
                box.on_urc("at", await port.next_urc())

        running_tasks = [tasks.create_task(box.drive()), tasks.create_task(pump())]
        box.on_sim("READY")
        yield Box(modem, box, told)
        for task in running_tasks:
            task.cancel()


@pytest.fixture
async def modem(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedModem]:
    monkeypatch.setattr(messages_module, "RETRY_S", 0.1)
    with scripted_modem() as scripted:
        scripted.answers |= {
            "AT+CMGF?": b"\r\n+CMGF: 0\r\n" + OK,
            "AT+CSMS?": b"\r\n+CSMS: 0,1,1,1\r\n" + OK,
            "AT+CSCA?": b'\r\n+CSCA: "+447700900000",145\r\n' + OK,
            STORAGE: b"\r\n+CPMS: 0,23,0,50,0,23\r\n" + OK,
            "AT+CPMS?": lambda _: _counted(scripted),
        }
        yield scripted


def _counted(modem: ScriptedModem, sim: int = 0) -> bytes:
    return f'\r\n+CPMS: "{_memory(modem)}",0,23,"SM",{sim},50,"ME",0,23\r\n'.encode() + OK


def _listed(*messages: tuple[int, str]) -> bytes:
    return b"".join(f"\r\n+CMGL: {index},1,,1\r\n{pdu}".encode() for index, pdu in messages) + b"\r\n" + OK


async def test_it_sets_the_modem_up_once(modem: ScriptedModem) -> None:
    async with _box(modem) as box:
        await until(lambda: box.box.can_send)
        await box.settles()
        heard = [command for command in modem.heard if command != "AT"]
        assert heard[:5] == ["AT+CMGF=0", "AT+CSMS=0", 'AT+CSCS="IRA"', "AT+CUSD=1", "AT+CNMI=2,1,0,2,0"]
        assert modem.heard.count(STORAGE) == 1
        assert box.box.smsc == "+447700900000"


async def test_what_it_refuses_of_the_setting_up_is_gone_without(modem: ScriptedModem) -> None:
    error = b"\r\nERROR\r\n"
    modem.answers |= {"AT+CSMS=0": error, "AT+CNMI=2,1,0,2,0": error, STORAGE: error, "AT+CSCA?": error}
    async with _box(modem) as box:
        await until(lambda: box.box.can_send)
        await box.settles()
        assert 'AT+CPMS="ME","ME","ME"' in modem.heard
        assert "AT+CNMI=2,1,0,0,0" in modem.heard
        assert box.box.smsc is None


async def test_a_command_of_the_setting_up_without_an_answer_is_gone_without(modem: ScriptedModem) -> None:
    profile = MessageProfile(
        memories=("ME",),
        init_port=(Command("AT+CMGF=0"), Command("AT+MUTE", 0.1)),
        routing=(Command("AT+CNMI=2,1,0,2,0"),),
        storage=(("ME", "SM", "ME"),),
    )
    modem.answers["AT+MUTE"] = None
    async with _box(modem, profile) as box:
        await until(lambda: box.box.can_send)


async def test_a_modem_in_text_mode_is_not_sent_with(modem: ScriptedModem) -> None:
    modem.answers["AT+CMGF?"] = b"\r\n+CMGF: 1\r\n" + OK
    async with _box(modem) as box:
        await box.settles()
        assert not box.box.can_send


async def test_a_sim_that_is_not_ready_for_messages_is_asked_again(modem: ScriptedModem) -> None:
    busy = b"\r\n+CMS ERROR: SIM busy\r\n"
    storages = [f'AT+CPMS="{a}","{b}","{c}"' for a, b, c in PROFILE.messages.storage]
    modem.answers |= dict.fromkeys(storages, busy)
    async with _box(modem) as box:
        await box.hears(STORAGE, 2)
        modem.answers[STORAGE] = b"\r\n+CPMS: 1,23,0,50,1,23\r\n" + OK
        modem.answers["AT+CMGL=4"] = lambda _: _listed((0, "00AA")) if _memory(modem) == "ME" else OK
        await until(lambda: len(box.mail) == 1)


def _memory(modem: ScriptedModem) -> str:
    """mem1 as the modem has it."""
    chosen = [command for command in modem.heard if command.startswith("AT+CPMS=")]
    return chosen[-1][9:11]


async def test_a_chain_of_deletions_that_fails_never_takes_a_message_that_came_between(modem: ScriptedModem) -> None:
    """The chain fails at the second; the first place is free then, and a new message takes it."""
    slots = {0: "00AA", 1: "00BB"}
    deleted: list[str] = []

    def listing(_: str) -> bytes:
        return _listed(*sorted(slots.items())) if _memory(modem) == "ME" else OK

    def chain(_: str) -> bytes:
        slots[0] = "00CC"
        return b"\r\n+CMS ERROR: 321\r\n"

    def single(command: str) -> bytes:
        deleted.append(slots.pop(int(command.removeprefix("AT+CMGD="))))
        return OK

    modem.answers |= {"AT+CMGL=4": listing, "AT+CMGD=0;+CMGD=1": chain, "AT+CMGD=0": single, "AT+CMGD=1": single}
    async with _box(modem) as box:
        await until(lambda: len(box.mail) == 2)
        box.box.discard(box.places())
        await until(lambda: len(box.mail) == 3)
        await box.settles()
        assert deleted == ["00BB"]
        assert box.mail[2].pdu == "00CC"
        box.box.discard(box.places()[2:])
        await until(lambda: deleted == ["00BB", "00CC"])
        assert len(box.mail) == 3


async def test_a_deletion_without_an_answer_is_looked_at_before_it_is_repeated(
    modem: ScriptedModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = {0: "00AA"}

    modem.answers |= {
        "AT+CMGL=4": lambda _: _listed(*slots.items()) if _memory(modem) == "ME" else OK,
        "AT+CMGD=0": None,
    }
    monkeypatch.setattr(messages_module, "DELETE_S", -0.9)  # and a second for each
    async with _box(modem) as box:
        await until(lambda: len(box.mail) == 1)
        box.box.discard(box.places())
        await box.hears("AT+CMGD=0")
        slots[0] = "00BB"  # it was carried out, and the place taken anew
        await until(lambda: len(box.mail) == 2)
        assert box.mail[1].pdu == "00BB"
        await box.settles()
        assert modem.heard.count("AT+CMGD=0") == 1


async def test_a_message_that_nobody_was_told_of_is_found_by_the_count(modem: ScriptedModem) -> None:
    async with _box(modem, sweep_s=0.2) as box:
        await box.hears("AT+CPMS?", 2)
        lists = modem.heard.count("AT+CMGL=4")
        assert lists == 3  # each memory once, at the start
        modem.answers["AT+CMGL=4"] = lambda _: _listed((7, "00AA")) if _memory(modem) == "SM" else OK
        modem.answers["AT+CPMS?"] = lambda _: _counted(modem, sim=1)
        await until(lambda: len(box.mail) == 1)
        assert box.places() == [Place(1, "SM", 7)]
        await box.hears("AT+CPMS?", 6)
        assert modem.heard.count("AT+CMGL=4") == lists + 1


async def test_memories_that_one_question_does_not_cover_are_asked_each(modem: ScriptedModem) -> None:
    modem.answers |= {
        STORAGE: b"\r\nERROR\r\n",
        'AT+CPMS="ME","ME","ME"': b"\r\n+CPMS: 0,23,0,23,0,23\r\n" + OK,
        "AT+CPMS?": b'\r\n+CPMS: "ME",0,23,"ME",0,23,"ME",0,23\r\n' + OK,
        'AT+CPMS="SM"': b"\r\n+CPMS: 1,50,0,23,0,23\r\n" + OK,
        "AT+CMGL=4": lambda _: _listed((7, "00AA")) if _memory(modem) == "SM" and box_is_up else OK,
    }
    box_is_up: list[bool] = []
    async with _box(modem, sweep_s=0.2) as box:
        await box.hears("AT+CMGL=4", 3)  # each memory once, at the start
        box_is_up.append(True)
        await until(lambda: len(box.mail) == 1)


async def test_a_memory_that_the_modem_lacks_is_looked_into_once(modem: ScriptedModem) -> None:
    modem.answers['AT+CPMS="SR"'] = b"\r\n+CMS ERROR: 302\r\n"
    async with _box(modem, sweep_s=0.1) as box:
        await box.hears("AT+CPMS?", 4)
        assert modem.heard.count('AT+CPMS="SR"') == 1


async def test_a_list_without_an_answer_is_asked_for_again_from_the_right_memory(modem: ScriptedModem) -> None:
    profile = dataclasses.replace(PROFILE.messages, list_timeout_s=0.1, memories=("ME",), seldom=())
    modem.answers["AT+CMGL=4"] = lambda _: _listed((0, "00AA")) if modem.heard.count("AT+CMGL=4") > 1 else b""
    modem.answers['AT+CPMS="ME"'] = b"\r\n+CPMS: 1,23,0,50,1,23\r\n" + OK
    async with _box(modem, profile) as box:
        await until(lambda: len(box.mail) == 1)
        at = modem.heard.index("AT+CMGL=4")
        assert modem.heard[at + 1 : at + 3] == ["AT", 'AT+CPMS="ME"']  # it may have restarted


async def test_a_memory_is_chosen_once_for_what_follows_one_another(modem: ScriptedModem) -> None:
    async with _box(modem) as box:
        modem.say(b'\r\n+CMTI: "ME",1\r\n')
        await box.settles()
        before = len([command for command in modem.heard if command.startswith("AT+CPMS=")])
        for index in range(2, 5):
            modem.say(f'\r\n+CMTI: "ME",{index}\r\n'.encode())
            await box.settles()
        assert len([command for command in modem.heard if command.startswith("AT+CPMS=")]) <= before + 1


async def test_a_chain_that_failed_is_the_last_one(modem: ScriptedModem) -> None:
    slots = {index: f"00{index:02X}" for index in range(12)}

    def single(command: str) -> bytes:
        if not command.startswith("AT+CMGD"):
            return OK
        if ";" in command:
            return b"\r\nERROR\r\n"
        del slots[int(command.removeprefix("AT+CMGD="))]
        return OK

    modem.otherwise = single
    modem.answers["AT+CMGL=4"] = lambda _: _listed(*sorted(slots.items())) if _memory(modem) == "ME" else OK
    async with _box(modem) as box:
        await until(lambda: len(box.mail) == 12)
        box.box.discard(box.places())
        await until(lambda: not slots)
        assert len([command for command in modem.heard if ";+CMGD" in command]) == 1
        assert len(box.mail) == 12


async def test_more_keeps_the_link_once_for_a_run_and_is_given_up_where_it_is_refused(
    modem: ScriptedModem, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = itertools.count()

    def prompted(_: str) -> bytes:
        asyncio.get_running_loop().call_later(0.02, modem.say, f"\r\n+CMGS: {next(references)}\r\n".encode() + OK)
        return b"\r\n> "

    modem.answers["AT+CMGS=1"] = prompted
    async with _box(modem) as box:
        await until(lambda: box.box.can_send)

        async def send() -> int:
            return await box.box.send(b"\x01", smsc=None, more=True, timeout_s=30)

        monkeypatch.setattr(outgoing, "LINK_S", 60.0)
        assert [await send() for _ in range(3)] == [0, 1, 2]
        assert modem.heard.count("AT+CMMS=1") == 1
        monkeypatch.setattr(outgoing, "LINK_S", 0.0)
        modem.answers["AT+CMMS=1"] = b"\r\nERROR\r\n"
        assert [await send() for _ in range(3)] == [3, 4, 5]
        assert modem.heard.count("AT+CMMS=1") == 2


async def test_direct_deliveries_are_acknowledged_where_the_modem_wants_it(modem: ScriptedModem) -> None:
    modem.answers["AT+CSMS?"] = b"\r\n+CSMS: 1,1,1,1\r\n" + OK
    async with _box(modem) as box:
        await until(lambda: box.box.can_send)
        modem.say(b"\r\n+CMT: ,1\r\n00aa\r\n")
        await box.hears("AT+CNMA")
        assert box.mail == [HeldPdu("00AA", None)]
        modem.say(b"\r\n+CMT: ,1\r\nno PDU\r\n\r\n+CDS: 1\r\n00BB\r\n")
        await box.hears("AT+CNMA", 2)
        await box.settles()
        assert (box.mail[1:], modem.heard.count("AT+CNMA")) == ([HeldPdu("00BB", None)], 2)


async def test_a_message_for_a_memory_of_another_name_makes_it_look_everywhere(modem: ScriptedModem) -> None:
    async with _box(modem) as box:
        await box.settles()
        before = modem.heard.count("AT+CMGL=4")
        modem.say(b'\r\n+CMTI: "MT",3\r\n')
        await until(lambda: modem.heard.count("AT+CMGL=4") == before + 3)


async def test_a_modem_that_starts_anew_is_set_up_anew(modem: ScriptedModem) -> None:
    modem.answers["AT+CMGL=4"] = lambda _: _listed((0, "00AA")) if _memory(modem) == "ME" else OK
    async with _box(modem) as box:
        await until(lambda: len(box.mail) == 1)
        modem.say(b"\r\nRDY\r\n")
        await until(lambda: len(box.mail) == 2)
        assert [place.life for place in box.places()] == [1, 2]
        assert modem.heard.count(STORAGE) == 2
        box.box.discard(box.places()[:1])
        await box.settles()
        assert not any(command.startswith("AT+CMGD") for command in modem.heard)


async def test_a_sim_that_was_changed_without_a_word_is_noticed_when_it_is_ready(modem: ScriptedModem) -> None:
    modem.answers["AT+CMGL=4"] = lambda _: _listed((0, "00AA")) if _memory(modem) == "ME" else OK
    async with _box(modem) as box:
        await until(lambda: len(box.mail) == 1)
        modem.say(b"\r\n+CPIN: READY\r\n")
        await until(lambda: len(box.mail) == 2)
        assert [place.life for place in box.places()] == [1, 2]


async def test_late_answers_are_told(modem: ScriptedModem) -> None:
    async with _box(modem) as box:
        box.box.on_urc("at", Urc("+CMGS: 12"))
        box.box.on_urc("at", Urc("+CMS ERROR: No network service"))
        assert box.told[-2:] == [LineLateReference(12), LineLateRefusal(331, "No network service")]


async def test_slow_deletions_are_made_in_short_chains(modem: ScriptedModem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages_module, "CHAIN_S", 0.02)
    slots = {index: f"00{index:02X}" for index in range(20)}
    chains: list[int] = []

    def slowly(command: str) -> bytes:
        if not command.startswith("AT+CMGD"):
            return OK
        places = [int(part.rpartition("=")[2]) for part in command.split(";")]
        chains.append(len(places))
        for place in places:
            del slots[place]
        asyncio.get_running_loop().call_later(0.05, modem.say, OK)
        return b""

    modem.answers["AT+CMGL=4"] = lambda _: _listed(*sorted(slots.items())) if _memory(modem) == "ME" else OK
    modem.otherwise = slowly
    async with _box(modem) as box:
        await until(lambda: len(box.mail) == 20)
        box.box.discard(box.places())
        await until(lambda: not slots)
        assert chains[0] == 4
        assert set(chains[3:]) == {1}
