"""A5, A7, B2, B4: one call is one span, and its tokens count once."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

import spanloom
from spanloom.testing import Body, Chat, FakeProvider
from spanloom.testing.answers import Tokens
from spanloom.types import Usage

from .conftest import Watched
from .programs import Programs

ASK: list[Any] = [{"role": "user", "content": "What is a loom?"}]


@pytest.mark.field("A5", "a client that overrides the patched method: one span", by="openai")
def test_override_that_calls_the_original(watched: Watched, provider: FakeProvider) -> None:
    class Counting(openai.OpenAI):
        requests = 0

        def request(self, *args: Any, **kwargs: Any) -> Any:
            self.requests += 1
            return super().request(*args, **kwargs)

    with Counting(base_url=provider.url, api_key="any") as client:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        client.chat.completions.parse(model="gpt-4o", messages=ASK)
        client.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASK)
    assert client.requests == 3
    assert len(watched.spans()) == 3


@pytest.mark.field("A5", "a recorded method over a recorded method: one model call", by="manual")
def test_recorded_override_of_a_recorded_method(watched: Watched) -> None:
    class Model:
        @spanloom.span("ask", kind="llm")
        def ask(self, text: str) -> str:
            return text.upper()

    class Loud(Model):
        @spanloom.span("ask loudly", kind="llm")
        def ask(self, text: str) -> str:
            return super().ask(text) + "!"

    assert Loud().ask("hi") == "HI!"
    assert watched.one().name == "ask loudly"


@pytest.mark.field("A5", "the SDK's call within a call recorded by hand: one span, tokens once")
def test_call_recorded_by_hand_around_the_sdk(watched: Watched, client: openai.OpenAI) -> None:
    with spanloom.llm_call(model="gpt-4o") as call:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    span = watched.one(kind="llm")
    assert span.span_id == call.span_id
    assert span.detail.usage.total == span.detail.usage.input + span.detail.usage.output
    assert span.detail.response_id


@pytest.mark.field("A7", "a second init takes the place of the first")
def test_init_again(
    start: Callable[..., Watched], client: openai.OpenAI, provider: FakeProvider
) -> None:
    def work() -> None:
        with spanloom.task("step"):
            client.chat.completions.create(model="gpt-4o", messages=ASK)

    backends = [start(), start(content="full"), start(content="none")]
    work()
    spanloom.flush()
    assert [len(b.backend.spans) for b in backends] == [0, 0, 2]
    backends.append(start(processors=[lambda span: span]))
    work()
    spanloom.flush()
    assert [len(b.backend.spans) for b in backends] == [0, 0, 2, 2]
    assert len(provider.exchanges) == 2
    call = next(s for s in backends[-1].backend.spans if s.kind == "llm")
    assert call.detail.input[0].parts[0].text == "What is a loom?", "content='none' is gone"


@pytest.mark.field("A7", "a span that is open at a second init ends once, in the new record")
def test_init_within_a_span(start: Callable[..., Watched], client: openai.OpenAI) -> None:
    first = start()
    with spanloom.workflow("long"):
        client.chat.completions.create(model="gpt-4o", messages=ASK)
        second = start()
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert [s.kind for s in second.spans()] == ["llm", "workflow"]
    assert [s.kind for s in first.backend.spans] == ["llm"]
    assert len({s.trace_id for s in first.backend.spans + second.spans()}) == 1


@pytest.mark.field("A7", "spanloom imported afresh records nothing twice")
def test_import_again(programs: Programs, provider: FakeProvider) -> None:
    programs.run("""
        import sys
        import openai, spanloom

        client = openai.OpenAI()

        def work():
            with spanloom.task("step"):
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
                )
        spanloom.init()
        work()
        spanloom.flush()
        for name in [n for n in sys.modules if n.partition(".")[0].startswith("spanloom")]:
            del sys.modules[name]
        import spanloom
        spanloom.init()
        spanloom.init()
        work()
        client.close()
    """)
    assert len(provider.exchanges) == 2
    kept = programs.kept()
    assert kept.names() == ["chat gpt-4o", "chat gpt-4o", "step", "step"]
    for call, step in zip(kept.named("chat gpt-4o"), kept.named("step"), strict=True):
        assert call.parent_id == step.span_id


@pytest.mark.field("B2", "a stream keeps cached and reasoning tokens; untold is absent, not zero")
def test_usage_of_streams(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    tokens = Tokens(prompt=1200, completion=70, cached=1024, reasoning=64)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBO" * 5000}}
    for options in ({"stream_options": {"include_usage": True}}, {}):
        provider.script([Chat(text="one two three", usage=tokens)])
        list(
            client.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": [image]}],
                stream=True,
                **options,
            )
        )
    told, untold = watched.spans()
    assert told.detail.usage == Usage(
        input=1200, output=70, total=1270, cached=1024, reasoning=64, input_audio=0,
        output_audio=0, accepted_prediction=0, rejected_prediction=0,
    )  # fmt: skip
    assert untold.detail.usage is None


@pytest.mark.field("B2", "tokens given by hand are kept as given; ungiven are absent", by="manual")
def test_usage_by_hand(watched: Watched) -> None:
    with spanloom.llm_call(model="m") as call:
        call.record(usage={"input": 9, "cached": 4})
    with spanloom.llm_call(model="m"):
        pass
    told, untold = watched.spans()
    assert told.detail.usage == Usage(input=9, cached=4)
    assert untold.detail.usage is None


@pytest.mark.field("B4", "several choices do not multiply the usage", by="openai")
@pytest.mark.parametrize("stream", [False, True])
def test_usage_of_choices(
    watched: Watched, client: openai.OpenAI, provider: FakeProvider, stream: bool
) -> None:
    provider.script([Chat(text=("a", "b", "c"), usage=Tokens(prompt=10, completion=30))])
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
    reply: Any = client.chat.completions.create(
        model="gpt-4o", messages=ASK, n=3, stream=stream, **options
    )
    if stream:
        list(reply)
    span = watched.one()
    assert (span.detail.usage.input, span.detail.usage.output) == (10, 30)
    assert [m.parts[0].text for m in span.detail.output] == ["a", "b", "c"]
    assert len(span.detail.finish) == 3


@pytest.mark.field("B4", "of usage that grows from chunk to chunk, the last counts", by="openai")
def test_cumulative_usage(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    chunks = [
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop" if n == 5 else None}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": n, "total_tokens": 10 + n},
        }
        for n in range(1, 6)
    ]
    lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    provider.script([Body(lines.encode(), headers={"content-type": "text/event-stream"})])
    assert len(list(client.chat.completions.create(model="m", messages=ASK, stream=True))) == 5
    span = watched.one()
    assert span.detail.usage == Usage(input=10, output=5, total=15)
    assert span.detail.output[0].parts[0].text == "xxxxx"


@pytest.mark.field("B4", "usage recorded again takes the place of the first", by="manual")
def test_usage_recorded_again(watched: Watched) -> None:
    with spanloom.llm_call(model="m") as call:
        for n in (1, 2, 3):
            call.record(usage={"input": 10, "output": n})
    assert watched.one().detail.usage == Usage(input=10, output=3)
