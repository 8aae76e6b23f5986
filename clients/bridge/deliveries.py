"""Everything that is not live speech: which facts become rows of the outbox, and where each queue of it goes."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from clients.bridge import command_hook, mail, notifications, owner, phone_events, sms_hook
from clients.bridge.address import interface_address
from clients.bridge.main import PhoneFactory
from clients.bridge.outbox.backoff import Schedule
from clients.bridge.outbox.box import Bounds, Maker, Outbox
from clients.bridge.outbox.http_channel import HttpChannel, make_tls
from clients.bridge.outbox.reader import CONSUMER, Reader
from clients.bridge.outbox.rows import station_id
from clients.bridge.outbox.sender import Channel, Sender
from clients.bridge.outbox.store import Store
from clients.bridge.outbox.watch import Due, Watch
from clients.bridge.settings import Settings, WebhookTable
from clients.bridge.webhooks import Signed, Webhook

NAME = "bridge-outbox"
"""Of its connection: its states and alarms are not those of the part that speaks."""
VPS_QUEUES = (phone_events.QUEUE, sms_hook.QUEUE, notifications.QUEUE)

_log = logging.getLogger("dialtone.bridge")

SessionFactory = Callable[[], aiohttp.ClientSession]


def new_session() -> aiohttp.ClientSession:
    """Kept connections, no cookies, no proxies of the environment."""
    connector = aiohttp.TCPConnector(limit=32, keepalive_timeout=30)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
    )


class Deliveries:
    """One station. `run` is a part of the bridge. OSError where a file of the configuration can't be read."""

    def __init__(self, settings: Settings, session_factory: SessionFactory = new_session) -> None:
        self._settings = settings
        self._session_factory = session_factory
        self._senders: list[Sender] = []
        self._now = _Now(settings)
        self._vps_tls = make_tls(settings.vps.ca_file, verify=settings.vps.verify_tls)
        self._vps_hosts = _hosts(settings.vps.transcribe_url, settings.vps.health_url)
        self._tls = {webhook.name: make_tls(webhook.ca_file) for webhook in settings.webhook}
        self._mail_tls = mail.make_tls(settings.email)

    def hurry(self) -> None:
        """The VPS has just answered: what waits is tried now."""
        for sender in self._senders:
            if sender.queue in VPS_QUEUES:
                sender.hurry()

    async def run(self, connect: PhoneFactory) -> None:
        settings = self._settings
        bounds = Bounds(settings.outbox.max_rows, settings.outbox.max_bytes)
        makers, due = self._makers()
        wanted_topics = topics(settings)
        async with (
            Outbox(settings.outbox_path, station_id(settings.station), bounds) as outbox,
            self._session_factory() as session,
            asyncio.TaskGroup() as tasks,
        ):
            self._senders = [Sender(outbox, channel) for channel in self._channels(session)]
            for sender in self._senders:  # what waits goes out, core or no core
                tasks.create_task(sender.run(), name="bridge.send")
            async with connect(name=NAME, consumer=CONSUMER, topics=_subscription(wanted_topics)) as phone:
                if settings.owner.sms_to:
                    sender = Sender(outbox, owner.SmsChannel(phone, self._schedule()))
                    self._senders.append(sender)
                    tasks.create_task(sender.run(), name="bridge.send")
                await self._tell_of_orphans(outbox)
                reader = Reader(phone, outbox, makers, wanted_topics, _own_topics(settings))
                watch = Watch(phone, outbox, self._senders, due)
                async with asyncio.TaskGroup() as reading:
                    reading.create_task(watch.run(), name="bridge.watch")
                    reading.create_task(reader.run(NAME), name="bridge.read")
                    _log.info("delivering to %s", ", ".join(sender.queue for sender in self._senders))

    def _makers(self) -> tuple[list[Maker], list[Due]]:
        settings, events, due = self._settings, self._settings.events, list[Due]()
        makers: list[Maker] = []
        if events.url is not None:
            makers.append(phone_events.PhoneEvents(events.dialect, self._now.station))
        if events.sms_url is not None:
            makers.append(sms_hook.SmsHook(self._now.gateway_ip))
        if events.notify_url is not None:
            makers.append(notifications.Notifications(events.notify, events.notify_window_s, self._now.hostname))
        if settings.command.sms:
            makers.append(command_hook.CommandHook())
        if settings.email.sms:
            makers.append(mail.MessagesByMail(settings.email.to))
        if settings.owner.notify or settings.owner.sms_to or settings.owner.email:
            email_to = settings.email.to if settings.owner.email else ()
            told = owner.Owner(settings.owner, email_to, settings.email.sms, self._now.hostname)
            makers.append(told)
            due.append(told.digest)
        makers += [Webhook(webhook.name, webhook.topics) for webhook in settings.webhook]
        return makers, due

    def _channels(self, session: aiohttp.ClientSession) -> list[Channel]:
        """All that need no core."""
        settings, events, schedule = self._settings, self._settings.events, self._schedule()
        own = [
            (phone_events.QUEUE, events.url),
            (sms_hook.QUEUE, events.sms_url),
            (notifications.QUEUE, events.notify_url),
        ]
        found: list[Channel] = [
            self._own_channel(queue, url, session, schedule) for queue, url in own if url is not None
        ]
        if settings.command.sms:
            found.append(command_hook.CommandChannel(settings.command.sms, settings.command.timeout_s, schedule))
        if settings.owner.email or settings.email.sms:
            found.append(mail.MailChannel(settings.email, schedule, self._mail_tls))
        return [*found, *(self._webhook(webhook, session) for webhook in settings.webhook)]

    def _webhook(self, webhook: WebhookTable, session: aiohttp.ClientSession) -> HttpChannel:
        return HttpChannel(
            Webhook(webhook.name, webhook.topics).queue,
            session,
            webhook.url,
            webhook.timeout_s,
            self._schedule(webhook.retry_s),
            self._tls[webhook.name],
            pages_count=True,
            headers=Signed(webhook.secret, webhook.token),
        )

    def _own_channel(self, queue: str, url: str, session: aiohttp.ClientSession, schedule: Schedule) -> HttpChannel:
        """The token and the TLS options of [vps] are for its hosts, on whichever port; without any, for these."""
        vps, timeout_s = self._settings.vps, self._settings.events.timeout_s
        if self._vps_hosts and not _hosts(url) <= self._vps_hosts:
            return HttpChannel(queue, session, url, timeout_s, schedule)
        headers = {"Authorization": f"Bearer {vps.token}"} if vps.token is not None else {}
        return HttpChannel(queue, session, url, timeout_s, schedule, self._vps_tls, headers=lambda row: headers)

    def _schedule(self, waits_s: Sequence[float] = ()) -> Schedule:
        table = self._settings.outbox
        give_up_s = table.give_up_after_h * 3600
        return Schedule(table.retry_first_s, table.retry_cap_s, give_up_s, table.refusals, tuple(waits_s))

    async def _tell_of_orphans(self, outbox: Outbox) -> None:
        known = {sender.queue for sender in self._senders}
        for queue, _, rows, _, _ in await outbox.do(Store.sizes):
            if queue not in known:
                _log.warning("%d rows wait for %s, which the configuration no longer has", rows, queue)


