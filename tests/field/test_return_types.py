"""D1, D3 to D6: what the SDK and the program's functions return stays what it was."""

import copy
import functools
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai._base_client import AsyncAPIClient, SyncAPIClient

import spanloom
from spanloom.testing import Chat, FakeProvider

from .conftest import Watched

ASK: list[Any] = [{"role": "user", "content": "Count."}]
LONG = Chat(text="one two three four", chunks=("one ", "two ", "three ", "four"))


# -- D1 -------------------------------------------------------------------------------------------


def raised(stream: Any) -> BaseException:
    try:
        list(stream)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.field("D1", "a stream is the SDK's own, with all its attributes", by="openai")
def test_stream_object(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    provider.script([LONG] * 5)

    def ask() -> Any:
        return client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)

    spanloom.uninstrument()
    plain = ask()
    attributes, ways = dir(plain), dir(plain.response)
    plain.close()
    closed = raised(plain)
    spanloom.instrument("openai")
    with ask() as stream:
        assert type(stream) is openai.Stream
        assert dir(stream) == attributes
        assert dir(stream.response) == ways
        assert stream.response.status_code == 200
        assert stream.response.headers["x-request-id"].startswith("req_")
        first = next(stream)
        assert type(first).__name__ == "ChatCompletionChunk"
        assert next(iter(stream)).choices[0].delta.content == "one "
        rest = list(stream)
        assert rest[-1].choices[0].finish_reason == "stop"
        with pytest.raises(StopIteration):
            next(stream)
    stream = ask()
    stream.close()
    assert stream.response.is_closed
    stream = ask()
    stream.response.close()
    with pytest.raises(type(closed)):
        list(stream)
    assert len(watched.spans()) == 3


@pytest.mark.field("D1", "an async stream is the SDK's own", by="openai")
async def test_async_stream_object(
    watched: Watched, aclient: openai.AsyncOpenAI, provider: FakeProvider
) -> None:
    provider.script([LONG] * 3)

    async def ask() -> Any:
        return await aclient.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)

    async with await ask() as stream:
        assert type(stream) is openai.AsyncStream
        assert (await anext(stream)).object == "chat.completion.chunk"
        assert len([c async for c in stream]) >= 4
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    stream = await ask()
    await stream.close()
    assert stream.response.is_closed
    assert [s.complete for s in watched.spans()] == [True, False]


