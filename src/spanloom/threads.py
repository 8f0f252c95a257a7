"""Carry our own context variable into threads, pools and greenlets, and nothing else of the context.

``Thread.start`` and ``ThreadPoolExecutor.submit`` are replaced by functions that remember the frame
they were called in; gevent tells of each greenlet that is spawned. Without a frame nothing is done.
"""

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

from .imports import after_import
from .recorder import carried, raw_frame, set_raw_frame

_on = False
_greenlets: Any = None
_originals: list[tuple[type, str, Any, Any]] = []


def carry() -> None:
    global _on
    if _on:
        return
    _on = True
    # gevent puts a subclass in the place of Thread, which inherits ``start``
    home = next(owner for owner in threading.Thread.__mro__ if "start" in owner.__dict__)
    _replace(home, "start", _start)
    after_import("concurrent.futures.thread", _carry_pools)
    after_import("gevent.greenlet", _carry_greenlets)
    after_import("gevent.threadpool", _carry_gevent_pools)


def _carry_pools(module: Any) -> None:
    if _on:
        _replace(module.ThreadPoolExecutor, "submit", _submit)


def _carry_greenlets(module: Any) -> None:
    global _greenlets
    if _on:
        _greenlets = module.Greenlet
        _greenlets.add_spawn_callback(_spawned)


def _carry_gevent_pools(module: Any) -> None:
    if _on:
        _replace(module.ThreadPool, "spawn", _submit)


def stop() -> None:
    """Put the originals back; under somebody else's wrapper ours stays and is inert."""
    global _on, _greenlets
    _on = False
    if _greenlets is not None:
        _greenlets.remove_spawn_callback(_spawned)
        _greenlets = None
    while _originals:
        owner, name, ours, original = _originals.pop()
        if owner.__dict__.get(name) is ours:
            setattr(owner, name, original)


def _replace(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    if any((owner, name) == (other, method) for other, method, *_ in _originals):
        return  # shut down and begun anew before the program imported it: two were waiting for it
    original = owner.__dict__[name]
    ours = make(original)
    setattr(owner, name, ours)
    _originals.append((owner, name, ours, original))


def _start(original: Any) -> Any:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        if _on and (frame := raw_frame()) is not None:
            own = self.__dict__.get("run")
            run = self.run

            def run_here() -> None:
                # first as if we had never been here: the thread's own ``run`` is back in place
                if own is None:
                    del self.__dict__["run"]
                else:
                    self.__dict__["run"] = own
                set_raw_frame(frame)
                run()

            self.__dict__["run"] = run_here
            try:
                original(self)
            except BaseException:
                if self.__dict__.get("run") is run_here:  # no thread came to put it back
                    if own is None:
                        del self.__dict__["run"]
                    else:
                        self.__dict__["run"] = own
                raise
            return
        original(self)

    return start


def _submit(original: Any) -> Any:
    @functools.wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if _on and (frame := raw_frame()) is not None:
            with carried(None):  # a pool's new thread also serves those who come later
                return original(self, _under(frame, fn), *args, **kwargs)
        return original(self, fn, *args, **kwargs)

    return submit


def _spawned(greenlet: Any) -> None:
    """Called in the one that spawns. Without a context of its own it would begin with an empty one."""
    if greenlet.gr_context is None and (frame := raw_frame()) is not None:
        context = contextvars.Context()
        context.run(set_raw_frame, frame)
        greenlet.gr_context = context


def _under(frame: Any, fn: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        with carried(frame):
            return fn(*args, **kwargs)

    return call
