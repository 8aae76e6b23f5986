"""Reading messages, and doing away with them: sms.get, list, conversations, search, export, delete and erase."""

from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from core.clock import rfc3339, unix_s
from core.errors import InvalidParams, NotFound, NotNow, StoreFailed, TimedOut
from core.events import Scope, SmsState
from core.forget import forget
from core.limits import DAY_S
from core.line import Direction
from core.message_compose import utc
from core.rpc.api.message_info import MessageInfo, info_of
from core.rpc.api.messages import OneMessage
from core.rpc.api.shared import Empty
from core.rpc.methods import Request, method
from core.store import message_reads as reads
from core.store.message_reads import Filter
from core.store.retention import delete_finished

Cursor = Annotated[str, Meta(max_length=40, description="A message_id: next of the page before")]
Limit = Annotated[int, Meta(ge=1, le=500)]
ExportLimit = Annotated[int, Meta(ge=1, le=1000)]
Party = Annotated[str, Meta(min_length=1, max_length=60, description="A number in any spelling, or a sender's name")]
AnyLine = Annotated[str, Meta(max_length=31, description="Left out: all lines")]
At = Annotated[str, Meta(max_length=40, description="RFC 3339 with its zone; by when it came to us")]


class ListMessages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 50
    before: Cursor | None = None
    after: Cursor | None = None
    line: AnyLine | None = None
    direction: Direction | None = None
    state: Annotated[SmsState | list[SmsState], Meta(description="One state, or any of several")] | None = None
    number: Party | None = None
    since: At | None = None
    until: At | None = None
    oldest_first: Annotated[bool, Meta(description="Then pages go on with after")] = False


class SearchMessages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    query: Annotated[
        str, Meta(max_length=500, description="Words that must all be there; the last may be the beginning of one")
    ]
    limit: Limit = 50
    before: Cursor | None = None
    number: Party | None = None
    direction: Direction | None = None


class ExportMessages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: ExportLimit = 500
    after: Cursor | None = None
    direction: Direction | None = None
    number: Party | None = None
    since: At | None = None
    until: At | None = None


