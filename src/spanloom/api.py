"""The public functions. Nothing here raises into the application, unless SPANLOOM_STRICT is set."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any, Literal, TypeVar, overload

import msgspec

from . import lifecycle, otel, threads
from . import patches as _patches
from . import propagation as _propagation
from . import recorder as _recorder
from . import settings as _settings
from .decorate import SpanMaker, decorated, maker
from .errors import guard, log, mistake
from .lane import Backend
from .pipeline import Pipeline, Processor, Report
from .recorder import Active, Frame, Remote, Scope, current
from .settings import Settings
from .types import DETAILS, Custom, Kind, Link, Resource, Score, Session

F = TypeVar("F", bound=Callable[..., Any])

_pipeline: Pipeline | None = None


# -- life -----------------------------------------------------------------------------------------


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
        pipeline = Pipeline(
            _backends(found),
            lambda: _chain(found),
            settings=found,
            resource=_resource(found),
        )
        before, _pipeline = _pipeline, pipeline
        pipeline.start()
        _recorder.use_sink(pipeline)
        if before is not None:
            before.hand_over(pipeline)
            before.close(found.shutdown_timeout_s)
        lifecycle.watch(pipeline, timeout_s=found.shutdown_timeout_s, signals=found.signals)
        if found.threads:
            threads.carry()
        if found.otel:
            otel.arm()
        _patches.enable(found.integrations)


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "fatal": 50}


def shutdown(timeout: float = 2.0) -> None:
    """Undo every patch, deliver what is queued and stop, within ``timeout`` seconds."""
    global _pipeline
    with guard:
        uninstrument()
        otel.disarm()
        pipeline, _pipeline = _pipeline, None
        _recorder.use_sink(None)
        if pipeline is not None:
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
    if _pipeline is None:
        return Report()
    with guard:
        return _pipeline.flush(timeout)
    return Report()


def stats() -> Mapping[str, Any]:
    """Counters since ``init``: spans recorded, queued, open, dropped by reason, and by backend."""
    if _pipeline is None:
        return {}
    return {**_pipeline.stats(), "faults": guard.faults}


def instrument(name: str, /, client: object = None) -> None:
    """Switch one integration on, for all clients or only for ``client``."""
    with guard:
        if client is not None:
            _patches.only(name, client)
        else:
            _patches.enable([name])


def uninstrument(name: str | None = None) -> None:
    """Undo the patches of one integration, or of all and of threads. The recorder goes on."""
    with guard:
        _patches.disable(name)
        if name is None:
            threads.stop()


def _backends(settings: Settings) -> list[Backend]:
    points = {p.name: p for p in entry_points(group="spanloom.backends")}
    found: list[Backend] = []
    for wanted in settings.backends:
        if not isinstance(wanted, str):
            if (backend := _as_backend(wanted)) is not None:
                found.append(backend)
            continue
        options = dict(settings.backend_options.get(wanted, {}))
        kind = str(options.pop("type", wanted))
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
            mistake(f"backends: {wanted!r} cannot be set up: {exc!r}. The other backends go on.")
            continue
        if wanted != kind:
            backend.name = wanted
        found.append(backend)
    return found


def _near(word: str, known: Iterable[str]) -> list[str]:
    import difflib  # only a mistake pays for it

    return difflib.get_close_matches(word, list(known), 1)


def _as_backend(thing: object) -> Backend | None:
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


def _chain(settings: Settings) -> tuple[Processor, ...]:
    """All processors in order. On the worker: their patterns are compiled for the first span."""
    from .processors import default_chain

    return (*default_chain(settings), *_processors(settings))


def _processors(settings: Settings) -> list[Processor]:
    points = {p.name: p for p in entry_points(group="spanloom.processors")}
    found: list[Processor] = []
    for wanted in settings.processors:
        if not isinstance(wanted, str):
            if callable(wanted):
                found.append(wanted)
            else:
                mistake(f"processors: {wanted!r} is not callable; give a function of a Span.")
            continue
        options = dict(settings.processor_options.get(wanted, {}))
        kind = str(options.pop("type", wanted))
        if kind not in points:
            mistake(
                f"processors: {kind!r} is not installed; known: "
                f"{', '.join(sorted(points)) or 'none'}. Install the package that brings it."
            )
            continue
        try:
            found.append(points[kind].load()(settings, **options))
        except Exception as exc:
            mistake(f"processors: {wanted!r} cannot be set up: {exc!r}. The others go on.")
    return found


def _resource(settings: Settings) -> Resource:
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


# -- recording by hand ----------------------------------------------------------------------------


def span(name: str, /, *, kind: Kind = "task", **attributes: Any) -> SpanMaker:
    """A span of any kind: ``with span("fetch"): ...`` or ``@span("fetch")``, sync and async.

    Attributes that are fields of the kind (``spanloom.types``) are typed facts, such as ``model`` of
    an ``llm`` span or ``input`` and ``output`` of a ``task``; all others are the program's own.
    """
    if kind not in DETAILS:
        mistake(
            f"span: kind {kind!r} is not known; known: {', '.join(DETAILS)}. It is recorded as a task."
        )
        kind = "task"
    return SpanMaker(name, kind, attributes or None)


class _KindMaker:
    """``@agent``, ``@agent("name")``, ``@agent(name="x", role="worker")``, ``with agent("name"):``."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.__name__ = self.__qualname__ = kind
        self.__doc__ = (
            f"A span of kind ``{kind}``: a decorator, bare or called, or a context manager.\n\n"
            "Arguments of a decorated function are recorded as input, its result as output."
        )

    @overload
    def __call__(self, target: F, /) -> F: ...

    @overload
    def __call__(self, target: str | None = None, /, **attributes: Any) -> SpanMaker: ...

    def __call__(self, target: Any = None, /, **attributes: Any) -> Any:
        if target is None:
            target = attributes.pop("name", None)
        if target is None or isinstance(target, str):
            return maker(self._kind, target or "", attributes)
        return decorated(target, self._kind, None, attributes)


