"""The ways to call a model through LangChain that its integration must stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from typing import Any

from spanloom.testing import Chat, FakeProvider, Tokens, ToolCall
from spanloom.testing.contracts import Call, Scenarios, Stream, Way

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "Say hello."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}
CALLED = Chat(
    tool_calls=(
        ToolCall("weather", {"place": "Łódź"}, id="call_1"),
        ToolCall("weather", {"place": "Oslo"}, id="call_2"),
    ),
    usage=Tokens(40, 22, cached=16),
)
TOLD = Chat(text="Hello there.", usage=Tokens(9, 3), finish_reason="stop")
VARYING = frozenset({"id", "created"})
"""LangChain's own run ids, and the server's clock."""


def plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        value = value.model_dump(warnings=False)
    if isinstance(value, dict):
        return {key: plain(held) for key, held in value.items() if key not in VARYING}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return value


class Model:
    """A chat model with the HTTP clients that it does not close itself."""

    def __init__(
        self, provider: FakeProvider, asynchronous: bool, inside: Any, timeout_s: float
    ) -> None:
        import openai
        from langchain_openai import ChatOpenAI

        async def ahook(_request: Any) -> None:
            if inside is not None:
                inside()

        def hook(_request: Any) -> None:
            if inside is not None:
                inside()

        self.asynchronous = asynchronous
        self.sync = openai.DefaultHttpxClient(verify=False, event_hooks={"request": [hook]})
        self.other = openai.DefaultAsyncHttpxClient(verify=False, event_hooks={"request": [ahook]})
        self.chat = ChatOpenAI(
            model=MODEL, base_url=provider.url, api_key="test", max_retries=0, timeout=timeout_s,
            http_client=self.sync, http_async_client=self.other, stream_usage=True,
        )  # fmt: skip

    async def aclose(self) -> None:
        self.sync.close()
        await self.other.aclose()


class LangChainScenarios(Scenarios):
    integration = "langchain"
    framework = "langchain_core.callbacks.manager"
    repeats = 1000

    def client(
        self,
        provider: FakeProvider,
        *,
        asynchronous: bool = False,
        inside: Callable[[], None] | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        return Model(provider, asynchronous, inside, timeout_s)

    def close(self, client: Any) -> Any:
        if client.asynchronous:
            return client.aclose()
        return client.sync.close()

    def ways(self) -> Sequence[Way]:
        return [
            Way(name="invoke", ask=lambda c, m: c.chat.invoke(m), takes_iterators=False),
            Way(name="ainvoke", ask=lambda c, m: c.chat.ainvoke(m), asynchronous=True,
                takes_iterators=False),
        ]  # fmt: skip

    def streams(self) -> Sequence[Stream]:
        def said(chunk: Any) -> str:
            return str(chunk.content)

        return [
            Stream(name="stream", ask=lambda c, m: c.chat.stream(m), said=said,
                   manager=lambda c, m: closing(c.chat.stream(m)),
                   close=lambda s: s.close(), takes_iterators=False),
            Stream(name="astream", ask=lambda c, m: c.chat.astream(m), said=said,
                   manager=lambda c, m: aclosing(c.chat.astream(m)),
                   close=lambda s: s.aclose(), asynchronous=True, takes_iterators=False),
        ]  # fmt: skip

    def calls(self) -> Sequence[Call]:
        def both(name: str, make: Callable[[Any, Any], Any], **facts: Any) -> list[Call]:
            async def aread(value: Any) -> Any:
                return plain(value)

            return [
                Call(name=name, make=lambda c: make(c.chat, "invoke"), read=plain, **facts),
                Call(name=f"{name}-async", make=lambda c: make(c.chat, "ainvoke"), read=aread,
                     asynchronous=True, **facts),
            ]  # fmt: skip

        return [
            *both("chat", lambda m, how: getattr(m, how)(HELLO), answer=TOLD,
                  said=("Say hello.", "Hello there.")),
            *both("tools", lambda m, how: getattr(m.bind_tools([TOOL]), how)(HELLO), answer=CALLED,
                  said=("weather", "call_2", "Oslo")),
            *both("options", lambda m, how: getattr(m.bind(temperature=0.5, seed=1), how)(HELLO),
                  answer=TOLD),
        ]  # fmt: skip

    def plain(self, value: Any) -> Any:
        return plain(value)
