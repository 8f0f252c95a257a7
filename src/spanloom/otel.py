"""OpenTelemetry's current span as our parent, and ours as the parent of its spans.

Needs only the API package, and only once the application has imported it: ``arm`` waits for that
import and costs nothing until then. We never touch the global tracer provider.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import recorder
from .errors import guard
from .imports import after_import
from .recorder import Active, Frame, Remote, Within

if TYPE_CHECKING:
    from opentelemetry import trace

_armed = False
_on = False


def arm() -> None:
    """Join OpenTelemetry's context as soon as the application imports ``opentelemetry.trace``."""
    global _armed, _on
    _on = True
    if _armed:
        if _bridge is not None:
            recorder.use_otel(_bridge)
        return
    _armed = True
    after_import("opentelemetry.trace", _arrived)


def disarm() -> None:
    global _on
    _on = False
    recorder.use_otel(None)


_bridge: "Bridge | None" = None


def _arrived(_module: Any) -> None:
    global _bridge
    with guard:
        _bridge = Bridge()
        if _on:
            recorder.use_otel(_bridge)


class Bridge:
    """The two directions. One object for the process."""

    def __init__(self) -> None:
        from opentelemetry import context as otel_context
        from opentelemetry import trace

        self._current_span = trace.get_current_span
        self._attach = otel_context.attach
        self.context: Callable[[], Any] = otel_context.get_current
        self._with_span = trace.set_span_in_context
        self._ours = _span_class(trace)

    def innermost(self, frame: Frame | None) -> Frame | None:
        """The innermost of our frame and OpenTelemetry's current span, as a frame."""
        span = self._current_span()
        if isinstance(span, self._ours):
            if frame is None:
                frame = span.active
                while frame is not None and frame.closed:
                    frame = frame.above
            return frame
        its = span.get_span_context()
        if not its.is_valid:
            return frame
        remote = Remote(its.trace_id, its.span_id, above=frame)
        if frame is not None:
            remote.ambient = frame.ambient
        return remote

    def attach(self, active: Active | Within) -> Any:
        beneath = self._current_span()
        return self._attach(self._with_span(self._ours(active, beneath)))

    def restore(self, context: Any) -> None:
        """Go back to what ``context()`` gave."""
        self._attach(context)


def _span_class(trace: Any) -> Any:
    class SpanloomSpan(trace.NonRecordingSpan):  # type: ignore[misc]
        """OpenTelemetry's current span while one of ours runs.

        It reports the ids of our nearest running span. What the application sets on "the current
        span" still reaches the application's own span beneath, as it did without us.
        """

        def __init__(self, active: Active | Within, beneath: "trace.Span") -> None:
            super().__init__(trace.INVALID_SPAN_CONTEXT)
            self.active = active
            self.beneath: trace.Span = (
                beneath.beneath if isinstance(beneath, SpanloomSpan) else beneath
            )

        def get_span_context(self) -> Any:
            span: Any = self.active
            while span is not None and span.closed:
                span = span.parent
            if span is None:
                return self.beneath.get_span_context()
            flags = self.beneath.get_span_context().trace_flags
            if not self.beneath.get_span_context().is_valid:
                flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            return trace.SpanContext(span.trace_id, span.span_id, False, flags)

        def is_recording(self) -> bool:
            return bool(self.beneath.is_recording())

        def set_attribute(self, key: str, value: Any) -> None:
            self.beneath.set_attribute(key, value)

        def set_attributes(self, attributes: Any) -> None:
            self.beneath.set_attributes(attributes)

        def add_event(self, *args: Any, **kwargs: Any) -> None:
            self.beneath.add_event(*args, **kwargs)

        def add_link(self, *args: Any, **kwargs: Any) -> None:
            self.beneath.add_link(*args, **kwargs)

        def set_status(self, *args: Any, **kwargs: Any) -> None:
            self.beneath.set_status(*args, **kwargs)

        def record_exception(self, *args: Any, **kwargs: Any) -> None:
            self.beneath.record_exception(*args, **kwargs)

        def update_name(self, name: str) -> None:
            self.beneath.update_name(name)

    return SpanloomSpan
