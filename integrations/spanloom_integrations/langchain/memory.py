"""LangGraph's memory: checkpointers, and stores for what outlives a conversation.

They have no callbacks, so the methods of every class are wrapped. What lies in this process's own
memory leaves an event on the span around it, anything else is a span. Nothing is recorded outside of
a span. One access is recorded once: an async form that calls its sync one, perhaps in another thread, or
a ``get`` that is made of a ``batch``, is the same access.

Source: ``langgraph.checkpoint.base``, ``langgraph.store.base``. Checked with langgraph-checkpoint 2.0
and 4.3 and langgraph-checkpoint-sqlite 3.1.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from spanloom.sdk import Active, around, current, guard
from spanloom.types import Memory, MemoryAccess

from .errors import classify, note
from .subclasses import wrap_methods

Operation = Literal["read", "write", "delete", "search"]

CHECKPOINTERS: Mapping[str, Operation] = {
    "get_tuple": "read", "put": "write", "put_writes": "write", "delete_thread": "delete",
}  # fmt: skip
STORES: Mapping[str, Operation] = {
    "get": "read", "search": "search", "put": "write", "delete": "delete",
    "list_namespaces": "search", "batch": "read",
}  # fmt: skip
IN_PROCESS = ("InMemorySaver", "MemorySaver", "InMemoryStore")
IN_TURNS = "AsyncBatchedBaseStore"
"""Collects accesses and makes them later, in a task of its own, by a batch that is nobody's access."""

_within: ContextVar[bool] = ContextVar("spanloom_memory_access", default=False)


class Point(NamedTuple):
    """One method of a class."""

    name: str
    """Of its sync form."""
    operation: Operation
    keys: "Callable[[tuple[Any, ...], Mapping[str, Any]], tuple[str, ...]]"
    here: Callable[[], Active | None]
    """The span in which it is called."""


def attach_checkpointers() -> Callable[[], None]:
    # a graph reads and writes its checkpoints itself, around the bodies of its nodes
    points = [Point(name, how, _of_thread, around) for name, how in CHECKPOINTERS.items()]
    return _attach("langgraph.checkpoint.base", "BaseCheckpointSaver", points)


def attach_stores() -> Callable[[], None]:
    points = [Point(name, how, _of_item, current) for name, how in STORES.items()]
    return _attach("langgraph.store.base", "BaseStore", points)


def _attach(module: str, base: str, points: list[Point]) -> Callable[[], None]:
    by_name = {name: point for point in points for name in (point.name, f"a{point.name}")}
    on = [True]
    undo = wrap_methods(
        module, base, by_name, lambda original, name: _recorded(original, by_name[name], on),
        own=True,
    )  # fmt: skip

    def detach() -> None:
        on.clear()
        undo()

    return detach


def _recorded(original: Any, point: Point, on: list[bool]) -> Any:
    def begin(self: Any, args: Any, kwargs: Any) -> "_Noted | _Spanned | None":
        if not on or _within.get():
            return None
        return _begin(point, self, args, kwargs)

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def aaccess(self: Any, *args: Any, **kwargs: Any) -> Any:
            access = begin(self, args, kwargs)
            if access is None:
                return await original(self, *args, **kwargs)
            _within.set(True)
            try:
                result = await original(self, *args, **kwargs)
            except BaseException as error:
                access.end(None, error)
                raise
            finally:
                _within.set(False)
            access.end(result)
            return result

        return aaccess

    @functools.wraps(original)
    def access(self: Any, *args: Any, **kwargs: Any) -> Any:
        access = begin(self, args, kwargs)
        if access is None:
            return original(self, *args, **kwargs)
        _within.set(True)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            access.end(None, error)
            raise
        finally:
            _within.set(False)
        access.end(result)
        return result

    return access


class _Noted:
    """An access in this process: an event, once it is over."""

    __slots__ = ("asked", "keys", "operation", "span", "store")

    def __init__(
        self, span: Active, store: str, operation: Operation, keys: tuple[str, ...], asked: Any
    ) -> None:
        self.span, self.store, self.operation = span, store, operation
        self.keys, self.asked = keys, asked

    def end(self, result: Any, error: BaseException | None = None) -> None:
        with guard:
            reads = self.operation in ("read", "search")
            self.span.add_event(
                MemoryAccess(
                    time_ns=self.span.now_ns(), operation=self.operation, store=self.store,
                    keys=(*self.keys, *_newest(result, self.keys)),
                    hit=_hit(result) if reads and error is None else None, value=self.asked,
                )
            )  # fmt: skip


class _Spanned:
    """An access to a file, a database, a server: a span."""

    __slots__ = ("active",)

    def __init__(self, active: Active) -> None:
        self.active = active

    def end(self, result: Any, error: BaseException | None = None) -> None:
        try:
            self.active.end(result, error, note(error) if error is not None else None)
        except Exception as exc:
            guard.fault(exc)


