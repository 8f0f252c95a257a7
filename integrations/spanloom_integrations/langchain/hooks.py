"""How the handler comes into every callback manager, and out again."""

import functools
import sys
from collections.abc import Callable
from typing import Any

from .handler import make_handler


class Slot:
    """In the place of a context variable: LangChain only asks it for its value.

    A real one that is set in the main thread says nothing in raw threads, in pools and in event
    loops of other threads.
    """

    handler: Any = None

    def get(self) -> Any:
        return self.handler


_slot = Slot()


def attach() -> Callable[[], None]:
    """Register the slot; returns what takes it out."""
    tracers = sys.modules["langchain_core.tracers.context"]
    slot = _slot
    slot.handler = handler = make_handler()
    # with its class: whoever also passes a handler of ours by hand gets every event once
    tracers.register_configure_hook(slot, True, type(handler))

    def detach() -> None:
        slot.handler = None  # a manager that walks the list just now finds nothing
        hooks = tracers._configure_hooks
        hooks[:] = [hook for hook in hooks if hook[0] is not slot]

    return detach


_MANAGERS = (
    "get_sync_graph_callback_manager_for_config",
    "get_async_graph_callback_manager_for_config",
)


def attach_lifecycle() -> Callable[[], None]:
    """Hear of interrupts and resumes, which go to handlers in the user's config only."""
    module = sys.modules["langgraph.pregel.main"]
    placed: list[tuple[str, Any, Any]] = []
    for name in _MANAGERS:
        original = getattr(module, name, None)
        if original is not None:  # langgraph 1.1.8 and later
            ours = _hearing(original)
            setattr(module, name, ours)
            placed.append((name, ours, original))

    def detach() -> None:
        for name, ours, original in placed:
            if getattr(module, name, None) is ours:
                setattr(module, name, original)

    return detach


def _hearing(original: Any) -> Any:
    @functools.wraps(original)
    def manager(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        handler = _slot.handler
        if handler is not None and not any(h is handler for h in made.handlers):
            made.handlers.append(handler)
        return made

    return manager
