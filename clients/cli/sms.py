"""dialtone sms: send, read and look after short messages."""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

from clients.cli import sms_show
from clients.cli.command import FAILED, OK, UsageError
from clients.cli.moments import FORMS, moment
from clients.cli.output import print_json
from clients.cli.verbs import Verbs, add_verb
from dialtone.sync import request_with

DESCRIPTION = """\
Sends short messages and follows them, reads what came, searches and exports it.

Example:
  dialtone sms send +447700900123 "The pump is running again." --report --wait
  dialtone sms list --in --limit 5
  dialtone sms search invoice may
  dialtone sms export --since 7d > week.jsonl
"""
STATES = ("received", "queued", "sending", "sent", "delivered", "failed", "expired", "cancelled", "unknown")
STILL_GOING = ("queued", "sending", "sent")
MOST_LISTED = 500
ERASE_TIMEOUT_S = 180.0
"""The store's file is written anew, which takes its time on an SD card."""

Json = dict[str, Any]


class SmsCommand:
    help = "send, read and look after short messages"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        _add_send(verbs)
        _add_reading(verbs)
        _add_export(verbs)
        _add_deciding(verbs)
        _add_erase(verbs)
        _add_live(verbs)

    def run(self, args: argparse.Namespace) -> int:
        return VERBS[args.verb](args)


def _ask(args: argparse.Namespace, method: str, params: Json, *, timeout_s: float = 30.0) -> Any:
    return request_with(method, params, path=args.socket, timeout_s=timeout_s)


def _show(args: argparse.Namespace, found: Any, printer: Callable[[Any], None]) -> int:
    (print_json if args.json else printer)(found)
    return OK


# --- sending


def _add_send(verbs: Verbs) -> None:
    send = add_verb(verbs, "send", "send a message", 'dialtone sms send +447700900123 "Dinner is ready" --wait')
    send.add_argument("to", metavar="TO", help="+ and digits, or a short code")
    send.add_argument("text", metavar="TEXT", help="what to send; - reads it from stdin")
    send.add_argument("--report", action="store_true", help="ask for a report when it arrived")
    send.add_argument("--wait", action="store_true", help="until it is sent (with a report: delivered), or failed")
    send.add_argument("--timeout", type=float, default=300.0, metavar="S", help="how long --wait waits (default 300)")
    kind = send.add_mutually_exclusive_group()
    kind.add_argument("--flash", action="store_true", help="shown at once and not kept (class 0)")
    kind.add_argument("--class", type=int, choices=range(4), dest="message_class", help="message class")
    send.add_argument("--at", metavar="TIME", help=f"send it then: {FORMS}")
    send.add_argument("--expires", metavar="TIME", help="not after that")
    send.add_argument("--ref", metavar="REF", help="your own name for it; given again, it is not sent again")
    send.add_argument("--priority", choices=("high", "normal", "low"), help="what goes first")
    send.add_argument("--line", metavar="NAME", help="which line")
    send.add_argument("--dry-run", action="store_true", help="check it and send nothing")


def _send(args: argparse.Namespace) -> int:
    if args.timeout <= 0:
        raise UsageError("--timeout must be more than 0")
    params = _send_params(args)
    if not args.wait:
        return _show(args, _ask(args, "sms.send", params), sms_show.print_sent)
    from clients.cli.sms_follow import send_and_wait

    info, arrived = send_and_wait(args.socket, params, args.timeout)
    _show(args, info, sms_show.print_sent)
    if not arrived and info["state"] in STILL_GOING:
        print(f"dialtone: it goes on without us: dialtone sms show {info['message_id']}", file=sys.stderr)
    return OK if arrived else FAILED


