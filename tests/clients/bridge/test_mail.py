"""E-mail: a real SMTP server on loopback, with and without TLS and login, and with all that goes wrong."""

import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.bridge.outbox_rig import Rig, rig
from tests.clients.bridge.smtp_server import SmtpServer, certificate

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")


@pytest.fixture
async def bridge() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"))


def by_mail(bridge: Rig, server: SmtpServer, keys: str = 'tls = "off"', *, host: str = "localhost") -> None:
    bridge.configure(
        f'[owner]\nemail = true\n[email]\nhost = "{host}"\nport = {server.port}\nfrom = "station@example.org"\n'
        f'to = ["owner@example.org"]\ntimeout_s = 20\n{keys}\n'
    )


async def test_a_missed_call_reaches_the_owner_by_mail(bridge: Rig) -> None:
    async with SmtpServer() as server:
        by_mail(bridge, server)
        async with bridge.inside():
            bridge.missed()
            bridge.sms("Ačiū,\n.\n..labai")
            await bridge.until(lambda: len(server.letters) == 2)
    missed, message = server.letters
    assert (missed.sender, missed.to) == ("station@example.org", "owner@example.org")
    assert missed.message["Subject"] == "Missed call from +37060000000"
    assert missed.message["Date"] == "Sat, 21 Nov 2026 07:16:00 +0000"
    assert missed.message["Message-ID"] == f"<{missed.message['Idempotency-Key']}@example.org>"
    assert missed.message["Auto-Submitted"] == "auto-generated"
    assert message.text.endswith(": Ačiū,\n.\n..labai\n")


async def test_received_messages_go_to_everyone_who_is_named(bridge: Rig) -> None:
    async with SmtpServer() as server:
        bridge.configure(
            f'[email]\nhost = "localhost"\nport = {server.port}\nfrom = "s@example.org"\ntls = "off"\nsms = true\n'
            'to = ["one@example.org", "two@example.org"]\n'
        )
        server.replies["RCPT"] = ["550 5.1.1 nobody"] * 3
        async with bridge.inside():
            bridge.sms("Labas", "Bank\r\nBcc: x@example.org")
            await bridge.until(lambda: server.letters)
            await bridge.until(lambda: bridge.stored() == [("email", "sms.received", "dead")])
    (letter,) = server.letters
    assert (letter.to, letter.message["Subject"]) == ("two@example.org", "SMS from Bank Bcc: x@example.org")
    assert letter.message["Bcc"] is None and letter.text == "Labas\n"


@needs_openssl
@pytest.mark.parametrize("implicit", [False, True])
async def test_a_login_goes_over_tls(bridge: Rig, tls: tuple[Path, ssl.SSLContext], implicit: bool) -> None:
    cert, context = tls
    async with SmtpServer(context, implicit=implicit, login=("me", "pässword")) as server:
        way = "tls" if implicit else "starttls"
        keys = f'tls = "{way}"\nuser = "me"\npassword = "pässword"\nca_file = "{cert}"'
        by_mail(bridge, server, keys.replace("ä", "a"))
        server.login = ("me", "password")
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: server.letters)
    assert server.letters[0].over_tls and server.letters[0].user == "me"


@needs_openssl
@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_that_nobody_vouches_for_gets_no_letter(
    bridge: Rig, tls: tuple[Path, ssl.SSLContext], implicit: bool, caplog: pytest.LogCaptureFixture
) -> None:
    _, context = tls
    async with SmtpServer(context, implicit=implicit) as server:
        by_mail(bridge, server, f'tls = "{"tls" if implicit else "starttls"}"')
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: "certificate or TLS is not accepted" in caplog.text)
    assert not server.letters and bridge.waiting() == 1


@needs_openssl
async def test_a_certificate_for_another_name_gets_no_letter(
    bridge: Rig, tls: tuple[Path, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    cert, context = tls
    async with SmtpServer(context) as server:
        by_mail(bridge, server, f'ca_file = "{cert}"', host="127.0.0.1")
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: "certificate or TLS is not accepted" in caplog.text)
    assert not server.letters


async def test_a_server_without_starttls_gets_no_letter(bridge: Rig, caplog: pytest.LogCaptureFixture) -> None:
    async with SmtpServer() as server:
        by_mail(bridge, server, 'tls = "starttls"')
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: bridge.stored() == [("email", "call.missed", "dead")])
    assert not server.letters and "no STARTTLS" in caplog.text


@needs_openssl
async def test_a_wrong_password_becomes_a_dead_letter(
    bridge: Rig, tls: tuple[Path, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    cert, context = tls
    async with SmtpServer(context, login=("me", "right")) as server:
        by_mail(bridge, server, f'user = "me"\npassword = "wrong"\nca_file = "{cert}"')
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: bridge.stored() == [("email", "call.missed", "dead")])
    assert "SMTP 535" in caplog.text and "wrong" not in caplog.text


@pytest.mark.parametrize("where", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"])
@pytest.mark.parametrize("trouble", ["451 4.3.0 later", "drop"])
async def test_what_is_refused_for_now_arrives_later(bridge: Rig, where: str, trouble: str) -> None:
    async with SmtpServer() as server:
        by_mail(bridge, server)
        server.replies[where] = [trouble] * 2
        async with bridge.inside():
            bridge.missed("+37061111111")
            bridge.missed("+37062222222")
            await bridge.until(lambda: len(server.letters) >= 2)
            await bridge.until(lambda: not bridge.waiting())
    told = [letter.message["Subject"][-1] for letter in server.letters]
    assert list(dict.fromkeys(told)) == ["1", "2"]


@pytest.mark.parametrize("where", ["CONNECT", "DATA", "END"])
async def test_a_server_that_hangs_is_left_and_asked_again(bridge: Rig, where: str) -> None:
    async with SmtpServer() as server:
        by_mail(bridge, server, 'tls = "off"')
        bridge.config.write_text(bridge.config.read_text().replace("timeout_s = 20", "timeout_s = 1"))
        server.replies[where] = ["hang"]
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: server.letters)
    assert len({letter.message["Message-ID"] for letter in server.letters}) == 1


async def test_nobody_there_is_no_refusal(bridge: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody:  # bound and not listening: the port is nobody else's meanwhile
        nobody.bind(("127.0.0.1", 0))
        by_mail(bridge, SmtpServer(port=nobody.getsockname()[1]))
        async with bridge.inside():
            bridge.missed()
            await bridge.until(lambda: "try 4" in caplog.text)
    assert bridge.stored() == [("email", "call.missed", "waiting")]