workflow = _KindMaker("workflow")
agent = _KindMaker("agent")
tool = _KindMaker("tool")
task = _KindMaker("task")
retrieval = _KindMaker("retrieval")
rerank = _KindMaker("rerank")
embedding = _KindMaker("embedding")
memory = _KindMaker("memory")
guardrail = _KindMaker("guardrail")
evaluation = _KindMaker("evaluation")
plan = _KindMaker("plan")
mcp = _KindMaker("mcp")


def llm_call(name: str | None = None, /, **fields: Any) -> SpanMaker:
    """A model call recorded by hand.

    ``with llm_call(model="m", provider="p", input=messages) as call: ...; call.record(output=text,
    usage={"input": 12, "output": 3})``. Fields are those of ``spanloom.types.LLMCall``; messages may
    be a text or a list of ``{"role": ..., "content": ...}``. An instrumented SDK's call inside it is
    the same call, and becomes no span of its own.
    """
    label = name or ("chat " + str(fields["model"]) if fields.get("model") else "chat")
    return maker("llm", label, fields)


def session(
    id: str, /, *, user: str | None = None, tags: Iterable[str] = (), **metadata: Any
) -> Scope:
    """Everything started inside belongs to this session, over threads, tasks and traces.

    Args:
        id: your own id of the conversation. Nothing is invented where you have none.
        user: whose session it is; stored as a keyed hash unless ``user_ids="keep"``.
        tags: added to every span.
        metadata: added to every span.
    """
    changes: dict[str, Any] = {"tags": tuple(tags), "metadata": metadata}
    given: object = id  # callers who do not check types give UUIDs, numbers and None
    if given is not None and str(given):
        changes["session"] = Session(id=str(given))
    else:
        mistake(f"session: id {id!r} is empty; give a text. The spans inside carry no session.")
    if user is not None:
        changes["user_id"] = str(user)
    return Scope(**changes)


def context(
    *,
    user: str | None = None,
    user_tier: str | None = None,
    feature: str | None = None,
    request_id: str | None = None,
    tags: Iterable[str] = (),
    baggage: Mapping[str, str] | None = None,
    **metadata: Any,
) -> Scope:
    """Everything started inside carries these facts. ``baggage`` also goes to other services."""
    changes: dict[str, Any] = {"tags": tuple(tags), "metadata": metadata}
    named = {
        "user_id": user, "user_tier": user_tier, "feature": feature, "request_id": request_id
    }  # fmt: skip
    changes.update({k: str(v) for k, v in named.items() if v is not None})
    if baggage is not None:
        changes["baggage"] = {
            **_recorder.ambient().baggage, **{str(k): str(v) for k, v in baggage.items()}
        }  # fmt: skip
    return Scope(**changes)


