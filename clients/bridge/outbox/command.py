"""`dialtone bridge outbox`: what waits to be delivered, for people. Works beside a bridge that runs."""

import argparse
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clients.bridge.outbox.box import opened
from clients.bridge.outbox.rows import Row, State
from clients.bridge.outbox.store import OtherVersion, Store
from clients.cli.command import FAILED, OK, UsageError
from clients.cli.output import print_json, print_table, printable

DESCRIPTION = """\
What the bridge has still to deliver, and what it has given up (dead letters).

Examples:
  dialtone bridge outbox stats
  dialtone bridge outbox list --dead
  dialtone bridge outbox show 17            # with its body: numbers and texts
  dialtone bridge outbox replay 17 18       # or --dead: all dead letters, --queue NAME: of one queue
  dialtone bridge outbox drop --dead --queue webhook.crm
"""
LIMIT = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("list", "show", "replay", "drop", "stats"))
    parser.add_argument("numbers", metavar="ID", nargs="*", type=int, help="rows, as list shows them")
    parser.add_argument("--queue", metavar="NAME", help="only this queue: phone_events, sms, webhook.NAME …")
    parser.add_argument("--dead", action="store_true", help="only dead letters")
    parser.add_argument("--limit", metavar="N", type=int, default=LIMIT, help=f"so many rows at most; default {LIMIT}")
    # Here as well, since people write them where they think of them; not given, those before `outbox` stand.
    parser.add_argument("--config", metavar="FILE", type=Path, default=argparse.SUPPRESS, help="bridge.toml")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(args: argparse.Namespace, path: Path) -> int:
    """One verb. Exit code 1 where a row is not there."""
    try:
        with opened(path) as store:
            match args.verb:
                case "list":
                    return _list(args, store)
                case "show":
                    return _show(args, store)
                case "stats":
                    return _stats(args, store)
                case _:
                    return _change(args, store)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no outbox; has the bridge run with this configuration?") from None
    except PermissionError:
        raise UsageError(f"{path}: may not be read by this user") from None
    except OtherVersion as problem:
        raise UsageError(str(problem)) from None
    except sqlite3.Error as problem:
        raise UsageError(f"{path}: {problem}") from None


def _list(args: argparse.Namespace, store: Store) -> int:
    rows = store.rows(args.queue, State.DEAD if args.dead else None, args.limit)
    if args.json:
        print_json([_facts(row) for row in rows])
        return OK
    cells = [(row.id, row.queue, row.event, row.seq, row.state, row.tries, row.added_at, row.problem) for row in rows]
    print_table("outbox", ("id", "queue", "event", "seq", "state", "tries", "since", "problem"), cells)
    return OK


def _show(args: argparse.Namespace, store: Store) -> int:
    _needs_numbers(args)
    rows = [store.row(number) for number in args.numbers]
    found = [row for row in rows if row is not None]
    shown = [_facts(row) | {"body": row.body.decode(errors="replace")} for row in found]
    if args.json:
        print_json(shown)
    else:
        for one in shown:
            for name, value in one.items():
                print(f"{name + ':':10} {printable(str(value)) if value is not None else '-'}")
    return OK if len(found) == len(rows) else FAILED


def _change(args: argparse.Namespace, store: Store) -> int:
    if bool(args.numbers) == args.dead:
        raise UsageError(f"{args.verb} what? IDs of rows, or --dead for all dead letters")
    change = store.replay if args.verb == "replay" else store.drop
    changed = change(args.numbers or None, args.queue)
    if args.json:
        print_json({"changed": changed})
    else:
        print(f"{changed} {'row' if changed == 1 else 'rows'} {'replayed' if args.verb == 'replay' else 'dropped'}")
    return OK if changed >= len(args.numbers) else FAILED


def _stats(args: argparse.Namespace, store: Store) -> int:
    rows, size = store.totals()
    queues = [
        {"queue": queue, "state": state, "rows": number, "bytes": bytes_, "oldest": oldest}
        for queue, state, number, bytes_, oldest in store.sizes()
    ]
    counts = [
        {"queue": queue, "what": what, "count": count, "last_at": last_at}
        for queue, what, count, last_at in store.counts()
    ]
    if args.json:
        print_json({"rows": rows, "bytes": size, "queues": queues, "counts": counts})
        return OK
    print_table(
        "waiting and given up", ("queue", "state", "rows", "bytes", "oldest"), [list(q.values()) for q in queues]
    )
    print_table("since the beginning", ("queue", "what", "count", "last"), [list(one.values()) for one in counts])
    return OK


def _facts(row: Row) -> dict[str, Any]:
    """All but the body."""
    facts = asdict(row)
    facts["bytes"] = len(facts.pop("body"))
    return facts


def _needs_numbers(args: argparse.Namespace) -> None:
    if not args.numbers:
        raise UsageError(f"{args.verb} what? IDs of rows, as list shows them")
