"""Apply and undo declarative patches. Nothing here knows a framework.

An integration is a table of rows. A row whose target is absent is skipped if it says so, otherwise
the whole integration switches off with one warning: half a record misleads more than none. Patches
are plain closures that keep what ``functools.wraps`` keeps, so that ``inspect``, ``pickle`` and
``deepcopy`` of the patched object still work.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from types import FunctionType
from typing import Any, TypeAlias
from weakref import WeakSet

from msgspec import Struct, field

from . import build, faults, generators
from .errors import describe, guard, log, mistake
from .generators import Follower, GeneratorWatch, afollowing, followed, following
from .imports import after_import, imported
from .recorder import Active, Extract, Tap, current
from .types import ErrorType, Kind, Session

GROUP = "spanloom.integrations"


class Start(Struct, kw_only=True):
    """How the span of one call begins: what ``begin`` of a ``Patch`` returns."""

    name: str
    kind: Kind
    extract: Extract
    """Makes the facts of the span later, on the worker."""
    request: Any
    """Kept for the extractor: a snapshot, since the caller may change its objects after the call."""
    session: Session | None = None
    """The library's own conversation; one that the program named comes first."""
    weight: int = 512
    """Bytes that ``request`` holds, roughly: they count against the setting ``queue_bytes``."""


Begin: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], Start | None]
"""``begin(instance, args, kwargs)``, on the caller's thread. Called before the library's own code."""
Finish: TypeAlias = Callable[[Active, Any], None]
"""``finish(active, result)``, on the caller's thread: ends the span, or hands ``result`` to a watch."""
Note: TypeAlias = Callable[[BaseException], Mapping[str, Any]]
"""``note(exception)``, on the caller's thread: plain data only, as the exception itself is not kept.

Its ``code``, or else its ``status_code``, becomes ``Error.code``."""
Classify: TypeAlias = Callable[[Mapping[str, Any], Sequence[str]], ErrorType]
"""``classify(note, classes)``, on the worker. ``classes``: names of the exception's classes, derived first.

``other`` where it does not know: then the class of the exception decides."""


class Patch(Struct, frozen=True, kw_only=True):
    """Record a span around one callable.

    Args:
        target: ``"module:Class.method"`` or ``"module:function"``.
        begin: called with the instance (None for a function), args and kwargs, on the
            application's thread; None: this call is none of ours.
        finish: called with the span and the returned object; ends the span or hands it to a
            watch. Without it the span ends with the object.
        tap: for what is, or returns, a plain generator, sync or async: called with the span when it
            begins, and gives what gets each item. The span ends with the generator, ``finish`` is
            for calls that return something else. Of a generator function it begins with the first
            item that is asked for.
        note: what to remember of an exception: a small mapping. On the application's thread.
        classify: the error type of such a note and the exception's class names. On the worker.
        optional: the target does not exist in all supported versions.
    """

    target: str
    begin: Begin
    finish: Finish | None = None
    tap: Callable[[Active], Tap] | None = None
    note: Note | None = None
    classify: Classify | None = None
    optional: bool = False


class Observe(Struct, frozen=True, kw_only=True):
    """Look at a call that happens inside a span of the same integration, as a retry does.

    Args:
        target: as of a ``Patch``.
        see: called with the span around, args (the instance first) and kwargs, on the application's
            thread, before the call.
        optional: the target does not exist in all supported versions.
    """

    target: str
    see: Callable[[Active, tuple[Any, ...], dict[str, Any]], None]
    optional: bool = True


class Hook(Struct, frozen=True, kw_only=True):
    """For frameworks with callbacks.

    Args:
        module: after whose import ``add`` is called.
        add: registers the callbacks and returns the function that takes them back.
    """

    module: str
    add: Callable[[], Callable[[], None]]


Row: TypeAlias = Patch | Observe | Hook