def suppress() -> Scope:
    """Nothing that starts inside is recorded."""
    return Scope(suppressed=True)


def current_span() -> Active | None:
    """The innermost running span, or None."""
    return current()


def set_attributes(attributes: Mapping[str, Any] | None = None, /, **more: Any) -> None:
    """Add attributes to the current span; without one nothing happens."""
    with guard:
        if (active := current()) is not None:
            active.set_attributes(attributes, **more)


def event(name: str, /, **attributes: Any) -> None:
    """Something happened now, inside the current span."""
    with guard:
        active = current()
        if active is None:
            if _pipeline is not None:
                mistake(f"event {name!r} is outside of any span; open one with spanloom.span(...).")
            return
        active.add_event(Custom(time_ns=active.now_ns(), name=str(name), attributes=attributes))


def handoff(
    source: str,
    target: str,
    /,
    *,
    mechanism: str | None = None,
    reason: str | None = None,
    payload: Any = None,
    returns_control: bool | None = None,
    outcome: Literal["accepted", "refused", "failed"] = "accepted",
) -> None:
    """Agent ``source`` hands over to agent ``target``.

    A span of zero length in the current span; the next ``agent`` span of that name in the same trace
    links to it. Nothing links to a handoff that was refused or failed.
    """
    with guard:
        active = Active(f"handoff {source} -> {target}", "handoff")
        active.fields = {
            "source": str(source), "target": str(target), "mechanism": mechanism, "reason": reason,
            "payload": payload, "returns_control": returns_control, "outcome": outcome,
        }  # fmt: skip
        if not active.start():
            return
        if outcome == "accepted":
            root = active.local_root()
            if root.handoffs is None:
                root.handoffs = {}
            root.handoffs[str(target)] = Link(
                trace_id=active.trace_id, span_id=active.span_id, reason="handoff"
            )
        active.end()


def score(
    name: str,
    value: float | bool | str,
    /,
    *,
    span: Active | str | None = None,
    trace: Active | str | None = None,
    session: str | None = None,
    comment: str | None = None,
    source: Literal["code", "user", "model"] | None = None,
) -> None:
    """Judge a span, a trace or a session, at once or later.

    Args:
        name: of the score, such as ``relevance``.
        value: a number, a truth, a category or a text.
        span: the span or its id (16 hex digits); default: the current span.
        trace: the trace of that span, or its id (32 hex digits).
        session: the id of a session.
        comment: why.
        source: who judged.
    """
    with guard:
        judged: object = value
        if not isinstance(judged, bool | int | float | str):
            mistake(
                f"score {name!r}: value of type {type(value).__name__}; give a number, bool or text."
            )
            return
        target = span if isinstance(span, Active) else None
        if span is None and trace is None and session is None:
            target = current()
            if target is None:
                mistake(
                    f"score {name!r} has no target: no span is open; give span, trace or session."
                )
                return
        given = Score(
            time_ns=time.time_ns(),
            name=str(name),
            value=value,
            comment=comment,
            source=source,
            target_span_id=_hex(span, "span") if target is None else None,
            target_trace_id=_hex(trace or (span if isinstance(span, Active) else None), "trace")
            if trace is not None or span is not None
            else None,
            target_session_id=session,
        )
        if target is not None and target.recording:
            target.add_event(msgspec.structs.replace(given, target_trace_id=None))
            return
        if target is not None:  # it has ended: its record is on its way
            given = msgspec.structs.replace(given, target_span_id=target.span_hex)
        carrier = Active(f"score {name}", "evaluation")
        carrier.fields = {"evaluator": str(name)}
        if session is not None:
            carrier.session = Session(id=str(session))
        parent = _carrier_parent(target, given)
        if carrier.start(parent):
            carrier.add_event(given)
            if given.target_span_id and given.target_trace_id:
                carrier.add_link(
                    int(given.target_trace_id, 16), int(given.target_span_id, 16), "score"
                )
            carrier.end()


