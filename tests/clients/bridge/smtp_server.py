"""A small SMTP server (RFC 5321) on loopback: EHLO, STARTTLS, AUTH PLAIN and LOGIN, and bad habits on demand."""

import asyncio
import base64
import ssl
import subprocess
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass
class Letter:
    sender: str
    to: str
    message: EmailMessage
    over_tls: bool
    user: str | None

    @property
    def text(self) -> str:
        content: str = self.message.get_content()
        return content.replace("\r\n", "\n")


@dataclass
class SmtpServer:
    """replies: to the next commands of a kind ("RCPT", "DATA", "CONNECT" …), in place of the usual ones; "hang": none
    ever; "drop": the connection ends."""

    context: ssl.SSLContext | None = None
    implicit: bool = False
    starttls: bool = True
    login: tuple[str, str] | None = None
    replies: dict[str, list[str]] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    sessions: int = 0
    port: int = 0

    async def __aenter__(self) -> "SmtpServer":
        context = self.context if self.implicit else None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        self._closing = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self._server.close()
        if self._open:
            await asyncio.wait(self._open, timeout=5)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.sessions += 1
        try:
            await self._session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state = {"tls": self.implicit}
        user: str | None = None
        sender = to = ""
        await self._reply(writer, "CONNECT", "220 test ESMTP")
        while line := (await reader.readline()).decode().rstrip():
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    await self._reply(writer, "EHLO", self._offers(tls=state["tls"]))
                case "STARTTLS" if self.context is not None and self.starttls:
                    await self._reply(writer, "STARTTLS", "220 go on")
                    await writer.start_tls(self.context)
                    state["tls"] = True
                case "AUTH":
                    user = await self._auth(reader, writer, rest)
                case "MAIL":
                    sender = rest.partition("<")[2].partition(">")[0]
                    denied = self.login is not None and user is None
                    await self._reply(writer, "MAIL", "530 5.7.0 login first" if denied else "250 ok")
                case "RCPT":
                    to = rest.partition("<")[2].partition(">")[0]
                    await self._reply(writer, "RCPT", "250 ok")
                case "DATA":
                    if not (await self._reply(writer, "DATA", "354 go on")).startswith("354"):
                        continue
                    raw = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                    if (await self._reply(writer, "END", "250 taken")).startswith("2"):
                        message = message_from_bytes(raw, policy=policy.default)
                        assert isinstance(message, EmailMessage)
                        self.letters.append(Letter(sender, to, message, state["tls"], user))
                case "QUIT":
                    await self._reply(writer, "QUIT", "221 bye")
                    return
                case "RSET" | "NOOP":
                    await self._reply(writer, verb.upper(), "250 ok")
                case _:
                    await self._reply(writer, verb.upper(), "502 unknown")

    def _offers(self, *, tls: bool) -> str:
        offers = ["test", "8BITMIME"]
        if self.context is not None and self.starttls and not tls:
            offers.append("STARTTLS")
        if self.login is not None and (tls or self.context is None):
            offers.append("AUTH PLAIN LOGIN")
        return "\r\n".join([f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"])

    async def _auth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: str) -> str | None:
        kind, _, given = rest.partition(" ")
        if kind.upper() == "PLAIN":
            _, user, password = base64.b64decode(given).decode().split("\0")
        else:
            user = base64.b64decode(given or "").decode()
            writer.write(b"334 UGFzc3dvcmQ6\r\n")
            password = base64.b64decode(await reader.readline()).decode()
        known = self.login == (user, password)
        await self._reply(writer, "AUTH", "235 welcome" if known else "535 5.7.8 wrong")
        return user if known else None

    async def _reply(self, writer: asyncio.StreamWriter, kind: str, usual: str) -> str:
        reply = self.replies[kind].pop(0) if self.replies.get(kind) else usual
        if reply == "hang":
            await self._closing.wait()
        if reply in ("hang", "drop"):
            raise ConnectionResetError
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return reply


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost that signs itself, and a server's context with it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", str(key), "-out", str(cert),
        ],
        check=True, capture_output=True, timeout=20,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context
