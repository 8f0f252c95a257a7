"""What ``spanloom run`` starts inside the program, without a line of its code."""

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from . import lifecycle, propagation, recorder
from .api import init
from .errors import guard
from .recorder import Active, Remote


def start_from_environment() -> None:
    """What ``spanloom run`` does inside the program: ``init()``, and one root span for the process.

    ``SPANLOOM_RUN`` holds the ids of that root (``<trace>-<span>`` in hex); only the first process
    takes it, and its children join by ``TRACEPARENT``. ``SPANLOOM_ROOT=0``: no root.
    """
    run = os.environ.pop("SPANLOOM_RUN", None)
    init()
    if not recorder.recording():
        return
    parent = propagation.frame_from(
        {k: os.environ[v] for k, v in _ENVIRONMENT.items() if v in os.environ}
    )
    if run is None or os.environ.get("SPANLOOM_ROOT") == "0":
        if isinstance(parent, Remote):
            recorder.use_process_frame(parent)
        return
    trace, _, own = run.partition("-")
    root = Active(_program_name(), "workflow")
    if not root.start(parent):
        return
    with guard:
        root.trace_id, root.span_id = int(trace, 16), int(own, 16)
    root.detach()  # the process's frame, not the main thread's: every thread starts from it
    recorder.use_process_frame(root)
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
    leaving = _Leaving()
    sys.exit = leaving.noted(sys.exit)
    lifecycle.before_exit(lambda why: _end(root, why or leaving.by()))


def _end(root: Active, why: BaseException | None) -> None:
    if isinstance(why, lifecycle.Signalled):
        root.ended_by = str(why)
    root.end(None, why)


class _Leaving:
    """The ``sys.exit`` that ended the program: no hook tells of it, and Python has forgotten it by then.

    One that somebody caught ended nothing. Whoever caught it stands at the top of its traceback and
    has gone on to another line; whom it only passed stands where it passed. In doubt it was caught.
    """

    def __init__(self) -> None:
        self._last: SystemExit | None = None

    def noted(self, original: Callable[..., Any]) -> Callable[..., NoReturn]:
        @functools.wraps(original)
        def exit(*args: Any, **kwargs: Any) -> NoReturn:
            try:
                original(*args, **kwargs)
            except SystemExit as exc:
                if threading.current_thread() is threading.main_thread():
                    self._last = exc
                raise
            raise AssertionError("sys.exit came back")

        return exit

    def by(self) -> SystemExit | None:
        error = self._last
        if error is None or (top := error.__traceback__) is None:
            return None
        # the last entry is our own function: alone, it tells that nobody touched the exception since
        passed = top.tb_next is None or top.tb_frame.f_lineno == top.tb_lineno
        return error if passed else None
