"""Carry our own context variable into threads and pools, and nothing else of the context.

``Thread.start`` and ``ThreadPoolExecutor.submit`` are replaced by functions that remember the frame
they were called in. Without a frame they do nothing.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from .imports import after_import
from .recorder import carried, raw_frame, set_raw_frame

_on = False
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


def _carry_pools(module: Any) -> None:
    if _on:
        _replace(module.ThreadPoolExecutor, "submit", _submit)


def stop() -> None:
    """Put the originals back; under somebody else's wrapper ours stays and is inert."""
    global _on
    _on = False
    while _originals:
        owner, name, ours, original = _originals.pop()
        if owner.__dict__.get(name) is ours:
            setattr(owner, name, original)


def _replace(owner: type, name: str, make: Callable[[Any], Any]) -> None:
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


def _under(frame: Any, fn: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        with carried(frame):
            return fn(*args, **kwargs)

    return call
