"""Usage, cost, providers, errors, endpoints, bytes: the small tables."""

import importlib
from importlib.util import find_spec
from typing import Any

import openai
import pytest

from spanloom.types import Cost, Usage
from spanloom_integrations.openai import endpoints, providers, values
from spanloom_integrations.openai.errors import classify, note, small_body
from spanloom_integrations.openai.sse import decode_body, events
from spanloom_integrations.openai.usage import cost, usage

# the family of classes that the installed SDK speaks: httpx2 since openai 3, httpx before
http: Any = importlib.import_module("httpx2" if find_spec("httpx2") else "httpx")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ({}, None),
        ("nonsense", None),
        ({"prompt_tokens": None, "total_tokens": -1}, None),
        ({"prompt_tokens": True, "completion_tokens": 2.0}, Usage(output=2)),
        ({"input_tokens": 3, "output_tokens": 0}, Usage(input=3, output=0)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(input=9, cached=4)),
        ({"prompt_tokens": 9, "cached_tokens": 4}, Usage(input=9, cached=4)),
        ({"prompt_tokens": 9, "num_cached_tokens": 4}, Usage(input=9, cached=4)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 1}},
            Usage(input=30, cached=20, cache_write=1),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 10,
             "completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(input=5, output=5, total=10, reasoning=3),
        ),
        ({"type": "duration", "seconds": 3}, Usage(audio_s=3)),
    ],
)  # fmt: skip
def test_usage(raw: Any, expected: Usage | None) -> None:
    assert usage(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"prompt_tokens": 1}, None),
        ({"cost": None}, None),
        ({"cost": "free"}, None),
        ({"cost": -1}, None),
        ({"cost": 0.25}, Cost(total_usd=0.25, source="gateway")),
        (
            {"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}},
            Cost(
                total_usd=0.75, components_usd={"gateway": 0.25, "upstream": 0.5}, source="gateway"
            ),
        ),
        (
            {"cost": {"input_tokens_cost": 0.1, "request_cost": 0.2, "total_cost": 0.3}},
            Cost(total_usd=0.3, components_usd={"input": 0.1, "request": 0.2}, source="provider"),
        ),
    ],
)
def test_cost(raw: Any, expected: Cost | None) -> None:
    assert cost(raw) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", ("openai", "api.openai.com", 443)),
        ("https://eu.api.openai.com/v1", ("openai", "eu.api.openai.com", 443)),
        ("https://api.deepseek.com", ("deepseek", "api.deepseek.com", 443)),
        ("https://evildeepseek.com", ("openai_compatible", "evildeepseek.com", 443)),
        ("https://api.x.ai/v1", ("x_ai", "api.x.ai", 443)),
        ("http://localhost:11434/v1", ("ollama", "localhost", 11434)),
        ("http://gpu-1:8000/v1", ("openai_compatible", "gpu-1", 8000)),
        ("http://gpu-1/v1", ("openai_compatible", "gpu-1", 80)),
        ("https://r.openai.azure.com/openai/v1/", ("azure.ai.openai", "r.openai.azure.com", 443)),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", ("aws.bedrock", "bedrock-runtime.us-east-1.amazonaws.com", 443)),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", ("gcp.gemini", "generativelanguage.googleapis.com", 443)),
    ],
)  # fmt: skip
def test_provider_of_a_client(url: str, expected: tuple[str, str, int]) -> None:
    with openai.OpenAI(api_key="x", base_url=url) as client:
        found = providers.server(type(client), providers.base_url(client))
    assert (found.provider, found.address, found.port) == expected


def test_azure_client_is_azure_behind_any_gateway() -> None:
    class Mine(openai.AzureOpenAI):
        pass

    with Mine(api_key="x", api_version="1", azure_endpoint="https://gateway.example") as client:
        found = providers.server(type(client), providers.base_url(client))
    assert (found.provider, found.address) == ("azure.ai.openai", "gateway.example")


def test_a_client_that_chooses_its_address_is_asked_for_it() -> None:
    class Router(openai.OpenAI):
        @property
        def base_url(self) -> http.URL:
            return http.URL("https://api.groq.com/openai/v1/")

    with Router(api_key="x", base_url="https://api.deepseek.com") as client:
        found = providers.server(type(client), providers.base_url(client))
    assert (found.provider, found.address) == ("groq", "api.groq.com")


def status_error(status: int, **body: Any) -> openai.APIStatusError:
    request = http.Request("POST", "https://api.openai.com/v1/chat/completions")
    response = http.Response(status, request=request, headers={"x-request-id": "req_1"})
    with openai.OpenAI(api_key="x") as client:
        made: openai.APIStatusError = client._make_status_error(
            "said", body=body, response=response
        )
    return made


def classes(exc: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(exc).__mro__]


