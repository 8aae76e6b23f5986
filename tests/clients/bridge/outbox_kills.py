"""The fault run of the outbox: kill -9 of bridge and core while the VPS comes and goes, then the books are compared."""

import asyncio
import random
import signal
from dataclasses import dataclass, field

from tests.clients.bridge.outbox_rig import CALL, Rig, rig
from tests.vps import Request, Vps, vps
from tests.vps.behaviour import Kind

TROUBLES = ("500", "429:0", "html", "half", "reset", "404", "late:0.5", "ok", "ok", "ok", "ok")
"""404: less than `refusals` in a row, so that no row is given up."""
TOML = """
[events]
url = "{0.phone.url}"
sms_url = "{0.sms.url}"
notify_url = "{0.notify.url}"
notify = ["alarm.raised"]
timeout_s = 0.3
"""
OUTBOX = "[outbox]\nretry_first_s = 0.01\nretry_cap_s = 0.1\nrefusals = 1000\n"


@dataclass
class Books:
    """facts: what happened, by endpoint and in order; told: what came there, as (content, key); accepted: what was
    answered as documented."""

    kills: int = 0
    restarts: int = 0
    facts: dict[str, list[str]] = field(default_factory=lambda: {"phone": [], "sms": [], "notify": []})
    told: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)

    @property
    def lost(self) -> list[str]:
        return [fact for facts in self.facts.values() for fact in facts if fact not in self.accepted]

    @property
    def out_of_order(self) -> list[str]:
        """Endpoints where something came for the first time after what followed it, or twice with others between."""
        found = []
        for name, told in self.told.items():
            contents = [content for content, _ in told]
            runs = [content for at, content in enumerate(contents) if at == 0 or contents[at - 1] != content]
            if runs != self.facts[name]:
                found.append(name)
        return found

    @property
    def keys_changed(self) -> list[str]:
        keys: dict[str, set[str]] = {}
        for name, told in self.told.items():
            for content, key in told:
                keys.setdefault(f"{name} {content}", set()).add(key)
        return [content for content, found in keys.items() if len(found) != 1]

    @property
    def doubles(self) -> int:
        return sum(len(told) - len({key for _, key in told}) for told in self.told.values())

    def __str__(self) -> str:
        facts = sum(map(len, self.facts.values()))
        return (
            f"{self.kills} kills of the bridge, {self.restarts} of the core: {facts} facts, {len(self.lost)} lost, "
            f"{len(self.out_of_order)} queues out of order, {self.doubles} doubled, {len(self.keys_changed)} under "
            "another key"
        )


async def kill_run(kills: int, seed: int) -> Books:
    """So many kills; every third one takes the core's connections and its acknowledgements in memory with it."""
    chance, books = random.Random(seed), Books()
    async with rig() as bridge, vps() as server:
        bridge.configure(TOML.format(server), OUTBOX)
        await bridge.start()
        for kill in range(kills):
            _behave(server, chance)
            for _ in range(6):
                _happen(bridge, books, kill)
                await asyncio.sleep(chance.uniform(0, 0.03))
            if kill % 3 == 2:
                await bridge.core.stop()
                _happen(bridge, books, kill)
                await bridge.core.start()
                books.restarts += 1
            await asyncio.sleep(chance.uniform(0, 0.3))
            await bridge.stop(signal.SIGKILL)
            await bridge.start()
            books.kills += 1
        for one in (server.phone, server.sms, server.notify):
            one.behave("ok")
        await bridge.until(lambda: bridge.core.acks["bridge"] == len(bridge.core.journal), 60)
        await bridge.until(lambda: not bridge.waiting(), 60)
        books.told = {name: [(_content(one), one.key or "") for one in server.of(name)] for name in books.facts}
        books.accepted = {_content(one) for one in server.of(*books.facts) if _is_taken(one)}
    return books


def _is_taken(request: Request) -> bool:
    """Answered, and not with a page; also while it comes and goes."""
    return request.status == 200 and request.behaviour.kind is not Kind.HTML


def _content(request: Request) -> str:
    name = "text" if request.endpoint == "phone" else "message"
    return str(request.body[name]).rpartition(" ")[2]  # a notification has words before it


def _behave(server: Vps, chance: random.Random) -> None:
    for one in (server.phone, server.sms, server.notify):
        if chance.random() < 0.25:
            one.behave("refuse:0.2", "ok")
        elif chance.random() < 0.2:
            one.behave("flap:0.1")
        else:
            one.behave(*chance.choices(TROUBLES, k=6), "ok")


def _happen(bridge: Rig, books: Books, kill: int) -> None:
    for name, facts in books.facts.items():
        text = f"{name}_{kill}_{len(facts)}"
        facts.append(text)
        if name == "phone":
            bridge.core.fact("call.speech", call_id=CALL, turn=1, text=text)
        elif name == "sms":
            bridge.sms(text)
        else:
            bridge.core.fact("alarm.raised", alarm="test", severity="info", text=text)
