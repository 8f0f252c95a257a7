"""Start, stop, flush. Nothing here raises into the application, unless SPANLOOM_STRICT is set."""

import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from . import budgets, lifecycle, otel, plugins, threads
from . import patches as _patches
from . import recorder as _recorder
from . import settings as _settings
from .errors import guard, log
from .lane import Backend
from .pipeline import Pipeline, Report
from .settings import Settings

_pipeline: Pipeline | None = None
_last: Pipeline | None = None
"""Whose counters ``stats`` tells after ``shutdown``."""


def init(
    *,
    backends: Iterable[str | Backend | object] | str | None = None,
    integrations: Iterable[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    service_name: str | None = None,
    environment: str | None = None,
    release: str | None = None,
    **settings: Any,
) -> None:
    """Start recording. Call it once, early; a second call replaces the first after draining it.

    Every argument that is left out is taken from the environment, then from the configuration file
    (see the reference of settings).

    Args:
        backends: names of installed backends, or objects with ``name``, ``export(batch, /)`` and
            ``close()``, or OpenTelemetry ``SpanExporter``s. Default: ``["local"]``.
        integrations: names to instrument; None: all whose framework the program imports.
        config: path of the one configuration file.
        service_name: name of the program.
        environment: ``production``, ``staging``, ...
        release: what was deployed.
        settings: any other setting by name.
    """
    global _pipeline
    given = {
        "backends": backends, "integrations": integrations, "config": config,
        "service_name": service_name, "environment": environment, "release": release, **settings,
    }  # fmt: skip
    with guard:
        found = _settings.load({k: v for k, v in given.items() if v is not None})
        log.setLevel(_LEVELS[found.log_level])
        if found.disabled:
            shutdown()
            return
        # Here and not on the worker: beside a program that never pauses, whose interpreter it has to
        # wait for at each file, the import would take it seconds.
        import_module("spanloom.processors")
        pipeline = Pipeline(
            plugins.backends(found),
            lambda: plugins.chain(found),
            settings=found,
            resource=plugins.resource(found),
        )
        pipeline.start()  # where this fails, what recorded before goes on
        before, _pipeline = _pipeline, pipeline
        _recorder.use_sink(pipeline)
        if before is not None:
            before.hand_over(pipeline)
            before.close(found.shutdown_timeout_s)
        lifecycle.watch(pipeline, timeout_s=found.shutdown_timeout_s, signals=found.signals)
        (threads.carry if found.threads else threads.stop)()
        (otel.arm if found.otel else otel.disarm)()
        _patches.enable(_integrations(found))


def _integrations(settings: Settings) -> Iterable[str] | None:
    """Names to instrument, less those that a table of the file switches off; None: all."""
    off = {
        n for n, options in settings.integration_options.items() if options.get("enabled") is False
    }
    if not off:
        return settings.integrations
    every = settings.integrations or _patches.names()
    return [name for name in every if name not in off]


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "fatal": 50}


def shutdown(timeout: float = 2.0) -> None:
    """Undo every patch, deliver what is queued and stop, within ``timeout`` seconds."""
    global _last, _pipeline
    with guard:
        uninstrument()
        otel.disarm()
        pipeline, _pipeline = _pipeline, None
        _recorder.use_sink(None)
        if pipeline is not None:
            _last = pipeline
            pipeline.close(timeout)
            pipeline.hand_over(None)
        lifecycle.unwatch()


def flush(timeout: float | None = None) -> Report:
    """Wait until every span that ended before was answered for.

    Args:
        timeout: seconds; None: 30.

    Returns:
        For each backend what was sent, spooled, dropped and is still pending since the last flush;
        ``.ok`` says that nothing was lost or left.
    """
    pipeline = _pipeline
    if pipeline is None:
        return Report()
    with guard:
        return pipeline.flush(timeout)
    return Report(answered=False)


def stats() -> Mapping[str, Any]:
    """Counters since ``init``: spans recorded, queued, open, dropped by reason, and by backend.

    After ``shutdown`` those of what it stopped.
    """
    pipeline = _pipeline or _last
    if pipeline is None:
        return {}
    found: dict[str, Any] = {**pipeline.stats(), "budgets": budgets.state()}
    return {**found, "faults": guard.faults + sum(pipeline.faults.values())}


def instrument(name: str, /, client: object = None) -> None:
    """Switch one integration on, for all clients or only for ``client``."""
    with guard:
        if client is not None:
            _patches.only(name, client)
        else:
            _patches.enable([name], more=True)


def uninstrument(name: str | None = None) -> None:
    """Undo the patches of one integration, or of all and of threads. The recorder goes on."""
    with guard:
        _patches.disable(name)
        if name is None:
            threads.stop()