def _begin(point: Point, store: object, args: Any, kwargs: Any) -> _Noted | _Spanned | None:
    try:
        over = point.here()
        kind: Any = type(store)
        if over is None or _is_access(over):
            return None
        name, keys, operation = kind.__name__, point.keys(args, kwargs), point.operation
        given = _given(point.name, args, kwargs)
        if point.name == "batch":
            if IN_TURNS in _names(kind) and _in_its_own_task(store):
                return None
            operation, keys = _of_batch(args[0] if args else kwargs.get("ops"))
        if not _names(kind).isdisjoint(IN_PROCESS):
            if point.name == "put_writes":  # steps on the way to a checkpoint, and many of them
                return None
            return _Noted(over, name, operation, keys, given)
        active = Active(f"{point.name} {name}", "memory")
        active.integration = "langchain"
        active.request = (name, operation, keys, given)
        active.extract, active.classify = extract, classify
        return _Spanned(active) if active.start(over) else None
    except Exception as exc:
        guard.fault(exc)
        return None


def _is_access(span: Active) -> bool:
    """An access that goes on in a thread of a pool: only which span is current comes along there."""
    return span.kind == "memory" and span.extract is extract


def _in_its_own_task(store: Any) -> bool:
    try:
        return asyncio.current_task() is getattr(store, "_task", None)
    except RuntimeError:  # no event loop runs here
        return False


@lru_cache(maxsize=256)
def _names(kind: Any) -> frozenset[str]:
    return frozenset(cls.__name__ for cls in kind.__mro__)


def _of_thread(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The conversation, the graph inside it that is kept apart, and the checkpoint."""
    config = args[0] if args else kwargs.get("config", kwargs.get("thread_id"))
    if isinstance(config, str):
        return (config,)
    about = config.get("configurable") or {} if isinstance(config, Mapping) else {}
    put = args[1] if len(args) > 1 else kwargs.get("checkpoint")
    checkpoint = put.get("id") if isinstance(put, dict) else about.get("checkpoint_id")
    found = (about.get("thread_id"), about.get("checkpoint_ns"), checkpoint)
    return tuple(str(part) for part in found if part)


def _newest(result: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The checkpoint that was found where none was named."""
    checkpoint = getattr(result, "checkpoint", None)
    found = checkpoint.get("id") if isinstance(checkpoint, dict) else None
    return (found,) if isinstance(found, str) and found not in keys else ()


_BATCHED: Mapping[str, Operation] = {
    "GetOp": "read", "SearchOp": "search", "ListNamespacesOp": "search", "PutOp": "write",
}  # fmt: skip


def _of_batch(ops: Any) -> tuple[Operation, tuple[str, ...]]:
    """What most tells: whether something was written; and the path of each item."""
    if not isinstance(ops, list | tuple):  # an iterator is the store's to read
        return "read", ()
    done = {
        "delete" if kind == "PutOp" and op.value is None else _BATCHED.get(kind, "read")
        for op in ops
        if (kind := type(op).__name__)
    }
    first: Operation = next((how for how in _TELLING if how in done), "read")
    return first, tuple(map(_path, ops))


def _path(op: Any) -> str:
    space = getattr(op, "namespace", None) or getattr(op, "namespace_prefix", None) or ()
    return "/".join([*space, op.key] if hasattr(op, "key") else space)


_TELLING: tuple[Operation, ...] = ("write", "delete", "search", "read")


def _hit(result: Any) -> bool:
    return any(r is not None for r in result) if isinstance(result, list) else bool(result)


def _of_item(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    space = args[0] if args else kwargs.get("namespace", kwargs.get("namespace_prefix", ()))
    if not isinstance(space, tuple):
        return ()
    key = args[1] if len(args) > 1 else kwargs.get("key")
    if not all(isinstance(part, str) for part in space):  # operations of a batch
        return ()
    return (*space, key) if isinstance(key, str) else space


def _given(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What is written into a store, or looked for there; checkpoints are too large to repeat."""
    if name == "search":
        return kwargs.get("query")
    if name == "put":
        value = args[2] if len(args) > 2 else kwargs.get("value")
        space = args[0] if args else kwargs.get("namespace")
        if isinstance(space, tuple):
            return dict(value) if isinstance(value, dict) else value
    return None


def extract(active: Active) -> Memory:
    """On the worker."""
    store, operation, keys, given = active.request
    result = active.response
    reads = operation in ("read", "search")
    return Memory(
        operation=operation,
        store=store,
        keys=(*keys, *_newest(result, keys)),
        query=given if operation == "search" else None,
        input=given if operation == "write" else None,
        output=_items(result) if reads else None,
        hit=_hit(result) if reads and active.failure is None and active.closed else None,
    )


def _items(result: Any) -> Any:
    """The values of a store's items; of a checkpoint only that there is one."""
    found = result if isinstance(result, list) else [result]
    values = [item.value for item in found if hasattr(item, "value") and hasattr(item, "key")]
    return (values if isinstance(result, list) else values[0]) if values else None
