"""How a notification leaves: through the bridge's outbox, which keeps it until it arrived, else straight to the VPS."""

import fcntl
import hashlib
import http.client
import os
import socket
import sqlite3
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dialtone
from clients.bridge.address import interface_address
from clients.bridge.notifications import QUEUE, host_text, notification
from clients.bridge.outbox.box import opened
from clients.bridge.outbox.room import Full, make_room
from clients.bridge.outbox.rows import Draft, station_id
from clients.bridge.outbox.store import OtherVersion, Store, now_text
from clients.bridge.settings import VpsTable
from clients.station.common import Context

EVENT = "station.notify"
POST_S = 60.0
"""As the old script; an attempt that takes longer is not made twice."""


class Outcome(StrEnum):
    QUEUED = "queued"  # in the outbox: it will arrive
    SENT = "sent"
    DRY_RUN = "dry_run"
    DUPLICATE = "duplicate"  # the same one is being sent at this moment
    FAILED = "failed"
    NOWHERE = "nowhere"  # no address is configured


GOOD = (Outcome.QUEUED, Outcome.SENT, Outcome.DRY_RUN, Outcome.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Delivery:
    """detail: why, where it needs saying; without addresses, which may hold secrets."""

    outcome: Outcome
    detail: str | None = None


def deliver(about: Context, severity: str, message: str) -> Delivery:
    """One notification. Never raises for a VPS that is down."""
    if about.dry_run:
        return Delivery(Outcome.DRY_RUN)
    if about.bridge.events.notify_url is None:
        return Delivery(Outcome.NOWHERE, "bridge.toml has no [events] notify_url")
    body = notification(severity, message, _hostname(about))
    with _only_one(about.state, message) as alone:
        if not alone:
            return Delivery(Outcome.DUPLICATE, "the same notification is on its way")
        return _queued(about, body) or _posted(about, body)


def _hostname(about: Context) -> str:
    """As the bridge calls this station."""
    bridge = about.bridge
    config = bridge.voice_config
    address = bridge.events.gateway_ip or config.ip or interface_address(config.interface)
    return host_text(bridge.station or socket.gethostname(), address)


@contextmanager
def _only_one(state: Path, message: str) -> Iterator[bool]:
    """False inside while another process sends the same message, as the old script's lock had it. Where no lock can be
    had it is sent."""
    path = state / f"notify-{hashlib.sha256(message.encode()).hexdigest()[:16]}.lock"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        yield True
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
        path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _queued(about: Context, body: bytes) -> Delivery | None:
    """None where the outbox can't be had: there is no bridge here, or it is not ours to write."""
    outbox = about.bridge.outbox
    try:
        with opened(about.bridge.outbox_path) as store:
            _add(store, station_id(about.bridge.station), body, outbox.max_rows, outbox.max_bytes)
    except (OSError, sqlite3.Error, OtherVersion, Full):
        return None
    return Delivery(Outcome.QUEUED)


def _add(store: Store, station: str, body: bytes, max_rows: int, max_bytes: int) -> None:
    # No fact: each is of its own, whatever it says.
    event = dialtone.Event.of(EVENT, {"at": now_text(), "id": str(uuid.uuid4())})
    with store.writing():
        store.add(station, Draft(QUEUE, EVENT, body), event)
        make_room(store, max_rows, max_bytes)


# --- without a bridge


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A POST that is redirected becomes a GET, which delivers nothing."""
        return


def _posted(about: Context, body: bytes) -> Delivery:
    url = about.bridge.events.notify_url
    assert url is not None
    vps = about.bridge.vps if _is_vps(about, url) else VpsTable()
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    if vps.token is not None:
        headers["Authorization"] = f"Bearer {vps.token}"
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=_tls(vps.ca_file, verify=vps.verify_tls)),
            urllib.request.ProxyHandler({}),
            _NoRedirect(),
        )
        with opener.open(request, timeout=min(POST_S, about.bridge.events.timeout_s)) as answer:
            answer.read(65536)
    except urllib.error.HTTPError as problem:
        problem.close()
        return Delivery(Outcome.FAILED, f"the VPS answered HTTP {problem.code}")
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Delivery(Outcome.FAILED, f"the VPS was not reached: {_why(problem)}")
    return Delivery(Outcome.SENT)


def _is_vps(about: Context, url: str) -> bool:
    """Token and TLS options of [vps] are for its hosts; without any, for this one (as the bridge has it)."""
    vps = about.bridge.vps
    hosts = {urlsplit(known).hostname for known in (vps.transcribe_url, vps.health_url) if known is not None}
    return not hosts or urlsplit(url).hostname in hosts


def _tls(ca_file: str | None, *, verify: bool) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=ca_file)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _why(problem: Exception) -> str:
    reason = getattr(problem, "reason", None)
    inner = reason if isinstance(reason, OSError) else problem
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return "no answer in time" if isinstance(inner, TimeoutError) else type(inner).__name__
