"""Logs: a static text and fields, to stderr. Personal data goes only under pii_ fields, which are left out unless
log_personal_data says otherwise, so that no line of code decides it twice."""

import json
import logging
import sys
from typing import Any, TextIO

from core.clock import rfc3339

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Log:
    """`log.info("call ended", call_id=…, reason=…)`; numbers and speech as pii_number=…, pii_text=…."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"dialtone.{name}")

    def debug(self, text: str, **fields: Any) -> None:
        self._say(logging.DEBUG, text, fields)

    def info(self, text: str, **fields: Any) -> None:
        self._say(logging.INFO, text, fields)

    def warning(self, text: str, **fields: Any) -> None:
        self._say(logging.WARNING, text, fields)

    def error(self, text: str, **fields: Any) -> None:
        self._say(logging.ERROR, text, fields)

    def exception(self, text: str, **fields: Any) -> None:
        """An error of ours, with its traceback; for the outermost guards only."""
        self._logger.error(text, extra={"fields": fields}, exc_info=True)

    def _say(self, level: int, text: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, text, extra={"fields": fields})


class Formatter(logging.Formatter):
    """One line a record: time, level, part, text, key=value. With json=True one JSON object a line."""

    def __init__(self, *, json_lines: bool, personal: bool) -> None:
        super().__init__()
        self._json = json_lines
        self._personal = personal

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = dict(getattr(record, "fields", {}))
        if not self._personal:
            fields = {name: value for name, value in fields.items() if not name.startswith("pii_")}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        head = {
            "at": rfc3339(record.created),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix("dialtone."),
            "text": record.getMessage(),
        }
        if self._json:
            return json.dumps(head | fields, ensure_ascii=False, default=str)
        rest = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
        return f"{head['at']} {head['level']:<7} {head['part']}: {head['text']}{rest}"


def start_logging(
    level: str = "info", *, json_lines: bool = False, personal: bool = False, stream: TextIO | None = None
) -> None:
    """Sends all of the program's logs to stderr (or `stream`). Called once by __main__."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Formatter(json_lines=json_lines, personal=personal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("dialtone").setLevel(level.upper())


def _plain(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n\r\t') else text
