"""D7: what the SDK and the program's functions raise stays what it was."""

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import openai
import pytest

import spanloom
from spanloom.testing import Error, FakeProvider

from .conftest import Watched

ASK: list[Any] = [{"role": "user", "content": "Count."}]


class Mistake(BaseException):
    """Not an ``Exception``: the SDK lets it through as it is."""


@pytest.mark.field("D7", "an exception reaches the program as the same object", by="openai")
def test_same_exception(watched: Watched, provider: FakeProvider) -> None:
    thrown = Mistake("mine")

    def hook(_request: Any) -> None:
        raise thrown

    with openai.OpenAI(
        base_url=provider.url,
        api_key="any",
        http_client=openai.DefaultHttpxClient(event_hooks={"request": [hook]}),
    ) as client:
        with pytest.raises(Mistake) as caught:
            client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert caught.value is thrown
    assert thrown.__context__ is None
    assert thrown.__cause__ is None
    assert not getattr(thrown, "__notes__", None)
    frames = traceback.extract_tb(thrown.__traceback__)
    assert (frames[0].name, frames[-1].name) == ("test_same_exception", "hook")
    assert watched.one().status == "error"


def _chain(error: BaseException | None) -> list[Any]:
    """Types, arguments and frames of an error and of all that it is caused by, without ours."""
    found: list[Any] = []
    while error is not None:
        frames = [
            f.name
            for f in traceback.extract_tb(error.__traceback__)
            if "/spanloom/" not in f.filename
        ]
        found.append((type(error), str(error), frames, error.__suppress_context__))
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.field("D7", "errors of the API have the same chain with and without us", by="openai")
@pytest.mark.parametrize("stream", [False, True])
async def test_same_chain(
    start: Callable[..., Watched],
    client: openai.OpenAI,
    aclient: openai.AsyncOpenAI,
    provider: FakeProvider,
    stream: bool,
) -> None:
    answer = Error(429, message="slow down", headers={"x-should-retry": "false"})

    async def failures() -> list[Any]:
        provider.script([answer, answer])
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="gpt-4o", messages=ASK, stream=stream)
        with pytest.raises(openai.RateLimitError) as acaught:
            await aclient.chat.completions.create(model="gpt-4o", messages=ASK, stream=stream)
        return [_chain(caught.value), _chain(acaught.value)]

    without = await failures()
    watched = start()
    assert await failures() == without
    assert [s.error and s.error.type for s in watched.spans()] == ["rate_limit"] * 2


@pytest.mark.field("D7", "what a recorded function raises is the same object", by="manual")
async def test_same_exception_by_hand(watched: Watched) -> None:
    thrown = [ValueError("a"), ValueError("b"), Mistake("c"), ValueError("d")]

    @spanloom.task
    def plain() -> None:
        raise thrown[0]

    @spanloom.task
    async def coroutine() -> None:
        raise thrown[1]

    @spanloom.task
    def generator() -> Any:
        yield 1
        raise thrown[2]

    for index, call in enumerate((plain, coroutine, lambda: list(generator()))):
        try:
            result = call()
            if inspect.iscoroutine(result):
                await result
        except BaseException as error:
            assert error is thrown[index]
        else:
            pytest.fail("nothing was raised")
    with pytest.raises(ValueError, match="d") as caught, spanloom.span("with"):
        raise thrown[3]
    assert caught.value is thrown[3]
    for error in thrown:
        assert (error.__context__, error.__cause__) == (None, None)
    assert [s.status for s in watched.spans()] == ["error"] * 4
