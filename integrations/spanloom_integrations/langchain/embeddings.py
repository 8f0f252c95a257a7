"""Embeddings have no callbacks: the concrete methods of each subclass are wrapped.

What they call inside, such as ``embed_documents`` from ``embed_query`` or the SDK, is the same call.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from spanloom.sdk import Active, guard
from spanloom.types import Embedding

from .errors import classify, note
from .subclasses import wrap_methods

METHODS = ("embed_documents", "embed_query", "aembed_documents", "aembed_query")


def attach() -> Callable[[], None]:
    """Wrap the methods of all subclasses, also of those to come; returns what undoes it."""
    on = [True]
    undo = wrap_methods(
        "langchain_core.embeddings.embeddings", "Embeddings", METHODS,
        lambda original, _: _recorded(original, on),
    )  # fmt: skip

    def detach() -> None:
        on.clear()
        undo()

    return detach


def _begin(instance: Any, given: Any) -> Active | None:
    try:
        name = type(instance).__name__
        held = vars(instance) if hasattr(instance, "__dict__") else {}
        model = next(
            (v for n in ("model", "model_name", "model_id") if isinstance(v := held.get(n), str)),
            None,
        )
        active = Active(f"embeddings {model}" if model else name, "embedding")
        active.integration = "langchain"
        active.request = (list(given) if type(given) is list else given, model, type(instance))
        active.extract, active.classify = extract, classify
        return active if active.start() else None
    except Exception as exc:
        guard.fault(exc)
        return None


def _end(active: Active, vectors: Any, error: BaseException | None = None) -> None:
    try:
        if error is not None:
            active.end(None, error, note(error))
            return
        many = isinstance(vectors, list) and bool(vectors) and isinstance(vectors[0], list)
        first = vectors[0] if many else vectors
        # the numbers themselves are of no use in a record
        active.end((len(vectors) if many else 1, len(first) if isinstance(first, list) else None))
    except Exception as exc:
        guard.fault(exc)


def _recorded(original: Any, on: list[bool]) -> Any:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def aembed(self: Any, *args: Any, **kwargs: Any) -> Any:
            active = _begin(self, _given(args, kwargs)) if on else None
            if active is None:
                return await original(self, *args, **kwargs)
            try:
                vectors = await original(self, *args, **kwargs)
            except BaseException as error:
                _end(active, None, error)
                raise
            _end(active, vectors)
            return vectors

        return aembed

    @functools.wraps(original)
    def embed(self: Any, *args: Any, **kwargs: Any) -> Any:
        active = _begin(self, _given(args, kwargs)) if on else None
        if active is None:
            return original(self, *args, **kwargs)
        try:
            vectors = original(self, *args, **kwargs)
        except BaseException as error:
            _end(active, None, error)
            raise
        _end(active, vectors)
        return vectors

    return embed


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs.get("texts", kwargs.get("text"))


def extract(active: Active) -> Embedding:
    """On the worker."""
    given, model, kind = active.request
    count, dimensions = active.response or (None, None)
    return Embedding(
        provider=_provider(kind),
        model=model,
        operation="embeddings",
        input=given,
        count=count,
        dimensions=dimensions,
    )


def _provider(kind: type) -> str | None:
    """Of the partner package that the class comes from, such as ``langchain_openai``."""
    package = kind.__module__.partition(".")[0]
    if package.startswith("langchain_") and package not in (
        "langchain_core", "langchain_community", "langchain_classic",
    ):  # fmt: skip
        from .models import PROVIDERS

        said = package.removeprefix("langchain_")
        return PROVIDERS.get(said, said)
    return None
