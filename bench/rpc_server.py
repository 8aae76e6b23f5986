"""The server of bench.rpc, as a process of its own: `python -m bench.rpc_server FOLDER`. The RPC layer and the store as
in life, with no phone behind them. Prints a line when it listens; ends with its standard input."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from core.config import Config
from core.events import CallSpeech
from core.rpc.api import events as _events
from core.rpc.context import Core
from core.rpc.methods import METHODS, Registry, Request, method
from core.rpc.server import Server
from core.store.store import Store

SERVED: Registry = {name: spec for name, spec in METHODS.items() if spec.handler.__module__ == _events.__name__}


class TurnParams(Struct, frozen=True, forbid_unknown_fields=True):
    turn: Annotated[int, Meta(ge=1)]


class Turn(Struct, frozen=True):
    turn: int


@method("bench.speech", facts=True, into=SERVED)
async def speech(request: Request, params: TurnParams) -> Turn:
    """Journal a fact such as a caller's turn makes."""
    happened = CallSpeech(
        line="sim",
        call_id="call_1700000000_abcd",
        turn=params.turn,
        text="Good morning, I would like to make an appointment for next Tuesday.",
        understood=True,
        language="en",
        confidence=0.91,
        engine="phrases",
    )
    await request.core.store.write(lambda tx: tx.fact(happened))
    return Turn(params.turn)


async def serve(folder: Path) -> None:
    store = await Store.open(folder / "dialtone.db")
    config = msgspec.convert({"rpc": {"socket": [{"path": str(folder / "core.sock")}]}}, Config)
    server = Server(Core(config=config, store=store), methods=SERVED)
    server.listen()
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(server.run())
            print("listening", flush=True)
            await asyncio.to_thread(os.read, 0, 1)
            running.cancel()
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
