"""Decision models: model calls that come as chains."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_core.decisions import BaseDecisionModel, ClassifierResponse, Noul
from langchain_openai.decisions import OpenAIDecisions, Predicate

import spanloom
from spanloom.testing import Body, Call, Error, FakeProvider
from spanloom.types import LLMCall, Opaque, Text, Usage

from ..conftest import Recorded

ASKED: Any = {
    "input": "Production is down.",
    "questions": {"urgent": Predicate(instructions="Is this urgent?")},
}
ANSWERED = Body({
    "model": "gpt-6-luna-2026-10-01",
    "answers": [{"type": "predicate", "name": "urgent", "probability": 0.9}],
    "usage": {"input_tokens": 31, "output_tokens": 2},
})  # fmt: skip


def awaited(model: OpenAIDecisions) -> Any:
    async def ask() -> Any:
        async with openai.DefaultAsyncHttpxClient() as client:
            model.http_async_client = client
            return await model.ainvoke(ASKED)

    return asyncio.run(ask())


WAYS: list[Callable[[Any], Any]] = [
    lambda model: model.invoke(ASKED),
    awaited,
    lambda model: model.batch([ASKED])[0],
]
ways = pytest.mark.parametrize("ask", WAYS, ids=["invoke", "ainvoke", "batch"])


def is_decision(call: Call) -> bool:
    return call.path.endswith("/decisions")


@pytest.fixture
def decides(provider: FakeProvider) -> Iterator[OpenAIDecisions]:
    key: Any = "any"
    with openai.DefaultHttpxClient() as client:
        yield OpenAIDecisions(
            model="gpt-6-luna", base_url=provider.url, api_key=key, max_retries=0,
            http_client=client,
        )  # fmt: skip


@ways
@pytest.mark.parametrize("under", [False, True], ids=["alone", "under a span"])
def test_a_decision_is_a_model_call(
    rec: Recorded, provider: FakeProvider, decides: Any, ask: Callable[[Any], Any], under: bool
) -> None:
    provider.on(is_decision, ANSWERED)
    if under:
        with spanloom.agent("around"):
            reply = ask(decides)
    else:
        reply = ask(decides)
    assert reply.predicates["urgent"].probability == 0.9
    span = rec.one(kind="llm")
    detail = span.detail
    assert isinstance(detail, LLMCall)
    assert (span.name, span.status) == ("decision gpt-6-luna", "ok")
    assert (span.parent_id is not None) is under
    assert (detail.provider, detail.model) == ("openai", "gpt-6-luna")
    assert (detail.operation, detail.response_model) == ("decision", "gpt-6-luna-2026-10-01")
    assert detail.usage == Usage(input=31, output=2, total=None)
    state, questions = detail.input[0].parts
    assert state == Text(text="Production is down.")
    assert isinstance(questions, Opaque) and questions.name == "questions"
    assert questions.value["urgent"]["instructions"] == "Is this urgent?"
    (answers,) = detail.output[0].parts
    assert isinstance(answers, Opaque)
    assert answers.value["urgent"]["probability"] == 0.9
    rec.nothing_open()


def test_a_decision_that_fails(rec: Recorded, provider: FakeProvider, decides: Any) -> None:
    provider.on(is_decision, Error(429))
    with pytest.raises(openai.RateLimitError):
        decides.invoke(ASKED)
    span = rec.one(kind="llm")
    assert span.status == "error" and span.error is not None
    assert span.error.type == "rate_limit"
    rec.nothing_open()


async def test_a_model_of_ones_own(rec: Recorded) -> None:
    class Own(BaseDecisionModel):
        model: str = "own-1"

        @property
        def _provider(self) -> str:
            return "mine"

        def _classify(self, state: Any, questions: Any) -> ClassifierResponse:
            assert spanloom.current_span() is not None
            with spanloom.span("inside"):
                pass
            answers: Any = {name: {"type": "noul", "noul": 0.25} for name in questions}
            usage: Any = {"input_tokens": 5, "output_tokens": 1}
            return ClassifierResponse(model="own-1b", answers=answers, usage=usage)

    asked: Any = {"state": {"text": "Hi"}, "questions": {"spam": Noul(instructions="Spam?")}}
    await Own().ainvoke(asked)
    span = rec.one(kind="llm")
    assert isinstance(span.detail, LLMCall)
    assert (span.detail.provider, span.detail.response_model) == ("mine", "own-1b")
    assert span.detail.usage == Usage(input=5, output=1, total=6)
    assert rec.one(name="inside").parent_id == span.span_id
