"""dialtone events: the daemon's events as they come."""

import argparse
import asyncio
import json

import dialtone
from clients.cli.command import OK, UsageError
from clients.cli.output import show
from dialtone.event import Event

DESCRIPTION = """\
Prints events as they happen, one a line, and goes on over restarts of the daemon until Ctrl-C.
Without --topic it prints all facts; moments (levels, partial texts, rings) come only when a topic asks for them.

Example:
  dialtone events --topic 'call.*' --topic modem.state
  dialtone events --since 0 --json | jq -c 'select(.method == "call.missed")'
  dialtone events --consumer backup --json    # reads on where it was, also days later
"""
HIDDEN = frozenset({"seq", "after_seq", "at", "line", "call_id"})


class EventsCommand:
    help = "print events as they happen"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--topic", action="append", metavar="TOPIC", help="call.ended or call.*; may stand twice")
        parser.add_argument("--since", type=int, metavar="SEQ", help="begin after this event; 0: all that are kept")
        parser.add_argument("--consumer", metavar="NAME", help="the daemon keeps the place of this reader")
        parser.add_argument("--count", type=int, metavar="N", help="stop after N events")

    def run(self, args: argparse.Namespace) -> int:
        if args.count is not None and args.count < 1:
            raise UsageError("--count must be at least 1")
        if args.since is not None and args.since < 0:
            raise UsageError("--since must be 0 or more")
        asyncio.run(_follow(args))
        return OK


async def _follow(args: argparse.Namespace) -> None:
    left = args.count
    async with dialtone.connect(
        args.socket, name="cli-events", consumer=args.consumer, topics=args.topic, since=args.since
    ) as phone:
        async for event in phone.events():
            print(as_json(event) if args.json else as_text(event), flush=True)
            if left is not None and (left := left - 1) == 0:
                await phone.ack(event.seq)
                return


def as_json(event: Event) -> str:
    """As it stood on the wire, so that what reads this can also read the socket."""
    return json.dumps({"method": event.name, "params": event.params}, ensure_ascii=False)


def as_text(event: Event) -> str:
    fields = " ".join(f"{name}={_field(value)}" for name, value in event.params.items() if name not in HIDDEN)
    place = str(event.seq) if event.seq is not None else "-"
    where = " ".join(text for text in (event.line, event.call_id) if text)
    return f"{show(event.at)} {place:>6} {event.name:<18} {where} {fields}".rstrip()


def _field(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) and " " in value else show(value)


COMMAND = EventsCommand()
