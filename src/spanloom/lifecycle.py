"""Every way a process can end or double: exit, signals, ``os._exit``, exec, fork.

What cannot be caught is ``kill -9``, and a signal whose handler the program installs after us and
that ends the process without ``SystemExit``; the local record then lacks at most the last flush
interval.
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, TypeAlias

from .errors import guard
from .imports import after_import
from .pipeline import Pipeline
from .recorder import reseed

_pipeline: Pipeline | None = None
_timeout_s = 2.0
_hooked = False
_replaced: dict[str, tuple[Any, Any]] = {}
_handlers: dict[int, Any] = {}


def watch(pipeline: Pipeline, *, timeout_s: float, signals: bool) -> None:
    """Deliver what ``pipeline`` holds whenever the process ends, within ``timeout_s``."""
    global _pipeline, _timeout_s, _hooked
    _pipeline, _timeout_s = pipeline, timeout_s
    if not _hooked:
        _hooked = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child
            )
        after_import("gevent.events", _hear_gevent)
    _replace_exits()
    if signals:
        _install_signals()


def unwatch() -> None:
    """Put the replaced functions and signal handlers back, where nobody replaced them again."""
    global _pipeline
    _pipeline = None
    for name, (ours, original) in _replaced.items():
        if getattr(os, name) is ours:
            setattr(os, name, original)
    _replaced.clear()
    if threading.current_thread() is threading.main_thread():
        for number, ours in list(_handlers.items()):
            if signal.getsignal(number) is ours:
                signal.signal(number, signal.SIG_DFL)
            del _handlers[number]


def deliver() -> None:
    """Deliver everything and stop; a process that goes on records nothing more."""
    pipeline = _pipeline
    if pipeline is not None:
        with guard:
            pipeline.close(_timeout_s)


Hook: TypeAlias = "Callable[[BaseException | None], None]"
"""Told what ends the process, where it is not the end of the program."""

_at_exit_hooks: list[Hook] = []


def before_exit(hook: Hook) -> None:
    """Run ``hook`` when the process ends, before the last delivery."""
    _at_exit_hooks.append(hook)


def _at_exit(why: BaseException | None = None) -> None:
    for hook in _at_exit_hooks:
        with guard:
            hook(why)
    _at_exit_hooks.clear()
    deliver()


_forking: Pipeline | None = None


def _before_fork() -> None:
    global _forking
    _forking = _pipeline
    if _forking is not None:
        with guard:
            _forking.before_fork()


def _in_parent() -> None:
    if _forking is not None:
        with guard:
            _forking.after_fork_in_parent()


def _in_child() -> None:
    with guard:
        reseed()
        _at_exit_hooks.clear()
        if _pipeline is not None:
            _pipeline.forked()


# -- gevent ---------------------------------------------------------------------------------------


def _hear_gevent(events: Any) -> None:
    """``gevent.monkey.patch_all`` exchanges locks and threads below those that run."""
    events.subscribers.append(_on_gevent)


def _on_gevent(event: object) -> None:
    pipeline = _pipeline
    if pipeline is not None:
        with guard:
            match type(event).__name__:
                case "GeventWillPatchAllEvent":
                    pipeline.pause(_timeout_s)
                case "GeventDidPatchAllEvent":
                    pipeline.resume()


# -- exits that run no atexit hooks ---------------------------------------------------------------


def _replace_exits() -> None:
    """``os._exit`` (which ends multiprocessing's and Celery's children) and ``exec``."""
    for name in ("_exit", "execv", "execve"):
        if name in _replaced or not hasattr(os, name):
            continue
        original = getattr(os, name)
        replacement = _exit_like(name, original)
        setattr(os, name, replacement)
        _replaced[name] = (replacement, original)


def _exit_like(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def leave(*args: Any, **kwargs: Any) -> Any:
        pipeline = _pipeline
        if pipeline is not None:
            with guard:
                if name == "_exit":
                    _at_exit(SystemExit(args[0] if args else kwargs.get("status")))
                elif pipeline.undelivered():  # a failing exec comes back, and recording goes on
                    pipeline.flush(_timeout_s, with_open=True)
        return original(*args, **kwargs)

    leave.__name__ = leave.__qualname__ = name
    leave.__doc__ = original.__doc__
    leave.__wrapped__ = original  # type: ignore[attr-defined]
    return leave


# -- signals --------------------------------------------------------------------------------------


def _install_signals() -> None:
    """SIGTERM and SIGHUP end a process at once, without atexit hooks, unless somebody handles them.

    SIGINT needs nothing: it raises KeyboardInterrupt, which ends in a normal exit. A handler of the
    program's own stays: what it raises ends in a normal exit too.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is None or number in _handlers or signal.getsignal(number) is not signal.SIG_DFL:
            continue
        try:
            signal.signal(number, _on_signal)
        except (ValueError, OSError):  # an interpreter that may not handle signals
            continue
        _handlers[number] = _on_signal


class Signalled(KeyboardInterrupt):
    """A signal ends the process, as ^C would."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    # On a thread of its own: the signal may have come while this one holds a lock that the delivery
    # wants, and then nothing but the time limit ends the wait.
    survives = os.getpid() == 1  # the first process of a container: no default action ends it
    with guard:
        delivery = threading.Thread(
            target=_show if survives else partial(_at_exit, Signalled(number)),
            name="spanloom-exit",
            daemon=True,
        )
        delivery.start()
        delivery.join(_timeout_s + 0.5)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.signal(number, _on_signal)  # still there


def _show() -> None:
    """Deliver everything, also what is open, and go on."""
    pipeline = _pipeline
    if pipeline is not None:
        with guard:
            pipeline.flush(_timeout_s, with_open=True)
