"""Who else watches this process: wrappers of other tools on what we patch, and tracing of their own.

``report()`` looks at the running process and imports nothing. ``vendors`` is what is known of other
tools, so that ``spanloom doctor`` can say it without running the program. Another
tool's spans go its own way and ours stay single; a backend that gets both shows each call twice.
"""

import builtins
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from .. import patches
from ..errors import strict
from .vendors import (
    SWITCHES,
    VENDORS,
    Effect,
    Switch,
    Vendor,
    switched_on,
    vendor_of,
    vendor_of_distribution,
)

__all__ = [
    "SWITCHES", "VENDORS", "Effect", "Found", "Here", "Report", "Switch", "Target", "Vendor",
    "makers", "report", "switched_on", "vendor_of", "vendor_of_distribution",
]  # fmt: skip

_POINTS: Mapping[str, tuple[str, ...]] = {
    "openai": tuple(
        f"openai.resources.{module}:{prefix}{name}.create"
        for module, name in (
            ("chat.completions.completions", "Completions"), ("responses.responses", "Responses"),
            ("embeddings", "Embeddings"),
        )
        for prefix in ("", "Async")
    ),
    "langchain": ("langchain_core.callbacks.base:BaseCallbackManager.__init__",),
    "langchain_core": ("langchain_core.callbacks.base:BaseCallbackManager.__init__",),
}  # fmt: skip
"""What other tools wrap instead of what we patch."""


class Target(Struct, frozen=True, kw_only=True):
    """One row of an integration as it stands in this process."""

    target: str
    state: Literal["patched", "covered", "hooked", "absent", "waiting", "off"]
    """``covered``: ours, with somebody's wrapper on top. ``absent``: not in this version.
    ``waiting``: its module is not imported yet."""


class Found(Struct, frozen=True, kw_only=True):
    """Something of another tool's in this process."""

    who: str
    where: str
    what: str
    effect: Effect
    fix: str


class Here(Struct, frozen=True, kw_only=True):
    """One integration in this process."""

    name: str
    package: str
    supports: str
    on: bool
    targets: tuple[Target, ...]
    missing: tuple[str, ...] = ()
    """Why it switched itself off."""


class Report(Struct, frozen=True, kw_only=True):
    integrations: tuple[Here, ...] = ()
    found: tuple[Found, ...] = ()


def report() -> Report:
    """This process as it is now: what we patched, and who else is there."""
    integrations: list[Here] = []
    found: list[Found] = []
    for name, live in patches.state().items():
        integrations.append(_here(name, live))
        found += _wrappers_on(name, live)
    for look in (_import_hook, _loaded, _litellm, _agents_sdk, _tracer_provider):
        try:
            found += look()
        except Exception:  # private parts of other tools: they may look different tomorrow
            if strict():
                raise
    seen: dict[tuple[str, str], Found] = {}
    for one in found:
        seen.setdefault((one.who, one.where), one)
    return Report(integrations=tuple(integrations), found=tuple(seen.values()))


# -- wrappers -------------------------------------------------------------------------------------


def makers(thing: Any) -> Iterator[str]:
    """The modules whose code stands in the way of a call, the outermost first."""
    for layer in _layers(thing):
        wrapper = getattr(layer, "_self_wrapper", None)  # wrapt: it pretends to be what it wraps
        yield _module_of(layer if wrapper is None else wrapper)


def _layers(thing: Any) -> Iterator[Any]:
    for _ in range(32):
        if isinstance(thing, staticmethod | classmethod):
            thing = thing.__func__
        yield thing
        below = getattr(thing, "__wrapped__", None)
        if below is None or below is thing:
            return
        thing = below


def _module_of(thing: Any) -> str:
    """Where its code was written: ``functools.wraps`` copies ``__module__`` but not the globals."""
    function = getattr(thing, "__func__", thing)
    names = getattr(function, "__globals__", None)
    if isinstance(names, dict):
        return str(names.get("__name__", "?"))
    return str(getattr(type(thing), "__module__", "?"))


def _here(name: str, live: patches.Live) -> Here:
    targets = []
    for row in live.integration.rows:
        if isinstance(row, patches.Hook):
            state = "hooked" if id(row) in live.undo_hooks else _unplaced(row.module, live)
            targets.append(Target(target=row.module, state=state))  # type: ignore[arg-type]
            continue
        applied = live.applied.get(row.target)
        if applied is None:
            state = _unplaced(row.target.partition(":")[0], live)
        elif not live.on:
            state = "off"
        else:
            ours = vars(applied.owner).get(applied.attribute) is applied.ours
            state = "patched" if ours else "covered"
        targets.append(Target(target=row.target, state=state))  # type: ignore[arg-type]
    return Here(
        name=name, package=live.integration.package, supports=live.integration.supports,
        on=live.on, targets=tuple(targets), missing=tuple(live.missing),
    )  # fmt: skip


def _unplaced(module: str, live: patches.Live) -> str:
    if not live.on:
        return "off"
    return "absent" if module in sys.modules else "waiting"


def _wrappers_on(name: str, live: patches.Live) -> Iterator[Found]:
    """Foreign wrappers on our targets, on the same method of subclasses, and where others wrap."""
    for row in live.integration.rows:
        if not isinstance(row, patches.Hook):
            ours = [a.ours for name, a in live.applied.items() if name.startswith(row.target)]
            yield from _foreign(row.target, ours if live.on else [])
    for target in _POINTS.get(name, ()):
        yield from _foreign(target)


