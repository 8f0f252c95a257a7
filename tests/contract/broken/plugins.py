"""Integrations that each break one promise: the real one for OpenAI, spoilt in one place.

Installed as third-party plugins would be: an entry point each, which ``test_broken`` writes.
"""

import functools
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from spanloom.sdk import Active, Hook, Integration, Patch, Start
from spanloom_integrations.openai import INTEGRATION as REAL

CLIENT = "openai._base_client"


def spoilt(
    name: str,
    *,
    begin: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    finish: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    note: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    first: tuple[Any, ...] = (),
) -> Integration:
    """The real table with functions wrapped, and with rows of its own before it."""
    rows: list[Any] = list(first)
    for row in REAL.rows:
        if isinstance(row, Patch):
            changes: dict[str, Any] = {}
            for field, spoil in (("begin", begin), ("finish", finish), ("note", note)):
                if spoil is not None:
                    changes[field] = spoil(getattr(row, field))
            row = replace(row, **changes)
        rows.append(row)
    return replace(REAL, name=name, rows=tuple(rows))


# -- it swallows exceptions --------------------------------------------------------------------


def swallowing() -> Callable[[], None]:
    """Both ``request`` methods return None where the server said no."""
    from openai import _base_client

    kept: list[tuple[Any, Any]] = []

    def sync(original: Any) -> Any:
        @functools.wraps(original)
        def request(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            except Exception:
                return None

        return request

    def asynchronous(original: Any) -> Any:
        @functools.wraps(original)
        async def request(*args: Any, **kwargs: Any) -> Any:
            try:
                return await original(*args, **kwargs)
            except Exception:
                return None

        return request

    for owner, wrap in (
        (_base_client.SyncAPIClient, sync),
        (_base_client.AsyncAPIClient, asynchronous),
    ):
        kept.append((owner, vars(owner)["request"]))
        owner.request = wrap(vars(owner)["request"])

    def undo() -> None:
        for owner, original in kept:
            owner.request = original

    return undo


broken_swallows = spoilt("broken_swallows", first=(Hook(module=CLIENT, add=swallowing),))


# -- it does not undo --------------------------------------------------------------------------


def staying() -> Callable[[], None]:
    from openai._base_client import SyncAPIClient

    original = vars(SyncAPIClient)["request"]

    @functools.wraps(original)
    def request(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    SyncAPIClient.request = request  # type: ignore[method-assign]
    return lambda: None


broken_stays = spoilt("broken_stays", first=(Hook(module=CLIENT, add=staying),))


# -- it wraps what it returns -------------------------------------------------------------------

_subclasses: dict[type, type] = {}


def wrapping(finish: Callable[..., Any]) -> Callable[..., Any]:
    def finished(active: Active, result: Any) -> None:
        finish(active, result)
        kind = type(result)
        if kind not in _subclasses:
            _subclasses[kind] = type(kind.__name__, (kind,), {"__module__": kind.__module__})
        result.__class__ = _subclasses[kind]

    return finished


broken_wraps = spoilt("broken_wraps", finish=wrapping)


# -- it keeps the pieces of a stream ------------------------------------------------------------


def keeping(finish: Callable[..., Any]) -> Callable[..., Any]:
    def finished(active: Active, result: Any) -> None:
        finish(active, result)
        tap: Any = active.tap
        if tap is None:
            return
        feed, kept = tap.feed, []

        def feed_and_keep(chunk: Any, *more: Any) -> None:
            kept.append(chunk)
            feed(chunk, *more)

        tap.feed = feed_and_keep

    return finished


broken_keeps = spoilt("broken_keeps", finish=keeping)


# -- it never lets go ----------------------------------------------------------------------------

_held: list[Any] = []


def hoarding(finish: Callable[..., Any]) -> Callable[..., Any]:
    def finished(active: Active, result: Any) -> None:
        finish(active, result)
        _held.append(result)

    return finished


broken_hoards = spoilt("broken_hoards", finish=hoarding)


# -- it records a failure twice -------------------------------------------------------------------


def doubling(note: Callable[..., Any]) -> Callable[..., Any]:
    def noted(error: BaseException) -> Any:
        twin = Active("twin")
        twin.integration = "broken_doubles"
        if twin.start():
            twin.end(None, error)
        return note(error)

    return noted


broken_doubles = spoilt("broken_doubles", note=doubling)


# -- it changes the request ------------------------------------------------------------------------


def mutating(begin: Callable[..., Any]) -> Callable[..., Any]:
    def begun(client: Any, args: Any, kwargs: Any) -> Start | None:
        start: Start | None = begin(client, args, kwargs)
        options = args[1] if len(args) > 1 else kwargs["options"]
        if start is not None:
            given = options.headers if isinstance(options.headers, dict) else {}
            options.headers = {**given, "x-watched": "1"}
        return start

    return begun


broken_mutates = spoilt("broken_mutates", begin=mutating)


# -- it consumes the iterator ------------------------------------------------------------------------


def consuming(_client: Any, _args: Any, kwargs: dict[str, Any]) -> None:
    list(kwargs["messages"])


broken_consumes = spoilt(
    "broken_consumes",
    first=tuple(
        Patch(target=f"openai.resources.chat.completions.completions:{c}.create", begin=consuming)
        for c in ("Completions", "AsyncCompletions")
    ),
)


# -- it ends a stream when it begins -------------------------------------------------------------------


def hasty(finish: Callable[..., Any]) -> Callable[..., Any]:
    def finished(active: Active, result: Any) -> None:
        if hasattr(type(result), "__stream__"):
            active.end()
        else:
            finish(active, result)

    return finished


broken_hurries = spoilt("broken_hurries", finish=hasty)


# -- it tells the prompt in the name -----------------------------------------------------------------------


def telling(begin: Callable[..., Any]) -> Callable[..., Any]:
    def begun(client: Any, args: Any, kwargs: Any) -> Start | None:
        start: Start | None = begin(client, args, kwargs)
        if start is not None and (messages := start.request.body.get("messages")):
            start.name = str(messages[-1]["content"])
        return start

    return begun


broken_tells = spoilt("broken_tells", begin=telling)

# -- it imports the framework: see test_broken, which writes that module

broken_imports = spoilt("broken_imports")

ALL = (
    "broken_swallows", "broken_stays", "broken_wraps", "broken_keeps", "broken_hoards",
    "broken_doubles", "broken_mutates", "broken_consumes", "broken_hurries", "broken_tells",
    "broken_imports",
)  # fmt: skip
