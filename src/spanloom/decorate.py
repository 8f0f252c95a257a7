"""Record functions, methods, generators and classes by hand."""

import functools
import inspect
import sys
import types
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

from .errors import guard, mistake
from .generators import Turns, afollowing, following
from .recorder import Active, current
from .types import DETAILS, AnyDetail, Document, Kind

F = TypeVar("F", bound=Callable[..., Any])

MAX_ITEMS = 10_000
MAX_BYTES = 256 * 1024
"""Of what a generator yielded."""
_TYPED = ("llm", "embedding", "rerank", "handoff")
ENTRY_METHODS = (
    "__call__", "run", "arun", "invoke", "ainvoke", "execute", "aexecute", "stream", "astream",
)  # fmt: skip


class SpanMaker(Active):
    """What ``spanloom.span(...)`` returns: a context manager for one span, or a decorator."""

    def __call__(self, target: F, /) -> F:
        try:
            recorded: F = decorated(target, self.kind, self.name or None, self.attributes or {})
            return recorded
        except Exception as exc:  # the target may be anything
            guard.fault(exc)
        return target


def maker(kind: Kind, name: str, attributes: dict[str, Any]) -> SpanMaker:
    return SpanMaker(name, kind, attributes or None)


def decorated(
    target: Any, kind: Kind, name: str | None, attributes: dict[str, Any], owner: Any = None
) -> Any:
    """``target`` with a span of ``kind`` around each of its calls."""
    if isinstance(target, staticmethod | classmethod):
        return type(target)(decorated(target.__func__, kind, name, attributes, owner))
    if inspect.isclass(target):
        return _class(target, kind, name, attributes)
    if not callable(target):
        mistake(
            f"@{kind}: cannot record {shown(target)}, which is not callable; put the decorator on a "
            "function, a method or a class."
        )
        return target
    if not isinstance(target, _ROUTINES) and type(target).__name__ not in _CYTHON:
        mistake(
            f"@{kind}: a {type(target).__qualname__} is not recorded, for a function in its place "
            "would not be one; put the decorator on the function inside it, or use `with`."
        )
        return target
    label = str(name or getattr(target, "__name__", None) or type(target).__name__)
    make = _Recipe(target, kind, label, attributes, owner).begin
    if inspect.isasyncgenfunction(target):
        return _generator(afollowing, target, make)
    if inspect.isgeneratorfunction(target):
        return _generator(following, target, make)
    if inspect.iscoroutinefunction(target):
        return _coroutine(target, make)
    return _function(target, make)


_ROUTINES = (
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.MethodWrapperType, types.ClassMethodDescriptorType,
)  # fmt: skip
_CYTHON = ("cython_function_or_method", "fused_cython_function")


def shown(value: object) -> str:
    """Its ``repr``, for a message, where it has one that is short: half a secret is not known as one."""
    with suppress(Exception):
        if len(text := repr(value)) <= 200:
            return text
    return f"a {type(value).__name__}"