def feedback(
    value: float | bool | str,
    /,
    *,
    name: str = "user_feedback",
    span: Active | str | None = None,
    trace: Active | str | None = None,
    session: str | None = None,
    comment: str | None = None,
) -> None:
    """What a user thought of an answer: a score whose source is the user."""
    score(name, value, span=span, trace=trace, session=session, comment=comment, source="user")


def _hex(target: Active | str | None, what: Literal["span", "trace"]) -> str | None:
    if target is None:
        return None
    if isinstance(target, Active):
        return target.span_hex if what == "span" else target.trace_hex
    text = str(target).strip().lower()
    digits = 16 if what == "span" else 32
    if len(text) != digits or any(c not in "0123456789abcdef" for c in text):
        mistake(f"score: {what} id {target!r} is not {digits} hex digits; take it from the record.")
        return None
    return text


def _carrier_parent(target: Active | None, given: Score) -> Frame | None:
    """The scored span is the carrier's parent, so that a late score lies in the scored trace."""
    trace_id = target.trace_hex if target is not None else given.target_trace_id
    if trace_id is None:
        return None
    span_id = given.target_span_id
    if span_id is None:
        return None
    return Remote(int(trace_id, 16), int(span_id, 16))


def inject(headers: MutableMapping[str, str], /) -> MutableMapping[str, str]:
    """Write ``traceparent``, ``tracestate`` and ``baggage`` of the current span into ``headers``."""
    with guard:
        return _propagation.inject(headers)
    return headers


class extract:
    """``with extract(headers): ...`` continues the trace that the caller's headers name.

    ``headers`` is a mapping or pairs, of text or bytes; bad headers are ignored.
    """

    def __init__(self, headers: Any, /) -> None:
        self._headers = headers
        self._carried: _recorder.carried | None = None

    def __enter__(self) -> None:
        with guard:
            frame = _propagation.frame_from(self._headers)
            if frame is not None:
                self._carried = _recorder.carried(frame)
                self._carried.__enter__()

    def __exit__(self, *exc: object) -> None:
        if self._carried is not None:
            self._carried.__exit__(*exc)
            self._carried = None

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__(*exc)


# -- without a line of code -----------------------------------------------------------------------


def start_from_environment() -> None:
    """What ``spanloom run`` does inside the program: ``init()``, and one root span for the process.

    ``SPANLOOM_RUN`` holds the ids of that root (``<trace>-<span>`` in hex); only the first process
    takes it, and its children join by ``TRACEPARENT``. ``SPANLOOM_ROOT=0``: no root.
    """
    run = os.environ.pop("SPANLOOM_RUN", None)
    init()
    if _pipeline is None:
        return
    parent = _propagation.frame_from(
        {k: os.environ[v] for k, v in _ENVIRONMENT.items() if v in os.environ}
    )
    if run is None or os.environ.get("SPANLOOM_ROOT") == "0":
        if isinstance(parent, Remote):
            _recorder.use_process_frame(parent)
        return
    trace, _, own = run.partition("-")
    root = Active(_program_name(), "workflow")
    if not root.start(parent):
        return
    with guard:
        root.trace_id, root.span_id = int(trace, 16), int(own, 16)
    root.detach()  # the process's frame, not the main thread's: every thread starts from it
    _recorder.use_process_frame(root)
    os.environ["TRACEPARENT"] = f"00-{root.trace_hex}-{root.span_hex}-01"
    _end_at_exit(root)


_ENVIRONMENT = {"traceparent": "TRACEPARENT", "tracestate": "TRACESTATE", "baggage": "BAGGAGE"}


def _program_name() -> str:
    arguments = sys.orig_argv
    if "-m" in arguments[1:-1]:
        return arguments[arguments.index("-m") + 1]
    if sys.argv and sys.argv[0] not in ("", "-c", "-"):
        return os.path.basename(sys.argv[0])
    return os.path.basename(arguments[1]) if len(arguments) > 1 else "python"


def _end_at_exit(root: Active) -> None:
    """The root ends with the process: ``error`` when an exception nobody caught ends it."""
    before = sys.excepthook

    def noted(kind: type[BaseException], error: BaseException, tb: Any) -> None:
        with guard:
            root.end(None, error)
        before(kind, error, tb)

    sys.excepthook = noted
    lifecycle.before_exit(root.end)