def topics(settings: Settings) -> list[str]:
    """All that becomes rows."""
    found = set(_own_topics(settings)) | set(settings.events.notify if settings.events.notify_url else ())
    for webhook in settings.webhook:
        found |= set(webhook.topics)
    return sorted(found)


def _subscription(wanted: list[str]) -> list[str] | None:
    """What the daemon is asked for: without topics all facts, with `*` the moments as well, levels and all."""
    if "*" not in wanted:
        return wanted
    return ["*"] if any(not topic.endswith("*") for topic in wanted) else None


def _own_topics(settings: Settings) -> list[str]:
    """Events whose numbers and texts must be there; webhooks get what the daemon shows this user."""
    events, found = settings.events, list[str]()
    if events.url is not None:
        found += phone_events.TOPICS
    if settings.owner.notify or settings.owner.sms_to or settings.owner.email:
        kinds = {kind: topic for topic, kind in owner.KINDS.items()}
        found += [kinds[kind] for kind in settings.owner.of]
    if events.sms_url is not None or settings.command.sms or settings.email.sms:
        found += sms_hook.TOPICS
    return found


def _hosts(*urls: str | None) -> set[str | None]:
    return {urlsplit(url).hostname for url in urls if url is not None}


@dataclass(frozen=True, slots=True)
class _Now:
    """What the facts don't say and the VPS wants to know, as it is at the moment."""

    settings: Settings

    def gateway_ip(self) -> str | None:
        table = self.settings.voice_config
        return self.settings.events.gateway_ip or table.ip or interface_address(table.interface)

    def hostname(self) -> str:
        return notifications.host_text(self.settings.station or socket.gethostname(), self.gateway_ip())

    def station(self) -> phone_events.Station:
        return phone_events.Station(self.gateway_ip(), _welcome(self.settings.cache_path))


def _welcome(cache: Path) -> str:
    """The greeting that the voice configuration in force has."""
    try:
        found = json.loads(cache.read_bytes())["welcome_message"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
