"""Embeddings, moderations and legacy completions.

Source: the API references of the three. Checked with openai 1.66, 2.54 and 3.52.
"""

from time import perf_counter_ns
from typing import Any

from spanloom.types import (
    Embedding,
    Guardrail,
    LLMCall,
    Message,
    MessagePart,
    Opaque,
    Text,
)

from .call import Facts, base, parts, request, timing
from .errors import failure
from .usage import usage
from .values import (
    LISTS,
    NOTHING,
    Raw,
    as_mapping,
    integer,
    items,
    mapping,
    number,
    objects,
    plain,
    text,
    words,
)


def parse_embedding(body: Raw, reply: Raw | None, facts: Facts) -> Embedding:
    known = base(body, reply, facts, "embeddings")
    vectors = items(reply, "data") if reply else ()
    size = integer(body, "dimensions")
    if size is None and vectors:
        size = _size(as_mapping(vectors[0]).get("embedding"))
    return Embedding(
        **known,
        input=body.get("input"),
        count=len(vectors) if reply else None,
        dimensions=size,
        encoding=words(body, "encoding_format"),
    )


def _size(vector: Any) -> int | None:
    if isinstance(vector, LISTS):
        return len(vector)
    if isinstance(vector, str) and vector:  # base64 of 32-bit floats
        return (len(vector) * 3 // 4 - vector[-2:].count("=")) // 4
    return None


def embedding_reply(obj: Any) -> dict[str, Any]:
    """Without the vectors but one: they are most of the reply and nobody reads them in a trace."""
    if isinstance(obj, dict):
        return obj
    held = getattr(obj, "__dict__", NOTHING)
    data = held.get("data")
    out: dict[str, Any] = {"model": held.get("model"), "usage": plain(held.get("usage"))}
    if isinstance(data, list):
        out["data"] = [{"embedding": getattr(v, "embedding", None)} for v in data[:1]]
        out["data"] += [NOTHING] * (len(data) - 1)
    for name, value in (getattr(obj, "__pydantic_extra__", None) or NOTHING).items():
        out[name] = plain(value)
    return out


def parse_moderation(body: Raw, reply: Raw | None, facts: Facts) -> Guardrail:
    results = list(objects(reply, "results")) if reply else []
    flagged: set[str] = set()
    scores: dict[str, float] = {}
    for result in results:
        for name, hit in mapping(result, "categories").items():
            if hit is True:
                flagged.add(name)
        found = mapping(result, "category_scores")
        for name in found:
            score = number(found, name)
            if score is not None:
                scores[name] = max(score, scores.get(name, score))
    given = body.get("input")
    if isinstance(given, list):
        given = [plain(v) for v in given]
    return Guardrail(
        provider=facts.provider,
        model=words(reply or NOTHING, "model") or words(body, "model"),
        response_id=words(reply or NOTHING, "id"),
        server_address=facts.server_address,
        provider_request_id=facts.request_id,
        http_status=facts.http_status,
        input=given,
        output=results or None,
        triggered=any(r.get("flagged") is True for r in results) if results else None,
        categories=tuple(sorted(flagged)),
        scores=scores,
        usage=usage(reply.get("usage")) if reply else None,
    )


def parse_completion(body: Raw, reply: Raw | None, facts: Facts) -> LLMCall:
    known = base(body, reply, facts, "text_completion")
    known.update(request(body))
    known["input"] = _prompts(body.get("prompt"))
    if reply:
        choices = sorted(objects(reply, "choices"), key=lambda c: integer(c, "index") or 0)
        known["output"] = tuple(
            [Message(role="assistant", parts=tuple(parts(text(c, "text")))) for c in choices]
        )
        ends = [text(c, "finish_reason") or "" for c in choices]
        if any(ends):
            known["finish"] = tuple(ends)
        known["system_fingerprint"] = words(reply, "system_fingerprint")
        known["service_tier"] = words(reply, "service_tier")
    known.update(timing(facts, known.get("usage")))
    return LLMCall(**known)


def _prompts(given: Any) -> tuple[Message, ...]:
    """One message for each prompt; a prompt is a text or tokens."""
    if given is None:
        return ()
    if isinstance(given, str):
        return (Message(role="user", parts=(Text(text=given),)),)
    if isinstance(given, LISTS) and given and not isinstance(given[0], int):
        return tuple([Message(role="user", parts=(_prompt(g),)) for g in given])
    return (Message(role="user", parts=(_prompt(given),)),)


def _prompt(given: Any) -> MessagePart:
    return Text(text=given) if isinstance(given, str) else Opaque(name="tokens", value=given)


class CompletionTap:
    """Watches a stream of legacy completions."""

    def __init__(self, body: Raw | None = None) -> None:
        wanted = body.get("n") if body else None
        self._wanted = wanted if isinstance(wanted, int) else 1
        self._texts: dict[int, list[str]] = {}
        self._finish: dict[int, str] = {}
        self._head: dict[str, Any] = {}
        self._done = False
        self.first_tick = 0
        self.last_tick = 0
        self.chunks = 0
        self.failure: dict[str, Any] | None = None

    def feed(self, chunk: Any, tick: int = 0) -> None:
        """``tick``: when it came, where that is not now."""
        seen = False
        for choice in chunk.choices or ():
            index = choice.index
            if index not in self._texts:
                self._texts[index] = []
            said = choice.text
            if said:
                seen = True
                self._texts[index].append(said)
            if choice.finish_reason:
                self._finish[index] = choice.finish_reason
        if seen:
            self.chunks += 1
            self.last_tick = tick or perf_counter_ns()
            if not self.first_tick:
                self.first_tick = self.last_tick
        if chunk.usage is not None or not self._head or not chunk.choices:
            held = chunk.__dict__
            for name in ("id", "model", "created", "system_fingerprint", "usage"):
                if held.get(name):
                    self._head[name] = held[name]
            error = (chunk.__pydantic_extra__ or NOTHING).get("error")
            if error is not None:
                self.failure = failure(as_mapping(error)) or {"message": str(error)[:200]}

    def end(self) -> None:
        """The server said that nothing follows (``[DONE]``)."""
        self._done = True

    @property
    def complete(self) -> bool:
        if self.failure is not None:
            return False
        return self._done or len(self._finish) >= max(self._wanted, len(self._texts), 1)

    @property
    def weight(self) -> int:
        return 500 + sum(sum(map(len, held)) for held in self._texts.values())

    def reply(self) -> dict[str, Any]:
        """What was received, in the shape of a reply that was not streamed."""
        out = {name: plain(value) for name, value in self._head.items()}
        out["choices"] = [
            {"index": i, "text": "".join(held), "finish_reason": self._finish.get(i)}
            for i, held in sorted(self._texts.items())
        ]
        return out
