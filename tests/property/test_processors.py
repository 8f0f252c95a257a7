"""For any data: the chain never raises, its output is JSON, and a planted secret never survives."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors import RULES, default_chain
from spanloom.processors.rules import find
from spanloom.settings import Settings

SPAN = t.Span(trace_id=1, span_id=2, name="n", detail=t.Task(), integration="manual", start_ns=1)
SECRETS = ("sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8", "jane.doe@example.org", "AKIAIOSFODNN7EXAMPLE")
CHAINS = {
    policy: default_chain(replace(Settings(hash_key="test"), content=policy))[0]
    for policy in ("full", "redacted", "hash", "none")
}  # fmt: skip

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=99)
    | st.text(st.characters(categories=("Cs", "L"))) | st.datetimes() | st.decimals() | st.uuids()
    | st.just(object())
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)  # fmt: skip


def encoded(span: t.Span) -> bytes:
    return msgspec.json.encode((
        span.name, span.detail, span.error, span.attributes, span.metadata, span.events, span.tags,
        span.truncated, span.faults, span.redactions,
    ))  # fmt: skip


@pytest.mark.parametrize("policy", CHAINS)
@given(value=values, text=st.text(st.characters()))
def test_any_data_becomes_json(policy: str, value: Any, text: str) -> None:
    span = replace(
        SPAN,
        name=text,
        detail=t.LLMCall(
            input=(t.Message(role="user", parts=(t.Opaque(name="x", value=value),)),),
            params={"p": value},
        ),
        attributes={text: value},
        error=t.Error(type="other", message=text),
    )
    new = CHAINS[policy](span)
    json.loads(encoded(new))
    assert not any(fault.startswith("processors:") for fault in new.faults)
    assert CHAINS[policy](span) == new


@st.composite
def hidden(draw: st.DrawFn) -> tuple[str, Any]:
    """A secret, and data of some shape with it inside."""
    secret = draw(st.sampled_from(SECRETS))
    edge = st.sampled_from(["", " ", "'", '"', ",", "\n", "(", "=", " é ", "\t", "<"])
    value: Any = (
        draw(edge) + secret + draw(st.sampled_from(["", " ", "'", '"', ",", "\n", ")", " é", ">"]))
    )
    shapes = st.lists(
        st.sampled_from("dict list json url header error key ascii".split()), max_size=4
    )
    for shape in draw(shapes):
        match shape:
            case "dict":
                value = {draw(st.text(max_size=9)): value, "other": draw(scalars)}
            case "list":
                value = [draw(st.integers()), value]
            case "json" | "ascii":
                value = json.dumps(value, ensure_ascii=shape == "ascii", default=str)
            case "key" if isinstance(value, str):
                value = {value: 1}
            case "url" if isinstance(value, str):
                value = f"https://host.example/path?x=1&v={secret}&y=2"
            case "header" if isinstance(value, str):
                value = f"X-Header: {value}"
            case "error" if isinstance(value, str):
                value = ValueError(value)
    return secret, value


pieces = st.sampled_from([
    *SECRETS, "--token ", "password", "=", ": ", '"', "'", "\\", "abc123", " ", "\n", "4111 1111 1111 1111",
    "4111111111111111", "a", "@", "x.org", "://u:pw@h", "Bearer ", "eyJhbGciOiJIUzI1NiJ9.", "-", "é",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "sk-", "api_key", "Basic dTpw",
])  # fmt: skip


@given(text=st.lists(pieces, max_size=40).map("".join), window=st.integers(1, 300))
def test_a_text_is_gone_over_in_pieces_with_the_same_result(text: str, window: int) -> None:
    assert find(text, RULES.rules, window) == find(text, RULES.rules, len(text) + 1)


@given(planted=hidden())
def test_i4_a_planted_secret_never_survives(planted: tuple[str, Any]) -> None:
    secret, value = planted
    part = t.ToolRequest(name="f", arguments=value)
    span = replace(
        SPAN,
        detail=t.LLMCall(output=(t.Message(role="assistant", parts=(part,)),)),
        attributes={"a": value},
        events=(t.Custom(time_ns=1, name="c", attributes={"v": value}),),
    )
    new = CHAINS["redacted"](span)
    assert secret.encode() not in encoded(new)
    assert new.redactions