class ListConversations(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 50
    before: Cursor | None = None


class GetConversation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Party
    limit: Limit = 50
    before: Cursor | None = None


class EraseParty(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Party


class MessagePage(Struct, frozen=True, kw_only=True):
    messages: list[MessageInfo]
    next: Annotated[str | None, Meta(description="Cursor of the following page; null: this was the last")]


class ConversationInfo(Struct, frozen=True, kw_only=True):
    number: Annotated[str | None, Meta(description="E.164 where it can be understood; null for what can't be read")]
    messages: int
    last: MessageInfo


class ConversationPage(Struct, frozen=True, kw_only=True):
    conversations: list[ConversationInfo]
    next: str | None


class ErasedParty(Struct, frozen=True, kw_only=True):
    """What is gone now."""

    messages: int
    calls: int
    facts: Annotated[int, Meta(description="Events in the journal that no longer say who or what")]
    recordings: Annotated[int, Meta(description="Calls that had a recording")]
    files: Annotated[int, Meta(description="Recordings removed; others lie outside of the configured directory")]
    scrubbed: Annotated[
        bool,
        Meta(
            description="No trace is left in the store's files. False: they are too large to be rewritten while it runs"
        ),
    ]


@method("sms.get", scope=Scope.MESSAGES, errors=(NotFound,), since="0.2")
async def get(request: Request, params: OneMessage) -> MessageInfo:
    """One message."""
    row = await request.core.store.read(lambda db: reads.get_message(db, params.message_id))
    if row is None:
        raise NotFound("There is no message with this id.")
    return info_of(row)


@method("sms.list", scope=Scope.MESSAGES, errors=(NotFound, TimedOut), since="0.2")
async def list_messages(request: Request, params: ListMessages) -> MessagePage:
    """Messages in and out, newest first. next is the cursor (before; with oldest_first after) of the following page."""
    states = [params.state] if isinstance(params.state, SmsState) else params.state
    only = _filter(request, params, line=params.line, states=states)
    found = await request.core.store.read(
        lambda db: reads.list_messages(
            db,
            limit=params.limit + 1,
            only=only,
            before=params.before,
            after=params.after,
            oldest_first=params.oldest_first,
        )
    )
    return _page(found, params.limit)


@method("sms.search", scope=Scope.MESSAGES, errors=(NotFound, TimedOut), since="0.2")
async def search(request: Request, params: SearchMessages) -> MessagePage:
    """Messages by their words, newest first; case and accents don't matter. Whatever is typed is a query."""
    only = _filter(request, params)
    found = await request.core.store.read(
        lambda db: reads.search(db, params.query, limit=params.limit + 1, only=only, before=params.before)
    )
    return _page(found, params.limit)


@method("sms.export", scope=Scope.MESSAGES, errors=(NotFound, TimedOut), since="0.2")
async def export(request: Request, params: ExportMessages) -> MessagePage:
    """All messages, oldest first, in large pages; next is the after of the following one."""
    only = _filter(request, params)
    found = await request.core.store.read(
        lambda db: reads.list_messages(db, limit=params.limit + 1, only=only, after=params.after, oldest_first=True)
    )
    return _page(found, params.limit)


@method("sms.conversations", scope=Scope.MESSAGES, errors=(NotFound, TimedOut), since="0.2")
async def conversations(request: Request, params: ListConversations) -> ConversationPage:
    """Each party with its newest message, newest first."""
    found = await request.core.store.read(
        lambda db: reads.conversations(db, limit=params.limit + 1, before=params.before)
    )
    page, more = _cut(found, params.limit)
    return ConversationPage(
        conversations=[
            ConversationInfo(number=_shown(each), messages=each.messages, last=info_of(each.last)) for each in page
        ],
        next=page[-1].last.message_id if more else None,
    )


@method("sms.conversation", scope=Scope.MESSAGES, errors=(NotFound, TimedOut), since="0.2")
async def conversation(request: Request, params: GetConversation) -> MessagePage:
    """All messages from and to one party, newest first."""
    peer = _peer(request, params.number, None)
    found = await request.core.store.read(
        lambda db: reads.conversation(db, peer, limit=params.limit + 1, before=params.before)
    )
    return _page(found, params.limit)


@method("sms.delete", scope=Scope.MESSAGES, errors=(NotFound, NotNow, StoreFailed), since="0.2")
async def delete(request: Request, params: OneMessage) -> Empty:
    """Drops one finished message. Events that told of it stay until they expire; sms.erase clears those as well."""
    guard = request.core.config.guard
    since = rfc3339(unix_s() - DAY_S) if guard.sms_per_hour or guard.sms_per_day else None
    await request.core.store.write(lambda tx: delete_finished(tx, params.message_id, counted_since=since))
    return Empty()


@method("sms.erase", scope=Scope.ADMIN, errors=(NotNow, InvalidParams, StoreFailed, TimedOut), since="0.2", facts=True)
async def erase(request: Request, params: EraseParty) -> ErasedParty:
    """Forgets everything about one number: messages, calls, what was said in them, recordings, and what events in the
    journal say of it. Messages that wait for it are cancelled. Asking again finishes what a crash cut off."""
    services = request.core.services
    done = await forget(
        params.number,
        store=request.core.store,
        calls=services.calls,
        messages=services.messages,
        guard=services.guard,
        config=request.core.config.recording,
    )
    return ErasedParty(
        messages=done.messages,
        calls=done.calls,
        facts=done.facts,
        recordings=done.recordings,
        files=done.files,
        scrubbed=done.scrubbed,
    )


Filtered = ListMessages | SearchMessages | ExportMessages
T = TypeVar("T")


def _filter(
    request: Request, params: Filtered, *, line: str | None = None, states: list[SmsState] | None = None
) -> Filter:
    since = until = None
    if not isinstance(params, SearchMessages):
        since = utc(params.since, "since") if params.since is not None else None
        until = utc(params.until, "until") if params.until is not None else None
    peer = _peer(request, params.number, line) if params.number is not None else None
    return Filter(line=line, direction=params.direction, states=states, peer=peer, since=since, until=until)


def _peer(request: Request, number: str, line: str | None) -> str:
    return request.core.services.messages.peer(number, line)


def _shown(found: reads.Conversation) -> str | None:
    return found.peer if found.peer.startswith("+") else found.last.number or None


def _cut(found: list[T], limit: int) -> tuple[list[T], bool]:
    """The page, and whether there is more: one more than its limit was asked for."""
    return found[:limit], len(found) > limit


def _page(found: list[reads.MessageRow], limit: int) -> MessagePage:
    page, more = _cut(found, limit)
    return MessagePage(messages=[info_of(row) for row in page], next=page[-1].message_id if more else None)