def _send_params(args: argparse.Namespace) -> Json:
    text = sys.stdin.read().removesuffix("\n") if args.text == "-" else args.text
    if not text:
        raise UsageError("there is no text to send")
    wanted = {
        "report": True if args.report else None,
        "message_class": 0 if args.flash else args.message_class,
        "send_at": moment(args.at, "--at", ahead=True) if args.at else None,
        "expires_at": moment(args.expires, "--expires", ahead=True) if args.expires else None,
        "client_ref": args.ref,
        "priority": args.priority,
        "line": args.line,
        "dry_run": True if args.dry_run else None,
    }
    return {"to": args.to, "text": text} | _given(wanted)


# --- reading


def _add_reading(verbs: Verbs) -> None:
    listed = add_verb(verbs, "list", "messages, newest first", "dialtone sms list --out --state failed")
    _add_filter(listed)
    listed.add_argument("--state", action="append", choices=STATES, help="in this state; may stand twice")
    listed.add_argument("--line", metavar="NAME", help="of this line")
    _add_times(listed)
    _add_page(listed)
    search = add_verb(verbs, "search", "messages with all these words", "dialtone sms search invoice may")
    search.add_argument("words", metavar="WORD", nargs="+", help="the last may be the beginning of a word")
    _add_filter(search)
    _add_page(search)
    people = add_verb(verbs, "conversations", "everybody you have messages with", "dialtone sms conversations")
    _add_page(people)
    shown = add_verb(verbs, "show", "one message with all that is known", "dialtone sms show sms_1795246560_k2fqab7")
    shown.add_argument("id", metavar="ID", help="the message's id")


