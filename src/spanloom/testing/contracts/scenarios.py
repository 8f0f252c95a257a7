"""What the contract has to know about one framework: how it is called, not how it is watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spanloom.testing.answers import Answer, Error, Hang, Reset
from spanloom.testing.provider import FakeProvider
from spanloom.types import ErrorType, Kind

Messages = list[dict[str, Any]]

FAILURES: Mapping[str, tuple[Answer, ErrorType]] = {
    "bad_request": (Error(400), "invalid_request"),
    "auth": (Error(401), "auth"),
    "permission": (Error(403), "permission"),
    "not_found": (Error(404), "not_found"),
    "rate_limit": (Error(429), "rate_limit"),
    "server": (Error(500), "server"),
    "overloaded": (Error(503), "overloaded"),
    "connection": (Reset(), "connection"),
    "timeout": (Hang(30), "timeout"),
}
"""What the server does, and the error type that the span must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One thing the framework can do, with everything the caller can see of it.

    Args:
        name: of the test's parameter.
        make: the call; takes a client. Awaitable where ``asynchronous``.
        read: all of the result as plain data that two runs can be compared by, read to its end.
            Awaitable where ``asynchronous``.
        answer: what the server says; None: something random, the same each time.
        kind: of the span.
        said: the texts of the call that its span must hold, such as the prompt.
    """

    name: str
    make: Callable[[Any], Any]
    read: Callable[[Any], Any]
    asynchronous: bool = False
    kind: Kind = "llm"
    answer: Answer | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to put any messages to a model. ``ask`` takes a client and chat messages.

    Ways of one ``family`` give the same facts for the same answer. ``takes_iterators``: whether the
    framework itself accepts an iterator for the list of messages.
    """

    name: str
    ask: Callable[[Any, Messages], Any]
    asynchronous: bool = False
    family: str = "chat"
    takes_iterators: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Way):
    """A way whose answer comes in pieces: ``ask`` returns what is iterated.

    Args:
        said: the text in one of the pieces.
        close: ends the stream early.
        manager: the ``with`` form; None: ``ask`` returns a context manager.
    """

    said: Callable[[Any], str]
    close: Callable[[Any], Any]
    manager: Callable[[Any, Messages], Any] | None = None


class Scenarios:
    """Subclass it, once for each framework. Defined at the top level of a module of its own file.

    The module must import the framework only inside its functions: some cases run before the import.
    """

    integration: str
    """The name users write in ``integrations=[...]``."""
    framework: str
    """The module whose import is "importing the framework"."""
    failures: Sequence[str] = tuple(FAILURES)
    """Which failures it can meet: ``bad_request``, ``auth``, ``permission``, ``not_found``, ``rate_limit``,
    ``server``, ``overloaded``, ``connection``, ``timeout``."""
    repeats: int = 2000
    """Calls of the case about leaks."""
    beside_others: bool = True
    """Whether fresh processes arm all installed integrations, as ``init()`` does, or only this."""
    binds_late: bool = True
    """Whether a client made before ``init()`` can be recorded."""
    catches_base_exceptions: bool = False
    """Whether the framework turns a ``BaseException`` from below into an exception of its own."""

    def client(
        self,
        provider: FakeProvider,
        *,
        asynchronous: bool = False,
        inside: Callable[[], None] | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        """A client of ``provider`` that never tries again by itself.

        ``inside`` runs on the caller's thread or task, during the call, just before a request
        leaves. What it raises must come out of the framework's lowest layer.
        """
        raise NotImplementedError

    def close(self, client: Any) -> Any:
        """Awaitable for an asynchronous client."""
        return client.close()

    def ways(self) -> Sequence[Way]:
        """Whole answers: a synchronous and an asynchronous way at least, where there are both."""
        raise NotImplementedError

    def streams(self) -> Sequence[Stream]:
        """Streamed answers, helpers included."""
        return ()

    def calls(self) -> Sequence[Call]:
        """Everything else, and every variant: tools, embeddings, raw responses, changed options."""
        return ()

    def plain(self, value: Any) -> Any:
        """A result or a piece of a stream as plain data."""
        return value

    def usage(self, told: Mapping[str, Any]) -> Mapping[str, int]:
        """The provider's own usage object in fields of ``spanloom.types.Usage``."""
        spent = told.get("prompt_tokens_details") or told.get("input_tokens_details") or {}
        made = told.get("completion_tokens_details") or told.get("output_tokens_details") or {}
        counts = {
            "input": told.get("prompt_tokens", told.get("input_tokens")),
            "output": told.get("completion_tokens", told.get("output_tokens")),
            "total": told.get("total_tokens"),
            "cached": spent.get("cached_tokens"),
            "reasoning": made.get("reasoning_tokens"),
        }
        return {name: count for name, count in counts.items() if count is not None}
