"""The ways to call the Parrot client that its integration must stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spanloom.testing import Chat, FakeProvider, Tokens
from spanloom.testing.contracts import Call, Scenarios, Stream, Way

HELLO = [{"role": "user", "content": "Say hello."}]
TOLD = Chat(text="Hello there.", usage=Tokens(9, 3), finish_reason="stop")


class ParrotScenarios(Scenarios):
    integration = "parrot"
    framework = "parrot"

    def client(
        self,
        provider: FakeProvider,
        *,
        asynchronous: bool = False,
        inside: Callable[[], None] | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        import httpx2
        import parrot  # here, as some cases run before the import

        def hook(_request: httpx2.Request) -> None:
            if inside is not None:
                inside()

        async def ahook(request: httpx2.Request) -> None:
            hook(request)

        # only the wait for an answer: a busy machine may be slow to connect
        timeout = httpx2.Timeout(10.0, read=timeout_s)
        # no certificates: reading them takes longer than all the rest of a case
        if asynchronous:
            ahttp = httpx2.AsyncClient(
                timeout=timeout, verify=False, event_hooks={"request": [ahook]}
            )
            return parrot.AsyncClient(provider.url, http=ahttp)
        http = httpx2.Client(timeout=timeout, verify=False, event_hooks={"request": [hook]})
        return parrot.Client(provider.url, http=http)

    def ways(self) -> Sequence[Way]:
        def ask(client: Any, messages: Any) -> Any:
            return client.chat("macaw-2", messages)

        # the client itself makes JSON of its messages: it takes no iterators
        return [
            Way(name="chat", ask=ask, takes_iterators=False),
            Way(name="chat-async", ask=ask, asynchronous=True, takes_iterators=False),
        ]

    def streams(self) -> Sequence[Stream]:
        def ask(client: Any, messages: Any) -> Any:
            return client.chat("macaw-2", messages, stream=True)

        return [
            Stream(
                name=name,
                ask=ask,
                said=lambda piece: piece.text,
                close=lambda stream: stream.close(),
                asynchronous=asynchronous,
                takes_iterators=False,
            )
            for name, asynchronous in (("stream", False), ("stream-async", True))
        ]

    def calls(self) -> Sequence[Call]:
        def warm(client: Any) -> Any:
            return client.chat("macaw-2", HELLO, temperature=0.5, seed=1)

        async def aread(reply: Any) -> Any:
            return reply

        said = ("Say hello.", "Hello there.", "'temperature': 0.5", "'seed': 1")
        return [
            Call(name="options", make=warm, read=lambda reply: reply, answer=TOLD, said=said),
            Call(name="options-async", make=warm, read=aread, asynchronous=True, answer=TOLD,
                 said=said),
        ]  # fmt: skip