def _add_filter(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--in", action="store_const", const="in", dest="direction", help="only those that came in")
    which.add_argument("--out", action="store_const", const="out", dest="direction", help="only those that we sent")
    parser.add_argument("--number", metavar="NUMBER", help="from or to this number or name")


def _add_times(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help=f"not older: {FORMS}")
    parser.add_argument("--until", metavar="TIME", help="older than that")


def _add_page(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    parser.add_argument("--before", metavar="ID", help="older than this message")


def _times(args: argparse.Namespace) -> Json:
    return {
        "since": moment(args.since, "--since", ahead=False) if args.since else None,
        "until": moment(args.until, "--until", ahead=False) if args.until else None,
    }


def _page(args: argparse.Namespace) -> Json:
    if not 1 <= args.limit <= MOST_LISTED:
        raise UsageError(f"--limit must be 1 to {MOST_LISTED}")
    return {"limit": args.limit, "before": args.before}


def _list(args: argparse.Namespace) -> int:
    wanted = {"direction": args.direction, "number": args.number, "state": args.state, "line": args.line}
    found = _ask(args, "sms.list", _given(wanted | _times(args) | _page(args)))
    return _show(args, found, lambda page: sms_show.print_page(page, "list"))


def _search(args: argparse.Namespace) -> int:
    wanted = {"query": " ".join(args.words), "direction": args.direction, "number": args.number}
    found = _ask(args, "sms.search", _given(wanted | _page(args)))
    return _show(args, found, lambda page: sms_show.print_page(page, "search WORD"))


def _conversations(args: argparse.Namespace) -> int:
    return _show(args, _ask(args, "sms.conversations", _given(_page(args))), sms_show.print_conversations)


def _show_one(args: argparse.Namespace) -> int:
    return _show(args, _ask(args, "sms.get", {"message_id": args.id}), sms_show.print_message)


def _add_export(verbs: Verbs) -> None:
    export = add_verb(verbs, "export", "all messages as JSON lines, oldest first", "dialtone sms export > all.jsonl")
    _add_filter(export)
    _add_times(export)
    export.add_argument("--after", metavar="ID", help="only what came after this message")


def _export(args: argparse.Namespace) -> int:
    wanted = {"direction": args.direction, "number": args.number, "after": args.after} | _times(args)
    for message in _exported(args, _given(wanted)):
        sms_show.print_line(message)
    return OK


def _exported(args: argparse.Namespace, params: Json) -> Iterator[Json]:
    while True:
        page = _ask(args, "sms.export", params)
        yield from page["messages"]
        if page.get("next") is None:
            return
        params = params | {"after": page["next"]}


# --- deciding


def _add_deciding(verbs: Verbs) -> None:
    example = "sms_1795246560_k2fqab7"
    cancel = add_verb(verbs, "cancel", "take a message out of the queue", f"dialtone sms cancel {example}")
    cancel.add_argument("id", metavar="ID", help="the message's id")
    resolve = add_verb(
        verbs, "resolve", "decide about a message nobody knows the fate of", f"dialtone sms resolve {example} resend"
    )
    resolve.add_argument("id", metavar="ID", help="the message's id")
    resolve.add_argument("outcome", choices=("resend", "sent", "failed"), help="once more, or what became of it")
    delete = add_verb(verbs, "delete", "drop one message that is finished", f"dialtone sms delete {example}")
    delete.add_argument("id", metavar="ID", help="the message's id")


def _cancel(args: argparse.Namespace) -> int:
    return _show(args, _ask(args, "sms.cancel", {"message_id": args.id}), sms_show.print_sent)


def _resolve(args: argparse.Namespace) -> int:
    found = _ask(args, "sms.resolve", {"message_id": args.id, "outcome": args.outcome})
    return _show(args, found, sms_show.print_sent)


def _delete(args: argparse.Namespace) -> int:
    return _show(args, _ask(args, "sms.delete", {"message_id": args.id}), lambda _: print("ok"))


def _add_erase(verbs: Verbs) -> None:
    erase = add_verb(
        verbs,
        "erase",
        "forget everything about one number, calls and recordings too",
        "dialtone sms erase +447700900123",
    )
    erase.add_argument("number", metavar="NUMBER", help="in any spelling, or a sender's name")
    erase.add_argument("--yes", action="store_true", help="do not ask")


def _erase(args: argparse.Namespace) -> int:
    if not args.yes and not _agreed(args.number):
        print("Nothing was erased.", file=sys.stderr)
        return FAILED
    found = _ask(args, "sms.erase", {"number": args.number}, timeout_s=ERASE_TIMEOUT_S)
    return _show(args, found, sms_show.print_erased)


def _agreed(number: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("erasing can't be undone; say --yes")
    print(f"Messages, calls, recordings and events of {number} will be gone for ever.", file=sys.stderr)
    print("Type yes to erase them: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


# --- now


def _add_live(verbs: Verbs) -> None:
    queue = add_verb(verbs, "queue", "what waits on each line", "dialtone sms queue")
    queue.add_argument("--line", metavar="NAME", help="of this line")
    follow = add_verb(verbs, "follow", "messages as they come and go, until Ctrl-C", "dialtone sms follow")
    follow.add_argument("--count", type=int, metavar="N", help="stop after N events")
    watch = add_verb(verbs, "watch", "the same in words, as the old sms_watch had it", "dialtone sms watch")
    watch.add_argument("--count", type=int, metavar="N", help="stop after N lines")


def _queue(args: argparse.Namespace) -> int:
    return _show(args, _ask(args, "sms.queue", _given({"line": args.line})), sms_show.print_queues)


def _follow(args: argparse.Namespace) -> int:
    if args.count is not None and args.count < 1:
        raise UsageError("--count must be at least 1")
    from clients.cli.sms_follow import follow

    follow(args.socket, args.json, args.count)
    return OK


def _watch(args: argparse.Namespace) -> int:
    if args.count is not None and args.count < 1:
        raise UsageError("--count must be at least 1")
    from clients.station.sms_watch import watch

    watch(args.socket, json_lines=args.json, count=args.count)
    return OK


def _given(params: Json) -> Json:
    return {name: value for name, value in params.items() if value is not None}


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "send": _send,
    "list": _list,
    "search": _search,
    "conversations": _conversations,
    "show": _show_one,
    "export": _export,
    "cancel": _cancel,
    "resolve": _resolve,
    "delete": _delete,
    "erase": _erase,
    "queue": _queue,
    "follow": _follow,
    "watch": _watch,
}

COMMAND = SmsCommand()
