"""One request through jsonrpcserver to its method, and the answer as bytes.

jsonrpcserver finds the method, calls it with its context and makes the response; what it would check stands in front
of it (replies.py, methods.convert_params), so its validator is off. Importing it costs some 70 ms (it loads
jsonschema even so): only `Dispatcher` does, so that what reads the declarations alone does not pay.
"""

import warnings
from collections.abc import Awaitable, Callable
from typing import Any, cast

from core.errors import PublicError
from core.log import Log
from core.rpc.methods import MethodSpec, Registry, Request, invoke
from core.rpc.replies import Wanted, encode_json, positional_params, public_error, unknown_method

log = Log("rpc")


class Dispatcher:
    """All methods of a registry behind one coroutine."""

    def __init__(self, methods: Registry) -> None:
        with warnings.catch_warnings():
            # jsonrpcserver 5.0.9 reads its schema in a way that Python 3.11 calls deprecated; 3.13 still has it.
            warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
            from jsonrpcserver import Error, Success, async_dispatch

        # Its serializer is ours, which makes bytes where it says str.
        self._dispatch = cast(Callable[..., Awaitable[bytes]], async_dispatch)
        self._success: Callable[..., Any] = Success
        self._error: Callable[..., Any] = Error
        self.methods = methods
        self._callables = {spec.name: self._callable(spec) for spec in methods.values()}

    async def answer(self, wanted: Wanted, request: Request) -> bytes | None:
        """The reply, None for a notification. Raises nothing but CancelledError."""
        if wanted.method not in self.methods:
            return unknown_method(wanted.id) if wanted.answered else None
        if wanted.positional:
            return positional_params(wanted.id) if wanted.answered else None
        element: dict[str, Any] = {"method": wanted.method, "params": wanted.params}
        if wanted.answered:
            element["id"] = wanted.id
        try:
            reply = await self._dispatch(
                "",
                methods=self._callables,
                context=request,
                deserializer=lambda _: element,
                validator=_accept,
                serializer=encode_json,
            )
        except Exception:  # the outermost guard of a request: a result that is no JSON ends here
            log.exception("reply could not be made", method=wanted.method)
            return public_error(wanted.id, PublicError()) if wanted.answered else None
        return reply or None

    def _callable(self, spec: MethodSpec) -> Callable[..., Awaitable[Any]]:
        async def call(request: Request, /, **params: Any) -> Any:
            try:
                return self._success(await invoke(spec, request, params))
            except PublicError as problem:
                return self._error(problem.code, problem.message, problem.data())
            except Exception:  # the outermost guard of a method: a client learns only that it failed
                log.exception("method failed", method=spec.name)
                failed = PublicError()
                return self._error(failed.code, failed.message, failed.data())

        return call


def _accept(element: object) -> object:
    return element
