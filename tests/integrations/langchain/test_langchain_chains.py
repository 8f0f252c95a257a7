"""Chains, tools, retrievers, embeddings, caches, fallbacks and retries."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.globals import set_llm_cache
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import ToolException, tool

import spanloom
from spanloom.testing import Chat, Error, FakeProvider, Tokens
from spanloom.types import Custom, Embedding, LLMCall, Retrieval, RetryEvent, Task, Tool

from .conftest import Recorded

SAID = Chat(text="Hello.", usage=Tokens(9, 3))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_a_chain_is_a_tree(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([SAID])
    chain = ChatPromptTemplate.from_template("Say {it}.") | chat() | StrOutputParser()
    assert chain.invoke({"it": "hello"}) == "Hello."
    assert rec.tree() == [
        "task RunnableSequence",
        "  task ChatPromptTemplate",
        "  llm chat gpt-4o-mini",
        "  task StrOutputParser",
    ]
    root = rec.one(name="RunnableSequence").detail
    assert isinstance(root, Task)
    assert (root.input, root.output) == ({"it": "hello"}, "Hello.")
    prompt = rec.one(name="ChatPromptTemplate").detail
    assert isinstance(prompt, Task)
    assert prompt.output == [{"role": "user", "content": "Say hello."}]
    rec.nothing_open()


def test_parallel_and_nested(rec: Recorded) -> None:
    step = RunnableLambda(lambda x: x + 1, name="step")
    chain = RunnableParallel(a=step, b=step | step)
    assert asyncio.run(chain.ainvoke(1)) == {"a": 2, "b": 3}
    assert sorted(rec.tree()) == sorted([
        "task RunnableParallel<a,b>", "  task step", "  task RunnableSequence", "    task step",
        "    task step",
    ])  # fmt: skip


def test_batch_gives_a_root_for_each_input(rec: Recorded) -> None:
    RunnableLambda(lambda x: x, name="step").batch([1, 2, 3])
    assert len({s.trace_id for s in rec.spans()}) == 3


def test_a_parser_that_fails(rec: Recorded) -> None:
    with pytest.raises(ValueError):
        JsonOutputParser().invoke("no json {")
    span = rec.one()
    assert span.status == "error"
    assert span.error is not None and span.error.type == "parse"


@pytest.mark.field("C2", "children keep their parent across threads and tasks", by="langchain")
def test_children_keep_their_parent(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.on("/chat/completions", SAID)
    model = chat()

    @tool
    def ask(question: str) -> str:
        """Ask on threads of all kinds."""
        thread = Thread(target=model.invoke, args=(question,))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(model.invoke, question).result()

        async def elsewhere() -> None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, model.invoke, question)
            await asyncio.gather(model.ainvoke(question), model.ainvoke(question))

        asyncio.run(elsewhere())
        return "done"

    ask.invoke({"question": "Why?"})
    span = rec.one(kind="tool")
    calls = rec.spans(kind="llm")
    assert len(calls) == 5
    assert {(c.trace_id, c.parent_id) for c in calls} == {(span.trace_id, span.span_id)}


def test_what_the_program_opens_inside_is_nearer(
    rec: Recorded, provider: FakeProvider, chat: Any
) -> None:
    provider.script([SAID])

    def step(_: Any) -> Any:
        with spanloom.session("mine"), spanloom.span("by hand"):
            return chat().invoke("Say hello.").content

    with spanloom.span("around"):
        RunnableLambda(step).invoke(1)
    assert rec.tree() == [
        "task around",
        "  task step",
        "    task by hand",
        "      llm chat gpt-4o-mini",
    ]
    span = rec.one(kind="llm")
    assert span.session is not None and span.session.id == "mine"


# -- tools ---------------------------------------------------------------------------------------


def test_a_tool_has_its_call_id_arguments_and_result(rec: Recorded) -> None:
    add.invoke({"type": "tool_call", "name": "add", "args": {"a": 1, "b": 2}, "id": "call_9"})
    span = rec.one(kind="tool")
    assert span.name == "add"
    assert isinstance(span.detail, Tool)
    assert (span.detail.tool, span.detail.call_id) == ("add", "call_9")
    assert (span.detail.input, span.detail.output) == ({"a": 1, "b": 2}, "3")
    assert "Add two numbers." in (span.detail.description or "")


def test_a_tool_that_fails(rec: Recorded) -> None:
    @tool
    def broken() -> str:
        """Fail."""
        raise ToolException("no luck")

    with pytest.raises(ToolException) as caught:
        broken.invoke({})
    assert caught.value.__context__ is None
    span = rec.one(kind="tool")
    assert span.error is not None
    assert (span.status, span.error.type, span.error.message) == ("error", "tool", "no luck")


def test_a_tool_error_that_is_handled(rec: Recorded) -> None:
    @tool
    def broken() -> str:
        """Fail."""
        raise ToolException("no luck")

    broken.handle_tool_error = True
    broken.invoke({"type": "tool_call", "name": "broken", "args": {}, "id": "c-1"})
    span = rec.one(kind="tool")
    assert isinstance(span.detail, Tool)
    assert (span.status, span.detail.is_error, span.detail.output) == ("ok", True, "no luck")


# -- retrievers and embeddings -------------------------------------------------------------------


class Finder(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [
            Document("a hill", id="d-1", metadata={"score": 0.75, "page": 3}),
            Document("a loom"),
        ]


def test_a_retriever_tells_its_documents(rec: Recorded) -> None:
    Finder().invoke("hills")
    span = rec.one(kind="retrieval")
    assert isinstance(span.detail, Retrieval)
    assert span.detail.query == "hills"
    first, second = span.detail.documents
    assert (first.id, first.content, first.score) == ("d-1", "a hill", 0.75)
    assert first.metadata["page"] == 3
    assert (second.content, second.score) == ("a loom", None)


def test_a_retriever_that_fails(rec: Recorded) -> None:
    class Lost(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            raise ConnectionError("nobody is there")

    with pytest.raises(ConnectionError):
        (RunnableLambda(str) | Lost()).invoke("hills")
    span = rec.one(kind="retrieval")
    assert isinstance(span.detail, Retrieval) and span.error is not None
    assert (span.status, span.error.type, span.detail.query) == ("error", "connection", "hills")
    rec.nothing_open()


class Lengths(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text)), 0.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_embeddings_are_one_span_each(rec: Recorded) -> None:
    model = Lengths()
    assert model.embed_query("abc") == [3.0, 0.0]
    assert model.embed_documents(["a", "bc"]) == [[1.0, 0.0], [2.0, 0.0]]
    assert asyncio.run(model.aembed_query("abcd")) == [4.0, 0.0]
    details = [s.detail for s in rec.spans(kind="embedding")]
    assert [d.count for d in details if isinstance(d, Embedding)] == [1, 2, 1]
    assert [d.dimensions for d in details if isinstance(d, Embedding)] == [2, 2, 2]
    assert [d.input for d in details if isinstance(d, Embedding)] == [
        ["abc"],
        ["a", "bc"],
        ["abcd"],
    ]


def test_a_class_made_later_is_recorded_and_both_are_put_back(rec: Recorded) -> None:
    class Later(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            raise LookupError(text)

    with pytest.raises(LookupError):
        Later().embed_query("abc")
    span = rec.one(kind="embedding")
    assert span.status == "error"
    assert hasattr(vars(Later)["embed_query"], "__wrapped__")
    spanloom.uninstrument("langchain")
    assert not hasattr(vars(Later)["embed_query"], "__wrapped__")
    assert not hasattr(vars(Lengths)["embed_query"], "__wrapped__")
    assert "__init_subclass__" not in vars(Embeddings)


@pytest.mark.field("A1", "OpenAIEmbeddings over the SDK is one embedding span", by="langchain")
def test_embeddings_over_the_sdk_are_one_span(rec: Recorded, provider: FakeProvider) -> None:
    from langchain_openai import OpenAIEmbeddings

    model = OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=provider.url, api_key="any",
        check_embedding_ctx_length=False,
    )  # fmt: skip
    model.embed_query("abc")
    asyncio.run(model.aembed_documents(["a", "b"]))
    spans = rec.spans(kind="embedding")
    assert len(spans) == 2
    for span, exchange in zip(spans, provider.exchanges, strict=True):
        assert isinstance(span.detail, Embedding)
        assert span.detail.usage is not None and exchange.answer.usage is not None
        assert span.detail.usage.input == exchange.answer.usage["prompt_tokens"]
        assert span.detail.http_status == 200


# -- caches, fallbacks, retries, events ----------------------------------------------------------


@pytest.fixture
def cache() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


@pytest.mark.field("B3", "a hit of LangChain's cache costs nothing and says so", by="langchain")
@pytest.mark.parametrize("integrations", [["langchain"], ["langchain", "openai"]])
def test_a_cache_hit_costs_nothing(
    start: Callable[..., Recorded], provider: FakeProvider, chat: Any, cache: None,
    integrations: list[str],
) -> None:  # fmt: skip
    rec = start(integrations=integrations)
    provider.script([SAID])
    model = chat()
    assert model.invoke("Why?").content == model.invoke("Why?").content == "Hello."
    asked, hit = (s.detail for s in rec.spans(kind="llm"))
    assert isinstance(asked, LLMCall) and isinstance(hit, LLMCall)
    assert asked.cache is None and asked.usage is not None and asked.usage.total == 12
    assert hit.cache is not None and (hit.cache.kind, hit.cache.hit) == ("response", True)
    assert hit.usage is None
    assert hit.cost is not None and (hit.cost.total_usd, hit.cost.reason) == (0.0, "cache hit")
    assert len(provider.exchanges) == 1


def test_a_fallback_tells_from_what_and_to_what(
    rec: Recorded, provider: FakeProvider, chat: Any
) -> None:
    provider.script([Error(500), SAID])
    chat().with_fallbacks([chat(model="gpt-4o")]).invoke("Why?")
    failed, used = rec.spans(kind="llm")
    assert rec.tree()[0] == "task RunnableWithFallbacks"
    assert failed.parent_id == used.parent_id
    assert failed.status == "error"
    assert failed.error is not None and failed.error.type == "server"
    assert isinstance(used.detail, LLMCall)
    assert (used.detail.fallback_from, used.detail.fallback_to) == ("gpt-4o-mini", "gpt-4o")


def test_a_retry_tells_of_each_attempt(rec: Recorded, provider: FakeProvider, chat: Any) -> None:
    provider.script([Error(500), Error(429), SAID])
    model = chat().with_retry(wait_exponential_jitter=False, stop_after_attempt=3)
    model.invoke("Why?")
    assert [s.status for s in rec.spans(kind="llm")] == ["error", "error", "ok"]
    (root,) = [s for s in rec.spans() if s.kind == "task"]
    retries = [e for e in root.events if isinstance(e, RetryEvent)]
    assert [e.attempt for e in retries] == [2, 3]
    assert all(e.reason.endswith("Error") for e in retries)


def test_a_custom_event_is_on_the_span(rec: Recorded) -> None:
    def step(x: int) -> int:
        dispatch_custom_event("progress", {"done": x})
        dispatch_custom_event("note", "all well")
        return x

    RunnableLambda(step).invoke(3)
    progress, said = rec.one().events
    assert isinstance(progress, Custom) and isinstance(said, Custom)
    assert (progress.name, dict(progress.attributes)) == ("progress", {"done": 3})
    assert (said.name, dict(said.attributes)) == ("note", {"data": "all well"})


def test_the_users_own_handlers_hear_the_same(start: Callable[..., Recorded]) -> None:
    def heard() -> list[str]:
        said: list[str] = []

        class Own(BaseCallbackHandler):
            def on_chain_start(self, *_: Any, **about: Any) -> None:
                said.append(f"start {about.get('name')}")

            def on_chain_end(self, *_: Any, **__: Any) -> None:
                said.append("end")

            def on_tool_start(self, *_: Any, **__: Any) -> None:
                said.append("tool")

        RunnableLambda(lambda x: add.invoke(x), name="step").invoke(
            {"a": 1, "b": 2}, {"callbacks": [Own()]}
        )
        return said

    bare = heard()
    start()
    assert heard() == bare == ["start step", "tool", "end"]


async def test_the_users_handlers_hear_of_completions_too(start: Callable[..., Recorded]) -> None:
    """LangChain leaves them out beside a handler that runs inline."""
    from langchain_core.language_models.fake import FakeListLLM

    async def heard() -> list[str]:
        said: list[str] = []

        class Own(AsyncCallbackHandler):
            async def on_llm_start(self, _: Any, prompts: list[str], **__: Any) -> None:
                said.append(f"start {prompts}")

            async def on_llm_end(self, *_: Any, **__: Any) -> None:
                said.append("end")

        model = FakeListLLM(responses=["a", "b"])
        await model.agenerate(["x", "y"], callbacks=[Own()])
        return said

    bare = await heard()
    rec = start()
    assert await heard() == bare
    assert sorted(bare) == ["end", "end", "start ['x']", "start ['y']"]
    assert len(rec.spans(kind="llm")) == 2


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no name")


@pytest.mark.field("F5", "whatever a step returns, its span ends", by="langchain")
@pytest.mark.parametrize("value", [Odd(), b"\xff\x00", float("nan"), "\ud800", {1: {2: {3}}}])
def test_output_that_is_no_json(rec: Recorded, value: Any) -> None:
    RunnableLambda(lambda _: value).invoke(1)
    assert rec.one().status == "ok"


def test_a_cycle(rec: Recorded) -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    RunnableLambda(lambda _: value).invoke(1)
    assert rec.one().status == "ok"
