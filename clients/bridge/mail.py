"""E-mail by SMTP (RFC 5321), with Python's own smtplib on a thread; one recipient a time, so that each counts alone."""

import asyncio
import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

import dialtone
from clients.bridge.outbox.backoff import Schedule
from clients.bridge.outbox.rows import DeliveryFailed, Draft, Row, encode
from clients.bridge.outbox.store import Store
from clients.bridge.settings import EmailTable

QUEUE = "email"
TOPICS = ("sms.received",)
SUBJECT_CHARS = 150
PERMANENT = 500
"""Replies from here on are final (RFC 5321 §4.2.1)."""


@dataclass(frozen=True, slots=True)
class MessagesByMail:
    """Makes a letter of each received message."""

    to: Sequence[str]

    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        if event.name not in TOPICS or event.params.get("silent"):
            return []
        number = event.params.get("number") or "unknown"
        text = event.params.get("text") or "(no text)"
        letters = [letter(to, f"SMS from {number}", f"{text}\n") for to in self.to]
        return [Draft(QUEUE, event.name, body, part=str(at)) for at, body in enumerate(letters)]


def letter(to: str, subject: str, text: str) -> bytes:
    """The body of a row."""
    subject = " ".join(subject.split())[:SUBJECT_CHARS]
    return encode({"to": to, "subject": subject, "text": text})


def compose(row: Row, sender: str) -> EmailMessage:
    """The letter of a row. Its Message-ID is the row's key, so that one that comes twice is known as such."""
    wanted = json.loads(row.body)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, wanted["to"], wanted["subject"]
    message["Date"] = format_datetime(datetime.fromisoformat(row.at or row.added_at).astimezone(UTC))
    message["Message-ID"] = f"<{row.key}@{sender.rpartition('@')[2]}>"
    message["Idempotency-Key"] = row.key
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: so that nobody's vacation answers
    message.set_content(wanted["text"])
    return message


@dataclass(slots=True, eq=False)
class MailChannel:
    """tls_context: made once, so that a ca_file that can't be read is told at the start."""

    table: EmailTable
    schedule: Schedule
    tls_context: ssl.SSLContext
    queue: str = QUEUE

    @property
    def deadline_s(self) -> float:
        return self.table.timeout_s

    async def deliver(self, row: Row) -> None:
        sending = _Sending(self.table, self.tls_context, compose(row, self.table.sender or ""))
        try:
            await _on_thread(sending.run)
        except DeliveryFailed:
            raise
        except smtplib.SMTPException as problem:
            raise _failure(problem) from None
        except ssl.SSLError:
            raise DeliveryFailed("its certificate or TLS is not accepted") from None
        except (OSError, ValueError) as problem:
            raise DeliveryFailed(getattr(problem, "strerror", None) or type(problem).__name__) from None
        finally:
            sending.abort()


class _Sending:
    """One letter on its way; abort() makes the thread end soon, wherever it is."""

    def __init__(self, table: EmailTable, tls: ssl.SSLContext, message: EmailMessage) -> None:
        self._table = table
        self._tls = tls
        self._message = message
        self._smtp: smtplib.SMTP | None = None

    def run(self) -> None:
        table = self._table
        name = socket.gethostname()  # getfqdn, smtplib's own, may ask a name server for longer than the deadline
        if table.tls == "tls":
            self._smtp = smtplib.SMTP_SSL(local_hostname=name, timeout=table.timeout_s, context=self._tls)
        else:
            self._smtp = smtplib.SMTP(local_hostname=name, timeout=table.timeout_s)
        with self._smtp as smtp:
            # The name that certificates are checked against. Given to the constructor it would connect at once, and
            # there would be nothing yet that abort() could close.
            setattr(smtp, "_host", table.host)  # noqa: B010
            smtp.connect(table.host or "", table.port)
            if table.tls == "starttls":
                smtp.starttls(context=self._tls)
            if table.user is not None:
                smtp.login(table.user, table.password or "")
            smtp.send_message(self._message)

    def abort(self) -> None:
        connection = getattr(self._smtp, "sock", None)
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _failure(problem: smtplib.SMTPException) -> DeliveryFailed:
    """Without the server's words, which repeat addresses."""
    match problem:
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            codes = [code for code, _ in refused.values()]
            return DeliveryFailed(f"SMTP {max(codes)}", refused=min(codes) >= PERMANENT)
        case smtplib.SMTPResponseException(smtp_code=code):
            return DeliveryFailed(f"SMTP {code}", refused=code >= PERMANENT)
        case smtplib.SMTPNotSupportedError():
            return DeliveryFailed("the server offers no STARTTLS or no login", refused=True)
    return DeliveryFailed(type(problem).__name__)


async def _on_thread(work: Callable[[], None]) -> None:
    """Not in a pool: at its end Python would wait for a thread that waits for a server."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(problem: BaseException | None) -> None:
        if done.done():
            return
        if problem is None:
            done.set_result(None)
        else:
            done.set_exception(problem)

    def run() -> None:
        problem: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            problem = raised
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(finish, problem)

    threading.Thread(target=run, name="bridge.mail", daemon=True).start()
    await done


def make_tls(table: EmailTable) -> ssl.SSLContext:
    """OSError where ca_file can't be read."""
    context = ssl.create_default_context(cafile=table.ca_file)
    if not table.verify_tls:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