@pytest.mark.field("D1", "the stream helpers of the SDK give their events and results", by="openai")
def test_stream_helpers(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    provider.script([LONG, LONG, LONG])
    with client.chat.completions.stream(model="gpt-4o", messages=ASK) as events:
        kinds = {event.type for event in events}
        assert {"chunk", "content.delta", "content.done"} <= kinds
        assert events.get_final_completion().choices[0].message.content == "one two three four"
    with client.chat.completions.stream(model="gpt-4o", messages=ASK) as events:
        events.until_done()
    with client.responses.stream(model="gpt-4o", input="Count.") as answers:
        assert any(event.type == "response.output_text.delta" for event in answers)
        assert answers.get_final_response().output_text == "one two three four"
    spans = watched.spans(kind="llm")
    assert [s.complete for s in spans] == [True] * 3
    assert [s.detail.output[0].parts[0].text for s in spans] == ["one two three four"] * 3


# -- D3 -------------------------------------------------------------------------------------------


@pytest.mark.field("D3", "raw and streaming responses: recorded and unchanged", by="openai")
def test_raw_responses(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    provider.script([LONG] * 7)
    chat = client.chat.completions
    raw = chat.with_raw_response.create(model="gpt-4o", messages=ASK)
    assert raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == "one two three four"
    raw = chat.with_raw_response.create(model="gpt-4o", messages=ASK, stream=True)
    assert len(list(raw.parse())) >= 5
    with chat.with_streaming_response.create(model="gpt-4o", messages=ASK) as response:
        assert response.parse().choices[0].message.content == "one two three four"
    with chat.with_streaming_response.create(model="gpt-4o", messages=ASK) as response:
        assert b"three" in b"".join(response.iter_bytes(7))
    with chat.with_streaming_response.create(model="gpt-4o", messages=ASK, stream=True) as response:
        assert sum(line.startswith("data: ") for line in response.iter_lines()) >= 5
    with chat.with_streaming_response.create(model="gpt-4o", messages=ASK, stream=True) as response:
        assert len(list(response.parse())) >= 5
    with chat.with_streaming_response.create(model="gpt-4o", messages=ASK, stream=True):
        pass
    spans = watched.spans(kind="llm")
    assert len(spans) == 7
    for span in spans[:-1]:
        assert span.complete
        assert span.detail.output[0].parts[0].text == "one two three four"
        assert span.detail.http_status == 200
    assert not spans[-1].complete


@pytest.mark.field("D3", "async raw and streaming responses: recorded and unchanged", by="openai")
async def test_async_raw_responses(
    watched: Watched, aclient: openai.AsyncOpenAI, provider: FakeProvider
) -> None:
    provider.script([LONG] * 4)
    chat = aclient.chat.completions
    raw = await chat.with_raw_response.create(model="gpt-4o", messages=ASK)
    assert raw.parse().choices[0].message.content == "one two three four"
    raw = await chat.with_raw_response.create(model="gpt-4o", messages=ASK, stream=True)
    assert len([c async for c in raw.parse()]) >= 5
    async with chat.with_streaming_response.create(model="gpt-4o", messages=ASK) as response:
        assert (await response.parse()).choices[0].message.content == "one two three four"
    async with chat.with_streaming_response.create(
        model="gpt-4o", messages=ASK, stream=True
    ) as response:
        assert len([line async for line in response.iter_lines()]) >= 5
    spans = watched.spans(kind="llm")
    assert [s.detail.output[0].parts[0].text for s in spans] == ["one two three four"] * 4


# -- D4 -------------------------------------------------------------------------------------------


@pytest.mark.field(
    "D4", "an iterator as messages, input or tools reaches the API whole", by="openai"
)
def test_iterators(watched: Watched, client: openai.OpenAI, provider: FakeProvider) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    client.chat.completions.create(
        model="gpt-4o",
        messages=(m for m in [{"role": "system", "content": "Be brief."}, *ASK]),
        tools=iter([tool]),
    )
    client.embeddings.create(model="text-embedding-3-small", input=(t for t in ["a", "b"]))
    tool = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
    client.responses.create(model="gpt-4o", input="Count.", tools=(t for t in [tool]))
    chat, embeddings, response = (e.json for e in provider.exchanges)
    assert [m["content"] for m in chat["messages"]] == ["Be brief.", "Count."]
    assert [t["function"]["name"] for t in chat["tools"]] == ["add"]
    assert embeddings["input"] == ["a", "b"]
    assert response["tools"] == [tool]
    spans = watched.spans()
    assert [len(s.detail.input) for s in spans] == [2, 2, 1]
    assert [[t.name for t in s.detail.tools] for s in (spans[0], spans[2])] == [["add"], ["add"]]


@pytest.mark.field("D4", "an iterator given to a recorded function reaches it whole", by="manual")
def test_iterators_by_hand(watched: Watched) -> None:
    @spanloom.tool
    def total(numbers: Any) -> int:
        return sum(numbers)

    assert total(iter([1, 2, 3])) == 6
    assert total(n for n in [1, 2, 3]) == 6
    assert [s.detail.output for s in watched.spans()] == [6, 6]


# -- D5 -------------------------------------------------------------------------------------------


@pytest.mark.field("D5", "clients, accessors and methods from before init are recorded")
def test_made_before_init(start: Callable[..., Watched], client: openai.OpenAI) -> None:
    create, chat = client.chat.completions.create, client.chat
    raw = client.chat.completions.with_raw_response
    copied = client.with_options(timeout=5)

    @spanloom.task
    def step() -> None:
        create(model="gpt-4o", messages=ASK)

    step()
    watched = start()
    step()
    chat.completions.create(model="gpt-4o", messages=ASK)
    raw.create(model="gpt-4o", messages=ASK)
    copied.embeddings.create(model="text-embedding-3-small", input="x")
    assert [s.kind for s in watched.spans()] == ["llm", "task", "llm", "llm", "embedding"]


# -- D6 -------------------------------------------------------------------------------------------


class Mine(openai.OpenAI):
    """A client of the program's own."""


@pytest.mark.field("D6", "subclasses, copies and options of clients are recorded", by="openai")
def test_copied_clients(watched: Watched, provider: FakeProvider) -> None:
    with Mine(base_url=provider.url, api_key="any") as mine:
        for client in (mine, mine.copy(), mine.with_options(max_retries=1), copy.copy(mine)):
            assert type(client) is Mine
            client.chat.completions.create(model="gpt-4o", messages=ASK)
    azure = openai.AzureOpenAI(
        azure_endpoint=provider.origin, api_key="any", api_version="2024-10-21"
    )
    with azure:
        azure.chat.completions.create(model="gpt-4o", messages=ASK)
    assert len(watched.spans()) == 5


def pickled(thing: Any) -> str:
    """What becomes of it: the error is part of the behaviour too."""
    try:
        return f"works: {type(pickle.loads(pickle.dumps(thing))).__name__}"
    except Exception as exc:
        return type(exc).__name__


def copied(thing: Any) -> str:
    try:
        return f"works: {type(copy.deepcopy(thing)).__name__}"
    except Exception as exc:
        return type(exc).__name__


# the SDK's client cannot be copied deeply, and says so when what there is of the copy goes
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.field("D6", "what inspects, copies or pickles the SDK sees no difference", by="openai")
def test_inspection(start: Callable[..., Watched], client: openai.OpenAI) -> None:
    def facts() -> list[Any]:
        completion = client.chat.completions.create(model="gpt-4o", messages=ASK)
        found: list[Any] = [
            copied(client),
            pickled(client),
            pickled(completion),
            copied(completion),
        ]
        for owner in (SyncAPIClient, AsyncAPIClient):
            method = owner.request
            found += [
                inspect.signature(method), inspect.iscoroutinefunction(method),
                inspect.isfunction(method), method.__name__, method.__qualname__,
                method.__module__, method.__doc__, method.__annotations__,
                inspect.getsource(method), pickled(method), copied(method), dir(owner),
                functools.wraps(method)(lambda *_: None).__name__,
            ]  # fmt: skip
        found.append(inspect.signature(client.request))
        found.append([f.__name__ for f in inspect.getmro(type(client))])
        return found

    before = facts()
    start()
    assert facts() == before
    spanloom.uninstrument()
    assert facts() == before


@spanloom.tool
def doubled(number: int, *, loud: bool = False) -> int:
    """Twice the number."""
    return number * 2


@spanloom.agent
class Robot:
    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, task: str) -> str:
        return f"{self.name}: {task}"


@pytest.mark.field("D6", "recorded functions and classes copy, pickle and inspect", by="manual")
def test_recorded_functions_inspect(watched: Watched) -> None:
    assert str(inspect.signature(doubled)) == "(number: int, *, loud: bool = False) -> int"
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Twice the number.")
    assert inspect.isfunction(doubled)
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.deepcopy(doubled) is doubled
    robot = pickle.loads(pickle.dumps(copy.deepcopy(Robot("r2"))))
    assert type(robot) is Robot
    assert robot.run("go") == "r2: go"
    assert functools.partial(doubled, 4)(loud=True) == 8
    assert [s.name for s in watched.spans()] == ["Robot", "doubled"]
