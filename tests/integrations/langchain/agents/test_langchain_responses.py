"""The responses API, which langchain-openai speaks since 0.3.9."""

from typing import Any

import pytest

from spanloom.testing import Chat, FakeProvider, Tokens
from spanloom.types import LLMCall, Text

from ..conftest import Recorded


@pytest.mark.parametrize("streams", [False, True])
def test_the_responses_api(rec: Recorded, provider: FakeProvider, chat: Any, streams: bool) -> None:
    provider.script([
        Chat(text="Hello there.", chunks=("Hello ", "there."), usage=Tokens(21, 8, cached=5))
    ])  # fmt: skip
    model = chat(use_responses_api=True)
    list(model.stream("Say hello.")) if streams else model.invoke("Say hello.")
    (exchange,) = provider.exchanges
    assert exchange.endpoint == "/responses"
    detail = rec.one(kind="llm").detail
    assert isinstance(detail, LLMCall) and detail.usage is not None
    assert (detail.usage.input, detail.usage.output, detail.usage.cached) == (21, 8, 5)
    assert detail.response_id == exchange.answer.id
    said = [part.text for m in detail.output for part in m.parts if isinstance(part, Text)]
    assert "".join(said) == "Hello there."
