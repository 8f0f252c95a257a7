"""The caller and the server notice nothing, and the record says what the server said."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import msgspec
import pytest

import spanloom
from spanloom.testing.answers import Answer, Exchange, Facts, Hang
from spanloom.testing.contracts.rig import ANSWER, QUESTION, Contract, Rig, asked_of, text_of
from spanloom.testing.contracts.scenarios import FAILURES, Call, Stream, Way
from spanloom.types import LLMCall, ModelCall, Span, ToolRequest


class AnswerCases(Contract):
    """Value, exception, bytes, facts."""

    def test_the_caller_gets_the_same_value_and_type(self, rig: Rig, call: Call) -> None:
        bare = rig.perform(call)
        rig.start()
        watched = rig.perform(call)
        assert watched.kind is bare.kind
        assert watched.value == bare.value

    def test_the_server_gets_the_same_bytes(self, rig: Rig, call: Call) -> None:
        """What is random in itself is evened out: multipart boundaries and idempotency keys."""
        bare = [evened(e) for e in rig.perform(call).exchanges]
        rig.start()
        with spanloom.session("s-1", user="u-1"), spanloom.context(baggage={"k": "v"}):
            watched = [evened(e) for e in rig.perform(call).exchanges]
        assert watched == bare

    def test_one_span_has_the_facts_of_the_answer(self, rig: Rig, call: Call) -> None:
        rig.start()
        ran = rig.perform(call)
        span = rig.one()
        assert (span.kind, span.status, span.error) == (call.kind, "ok", None)
        assert span.complete
        assert not span.faults
        assert span.end_ns is not None and span.end_ns >= span.start_ns
        self.agrees(span, ran.exchanges[-1])
        whole = str(msgspec.to_builtins(span.detail))
        for text in call.said:
            assert text in whole

    def test_any_way_has_the_facts_of_the_answer(self, rig: Rig, any_way: Way) -> None:
        rig.start()
        rig.answers(ANSWER)
        ran = rig.ask(any_way)
        span = rig.one()
        assert (span.kind, span.status, span.complete) == ("llm", "ok", True)
        self.agrees(span, ran.exchanges[-1])
        assert text_of(span) == ANSWER.text
        assert asked_of(span) == [QUESTION[0]["content"]]
        assert isinstance(span.detail, LLMCall)
        assert span.detail.stream is isinstance(any_way, Stream)

    def agrees(self, span: Span, exchange: Exchange) -> None:
        """The span says what the server said, as far as it said anything."""
        detail, told = span.detail, exchange.answer
        if isinstance(detail, ModelCall):
            assert detail.response_id == told.id
            assert detail.response_model == told.model
            assert detail.http_status == exchange.status
            headers = {name.lower(): value for name, value in exchange.response_headers}
            assert detail.provider_request_id == headers["x-request-id"]
            counts = self.scenarios.usage(told.usage) if told.usage else {}
            if told.usage is None:
                assert detail.usage is None
            if counts:
                assert detail.usage is not None
                assert {name: getattr(detail.usage, name) for name in counts} == counts
        if isinstance(detail, LLMCall) and told.finish_reasons:
            assert detail.finish == told.finish_reasons
            asked = [p for m in detail.output for p in m.parts if isinstance(p, ToolRequest)]
            assert [(t.id, t.name, t.arguments) for t in asked] == requested(told)

    def test_every_way_gives_the_same_facts(self, rig: Rig) -> None:
        """Whole or streamed, synchronous or not: one answer, one record."""
        ways: list[Way] = [*self.scenarios.ways(), *self.scenarios.streams()]
        rig.start()
        seen: dict[str, dict[str, dict[str, Any]]] = {}
        for way in ways:
            rig.answers(ANSWER)
            rig.memory.clear()
            rig.ask(way)
            seen.setdefault(way.family, {})[way.name] = facts(rig.one())
        for family in seen.values():
            first, *others = family
            for other in others:
                assert family[other] == family[first], (first, other)

    # -- failures ------------------------------------------------------------------------------

    def test_the_caller_gets_the_same_exception(self, rig: Rig, any_way: Way, failure: str) -> None:
        bare = self.failing(rig, any_way, failure)
        rig.start()
        watched = self.failing(rig, any_way, failure)
        assert chain(watched) == chain(bare)
        inner, outer = frames(bare), frames(watched)
        assert outer[-1] == inner[-1]
        assert contains(outer, inner)

    def test_a_failure_is_one_span(self, rig: Rig, any_way: Way, failure: str) -> None:
        rig.start()
        error = self.failing(rig, any_way, failure)
        span, wanted = rig.one(), FAILURES[failure][1]
        assert span.status == ("timeout" if wanted == "timeout" else "error")
        assert span.error is not None
        assert span.error.type == wanted
        assert (span.error.class_name or "").rpartition(".")[2] == type(error).__name__
        assert span.error.message == str(error)
        assert asked_of(span) == [QUESTION[0]["content"]]
        assert isinstance(span.detail, LLMCall)
        exchange = rig.provider.exchanges[-1]
        assert span.detail.http_status == (exchange.status or None)

    def failing(self, rig: Rig, way: Way, failure: str) -> Exception:
        """What the caller catches."""
        rig.answers(FAILURES[failure][0])
        with pytest.raises(Exception) as caught:
            rig.ask(way, timeout_s=0.05 if failure == "timeout" else 10.0)
        return caught.value

    def test_the_very_exception_object_passes(self, rig: Rig, any_way: Way) -> None:
        """Raised below the framework, it comes out untouched, and with nothing "during handling"."""

        class Interruption(BaseException):
            pass

        error = Interruption("planted", 7)
        kind: type[BaseException] = Interruption
        if self.scenarios.catches_base_exceptions:
            kind = BaseException

        def raising() -> None:
            raise error

        rig.start()
        with pytest.raises(kind) as caught:
            rig.ask(any_way, inside=raising)
        found = [link for link in links(caught.value) if link is error]
        assert found == [error]
        assert error.args == ("planted", 7)
        assert error.__context__ is None
        assert error.__cause__ is None
        assert not getattr(error, "__notes__", None)
        assert frames(error)[-1][1] == "raising"
        span = rig.one()
        assert span.status == "error"
        assert span.error is not None

    def test_a_cancelled_call_is_one_span(self, rig: Rig, async_way: Way) -> None:
        async def case() -> None:
            async with rig.client(True) as client:
                task = asyncio.ensure_future(rig.reading(async_way, client, list(QUESTION)))
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        rig.start()
        rig.answers(Hang(30))
        asyncio.run(case())
        span = rig.one()
        assert (span.status, span.error, span.ended_by) == ("cancelled", None, "CancelledError")

    # -- arguments -----------------------------------------------------------------------------

    def test_messages_changed_afterwards_do_not_change_the_record(
        self, rig: Rig, any_way: Way
    ) -> None:
        """Agents append to the list they passed. Here it happens while the server thinks."""
        messages: list[dict[str, Any]] = [{"role": "user", "content": "As it was asked."}]

        def change() -> None:
            messages[0]["content"] = "changed"
            messages.append({"role": "user", "content": "added"})

        rig.start()
        asked = 0

        def answer(_call: object) -> Answer:
            nonlocal asked
            asked += 1
            change()
            return ANSWER

        rig.provider.clear()
        rig.provider.on(lambda _call: True, answer)
        rig.ask(any_way, messages)
        assert asked == 1
        assert asked_of(rig.one()) == ["As it was asked."]

    def test_an_iterator_of_messages_reaches_the_server_whole(self, rig: Rig, any_way: Way) -> None:
        def several() -> Iterator[dict[str, Any]]:
            for number in range(3):
                yield {"role": "user", "content": f"message {number}"}

        rig.answers(ANSWER)
        given: Any = several() if any_way.takes_iterators else list(several())
        bare = evened(rig.ask(any_way, given).exchanges[-1])
        rig.start()
        rig.answers(ANSWER)
        given = several() if any_way.takes_iterators else list(several())
        watched = evened(rig.ask(any_way, given).exchanges[-1])
        assert watched == bare
        for number in range(3):
            assert b"message %d" % number in watched
        assert asked_of(rig.one()) == ["message 0", "message 1", "message 2"]


def evened(exchange: Exchange) -> bytes:
    """The request, with what is random in itself put to something fixed."""
    raw = exchange.raw
    found = re.search(rb'boundary="?([^"\r\n;]+)', raw)
    if found:
        raw = raw.replace(found.group(1), b"-boundary-")
    return re.sub(rb"(?i)(\r\n[a-z-]*idempotency-key: )[^\r\n]*", rb"\1-key-", raw)


def requested(told: Facts) -> list[tuple[str, str, Any]]:
    """The tool calls in the answer, their arguments parsed where they are JSON."""
    calls = []
    for tool in told.tool_calls:
        try:
            arguments = msgspec.json.decode(tool.arguments_json)
        except msgspec.DecodeError:
            arguments = tool.arguments_json
        calls.append((tool.id, tool.name, arguments))
    return calls


OWN_OF_A_CALL = {
    "response_id", "provider_request_id", "stream", "time_to_first_chunk_ns",
    "time_per_output_chunk_ns", "output_tokens_per_s", "chunks", "server_port", "params",
    "params_fingerprint", "system_fingerprint", "service_tier",
}  # fmt: skip


def facts(span: Span) -> dict[str, Any]:
    """What one answer means, whatever way it came: without ids, timing and the request's options."""
    found = {
        name: getattr(span.detail, name)
        for name in span.detail.__struct_fields__
        if name not in OWN_OF_A_CALL
    }
    return {**found, "kind": span.kind, "name": span.name, "status": span.status}


def links(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and what it says it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def chain(error: BaseException) -> list[tuple[type, tuple[str, ...], list[str]]]:
    """Class, arguments and notes of each."""
    return [
        (type(e), tuple(shown(a) for a in e.args), getattr(e, "__notes__", []))
        for e in links(error)
    ]


def shown(argument: Any) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", str(argument))


def frames(error: BaseException) -> list[tuple[str, str]]:
    """File and function of each frame, innermost last."""
    found: list[tuple[str, str]] = []
    tb: TracebackType | None = error.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        found.append((code.co_filename, code.co_name))
        tb = tb.tb_next
    return found


def contains(outer: list[tuple[str, str]], inner: list[tuple[str, str]]) -> bool:
    """Whether every frame of ``inner`` is in ``outer``, in that order."""
    rest = iter(outer)
    return all(frame in rest for frame in inner)
