"""Events, cancelling, saying hello, and the description of it all."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from core.errors import AckBeyondHead, Displaced, LimitExceeded, NotNow, StoreFailed
from core.events import Scope
from core.rpc.access import with_implied
from core.rpc.feed import Subscription
from core.rpc.methods import Request, method
from core.rpc.openrpc import document
from core.rpc.version import version

Seq = Annotated[int, Meta(ge=0, description="Number of a fact; 0 is before the first")]
Topic = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[a-z_]+(\.[a-z_]+)*(\.\*)?)$",
        max_length=64,
        description='A topic such as "call.ended", a prefix such as "call.*", or "*" for everything',
    ),
]
ConsumerName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._:@-]{1,64}$", description="Name under which your place is kept on disk")
]


class NoParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say."""


class Done(Struct, frozen=True):
    """It is done; there is nothing more to say."""


class SubscribeParams(Struct, frozen=True, forbid_unknown_fields=True):
    topics: Annotated[
        tuple[Topic, ...] | None,
        Meta(description="What you want. Left out: all facts and no moments; moments come only to those who name them"),
    ] = None
    since: Annotated[Seq | None, Meta(description="Replay the facts after this seq first")] = None
    consumer: Annotated[
        ConsumerName | None,
        Meta(description="Resume where this consumer has acknowledged; a new name begins now, or at since"),
    ] = None


class Subscribed(Struct, frozen=True):
    """The subscription is in force. Everything after resumed_from (or, where that is null, after seq) will come."""

    seq: Annotated[int, Meta(description="The newest fact when you subscribed")]
    resumed_from: Annotated[int | None, Meta(description="Facts after this seq are replayed; null: none are")]
    consumer: str | None


@method("events.subscribe", errors=(AckBeyondHead, Displaced, LimitExceeded, StoreFailed))
async def subscribe(request: Request, params: SubscribeParams) -> Subscribed:
    """Choose the events of this connection, in place of what it had before. Replayed facts come before live ones,
    without hole or double."""
    session, store = request.session, request.core.store
    if params.since is not None and params.since > store.head_seq:
        raise AckBeyondHead(
            "since is beyond the newest fact; look at head_seq, or read state.get.", head_seq=store.head_seq
        )
    since = params.since
    if params.consumer is None:
        request.core.sessions.release_consumer(session)
    else:
        request.core.sessions.take_consumer(params.consumer, session)
        acked = await store.consumer(params.consumer)
        if acked is None:
            acked = store.head_seq if since is None else since
            await store.ack(params.consumer, acked)
        if session.consumer != params.consumer:
            raise Displaced()
        since = acked if since is None else since
    session.subscribe(Subscription(params.topics), since, request.cause)
    return Subscribed(store.head_seq, since, params.consumer)


@method("events.unsubscribe")
async def unsubscribe(request: Request, params: NoParams) -> Done:
    """Get no more events on this connection. A consumer's place stays on disk."""
    request.core.sessions.release_consumer(request.session)
    request.session.unsubscribe()
    return Done()


class AckParams(Struct, frozen=True, forbid_unknown_fields=True):
    seq: Annotated[Seq, Meta(description="You are done with this fact and all before it")]


class Acked(Struct, frozen=True):
    """Where the consumer stands now; never lower than before."""

    seq: int


@method("events.ack", errors=(AckBeyondHead, Displaced, NotNow, StoreFailed))
async def ack(request: Request, params: AckParams) -> Acked:
    """Acknowledge facts for this connection's consumer, so that it resumes after them. Cumulative; acknowledging again
    or less changes nothing."""
    consumer, store = request.session.consumer, request.core.store
    if consumer is None:
        if request.session.was_displaced:
            raise Displaced()
        raise NotNow("Subscribe with a consumer name first; there is nobody to keep a place for.")
    await store.ack(consumer, params.seq)
    place = await store.consumer(consumer)
    return Acked(params.seq if place is None else place)


class CancelParams(Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[int | str, Meta(description="The id of your request")]


@method("$/cancelRequest")
async def cancel(request: Request, params: CancelParams) -> Done:
    """Stop waiting for a request of this connection: it is answered with error -32800. What the modem had begun is
    carried through. Meant as a notification."""
    request.session.cancel(params.id)
    return Done()


class HelloParams(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9._:@/ -]{1,64}$", description="What you are called in status and claims")
    ]
    version: Annotated[str, Meta(max_length=64)] | None = None
    scopes: Annotated[
        tuple[Scope, ...] | None,
        Meta(description="Give up all other scopes on this connection, for a gateway that serves somebody with less"),
    ] = None


class Hello(Struct, frozen=True):
    """Who is at the other end, and what you may do."""

    server: str
    version: str
    scopes: list[Scope]


@method("client.hello")
async def hello(request: Request, params: HelloParams) -> Hello:
    """Say who you are. Optional: everything works without it, but brains, claims and reported states go by this
    name."""
    request.session.name = params.name
    if params.scopes is not None:
        request.session.narrow(with_implied(params.scopes))
    return Hello("dialtone", version(), sorted(request.session.scopes))


class OpenRpc(Struct, frozen=True):
    """An OpenRPC document with the events as x-events; see https://spec.open-rpc.org."""

    openrpc: str
    info: dict[str, Any]
    methods: list[dict[str, Any]]
    components: dict[str, Any]
    events: list[dict[str, Any]] = field(name="x-events")


@method("rpc.discover")
async def discover(request: Request, params: NoParams) -> OpenRpc:
    """Describe every method, event and error with its schema, as an OpenRPC document."""
    found = document(request.core.methods)
    return OpenRpc(found["openrpc"], found["info"], found["methods"], found["components"], found["x-events"])