class _Recipe:
    """How the span of one decorated function begins and what its detail is made of.

    ``owner``: the class that was decorated, whose entry methods may call each other.
    """

    def __init__(
        self, target: Any, kind: Kind, name: str, attributes: dict[str, Any], owner: Any = None
    ) -> None:
        self.target, self.kind, self.name, self.attributes = target, kind, name, attributes
        self.owner = owner
        self._names: tuple[tuple[str, ...], bool] | None = None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Active | None:
        try:
            if self.owner is not None and self._is_part(args):
                return None
            active = Active(self.name, self.kind, dict(self.attributes) or None)
            active.extract = self.extract
            active.input = ([_copied(a) for a in args], {k: _copied(v) for k, v in kwargs.items()})
            active.weight += _weight(active.input[0]) + _weight(active.input[1])
            return active if active.start() else None
        except Exception as exc:
            guard.fault(exc)
            return None

    def _is_part(self, args: tuple[Any, ...]) -> bool:
        """Whether another entry method of the same object called this one: the same work."""
        around = current()
        recipe = getattr(around.extract, "__self__", None) if around is not None else None
        if not isinstance(recipe, _Recipe) or recipe is self or recipe.owner is not self.owner:
            return False
        given = around.input[0] if around is not None and around.input else ()
        return bool(args and given and given[0] is args[0])

    def extract(self, active: Active) -> AnyDetail:
        """On the worker: arguments by name as input, the returned value as output."""
        args, kwargs = active.input or ([], {})
        given: Any = self._bound(args, kwargs)
        detail = DETAILS[self.kind]
        fields: dict[str, Any] = {}
        known = detail.__struct_fields__
        output = active.response
        if self.kind == "retrieval":
            values = list(given.values())
            fields["query"] = values[0] if len(values) == 1 else given
            if (documents := _documents(output)) is not None:
                fields["documents"] = documents
            else:
                fields["output"] = output
        elif not active.closed and self.kind in _TYPED:
            pass  # shown while it runs: the program may be adding attributes just now
        elif self.kind in _TYPED:
            # typed inputs and outputs are the caller's to give, by ``current_span().record(...)``
            active.attributes = {**(active.attributes or {}), "input": given, "output": output}
            active.attributes = {k: v for k, v in active.attributes.items() if v is not None}
            if self.kind == "llm" and isinstance(output, str):
                active.fields = {"output": output, **(active.fields or {})}
                active.attributes.pop("output", None)
            if self.kind == "llm":
                active.attributes.pop("input", None)
                active.attributes["arguments"] = given
        else:
            fields["input"], fields["output"] = given, output
        if "tool" in known and self.kind == "tool":
            fields["tool"] = self.name
        if self.kind == "agent":
            fields["agent"] = self.name
        return detail(**fields)

    def _bound(self, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._names is None:
            try:
                parameters = list(inspect.signature(self.target).parameters.values())
            except (TypeError, ValueError):
                parameters = []
            positional = tuple(
                p.name for p in parameters
                if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            )  # fmt: skip
            method = bool(positional) and positional[0] in ("self", "cls")
            self._names = positional, method
        names, method = self._names
        values = dict(zip(names, args, strict=False))
        if method:
            values.pop(names[0], None)
        if len(args) > len(names):
            values["args"] = args[len(names) :]
        return {**values, **kwargs}


def _weight(value: Any) -> int:
    """Bytes of text in it, roughly, one level down."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return 0
    total = 0
    for item in value:
        if type(item) is str or type(item) is bytes:
            total += len(item)
    return total


def _copied(value: Any) -> Any:
    """Two levels of a list or dict: the caller goes on using its own."""
    kind = type(value)
    if kind is list:
        return [dict(v) if type(v) is dict else v for v in value]
    if kind is dict:
        return {k: list(v) if type(v) is list else v for k, v in value.items()}
    return value


def _documents(result: Any) -> tuple[Document, ...] | None:
    """Documents of a retriever, where it returned texts, mappings or objects that look like them."""
    if not isinstance(result, list | tuple) or not result:
        return None
    found: list[Document] = []
    for item in result:
        if isinstance(item, str):
            found.append(Document(content=item))
            continue
        score = None
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], int | float):
            item, score = item[0], float(item[1])
            if isinstance(item, str):
                found.append(Document(content=item, score=score))
                continue
        get = item.get if isinstance(item, dict) else functools.partial(_attribute, item)
        content = next((c for k in ("content", "page_content", "text") if (c := get(k))), None)
        if content is None:
            return None
        ident, rank, extra = get("id"), get("score"), get("metadata")
        found.append(
            Document(
                id=str(ident) if ident is not None else None,
                content=content,
                score=score if score is not None else _number(rank),
                metadata=extra if isinstance(extra, dict) else {},
            )
        )
    return tuple(found)


def _attribute(item: Any, name: str) -> Any:
    return getattr(item, name, None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


# -- the wrappers -------------------------------------------------------------------------------

Begin = Callable[[tuple[Any, ...], dict[str, Any]], "Active | None"]


def _end(active: Active, result: Any = None, error: BaseException | None = None) -> None:
    try:
        if not active.closed:
            active.weight += _weight(active.response if result is None else result)
        active.end(result, error)
    except Exception as exc:
        guard.fault(exc)


def _function(target: Any, begin: Begin) -> Any:
    @functools.wraps(target)
    def call(*args: Any, **kwargs: Any) -> Any:
        active = begin(args, kwargs)
        if active is None:
            return target(*args, **kwargs)
        try:
            result = target(*args, **kwargs)
        except BaseException as error:
            _end(active, error=error)
            raise
        if inspect.iscoroutine(result):  # a plain function around a coroutine
            active.detach()
            return _awaited(active, result)
        _end(active, result)
        return result

    return call


async def _awaited(active: Active, coroutine: Any) -> Any:
    active.attach()
    try:
        result = await coroutine
    except BaseException as error:
        _end(active, error=error)
        raise
    _end(active, result)
    return result


def _coroutine(target: Any, begin: Begin) -> Any:
    @functools.wraps(target)
    async def call(*args: Any, **kwargs: Any) -> Any:
        active = begin(args, kwargs)
        if active is None:
            return await target(*args, **kwargs)
        try:
            result = await target(*args, **kwargs)
        except BaseException as error:
            _end(active, error=error)
            raise
        _end(active, result)
        return result

    return call


class _Yielded:
    """What a generator yielded, bounded: texts are joined, other values listed.

    Of what is too much the beginning is kept, and a last text says how much is missing.
    """

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.left_out = 0
        self._room = MAX_BYTES
        self._texts = True

    def add(self, item: Any) -> None:
        if self._texts and type(item) is not str:
            self._texts = False
        if self._room <= 0 or len(self.items) >= MAX_ITEMS:
            self.left_out += 1
            return
        try:
            size = len(item) if type(item) is str else max(_weight(item), sys.getsizeof(item, 64))
        except Exception:  # its own ``__sizeof__``
            size = 64
        if size > self._room:
            self._room = 0
            self.left_out += 1
            if type(item) is str and self._texts:
                self.items.append(item[: MAX_BYTES // 4])
            return
        self._room -= size
        self.items.append(item)

    def value(self) -> Any:
        missing = [f"… [{self.left_out} more items were not kept]"] if self.left_out else []
        if self.items and self._texts:
            return "".join([*self.items, *missing])
        return [*self.items, *missing]


class _Follower:
    """A decorated generator: what it yields is its output."""

    def __init__(self, active: Active) -> None:
        self.active = active
        self.turns: AbstractContextManager[None] = Turns(active)
        self._yielded = _Yielded()
        self.feed = self._yielded.add

    def end(self, error: BaseException | None = None, *, early: bool = False) -> None:
        if error is not None:
            self.active.complete = False
        if error is None or isinstance(error, GeneratorExit):
            _end(self.active, self._yielded.value())
        else:
            self.active.response = self._yielded.value()
            _end(self.active, error=error)


def _generator(wrap: Callable[[Any, Any], Any], target: Any, begin: Begin) -> Any:
    def follow(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Follower | None:
        active = begin(args, kwargs)
        return _Follower(active) if active is not None else None

    return wrap(target, follow)


def _class(target: Any, kind: Kind, name: str | None, attributes: dict[str, Any]) -> Any:
    """Record the entry methods that the class itself defines; the class stays the same object."""
    found = False
    for method in ENTRY_METHODS:
        if callable(vars(target).get(method)):
            found = True
            recorded = decorated(
                vars(target)[method], kind, name or target.__name__, attributes, target
            )
            try:
                setattr(target, method, recorded)
            except Exception:  # its metaclass refuses
                mistake(
                    f"@{kind} on class {target.__name__}: it does not let its methods be replaced; "
                    "put the decorator on the method that does the work."
                )
                return target
    if not found:
        mistake(
            f"@{kind} on class {target.__name__}: none of {', '.join(ENTRY_METHODS)} is defined "
            "there; put the decorator on the method that does the work."
        )
    return target
