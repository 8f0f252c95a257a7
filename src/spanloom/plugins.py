"""From the names in the settings to the objects: backends, processors, and who records."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

from .errors import describe, mistake, use_scrubber
from .lane import Backend
from .pipeline import Processor
from .settings import Settings
from .types import Resource, Span


def backends(settings: Settings) -> list[Backend]:
    points = {p.name: p for p in entry_points(group="spanloom.backends")}
    found: list[Backend] = []
    for wanted in settings.backends:
        if not isinstance(wanted, str):
            if (backend := _as_backend(wanted)) is not None:
                found.append(backend)
            continue
        kind, options = settings.plugin("backends", wanted)
        if kind not in points:
            near = _near(kind, points)
            mistake(
                f"backends: {kind!r} is not installed; known: {', '.join(sorted(points))}."
                + (
                    f" Did you mean {near[0]!r}?"
                    if near
                    else " Install the package that brings it."
                )
                + " The other backends go on."
            )
            continue
        try:
            backend = points[kind].load()(settings, **options)
        except Exception as exc:
            mistake(
                f"backends: {wanted!r} cannot be set up: {describe(exc)}. The other backends go on."
            )
            continue
        if wanted != kind:
            backend.name = wanted
        found.append(backend)
    return found


def _near(word: str, known: Iterable[str]) -> list[str]:
    import difflib  # only a mistake pays for it

    return difflib.get_close_matches(word, list(known), 1)


def _scrub(text: str) -> str:
    from .processors import RULES  # only a line in the log pays for it
    from .processors.redact import Redactor

    return Redactor(RULES.rules).text(text, "names", None)


use_scrubber(_scrub)


def _as_backend(thing: object) -> Backend | None:
    if isinstance(thing, type):
        mistake(
            f"backends: {thing.__qualname__} is a class; give an object: {thing.__qualname__}(...)."
        )
        return None
    if not isinstance(thing, Backend):
        if callable(getattr(thing, "export", None)) and hasattr(thing, "shutdown"):
            from .backends.otel import OTelExporterBackend

            exporter: Any = thing
            return OTelExporterBackend(exporter)
        mistake(
            f"backends: {thing!r} is no backend; it needs `name`, `export(batch, /)` and `close()`, "
            "or to be an OpenTelemetry SpanExporter."
        )
        return None
    return thing


def chain(settings: Settings) -> tuple[Processor, ...]:
    """All processors in order. On the worker: their patterns are compiled for the first span.

    What the user's own change is looked at like everything else: they may add what must not leave.
    """
    from .processors import default_chain
    from .processors.price import pricer

    first, own = default_chain(settings), processors(settings)
    price = pricer(settings)
    if not own:
        return (*first, price)
    before: list[Span] = []

    def keep(span: Span) -> Span:
        before[:] = (span,)
        return span

    def again(span: Span) -> Span:
        passed = before.pop()
        if span is not passed:
            for each in first:
                span = each(span, passed)
        return span

    return (*first, price, keep, *own, again)


def processors(settings: Settings) -> list[Processor]:
    points = {p.name: p for p in entry_points(group="spanloom.processors")}
    found: list[Processor] = []
    for wanted in settings.processors:
        if not isinstance(wanted, str):
            if callable(wanted):
                found.append(wanted)
            else:
                mistake(f"processors: {wanted!r} is not callable; give a function of a Span.")
            continue
        kind, options = settings.plugin("processors", wanted)
        if kind not in points:
            mistake(
                f"processors: {kind!r} is not installed; known: "
                f"{', '.join(sorted(points)) or 'none'}. Install the package that brings it."
            )
            continue
        try:
            found.append(points[kind].load()(settings, **options))
        except Exception as exc:
            mistake(f"processors: {wanted!r} cannot be set up: {describe(exc)}. The others go on.")
    return found


def resource(settings: Settings) -> Resource:
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else "") or ""
    return Resource(
        service=settings.service_name,
        service_namespace=settings.service_namespace,
        service_version=settings.service_version,
        service_instance=settings.service_instance,
        environment=settings.environment,
        release=settings.release,
        host=platform.node(),
        pid=os.getpid(),
        command=os.path.basename(script) or None,
        runtime=f"{platform.python_implementation()} {platform.python_version()}",
        sdk=f"spanloom {_version()}",
    )


def _version() -> str:
    try:
        return version("spanloom")
    except PackageNotFoundError:
        return "unknown"
