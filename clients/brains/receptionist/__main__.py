"""python -m clients.brains.receptionist: a phone that talks, without any service of others."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import dialtone
from clients.brains.receptionist.book import Book, BookError, read_book
from clients.brains.receptionist.brain import NAME, TOPICS, Receptionist
from clients.brains.receptionist.messages import default_messages_dir
from clients.cli.notify import ServiceManager

EXAMPLE = """\
Example:
  python -m clients.brains.receptionist --messages ~/messages --config shop.toml

shop.toml may hold
  [texts]
  greeting = "Hello, this is the flower shop. How can I help you?"
  [phrases]
  hours = ["when do you open", "how long are you open"]
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m clients.brains.receptionist",
        description="Answers calls by fixed rules: hours, place, prices, messages, call-backs.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--socket", metavar="PATH", help="the daemon's socket")
    parser.add_argument("--config", metavar="FILE", type=Path, help="TOML with other texts and phrases")
    parser.add_argument("--messages", metavar="DIR", type=Path, help="where messages of callers are kept")
    parser.add_argument("--priority", metavar="N", type=int, default=0, help="among several brains the highest talks")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        book = read_book(args.config)
    except BookError as problem:
        print(f"receptionist: {problem}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(args.socket, book, args.messages or default_messages_dir(), args.priority))
    except dialtone.RpcError as problem:
        print(f"receptionist: {problem}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    return 0


async def _run(path: str | None, book: Book, messages: Path, priority: int) -> None:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    doing = "waiting for the core"
    with ServiceManager.of_environment().told(lambda: doing):
        async with dialtone.connect(path, name=NAME, topics=TOPICS, wait_s=None) as phone:
            doing = "at the phone"
            await Receptionist(phone, book, messages).run(priority)


if __name__ == "__main__":
    sys.exit(main())