@pytest.mark.parametrize(
    ("exc", "expected"),
    [
        (status_error(429, code="insufficient_quota"), "quota"),
        (status_error(429, code="rate_limit_exceeded"), "rate_limit"),
        (status_error(429), "rate_limit"),
        (status_error(400, code="context_length_exceeded"), "context_length"),
        (status_error(400, code="content_filter"), "content_filter"),
        (status_error(400, code="x", innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter"),
        (status_error(400), "invalid_request"),
        (status_error(401), "auth"),
        (status_error(403), "permission"),
        (status_error(404, code="model_not_found"), "not_found"),
        (status_error(408), "timeout"),
        (status_error(422), "invalid_request"),
        (status_error(500, type="server_error"), "server"),
        (status_error(503), "overloaded"),
        (status_error(529), "overloaded"),
        (openai.APITimeoutError(http.Request("POST", "https://x")), "timeout"),
        (openai.APIConnectionError(request=http.Request("POST", "https://x")), "connection"),
        (openai.ContentFilterFinishReasonError(), "content_filter"),
        (ValueError("x"), "other"),
        (TimeoutError(), "timeout"),
    ],
)  # fmt: skip
def test_errors(exc: BaseException, expected: str) -> None:
    assert classify(note(exc), classes(exc)) == expected


def test_note_of_an_error() -> None:
    found = note(status_error(429, code="rate_limit_exceeded", param="model"))
    assert (found["status_code"], found["code"], found["param"]) == (
        429,
        "rate_limit_exceeded",
        "model",
    )
    assert found["request_id"] == "req_1"
    assert small_body(found) == {"code": "rate_limit_exceeded", "param": "model"}
    assert small_body({"body": "x" * 5000}) is None
    assert classify({"message": "This model's maximum context length is 8"}) == "context_length"


@pytest.mark.parametrize(
    ("method", "url", "stream", "expected"),
    [
        ("post", "/chat/completions", False, "chat"),
        ("POST", "/responses?beta=true", True, "responses"),
        ("post", "/responses/compact?beta=true", False, "responses.compact"),
        ("get", "/responses/resp_1", True, "responses.retrieve"),
        ("get", "/responses/resp_1?beta=true", True, "responses.retrieve"),
        ("get", "/responses/resp_1", False, None),
        ("get", "/responses/resp_1/input_items", True, None),
        ("post", "/responses/input_tokens", False, None),
        ("post", "/responses/resp_1/cancel", False, None),
        ("get", "/chat/completions/c_1", False, None),
        ("get", "/organization/usage/completions", False, None),
        ("post", "/threads/t/runs", True, None),
        ("post", "/batches", False, None),
        ("post", "https://host/v1/chat/completions", False, "chat"),
        ("post", "/deployments/mine/embeddings", False, "embeddings"),
        ("post", "/audio/speech", False, "audio.speech"),
    ],
)
def test_endpoints(method: str, url: str, stream: bool, expected: str | None) -> None:
    found = endpoints.find(method, url, stream)
    assert (found.name if found else None) == expected


def test_span_name() -> None:
    assert endpoints.CHAT.span_name({"model": "gpt-4o"}) == "chat gpt-4o"
    assert endpoints.RESPONSES.span_name({}) == "chat"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_of_bytes(end: bytes) -> None:
    lines = [
        b": a comment", b"", b"event: x", b'data: {"a":', b"data: 1}", b"", b"data: broken", b"",
        b"data:[1]", b"", b"", b"data: [DONE]", b"",
    ]  # fmt: skip
    raw = end.join(lines) + end
    expected = [{"a": 1, "type": "x"}, None]
    for size in (1, 3, len(raw)):
        pieces = [(n, raw[n : n + size]) for n in range(0, len(raw), size)]
        assert [event for _, event in events(pieces)] == expected


def test_event_has_the_tick_of_the_bytes_that_completed_it() -> None:
    body = [
        (1, b'data: {"a"'),
        (2, b": 1}\n\n"),
        (3, b'data: {"a": 2}\n\ndata: {"a'),
        (4, b'": 3}\n\n'),
    ]
    assert [tick for tick, _ in events(body)] == [2, 3, 4]


def test_json_bodies() -> None:
    assert decode_body(b'{"a": 1}') == {"a": 1}
    assert (
        decode_body(b"<html>")
        is decode_body(b"[1]")
        is decode_body(b"\xff")
        is decode_body(b"")
        is None
    )


def test_plain_is_the_wire_and_leaves_out_what_the_sdk_made() -> None:
    from openai._models import construct_type
    from openai.types.chat import ParsedChatCompletion

    wire: dict[str, Any] = {
        "id": "c", "model": "m", "unknown": {"deep": [1]}, "usage": None,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x", "extra": 1}}],
    }  # fmt: skip
    made: Any = construct_type(type_=ParsedChatCompletion[object], value=wire)
    made.choices[0].message.parsed = object()
    assert endpoints.CHAT.reply(made) == wire
    assert endpoints.TRANSCRIPTIONS.reply("1\nhi") == {"text": "1\nhi"}
    assert endpoints.CHAT.reply(3) is None


def test_getters_take_anything() -> None:
    assert values.integer({"a": "1"}, "a") is None
    assert values.number({"a": True}, "a") is None
    assert values.text({"a": 1}, "a") is None
    assert values.items({"a": "text"}, "a") == ()
    assert values.parsed("{broken") == "{broken"
    assert values.parsed("nothing") == "nothing"
    assert values.parsed('{"a": 1}') == {"a": 1}
