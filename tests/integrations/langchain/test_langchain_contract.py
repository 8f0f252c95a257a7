"""The LangChain integration keeps what every integration promises, over the recorded OpenAI SDK."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import spanloom
from spanloom.testing.contracts import IntegrationContract
from spanloom.testing.contracts.rig import (
    ANSWER,
    END,
    QUESTION,
    Rig,
    advance,
    begun,
    play,
    settled,
)
from spanloom.testing.contracts.scenarios import Stream, Way

from .scenarios import LangChainScenarios


class TestLangChain(IntegrationContract):
    scenarios = LangChainScenarios()

    @pytest.fixture
    def rig(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> Iterator[Rig]:
        """Both integrations are on: HTTP status and request id are the SDK's to know."""
        start = Rig.start

        def both(rig: Rig, **settings: Any) -> None:
            start(rig, **({"integrations": ["langchain", "openai"]} | settings))

        monkeypatch.setattr(Rig, "start", both)
        made: Any = IntegrationContract.rig
        yield from made.__wrapped__(self, tmp_path, monkeypatch, caplog)

    # LangChain's streams are generators: nothing is asked before the first item is wanted.

    def test_a_stream_nobody_read(self, rig: Rig, stream: Stream) -> None:
        async def case() -> None:
            async with rig.client(stream.asynchronous) as client:
                stream.ask(client, list(QUESTION))

        rig.start()
        play(stream.asynchronous, case())
        assert rig.provider.exchanges == ()
        assert rig.recorded() == []

    def test_a_stream_that_outlives_the_llm_span_around_it(self, rig: Rig, stream: Stream) -> None:
        """The call begins after the span around its making has ended: it is another call."""

        async def case() -> None:
            async with rig.client(stream.asynchronous) as client:
                with spanloom.llm_call("outer", model="asked"):
                    opened = await settled(stream.ask(client, list(QUESTION)))
                iterator = begun(opened)
                while await advance(iterator) is not END:
                    pass

        rig.start()
        rig.answers(ANSWER)
        play(stream.asynchronous, case())
        assert [s.name for s in rig.spans()] == ["outer", "chat gpt-4o-mini"]
        assert rig.one().complete

    def test_the_very_exception_object_passes(self, rig: Rig, any_way: Way) -> None:
        if any_way.name != "ainvoke":
            super().test_the_very_exception_object_passes(rig, any_way)
            return

        class Interruption(BaseException):
            pass

        def raising() -> None:
            raise Interruption

        # LangChain gathers its calls, and takes what is no Exception for an answer
        with pytest.raises(AttributeError) as bare:
            rig.ask(any_way, inside=raising)
        rig.start()
        with pytest.raises(AttributeError) as watched:
            rig.ask(any_way, inside=raising)
        assert str(watched.value) == str(bare.value)
        assert rig.one().status == "error"
