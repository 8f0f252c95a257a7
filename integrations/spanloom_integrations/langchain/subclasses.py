"""Methods of every subclass of a framework's base class, wrapped: of those that are and that will be."""

import inspect
import sys
from collections.abc import Callable, Collection
from typing import Any

from spanloom.sdk import guard

Make = Callable[[Any, str], Any]
"""Our function in the place of one of that name."""


def wrap_methods(
    module: str, base: str, methods: Collection[str], make: Make, *, own: bool = False
) -> Callable[[], None]:
    """Put ``make(original, name)`` in the place of each; returns what puts the originals back.

    ``own``: also of what the base class itself defines. Where somebody put a wrapper on top, ours
    stays below it: ``make`` must let it become inert.
    """
    root: Any = getattr(sys.modules[module], base)
    placed: list[tuple[type, str, Any, Any]] = []
    on = [True]

    def wrap(cls: Any) -> None:
        for name in methods:
            original = cls.__dict__.get(name)
            if not inspect.isfunction(original) or getattr(original, "__isabstractmethod__", False):
                continue
            if any(owner is cls and ours is original for owner, _, ours, _ in placed):
                continue
            ours = make(original, name)
            setattr(cls, name, ours)
            placed.append((cls, name, ours, original))

    def wrap_below(cls: Any) -> None:
        for below in cls.__subclasses__():
            wrap(below)
            wrap_below(below)

    if own:
        wrap(root)
    wrap_below(root)
    beneath = root.__dict__.get("__init_subclass__")

    def init_subclass(cls: Any, /, **kwargs: Any) -> None:
        super(root, cls).__init_subclass__(**kwargs)
        if on:
            with guard:
                wrap(cls)

    hook: Any = classmethod(init_subclass)
    if beneath is None:
        root.__init_subclass__ = hook

    def detach() -> None:
        on.clear()
        if root.__dict__.get("__init_subclass__") is hook:
            del root.__init_subclass__
        for cls, name, ours, original in reversed(placed):
            if cls.__dict__.get(name) is ours:
                setattr(cls, name, original)
        placed.clear()

    return detach
