"""The ways to call the OpenAI SDK that its integration must stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spanloom.testing import Chat, FakeProvider, Tokens, ToolCall
from spanloom.testing.contracts import Call, Scenarios, Stream, Way

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "Say hello."}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Of a place.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
        },
    }
]
CALLED = Chat(
    tool_calls=(
        ToolCall("weather", {"place": "Łódź"}, id="call_1"),
        ToolCall("weather", {"place": "Oslo"}, id="call_2"),
    ),
    usage=Tokens(40, 22, cached=16),
)
TOLD = Chat(text="Hello there.", usage=Tokens(9, 3), finish_reason="stop")
MANY = Chat(text=("Hello.", "Hi."), usage=Tokens(9, 5, reasoning=2), finish_reason="stop")
WITH_USAGE = {"stream_options": {"include_usage": True}}
RESPONSES: dict[str, Any] = {"family": "responses", "takes_iterators": False}
VARYING = frozenset({"created", "created_at"})
"""The server's clock."""


def plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        value = value.model_dump(warnings=False)
    if isinstance(value, dict):
        return {key: plain(held) for key, held in value.items() if key not in VARYING}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return value


def both(name: str, make: Callable[[Any], Any], **facts: Any) -> list[Call]:
    """A call that is written the same for both clients, and returns a whole answer."""

    async def aread(value: Any) -> Any:
        return plain(value)

    return [
        Call(name=name, make=make, read=plain, **facts),
        Call(name=f"{name}-async", make=make, read=aread, asynchronous=True, **facts),
    ]


def read_raw(value: Any) -> Any:
    return value.status_code, plain(value.parse()), value.text


def read_raw_stream(value: Any) -> Any:
    return value.status_code, [plain(chunk) for chunk in value.parse()]


async def aread_raw(value: Any) -> Any:
    return read_raw(value)


async def aread_raw_stream(value: Any) -> Any:
    return value.status_code, [plain(chunk) async for chunk in value.parse()]


def streaming(manager: Any, read: Callable[[Any], Any]) -> Any:
    with manager as response:
        return type(response).__name__, response.status_code, read(response)


async def astreaming(manager: Any, read: Callable[[Any], Any]) -> Any:
    async with manager as response:
        return type(response).__name__, response.status_code, await read(response)


def chat(client: Any, **more: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=HELLO, **more)


def timed_lines(response: Any) -> list[str]:
    return [line for line in response.iter_lines() if '"created"' not in line]


def tapped(stream: Any) -> list[Any]:
    return [plain(piece) for piece in stream]


async def atapped(stream: Any) -> list[Any]:
    return [plain(piece) async for piece in stream]


