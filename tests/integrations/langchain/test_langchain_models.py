"""Models: one ``llm`` span for a call, with the facts of both layers, however it is made."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

import spanloom
from spanloom.testing import Chat, Error, FakeProvider, Hang, Tokens, ToolCall
from spanloom.types import Cost, LLMCall, Media, Span, Text, ToolRequest, ToolResult, Usage

from .conftest import Recorded

TOLD = Chat(
    text="Hello there you.", chunks=("Hello ", "there ", "you."),
    usage=Tokens(21, 8, cached=5, reasoning=3), finish_reason="stop",
)  # fmt: skip


def call(span: Span) -> LLMCall:
    assert isinstance(span.detail, LLMCall)
    return span.detail


def whole(model: Any) -> Any:
    return model.invoke("Say hello.")


def streamed(model: Any) -> Any:
    return list(model.stream("Say hello."))


def awaited(model: Any) -> Any:
    return asyncio.run(model.ainvoke("Say hello."))


def astreamed(model: Any) -> Any:
    async def read() -> Any:
        return [chunk async for chunk in model.astream("Say hello.")]

    return asyncio.run(read())


def batched(model: Any) -> Any:
    return model.batch(["Say hello."])


WAYS: list[Callable[[Any], Any]] = [whole, streamed, awaited, astreamed, batched]


@pytest.mark.field("A1", "ChatOpenAI over the SDK is one llm span, tokens once", by="langchain")
@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_one_call_is_one_span_with_the_facts_of_both_layers(
    rec: Recorded, provider: FakeProvider, chat: Any, way: Callable[[Any], Any], outer: bool
) -> None:
    provider.script([TOLD])
    model = chat(temperature=0.5, max_tokens=50)
    if outer:
        with spanloom.agent("around"):
            way(model)
    else:
        way(model)
    span = rec.one(kind="llm")
    (exchange,) = provider.exchanges
    detail = call(span)
    assert (span.name, span.integration, span.status) == ("chat gpt-4o-mini", "langchain", "ok")
    assert detail.usage is not None
    assert (detail.usage.input, detail.usage.output) == (21, 8)
    assert (detail.usage.cached, detail.usage.reasoning) == (5, 3)
    assert (detail.response_id, detail.response_model) == (
        exchange.answer.id,
        exchange.answer.model,
    )
    assert (detail.temperature, detail.max_tokens, detail.http_status) == (0.5, 50, 200)
    assert detail.finish == ("stop",)
    assert detail.output[0].parts == (Text(text="Hello there you."),)
    assert detail.stream is ("stream" in way.__name__)
    assert (detail.time_to_first_chunk_ns is not None) is detail.stream
    assert (span.parent_id is not None) is outer
    rec.nothing_open()


@pytest.mark.parametrize("way", WAYS)
def test_without_the_sdk_recorded_langchain_knows_enough(
    start: Callable[..., Recorded], provider: FakeProvider, chat: Any, way: Callable[[Any], Any]
) -> None:
    rec = start(integrations=["langchain"])
    provider.script([TOLD])
    way(chat(temperature=0.5))
    detail = call(rec.one(kind="llm"))
    assert detail.usage is not None
    assert (detail.usage.input, detail.usage.output, detail.usage.total) == (21, 8, 29)
    assert (detail.usage.cached, detail.usage.reasoning) == (5, 3)
    assert (detail.provider, detail.model) == ("openai", "gpt-4o-mini")
    assert detail.response_model == provider.exchanges[0].answer.model
    assert detail.finish == ("stop",)
    assert detail.output[0].parts == (Text(text="Hello there you."),)
    if detail.stream:
        assert detail.time_to_first_chunk_ns is not None
        assert detail.chunks == 3


@pytest.mark.field("B2", "a stream whose usage nobody asked for has none", by="langchain")
def test_a_stream_without_usage_has_none(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Chat(text="Hello.", usage=Tokens(9, 3))])
    list(chat(stream_usage=False).stream("Say hello."))
    assert call(rec.one(kind="llm")).usage is None


@pytest.mark.field("B4", "several choices do not multiply the usage", by="langchain")
@pytest.mark.parametrize("integrations", [["langchain"], ["langchain", "openai"]])
def test_choices_do_not_multiply_usage(
    start: Callable[..., Recorded], provider: FakeProvider, chat: Any, integrations: list[str]
) -> None:
    rec = start(integrations=integrations)
    provider.script([Chat(text=("One.", "Two."), usage=Tokens(9, 5))])
    chat(n=2).invoke("Say hello.")
    detail = call(rec.one(kind="llm"))
    assert detail.usage is not None
    assert (detail.usage.input, detail.usage.output) == (9, 5)
    assert [m.parts for m in detail.output] == [(Text(text="One."),), (Text(text="Two."),)]


def test_messages_of_all_kinds(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Chat(tool_calls=(ToolCall("add", {"a": 1}, id="c-2"),))])
    chat().invoke([
        SystemMessage("Be brief."),
        HumanMessage([
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ]),
        AIMessage("", tool_calls=[{"name": "look", "args": {"at": "it"}, "id": "c-1"}]),
        ToolMessage("a cat", tool_call_id="c-1", name="look"),
    ])  # fmt: skip
    detail = call(rec.one(kind="llm"))
    assert [m.role for m in detail.input] == ["system", "user", "assistant", "tool"]
    assert detail.input[1].parts[1] == Media(media="image", url="https://example.com/a.png")
    assert detail.input[2].parts == (ToolRequest(name="look", id="c-1", arguments={"at": "it"}),)
    result = detail.input[3].parts[0]
    assert isinstance(result, ToolResult)
    assert (result.id, result.result) == ("c-1", "a cat")
    assert detail.output[0].parts == (ToolRequest(name="add", id="c-2", arguments={"a": 1}),)


def test_a_completion_model(rec: Recorded, provider: FakeProvider) -> None:
    from langchain_openai import OpenAI

    provider.script([Chat(text="Hello.", usage=Tokens(9, 3))])
    OpenAI(model="gpt-3.5-turbo-instruct", base_url=provider.url, api_key="any").invoke("Say")
    span = rec.one(kind="llm")
    detail = call(span)
    assert span.name == "text_completion gpt-3.5-turbo-instruct"
    assert detail.operation == "text_completion"
    assert detail.usage is not None and detail.usage.total == 12


@pytest.mark.filterwarnings("ignore:Unexpected type for token usage")  # langchain-openai's own
@pytest.mark.parametrize("asynchronous", [False, True])
def test_prompts_of_one_generate_each_have_their_own_call(
    rec: Recorded, provider: FakeProvider, chat: Any, asynchronous: bool
) -> None:
    """All their starts come before the first request."""
    provider.on(
        "/chat/completions", lambda c: Chat(text=c.text.upper(), usage=Tokens(len(c.text), 1))
    )
    prompts = [[HumanMessage("a" * n)] for n in (1, 2, 3)]
    with spanloom.span("around"):
        if asynchronous:
            asyncio.run(chat().agenerate(prompts))
        else:
            chat().generate(prompts)
    spans = rec.spans(kind="llm")
    assert len({s.parent_id for s in spans}) == 1
    told = []
    for span in spans:
        detail = call(span)
        asked, answered = detail.input[0].parts[0], detail.output[0].parts[0]
        assert isinstance(asked, Text) and isinstance(answered, Text) and detail.usage is not None
        assert answered.text == asked.text.upper()
        told.append((len(asked.text), detail.usage.input))
    assert told == [(1, 1), (2, 2), (3, 3)]
    rec.nothing_open()


async def test_what_comes_after_a_cancelled_call_is_not_inside_it(
    start: Callable[..., Recorded], provider: FakeProvider, chat: Any
) -> None:
    """LangChain tells nothing of the end, and the task goes on."""
    rec = start(integrations=["langchain"])
    provider.script([Hang(30), TOLD])
    model = chat()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await model.ainvoke("first")
    await model.ainvoke("second")
    first, second = rec.spans(kind="llm")
    assert (first.ended_by, first.complete) == ("abandoned", False)
    assert second.status == "ok"
    assert second.parent_id is None
    assert call(second).usage is not None
    rec.nothing_open()


def test_a_model_that_asks_another_is_one_call(rec: Recorded) -> None:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    class Wrapper(GenericFakeChatModel):
        inner: Any

        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            self.inner.invoke(messages)
            return super()._generate(messages, *args, **kwargs)

    inner = GenericFakeChatModel(messages=iter([AIMessage("inner")]))
    Wrapper(messages=iter([AIMessage("outer")]), inner=inner).invoke("Say")
    rec.one(kind="llm")
    rec.nothing_open()


# -- streams -------------------------------------------------------------------------------------


@pytest.mark.field("D2", "a stream that is left early is one span, ended at once", by="langchain")
@pytest.mark.parametrize("how", ["close", "collect", "acollect", "aclose"])
def test_a_stream_left_early(rec: Recorded, provider: FakeProvider, chat: Any, how: str) -> None:
    provider.script([Hang(30, after_chunks=3, answer=TOLD)])

    async def areading() -> None:
        stream = chat().astream("Say hello.")
        async for chunk in stream:
            if chunk.content:
                break
        if how == "aclose":
            await stream.aclose()
        del stream, chunk
        for _ in range(5):
            gc.collect()
            await asyncio.sleep(0.01)
        self_ended(rec)

    def reading() -> None:
        stream = chat().stream("Say hello.")
        for chunk in stream:
            if chunk.content:
                break
        if how == "close":
            stream.close()
        del stream, chunk
        gc.collect()
        self_ended(rec)

    asyncio.run(areading()) if how.startswith("a") else reading()


def self_ended(rec: Recorded) -> None:
    span = rec.one(kind="llm")
    assert (span.status, span.error, span.complete) == ("ok", None, False)
    said = "".join(p.text for p in call(span).output[0].parts if isinstance(p, Text))
    assert said.startswith("Hello")
    rec.nothing_open()


@pytest.mark.field("D2", "a cancelled call that gets no end is ended all the same", by="langchain")
@pytest.mark.parametrize("in_a_chain", [False, True])
async def test_a_cancelled_call_does_not_stay_open(
    rec: Recorded, provider: FakeProvider, chat: Any, in_a_chain: bool
) -> None:
    from langchain_core.runnables import RunnableLambda

    provider.script([Hang(30)])
    model = chat()
    if in_a_chain:
        model = RunnableLambda(lambda x: x) | model
    with spanloom.span("around"):
        task = asyncio.ensure_future(model.ainvoke("Say hello."))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    span = rec.one(kind="llm")
    assert (span.status, span.error) == ("cancelled", None)
    rec.nothing_open()


@pytest.mark.field("D7", "the caller gets the same exception", by="langchain")
@pytest.mark.parametrize("way", WAYS)
def test_an_error_passes_unchanged(
    start: Callable[..., Recorded], provider: FakeProvider, chat: Any, way: Callable[[Any], Any]
) -> None:
    def failing() -> BaseException:
        provider.clear()
        provider.script([Error(429)])
        with pytest.raises(Exception) as caught:
            way(chat())
        return caught.value

    bare = failing()
    rec = start()
    watched = failing()
    assert type(watched) is type(bare)
    assert str(watched) == str(bare)
    assert type(watched.__context__) is type(bare.__context__)
    span = rec.one(kind="llm")
    assert span.status == "error"
    assert span.error is not None
    assert (span.error.type, span.error.message) == ("rate_limit", str(bare))
    assert call(span).http_status == 429
    rec.nothing_open()


@pytest.mark.field("C1", "work between the items of a stream is the consumer's", by="langchain")
@pytest.mark.parametrize("otel", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_work_between_the_items_is_the_consumers(
    rec: Recorded, provider: FakeProvider, chat: Any, asynchronous: bool, otel: bool
) -> None:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    if otel:
        import opentelemetry.trace  # noqa: F401
    provider.script([TOLD, TOLD])
    chain = ChatPromptTemplate.from_template("Say {it}.") | chat() | StrOutputParser()

    async def read() -> None:
        with spanloom.span("outer") as outer:
            async for _ in chain.astream({"it": "hello"}):
                assert spanloom.current_span() is outer
                with spanloom.span("between"):
                    pass
        assert spanloom.current_span() is None

    if asynchronous:
        asyncio.run(read())
    else:
        with spanloom.span("outer") as outer:
            for _ in chain.stream({"it": "hello"}):
                assert spanloom.current_span() is outer
                with spanloom.span("between"):
                    pass
        assert spanloom.current_span() is None
    top = rec.one(name="outer")
    between = rec.spans(name="between")
    assert between
    assert {s.parent_id for s in between} == {top.span_id}
    assert rec.one(name="RunnableSequence").parent_id == top.span_id


@pytest.mark.field("D1", "what the caller gets is what it was", by="langchain")
def test_values_and_types_are_the_same(
    start: Callable[..., Recorded], provider: FakeProvider, chat: Any
) -> None:
    def run() -> list[Any]:
        provider.clear()
        provider.script([TOLD, TOLD])
        one = chat().invoke("Say hello.")
        pieces = list(chat().stream("Say hello."))
        return [type(one), one.content, one.usage_metadata, [type(p) for p in pieces],
                [p.content for p in pieces]]  # fmt: skip

    bare = run()
    start()
    assert run() == bare


@pytest.mark.field(
    "H5", "nothing of a call is held, and the record does not change", by="langchain"
)
def test_a_message_changed_afterwards_does_not_change_the_record(
    rec: Recorded, provider: FakeProvider, chat: Any
) -> None:
    asked = HumanMessage("As it was asked.")
    thread = [asked]

    def answer(_call: Any) -> Chat:
        asked.content = "changed"
        thread.append(HumanMessage("added"))
        return TOLD

    provider.on("/chat/completions", answer)
    chat().invoke(thread)
    detail = call(rec.one(kind="llm"))
    assert [m.parts for m in detail.input] == [(Text(text="As it was asked."),)]


def test_usage_of_a_model_without_any(rec: Recorded) -> None:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    GenericFakeChatModel(messages=iter([AIMessage("Hello.")])).invoke("Say")
    detail = call(rec.one(kind="llm"))
    assert (detail.usage, detail.response_id) == (None, None)
    assert detail.cost == Cost(reason="no usage is known")


def test_usage_details_of_any_provider(rec: Recorded) -> None:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    used = {
        "input_tokens": 30, "output_tokens": 9, "total_tokens": 39,
        "input_token_details": {"cache_read": 4, "cache_creation": 6},
        "output_token_details": {"reasoning": 5},
    }  # fmt: skip
    message = AIMessage("Hello.", usage_metadata=used)
    GenericFakeChatModel(messages=iter([message])).invoke("Say")
    assert call(rec.one(kind="llm")).usage == Usage(
        input=30, output=9, total=39, cached=4, cache_write=6, reasoning=5
    )


@pytest.mark.parametrize("name", ["token_usage", "token_count"])
@pytest.mark.parametrize(
    "said", [("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")]
)
def test_usage_in_the_providers_own_form(rec: Recorded, name: str, said: tuple[str, str]) -> None:
    """Where LangChain's form is missing, as in streams of langchain-cohere, whose counts are floats."""
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    counts = {said[0]: 12.0, said[1]: 47.0, "total_tokens": 59.0}
    message = AIMessage("Hello.", response_metadata={name: counts})
    GenericFakeChatModel(messages=iter([message])).invoke("Say")
    used = call(rec.one(kind="llm")).usage
    assert used == Usage(input=12, output=47, total=59)
    assert used is not None and type(used.input) is int
