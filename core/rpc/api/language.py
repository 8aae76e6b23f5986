"""language.get and language.set, for old clients."""

from typing import Annotated

from msgspec import Meta, Struct

from core.events import Scope
from core.rpc.methods import Request, method


class LanguageParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: Annotated[str | int, Meta(description="Any stable name of a user")]


class LanguageSetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: Annotated[str | int, Meta(description="Any stable name of a user")]
    language: Annotated[str, Meta(pattern="^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$")]


class LanguageResult(Struct, frozen=True, kw_only=True):
    user_id: str | int
    language: str


@method("language.get", scope=Scope.CALLS, since="0.1")
async def language_get(request: Request, params: LanguageParams) -> LanguageResult:
    """The language kept for a user of an old client."""
    return LanguageResult(
        user_id=params.user_id, language=request.core.services.speech.language_of(str(params.user_id))
    )


@method("language.set", scope=Scope.CALLS, since="0.1")
async def language_set(request: Request, params: LanguageSetParams) -> LanguageResult:
    """Keeps a language for a user of an old client."""
    request.core.services.speech.set_language(str(params.user_id), params.language)
    return LanguageResult(user_id=params.user_id, language=params.language)