class Integration(Struct, frozen=True, kw_only=True):
    """What an integration's module offers under its entry point.

    Args:
        name: what users write in ``integrations=[...]``.
        package: the distribution whose version ``supports`` speaks of.
        supports: the oldest version known to work, as ``">=1.66"``. It is told, and not enforced.
        rows: what is watched; a row whose target is gone switches all of them off.
        control_flow: exception classes that end a span without being an error.
    """

    name: str
    package: str
    supports: str
    rows: tuple[Row, ...]
    control_flow: tuple[str, ...] = ()


class _Applied(Struct, kw_only=True, eq=False):
    owner: Any
    attribute: str
    ours: Any
    original: Any
    inherited: bool

    def undo(self) -> bool:
        """Put the original object itself back; False where somebody else's wrapper is on top."""
        if vars(self.owner).get(self.attribute) is not self.ours:
            return False
        if self.inherited:
            delattr(self.owner, self.attribute)
        else:
            setattr(self.owner, self.attribute, self.original)
        return True


class Live(Struct, kw_only=True, eq=False):
    """One integration as it stands in this process."""

    integration: Integration
    on: bool = True
    only: "WeakSet[Any] | None" = None
    """The clients to record; None: all."""
    applied: dict[str, _Applied] = field(default_factory=dict)
    undo_hooks: dict[int, Callable[[], None]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def wants(self, instance: Any) -> bool:
        if not self.on:
            return False
        if self.only is None:
            return True
        try:
            client = getattr(instance, "_client", instance)
            return instance in self.only or client in self.only
        except Exception:  # it cannot be hashed or referred to weakly, or what it runs there fails
            return False


_live: dict[str, Live] = {}
_wanted: set[str] | None = set()
"""Names to wake; None: all."""
_hooked: set[str] = set()


def available() -> dict[str, EntryPoint]:
    """Installed integrations: the import that wakes each, and where it lies."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _name(point: EntryPoint) -> str:
    return point.module.rpartition(".")[2]


def enable(names: Iterable[str] | None, *, more: bool = False) -> None:
    """Arm integrations; each wakes when its framework is imported, or now if it was.

    Args:
        names: of integrations; None: all that are installed.
        more: beside those that are on; else these and no others.
    """
    global _wanted
    points = available()
    asked = None if names is None else set(names)
    if asked is None or (more and _wanted is None):
        _wanted = None
    else:
        known = _known(points)
        for name in asked - known:
            mistake(
                f"integrations: {name!r} is not installed; known: {', '.join(sorted(known))}. "
                "Correct the name or install the package that brings it."
            )
        _wanted = asked | _wanted if more and _wanted is not None else asked
        for live in _live.values():
            if not more and live.on and live.integration.name not in _names(asked, points):
                _undo(live)
    for wake, point in points.items():
        if asked is not None and not {wake, _name(point)} & asked:
            continue
        if wake not in _hooked:
            _hooked.add(wake)
            after_import(wake, partial(_wake, point))
        elif wake in sys.modules:
            _wake(point, None)


def names() -> list[str]:
    """Of the installed integrations, as users write them."""
    return [_name(point) for point in available().values()]


def _known(points: Mapping[str, EntryPoint]) -> set[str]:
    return {_name(p) for p in points.values()} | set(points)


def _names(wanted: set[str], points: Mapping[str, EntryPoint]) -> set[str]:
    """``wanted`` by the integration's name, also where the import's was given."""
    return wanted | {_name(p) for wake, p in points.items() if wake in wanted}


def _wake(point: EntryPoint, _module: object) -> None:
    with guard:  # an exception here would fail the user's import
        if _wanted is None or {point.name, _name(point)} & _wanted:
            try:
                integration = point.load()
            except Exception as exc:
                log.warning(
                    "spanloom: integration %s cannot be loaded: %s", point.name, describe(exc)
                )
                return
            apply(integration)


def apply(integration: Integration, only: "WeakSet[Any] | None" = None) -> Live:
    """Patch what is imported of the integration's targets, and the rest when it is imported.

    ``only``: for these clients; None: for all, also where it was for some before.
    """
    live = _live.get(integration.name)
    if live is None:
        live = _live[integration.name] = Live(integration=integration)
        build.CONTROL_FLOW.update(integration.control_flow)
    live.only = only
    live.on = True
    for row in integration.rows:
        if not live.on:  # an earlier row did not fit this version
            break
        module = row.module if isinstance(row, Hook) else row.target.partition(":")[0]
        if imported(module):
            _place(live, row)
        else:  # perhaps it is being executed, and imported what woke us
            after_import(module, partial(_late, live, row))
    return live


def _late(live: Live, row: Row, _module: object) -> None:
    with guard:
        if live.on:
            _place(live, row)


def _place(live: Live, row: Row) -> None:
    if isinstance(row, Hook):
        if id(row) not in live.undo_hooks:
            try:
                live.undo_hooks[id(row)] = row.add()
            except Exception as exc:
                _switch_off(live, f"{row.module} has changed ({describe(exc)})")
        return
    if row.target in live.applied:  # still there, perhaps inert under somebody's wrapper
        return
    try:
        owner, attribute, original, inherited = _resolve(row.target)
    except AttributeError as exc:
        if not row.optional:
            _switch_off(live, f"{row.target} is gone ({exc})")
        return
    original = _beneath(original)
    passed_by = _passing_by(owner, attribute, original)
    if not _replace(live, row, row.target, owner, attribute, original, inherited):
        return
    for sub, own in passed_by:
        name = f"{row.target} on {sub.__module__}.{sub.__qualname__}"
        _replace(live, row, name, sub, attribute, own, False)


def _replace(
    live: Live,
    row: Patch | Observe,
    name: str,
    owner: Any,
    attribute: str,
    original: Any,
    inherited: bool,
) -> bool:
    """Put our wrapper around ``original``. False: it cannot be wrapped."""
    how = type(original) if isinstance(original, staticmethod | classmethod) else None
    called = original if how is None else original.__func__
    if not callable(called):
        if not row.optional:
            _switch_off(live, f"{name} is not callable")
        return False
    if isinstance(row, Observe):
        ours = _observer(live, row, called)
    else:
        bound = isinstance(owner, type) and how is not staticmethod
        if bound and type(called) is not FunctionType and hasattr(type(called), "__get__"):
            called = _through(called)
        ours = _recorder(live, row, called, bound)
    if how is not None:
        ours = how(ours)
    setattr(owner, attribute, ours)
    live.applied[name] = _Applied(
        owner=owner, attribute=attribute, ours=ours, original=original, inherited=inherited
    )
    return True


def _through(descriptor: Any) -> Any:
    """Call somebody's wrapper as its class would: bound, for some look at what they are bound to."""

    @functools.wraps(descriptor)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return descriptor.__get__(self, type(self))(*args, **kwargs)

    return call


def _passing_by(owner: Any, attribute: str, original: Any) -> list[tuple[type, Any]]:
    """Subclasses on which somebody put a wrapper around ``original`` before us.

    It refers to the function itself, so that calls through it would pass our patch by.
    """
    found: list[tuple[type, Any]] = []
    todo: list[type] = list(owner.__subclasses__()) if isinstance(owner, type) else []
    while todo:
        sub = todo.pop()
        todo.extend(sub.__subclasses__())
        own = vars(sub).get(attribute)
        beneath, depth = own, 0
        while beneath is not None and beneath is not original and depth < 20:
            beneath, depth = getattr(beneath, "__wrapped__", None), depth + 1
        if own is not None and beneath is original:
            found.append((sub, own))
    return found


def _resolve(target: str) -> tuple[Any, str, Any, bool]:
    module, _, path = target.partition(":")
    owner: Any = sys.modules[module]
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    if attribute in vars(owner):
        return owner, attribute, vars(owner)[attribute], False
    return owner, attribute, inspect.getattr_static(owner, attribute), True


def _beneath(original: Any) -> Any:
    """Without the wrapper of an earlier copy of this package, which a re-import of spanloom leaves."""
    while True:
        file = getattr(getattr(original, "__code__", None), "co_filename", None)
        if file not in _OURS or original.__globals__ is _OURS[file]:
            return original
        original = original.__wrapped__


_OURS = {_beneath.__code__.co_filename: globals(), following.__code__.co_filename: vars(generators)}
"""The modules whose functions are wrappers, by file."""


def _switch_off(live: Live, why: str) -> None:
    """A version we do not know: this integration off, everything else as it was."""
    live.missing.append(why)
    _undo(live)
    package = live.integration.package
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "an unknown version"
    mistake(
        f"integration {live.integration.name!r} is off: {package} {found} does not fit, {why}. "
        f"Known to work: {package} {live.integration.supports}. The program is not affected; "
        "upgrade spanloom or pin the package."
    )


def disable(name: str | None = None) -> None:
    """Undo the patches of one integration or of all. Import hooks that stay behind are inert."""
    global _wanted
    if name is None:
        _wanted = set()
    else:
        points = available()
        both = _names({name}, points) | {w for w, p in points.items() if _name(p) == name}
        _wanted = (_known(points) if _wanted is None else _wanted) - both
    for key in [name] if name is not None else list(_live):
        if (live := _live.get(key)) is not None:
            _undo(live)


def _undo(live: Live) -> None:
    live.on = False
    live.only = None
    for target, applied in reversed(list(live.applied.items())):
        with guard:
            if applied.undo():
                del live.applied[target]
    for key in list(live.undo_hooks):
        with guard:
            live.undo_hooks.pop(key)()


def only(name: str, client: Any) -> None:
    """Record the calls of ``client`` and of no other, unless the integration is on for all."""
    live = _live.get(name)
    if live is not None and live.on and live.only is None:
        return
    for point in available().values():
        if name in (point.name, _name(point)):
            break
    else:
        mistake(
            f"instrument: {name!r} is not installed; known: "
            f"{', '.join(sorted(_name(p) for p in available().values()))}."
        )
        return
    integration: Integration = point.load()
    live = _live.get(integration.name)
    if live is not None and live.on and live.only is None:
        return
    clients: WeakSet[Any] = live.only if live is not None and live.only is not None else WeakSet()
    try:
        clients.add(client)
    except TypeError:
        mistake(
            f"instrument: client of type {type(client).__name__} cannot be told from others: it is "
            f"not hashable or takes no weak references. Use spanloom.instrument({name!r}) for all."
        )
        return
    apply(integration, clients)  # they are known before the first call can come


def state() -> Mapping[str, Live]:
    """What is patched now, for ``doctor`` and for tests."""
    return dict(_live)


# -- the wrappers -------------------------------------------------------------------------------


def _open(live: Live, row: Patch, instance: Any, args: Sequence[Any], kwargs: Any) -> Active | None:
    """Start the span of a call, or None where nothing is recorded. Never raises."""
    try:
        start = row.begin(instance, tuple(args), kwargs)
        if start is None:
            return None
        active = Active(start.name, start.kind)
        active.integration = live.integration.name
        active.extract, active.request = start.extract, start.request
        active.session = start.session
        active.classify = row.classify
        active.weight = start.weight
        return active if active.start() else None
    except Exception as exc:
        guard.fault(exc, f"`begin` of integration {live.integration.name!r}")
        return None


def _close(active: Active, row: Patch, result: Any) -> Any:
    """End the span with ``result``, or when it ends. Returns what the caller gets."""
    if row.tap is not None and (inspect.isgenerator(result) or inspect.isasyncgen(result)):
        watch = _watched(active, row)
        return followed(result, watch) if watch is not None else result
    try:
        if row.finish is None:
            active.end(result)
        else:
            row.finish(active, result)
    except Exception as exc:
        try:
            faults.of_caller(active, "finish", exc)
        finally:
            active.end(result)
    return result


def _watched(active: Active, row: Patch) -> Follower | None:
    """The watch of a generator; None: its tap cannot be made, and the span has ended."""
    try:
        assert row.tap is not None
        return GeneratorWatch(active, row.tap(active), row.note)
    except Exception as exc:
        try:
            faults.of_caller(active, "tap", exc)
        finally:
            active.end()
    return None


def _fail(active: Active, row: Patch, error: BaseException) -> None:
    note = None
    try:
        if row.note is not None:
            note = row.note(error)
    except Exception as exc:
        faults.of_caller(active, "note", exc)
    finally:
        with guard:
            active.end(None, error, note)


def _recorder(live: Live, row: Patch, original: Any, bound: bool) -> Any:
    if row.tap is not None:

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Follower | None:
            instance = args[0] if bound and args else None
            if not live.wants(instance):
                return None
            active = _open(live, row, instance, args[1:] if bound else args, kwargs)
            return _watched(active, row) if active is not None else None

        if inspect.isgeneratorfunction(original):
            return following(original, begin)
        if inspect.isasyncgenfunction(original):
            return afollowing(original, begin)

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def arecord(*args: Any, **kwargs: Any) -> Any:
            instance = args[0] if bound and args else None
            if not live.wants(instance):
                return await original(*args, **kwargs)
            active = _open(live, row, instance, args[1:] if bound else args, kwargs)
            if active is None:
                return await original(*args, **kwargs)
            try:
                result = await original(*args, **kwargs)
            except BaseException as error:
                _fail(active, row, error)
                raise
            return _close(active, row, result)

        return arecord

    @functools.wraps(original)
    def record(*args: Any, **kwargs: Any) -> Any:
        instance = args[0] if bound and args else None
        if not live.wants(instance):
            return original(*args, **kwargs)
        active = _open(live, row, instance, args[1:] if bound else args, kwargs)
        if active is None:
            return original(*args, **kwargs)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            _fail(active, row, error)
            raise
        if inspect.iscoroutine(result):  # asking the function misses decorated ones
            active.detach()
            return _drive(active, row, result)
        return _close(active, row, result)

    return record


async def _drive(active: Active, row: Patch, coroutine: Any) -> Any:
    active.attach()  # in the task that awaits, not in the one that merely called
    try:
        result = await coroutine
    except BaseException as error:
        _fail(active, row, error)
        raise
    return _close(active, row, result)


def _observer(live: Live, row: Observe, original: Any) -> Any:
    def look(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not live.on:
            return
        active = current()
        if active is not None and active.integration == live.integration.name:
            try:
                row.see(active, args, kwargs)
            except Exception as exc:
                faults.of_caller(active, "see", exc)

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def aobserve(*args: Any, **kwargs: Any) -> Any:
            look(args, kwargs)
            return await original(*args, **kwargs)

        return aobserve

    @functools.wraps(original)
    def observe(*args: Any, **kwargs: Any) -> Any:
        look(args, kwargs)
        return original(*args, **kwargs)

    return observe


# -- snapshots ----------------------------------------------------------------------------------


def snapshot(body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Copy three levels of a request body, and say how many characters it holds, roughly.

    Agents append to the very list of messages they passed, and edit messages in place. Only exact
    ``dict`` and ``list`` are copied, so that nothing of the program's own runs.

    Returns:
        The copy, and a weight for ``Start.weight``.
    """
    out = dict(body)
    weight = 512
    for key, value in out.items():
        if type(value) is list:
            copied = []
            for item in value:
                if type(item) is dict:
                    item = dict(item)
                    weight += 64
                    for name, part in item.items():
                        if type(part) is str:
                            weight += len(part)
                        elif type(part) is list:
                            item[name] = parts = [dict(p) if type(p) is dict else p for p in part]
                            for p in parts:
                                if type(p) is dict:
                                    weight += 64 + sum(len(v) for v in p.values() if type(v) is str)
                        elif type(part) is dict:
                            item[name] = dict(part)
                elif type(item) is str:
                    weight += len(item)
                copied.append(item)
            out[key] = copied
        elif type(value) is dict:
            out[key] = dict(value)
        elif type(value) is str:
            weight += len(value)
    return out, weight
