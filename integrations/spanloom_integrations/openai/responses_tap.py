"""The tap of a responses stream."""

from time import perf_counter_ns
from typing import Any

from .chat import _squeeze
from .errors import failure
from .values import Raw, as_mapping, plain, words

_ENDS = frozenset({
    "response.completed", "response.incomplete", "response.failed", "response.cancelled",
})  # fmt: skip
# event -> the item it grows, and the field of it (of its content, where it has an index of content)
_DELTAS = {
    "response.output_text.delta": ("message", "output_text", "text"),
    "response.refusal.delta": ("message", "refusal", "refusal"),
    "response.reasoning_text.delta": ("reasoning", "reasoning_text", "text"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary_text", "text"),
    "response.function_call_arguments.delta": ("function_call", "", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "", "arguments"),
    "response.mcp_call.arguments.delta": ("mcp_call", "", "arguments"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "", "code"),
    "response.code_interpreter_call.code.delta": ("code_interpreter_call", "", "code"),
}
_HEAD = (
    "id", "model", "status", "service_tier", "previous_response_id", "conversation", "background",
    "system_fingerprint",
)  # fmt: skip


class ResponsesTap:
    """Keeps the fragments of items still open, the finished items, and at the end the reply.

    An item or reply is kept by reference, as a reply that is not streamed is.
    """

    def __init__(self, body: Raw | None = None) -> None:
        self._open: dict[tuple[int, int, str], list[str]] = {}
        self._at: tuple[int, int, str] | None = None
        self._into: list[str] = []
        self._added: dict[int, dict[str, Any]] = {}
        self._items: dict[int, Any] = {}
        self._head: dict[str, Any] = {}
        self._response: Any = None
        self._done = False
        self.first_tick = 0
        self.last_tick = 0
        self.chunks = 0
        self.failure: dict[str, Any] | None = None

    def feed(self, event: Any, tick: int = 0) -> None:
        """``tick``: when it came, where that is not now."""
        kind = event.type
        if kind == "response.output_text.delta":
            at = (event.output_index, event.content_index, kind)
            if at != self._at:
                self._turn(at)
            self._into.append(event.delta)
        elif kind in _DELTAS:
            held = event.__dict__
            content = held.get("content_index")
            if content is None:
                content = held.get("summary_index") or 0
            at = (held.get("output_index") or 0, content, kind)
            if at != self._at:
                self._turn(at)
            delta = held.get("delta")
            if not isinstance(delta, str):
                return
            self._into.append(delta)
        elif type(kind) is str and kind.endswith((".delta", ".partial_image")):
            pass  # audio, code logs, pictures growing: content, whose whole comes with the item
        else:
            # a call without fragments, as of a search, is content when it comes whole
            if not self._note(kind, event):
                return
        self.chunks += 1
        self.last_tick = tick or perf_counter_ns()
        if not self.first_tick:
            self.first_tick = self.last_tick

    def _turn(self, at: tuple[int, int, str]) -> None:
        self._at = at
        self._into = self._open.setdefault(at, [])

    def _note(self, kind: Any, event: Any) -> bool:
        """An event that is no fragment. Whether it was content all the same."""
        if kind in _ENDS:
            self._response = event.response
            self._at = None
            if kind == "response.failed":
                error = getattr(event.response, "error", None)
                if isinstance(event.response, dict):
                    error = event.response.get("error")
                self.failure = failure(as_mapping(error)) or {"message": "the response failed"}
        elif kind == "response.output_item.done":
            index, item = event.output_index, event.item
            self._items[index] = item
            self._added.pop(index, None)
            grown = [at for at in self._open if at[0] == index]
            for at in grown:
                del self._open[at]
            self._at = None
            kind = item.get("type") if isinstance(item, dict) else item.type
            return not grown and kind not in ("message", "reasoning")
        elif kind == "response.output_item.added":
            raw = event.item if isinstance(event.item, dict) else event.item.__dict__
            # only the small fields; the rest comes with the finished item
            self._added[event.output_index] = {
                k: v for k, v in raw.items() if type(v) is str and len(v) < 1000
            }
        elif kind in ("response.created", "response.queued"):
            raw = event.response if isinstance(event.response, dict) else event.response.__dict__
            for name in _HEAD:
                if raw.get(name) is not None:
                    self._head[name] = raw[name]
        elif kind == "error":
            held = event.__dict__
            nested = held.get("error") or (getattr(event, "__pydantic_extra__", None) or {}).get(
                "error"
            )
            self.failure = failure(as_mapping(nested) or held) or {"message": "the stream failed"}
        elif kind is None:  # not an event: an error object that stands alone
            error = event.__dict__.get("error") or (event.__pydantic_extra__ or {}).get("error")
            if error is not None:
                self.failure = failure(as_mapping(error)) or {"message": str(error)[:200]}
        return False

    def end(self) -> None:
        """The server said that nothing follows (``[DONE]``)."""
        self._done = True

    @property
    def complete(self) -> bool:
        """The end was seen, be it a failure that the server itself reported."""
        return self._response is not None or self._done

    @property
    def weight(self) -> int:
        # an item or reply is not measured: it holds what was counted as it grew, and some more
        grown = sum(_squeeze(held) for held in self._open.values())
        return 1000 + grown + 2000 * len(self._items) + (4000 if self._response is not None else 0)

    def reply(self) -> dict[str, Any]:
        """What was received, in the shape of a reply that was not streamed."""
        out: dict[str, Any] = {name: plain(value) for name, value in self._head.items()}
        if self._response is not None:
            out.update(plain(self._response))
        if not out.get("output"):  # some servers send the last event without what was said
            out["output"] = self._gathered()
        return out

    def _gathered(self) -> list[Any]:
        found: dict[int, Any] = {index: plain(item) for index, item in self._items.items()}
        for index, raw in self._added.items():
            found[index] = {**raw, "status": "in_progress"}
        for (index, _, kind), held in sorted(self._open.items(), key=lambda kv: kv[0]):
            if index in self._items:
                continue
            type_, piece, field = _DELTAS[kind]
            item = found.setdefault(index, {"type": type_, "status": "in_progress"})
            said = "".join(held)
            if not piece:
                item[field] = said
                continue
            within = "summary" if piece == "summary_text" else "content"
            if not isinstance(item.get(within), list):
                item[within] = []
            item[within].append({"type": piece, field: said})
            if type_ == "message" and not words(item, "role"):
                item["role"] = "assistant"
        return [found[index] for index in sorted(found)]