def _foreign(target: str, ours: Sequence[Any] = ()) -> Iterator[Found]:
    """Layers that are neither the library's nor ours. ``ours``: what a call should pass one of."""
    module, _, path = target.partition(":")
    owner: Any = sys.modules.get(module)
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = vars(owner).get(parent) if owner is not None else None
    if owner is None:
        return
    package = module.partition(".")[0]
    for place in (owner, *(_subclasses(owner) if isinstance(owner, type) else ())):
        thing = vars(place).get(attribute)
        if thing is None:
            continue
        own = place.__module__.partition(".")[0] if isinstance(place, type) else package
        for maker in makers(thing):
            top = maker.partition(".")[0]
            if top in (package, "spanloom", "builtins", "?"):
                continue
            if top == own and vendor_of(maker) is None:  # a subclass's own method, no wrapper
                continue
            where = (
                f"{place.__module__}.{place.__qualname__}" if isinstance(place, type) else module
            )
            past = bool(ours) and not any(layer is own for layer in _layers(thing) for own in ours)
            yield _found(maker, f"{where}.{attribute}", past=past)


def _subclasses(owner: type[Any]) -> Iterator[type[Any]]:
    for sub in type.__subclasses__(owner):
        yield sub
        yield from _subclasses(sub)


def _found(module: str, where: str, *, past: bool) -> Found:
    vendor = vendor_of(module)
    if past:
        return Found(
            who=vendor.name if vendor else module,
            where=where,
            what=f"a wrapper of {module}, put there before ours: its calls go past spanloom",
            effect="interferes",
            fix="call spanloom.init() before it, or use spanloom run",
        )
    return Found(
        who=vendor.name if vendor else module,
        where=where,
        what=f"a wrapper of {module}",
        effect=vendor.effect if vendor else "note",
        fix=vendor.fix if vendor else "nothing, unless calls look odd: it is not known to us",
    )


# -- tracing of their own -------------------------------------------------------------------------


def _import_hook() -> Iterator[Found]:
    maker = _module_of(builtins.__import__)
    if maker != "builtins" and type(builtins.__import__).__name__ != "builtin_function_or_method":
        vendor = vendor_of(maker)
        yield Found(
            who=vendor.name if vendor else maker,
            where="builtins.__import__",
            what=f"every import goes through {maker}",
            effect="interferes",
            fix=vendor.fix if vendor else "start spanloom before it",
        )


def _loaded() -> Iterator[Found]:
    """Instrumentors that are imported; an idle one does no harm."""
    names: dict[str, list[str]] = {}
    for module in list(sys.modules):
        if (vendor := vendor_of(module)) is not None:
            names.setdefault(vendor.name, []).append(module)
    for vendor in VENDORS:
        if vendor.name in names:
            yield Found(
                who=vendor.name, where=min(names[vendor.name], key=len),
                what="is imported", effect="note", fix=f"it records after {vendor.on}",
            )  # fmt: skip


_LITELLM = ("callbacks", "success_callback", "failure_callback", "_async_success_callback")


def _litellm() -> Iterator[Found]:
    module = sys.modules.get("litellm")
    for attribute in _LITELLM if module is not None else ():
        for callback in getattr(module, attribute, None) or ():
            if isinstance(callback, str):
                who, maker = callback, ""
            else:
                maker = getattr(callback, "__module__", None) or type(callback).__module__
                who = v.name if (v := vendor_of(maker)) else maker
            if maker.partition(".")[0] not in ("spanloom", "spanloom_integrations", "litellm"):
                yield Found(
                    who=who, where=f"litellm.{attribute}", what="is told of every call",
                    effect="doubles" if not maker or vendor_of(maker) else "note",
                    fix=f"take it out of litellm.{attribute}, unless both are wanted",
                )  # fmt: skip


def _agents_sdk() -> Iterator[Found]:
    module = sys.modules.get("agents.tracing")
    get = getattr(module, "get_trace_provider", None)
    several = getattr(get(), "_multi_processor", None) if get is not None else None
    for processor in getattr(several, "_processors", ()):
        maker = type(processor).__module__
        if maker.partition(".")[0] not in ("spanloom", "spanloom_integrations"):
            vendor = vendor_of(maker)
            yield Found(
                who=vendor.name if vendor else "OpenAI Agents SDK" if maker[:6] == "agents" else maker,
                where="agents.tracing", what=f"{type(processor).__name__} gets every span",
                effect="doubles" if vendor else "note",
                fix="set_trace_processors([...]) decides who gets them",
            )  # fmt: skip


def _tracer_provider() -> Iterator[Found]:
    """Whom the process's OpenTelemetry spans go to. Asking must not set a provider up."""
    module = sys.modules.get("opentelemetry.trace")
    provider = getattr(module, "_TRACER_PROVIDER", None)
    several = getattr(provider, "_active_span_processor", None)
    for processor in getattr(several, "_span_processors", ()):
        exporter = getattr(processor, "span_exporter", None) or processor
        kind = type(exporter)
        vendor = vendor_of(kind.__module__)
        yield Found(
            who=vendor.name if vendor else "OpenTelemetry",
            where="the global tracer provider",
            what=f"{kind.__name__} gets the process's OpenTelemetry spans",
            effect="note",
            fix="nothing: spanloom's spans do not go there",
        )
