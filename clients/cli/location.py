"""dialtone location: where the modem is, by its satellite receiver."""

import argparse
import asyncio
from typing import Any

import dialtone
from clients.cli.command import OK, UsageError
from clients.cli.events import as_json
from clients.cli.output import print_json, show
from clients.cli.verbs import add_verb
from dialtone.event import Event
from dialtone.sync import request_with

DESCRIPTION = """\
Switches the modem's satellite receiver and shows where it is. Needs the scope admin.

Example:
  dialtone location start
  dialtone location follow
"""
VERBS = ("start", "stop", "get", "follow")

Json = dict[str, Any]


class LocationCommand:
    help = "where the modem is, by satellite"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        add_verb(verbs, "start", "switch the receiver on", "dialtone location start")
        add_verb(verbs, "stop", "switch it off", "dialtone location stop")
        add_verb(verbs, "get", "the last position", "dialtone location get --json")
        follow = add_verb(verbs, "follow", "positions as they come, until Ctrl-C", "dialtone location follow")
        follow.add_argument("--count", type=int, metavar="N", help="stop after N positions")
        for verb in verbs.choices.values():
            verb.add_argument("--line", metavar="NAME", help="which line")

    def run(self, args: argparse.Namespace) -> int:
        if args.verb == "follow":
            if args.count is not None and args.count < 1:
                raise UsageError("--count must be at least 1")
            asyncio.run(_follow(args))
            return OK
        params = {"line": args.line} if args.line else {}
        found = request_with(f"location.{args.verb}", params, path=args.socket, timeout_s=30.0)
        print_json(found) if args.json else print(_words(found))
        return OK


async def _follow(args: argparse.Namespace) -> None:
    left = args.count
    async with dialtone.connect(args.socket, name="cli-location", topics=["location.fix"]) as phone:
        async for event in phone.events():
            if args.line not in (None, event.line) and event.name == "location.fix":
                continue
            print(as_json(event) if args.json else _line(event), flush=True)
            if left is not None and (left := left - 1) == 0:
                return


def _line(event: Event) -> str:
    if event.name != "location.fix":
        return as_json(event)  # events.lagged: some are missing
    where = "hidden: it needs the scope admin" if event.params.get("redacted") else _place(event.params)
    return f"{show(event.at)} {show(event.line)} {where}"


def _words(found: Json) -> str:
    if not found["on"]:
        return f"{show(found['line'])}: off"
    return f"{show(found['line'])}: {_place(found)}"


def _place(params: Json) -> str:
    """Degrees to six places, 11 cm; the rest where it is known."""
    if params.get("latitude") is None:
        seen = params.get("satellites")
        return "no fix yet" + (f", {show(seen)} satellites" if seen is not None else "")
    parts = [f"{params['latitude']:.6f}, {params['longitude']:.6f}"]
    for name, text in (
        ("altitude_m", "{:.0f} m"), ("speed_mps", "{:.1f} m/s"), ("course_deg", "course {:.0f}"),
        ("satellites", "{} satellites"), ("hdop", "hdop {:.1f}"),
    ):  # fmt: skip
        if params.get(name) is not None:
            parts.append(text.format(params[name]))
    if params.get("fixed_at"):
        parts.append(f"at {show(params['fixed_at'])}")
    return ", ".join(parts)


COMMAND = LocationCommand()
