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


def attach_completions() -> Callable[[], None]:
    """Deliver what LangChain drops because we are there.

    With one inline handler among them, ``AsyncCallbackManager.on_llm_start`` leaves the others out.
    """
    module = sys.modules["langchain_core.callbacks.manager"]
    owner = module.AsyncCallbackManager
    original = owner.__dict__.get("on_llm_start")
    names = getattr(getattr(original, "__code__", None), "co_varnames", ())
    if original is None or not {"inline_handlers", "non_inline_handlers"} <= set(names):
        return lambda: None  # another version, without that fault

    @functools.wraps(original)
    async def on_llm_start(
        self: Any, serialized: Any, prompts: list[str], run_id: Any = None, **kwargs: Any
    ) -> Any:
        managers = await original(self, serialized, prompts, run_id, **kwargs)
        inline = [h for h in self.handlers if h.run_inline]
        if len(inline) == 1 and inline[0] is _slot.handler and len(self.handlers) > 1:
            others = [h for h in self.handlers if not h.run_inline]
            for prompt, made in zip(prompts, managers, strict=False):
                await module.ahandle_event(
                    others, "on_llm_start", "ignore_llm", serialized, [prompt],
                    run_id=made.run_id, parent_run_id=self.parent_run_id, tags=self.tags,
                    metadata=self.metadata, **kwargs,
                )  # fmt: skip
        return managers

    owner.on_llm_start = on_llm_start

    def undo() -> None:
        if owner.__dict__.get("on_llm_start") is on_llm_start:
            owner.on_llm_start = original

    return undo


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