class OpenAIScenarios(Scenarios):
    integration = "openai"
    framework = "openai"

    def client(
        self,
        provider: FakeProvider,
        *,
        asynchronous: bool = False,
        inside: Callable[[], None] | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        import openai

        async def ahook(_request: Any) -> None:
            if inside is not None:
                inside()

        def hook(_request: Any) -> None:
            if inside is not None:
                inside()

        # no certificates: reading them takes longer than all the rest of a case
        options: dict[str, Any] = {
            "base_url": provider.url,
            "api_key": "test",
            "max_retries": 0,
            "timeout": timeout_s,
        }
        if asynchronous:
            http: Any = openai.DefaultAsyncHttpxClient(
                verify=False, event_hooks={"request": [ahook]}
            )
            return openai.AsyncOpenAI(http_client=http, **options)
        http = openai.DefaultHttpxClient(verify=False, event_hooks={"request": [hook]})
        return openai.OpenAI(http_client=http, **options)

    def ways(self) -> Sequence[Way]:
        def ask(client: Any, messages: Any) -> Any:
            return client.chat.completions.create(model=MODEL, messages=messages)

        def respond(client: Any, messages: Any) -> Any:
            return client.responses.create(model=MODEL, input=messages)

        return [
            Way(name="chat", ask=ask),
            Way(name="chat-async", ask=ask, asynchronous=True),
            Way(name="responses", ask=respond, **RESPONSES),
            Way(name="responses-async", ask=respond, **RESPONSES, asynchronous=True),
        ]

    def streams(self) -> Sequence[Stream]:
        def ask(client: Any, messages: Any) -> Any:
            return client.chat.completions.create(
                model=MODEL, messages=messages, stream=True, **WITH_USAGE
            )

        def respond(client: Any, messages: Any) -> Any:
            return client.responses.create(model=MODEL, input=messages, stream=True)

        def helper(client: Any, messages: Any) -> Any:
            completions = client.chat.completions
            if not hasattr(completions, "stream"):  # in beta until 1.92
                completions = client.beta.chat.completions
            return completions.stream(model=MODEL, messages=messages, **WITH_USAGE)

        def entered(client: Any, messages: Any) -> Any:
            return helper(client, messages).__enter__()

        async def aentered(client: Any, messages: Any) -> Any:
            return await helper(client, messages).__aenter__()

        def said(chunk: Any) -> str:
            return (chunk.choices[0].delta.content or "") if chunk.choices else ""

        def delta(event: Any) -> str:
            return event.delta if event.type == "response.output_text.delta" else ""

        def helped(event: Any) -> str:
            return said(event.chunk) if event.type == "chunk" else ""

        def close(stream: Any) -> Any:
            return stream.close()

        found: list[Stream] = []
        for suffix, asynchronous in (("", False), ("-async", True)):
            both: dict[str, Any] = {"asynchronous": asynchronous, "close": close}
            found += [
                Stream(name=f"chat-stream{suffix}", ask=ask, said=said, **both),
                Stream(
                    name=f"chat-helper{suffix}",
                    ask=aentered if asynchronous else entered,
                    manager=helper,
                    said=helped,
                    **both,
                ),
                Stream(
                    name=f"responses-stream{suffix}",
                    ask=respond,
                    said=delta,
                    **RESPONSES,
                    **both,
                ),
            ]
        return found

    def calls(self) -> Sequence[Call]:
        def create(**more: Any) -> Callable[[Any], Any]:
            return lambda client: chat(client, **more)

        return [
            *both("chat", create(temperature=0.5, seed=1, stop=["x"]), answer=TOLD,
                  said=("Say hello.", "Hello there.")),
            *both("tools", create(tools=TOOLS, tool_choice="auto"), answer=CALLED,
                  said=("weather", "call_2", "Oslo")),
            *both("choices", create(n=2), answer=MANY, said=("Hello.", "Hi.")),
            *both("parse", parse, answer=TOLD),
            *both("json", create(response_format={"type": "json_object"}),
                  answer=Chat(text='{"a": 1}', usage=None)),
            *both("extra", create(extra_headers={"x-mine": "1"}, extra_body={"mine": [1]},
                                  extra_query={"q": "1"}, timeout=9.0), answer=TOLD),
            *both("options", lambda c: chat(c.with_options(timeout=8.0)), answer=TOLD),
            *both("copy", lambda c: chat(c.copy()), answer=TOLD),
            *both("responses", lambda c: c.responses.create(
                model=MODEL, input="Say hello.", instructions="Be brief."), answer=TOLD,
                said=("Be brief.", "Hello there.")),
            *both("responses-tools", lambda c: c.responses.create(
                model=MODEL, input=list(HELLO), tools=[{"type": "function", "strict": False,
                                                  **TOOLS[0]["function"]}]), answer=CALLED),
            *both("completions", lambda c: c.completions.create(
                model="gpt-3.5-turbo-instruct", prompt="Say"), answer=TOLD),
            *both("embeddings", lambda c: c.embeddings.create(
                model="text-embedding-3-small", input=["a", "b"], dimensions=4), kind="embedding"),
            *both("moderations", lambda c: c.moderations.create(input="Say"), kind="guardrail"),
            *both("image", lambda c: c.images.generate(prompt="A hill", model="gpt-image-1")),
            *both("transcription", lambda c: c.audio.transcriptions.create(
                model="whisper-1", file=("a.wav", b"RIFF0000WAVE"))),
            Call(name="raw", make=lambda c: c.chat.completions.with_raw_response.create(
                model=MODEL, messages=HELLO), read=read_unclocked(read_raw), answer=TOLD),
            Call(name="raw-async", make=lambda c: c.chat.completions.with_raw_response.create(
                model=MODEL, messages=HELLO), read=aread_raw_value, asynchronous=True,
                answer=TOLD),
            Call(name="raw-stream", make=lambda c: c.chat.completions.with_raw_response.create(
                model=MODEL, messages=HELLO, stream=True, **WITH_USAGE), read=read_raw_stream,
                answer=TOLD),
            Call(name="raw-stream-async",
                 make=lambda c: c.chat.completions.with_raw_response.create(
                     model=MODEL, messages=HELLO, stream=True, **WITH_USAGE),
                 read=aread_raw_stream, asynchronous=True, answer=TOLD),
            Call(name="streaming-response",
                 make=lambda c: c.chat.completions.with_streaming_response.create(
                     model=MODEL, messages=HELLO),
                 read=lambda m: streaming(m, lambda r: plain(r.parse())), answer=TOLD),
            Call(name="streaming-response-async",
                 make=lambda c: c.chat.completions.with_streaming_response.create(
                     model=MODEL, messages=HELLO),
                 read=lambda m: astreaming(m, aparsed), asynchronous=True, answer=TOLD),
            Call(name="streaming-response-stream",
                 make=lambda c: c.chat.completions.with_streaming_response.create(
                     model=MODEL, messages=HELLO, stream=True, **WITH_USAGE),
                 read=lambda m: streaming(m, lambda r: tapped(r.parse())), answer=TOLD),
            Call(name="speech", make=lambda c: c.audio.speech.create(
                model="tts-1", voice="alloy", input="Say"), read=lambda r: r.read()),
            Call(name="bound", make=bound, read=plain, answer=TOLD),
            Call(name="posted", make=posted, read=plain, answer=TOLD),
        ]  # fmt: skip

    def plain(self, value: Any) -> Any:
        return plain(value)


def parse(client: Any) -> Any:
    completions = client.chat.completions
    if not hasattr(completions, "parse"):  # in beta until 1.92
        completions = client.beta.chat.completions
    return completions.parse(model=MODEL, messages=HELLO)


async def aparsed(response: Any) -> Any:
    return plain(await response.parse())


def read_unclocked(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: read(value)[:2]


async def aread_raw_value(value: Any) -> Any:
    return value.status_code, plain(value.parse())


def bound(client: Any) -> Any:
    """The bound method, kept from before."""
    create = client.chat.completions.create
    return create(model=MODEL, messages=HELLO)


def posted(client: Any) -> Any:
    """Beneath the resources: the client's own ``post``."""
    from openai.types.chat import ChatCompletion

    body = {"model": MODEL, "messages": HELLO}
    return client.post("/chat/completions", body=body, cast_to=ChatCompletion)
