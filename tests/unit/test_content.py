"""The content policy: what leaves no trace, what stays, and the key of the hashes."""

import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.processors.fields import AREAS, OWN, PLANS
from spanloom.processors.keys import Hasher, load
from spanloom.settings import Settings

SECRET = "the launch is on friday"


def full_span() -> t.Span:
    parts = (
        t.Text(text=SECRET),
        t.Reasoning(text=SECRET),
        t.ToolRequest(name="lookup", id="call_1", arguments={"q": SECRET}),
        t.ToolResult(id="call_1", result=[SECRET]),
        t.Media(media="image", mime_type="image/png", url=f"https://x/{SECRET}", name=SECRET),
        t.Opaque(name="x", value={SECRET: SECRET}),
    )
    return t.Span(
        trace_id=1, span_id=2, name="chat gpt-4o", integration="openai", start_ns=1, end_ns=2,
        detail=t.LLMCall(
            model="gpt-4o", usage=t.Usage(input=3), input=(t.Message(role="user", parts=parts),),
            output=(t.Message(role="assistant", parts=(t.Text(text=SECRET),)),), finish=("stop",),
            tools=(t.ToolDefinition(name="lookup", description=SECRET, parameters={"d": SECRET}),),
            params={"user": SECRET, "n": 2}, prompt=t.Prompt(name="p", variables={"v": SECRET}),
            response_format={"type": "json_schema", "json_schema": SECRET}, tool_choice="auto",
            attempts=(t.Attempt(number=1, reason=SECRET),),
        ),
        error=t.Error(
            type="server", message=SECRET, code="rate_limit_exceeded", class_name="APIError",
            stack=("app.py:3 in main", f"  raise ValueError('{SECRET}')"),
        ),
        attributes={"a": SECRET}, metadata={"m": {"k": SECRET}},
        events=(
            t.LogEvent(time_ns=1, level="info", message=SECRET, attributes={"x": SECRET}),
            t.Custom(time_ns=1, name="c", attributes={"x": SECRET}),
            t.StateTransition(time_ns=1, node="n", changed=("k",), update={"k": SECRET}),
            t.MemoryAccess(time_ns=1, operation="read", value=SECRET),
            t.Score(time_ns=1, name="s", value=0.5, comment=SECRET),
            t.Decision(time_ns=1, about="lookup", outcome="approved", reason=SECRET),
            t.RetryEvent(time_ns=1, attempt=1, reason=SECRET),
            t.ErrorEvent(time_ns=1, error=t.Error(type="other", message=SECRET)),
        ),
        faults=("extract: KeyError", f"extract: {SECRET}"), truncated=(f"metadata.{SECRET}",),
        blobs=(t.Blob(sha256="0" * 64, data=SECRET.encode()),),
    )  # fmt: skip


def chain(**settings: Any) -> Any:
    return default_chain(replace(Settings(hash_key="test"), **settings))[0]


@pytest.mark.parametrize("policy", ["none", "hash"])
def test_i3_no_content_leaks_another_way(policy: str) -> None:
    new = chain(content=policy)(full_span())
    assert SECRET not in repr(new)
    assert "friday" not in repr(new)
    assert new.name == "chat gpt-4o"
    detail = new.detail
    assert (detail.model, detail.usage, detail.finish) == ("gpt-4o", t.Usage(input=3), ("stop",))
    assert detail.tools[0].name == detail.input[0].parts[2].name == "lookup"
    assert [type(p) for p in detail.input[0].parts] == [
        type(p)
        for p in full_span().detail.input[0].parts  # type: ignore[union-attr]
    ]
    assert detail.tool_choice == "auto"
    assert detail.params["n"] == 2
    assert new.error.code == "rate_limit_exceeded"
    assert new.error.stack[0] == "app.py:3 in main"
    assert new.faults == ("extract: KeyError", "[CONTENT_REMOVED]")
    assert "detail.input[0].parts[0].text" in {r.field for r in new.redactions}
    assert {r.kind for r in new.redactions} == {"content"}


def test_i3_of_every_kind() -> None:
    for kind in t.DETAILS.values():
        values: dict[str, Any] = {
            field.name: {
                "value": {"k": SECRET},
                "values": {"k": SECRET},
                "text": SECRET,
                "texts": (SECRET,),
            }[field.shape]
            for field in PLANS[kind]
            if field.shape in ("value", "values", "text", "texts")
            and field.area not in ("names", "servers")
        }
        new = chain(content="none")(replace(full_span(), detail=kind(**values)))
        assert SECRET not in repr(new)


def test_equal_content_has_equal_hashes_under_one_key() -> None:
    new = chain(content="hash")(full_span())
    again = chain(content="hash")(full_span())
    other = chain(content="hash", hash_key="other")(full_span())
    text = new.detail.output[0].parts[0].text
    assert text == new.detail.input[0].parts[0].text == again.detail.output[0].parts[0].text
    assert text != other.detail.output[0].parts[0].text
    assert len(text) == 32


def test_full_keeps_everything() -> None:
    span = full_span()
    assert chain(content="full", user_ids="keep")(span) == span


def test_user_ids_are_hashed_by_default() -> None:
    span = replace(full_span(), user_id="jane")
    new = chain()(span)
    assert new.user_id not in (None, "jane")
    said = t.Redaction(
        field="user_id", kind="user_id", action="hash", key_id=Hasher("", "test").key_id
    )
    assert said in new.redactions
    assert chain(user_ids="keep")(span).user_id == "jane"


@pytest.mark.parametrize("policy", ["full", "redacted", "hash"])
@pytest.mark.parametrize("name", ["user", "safety_identifier"])
def test_a_user_id_among_the_parameters_joins_with_the_user(policy: str, name: str) -> None:
    mail = "jane@example.org"
    detail = t.LLMCall(params={name: mail, "n": 2, "prompt_cache_key": "k"})
    span = replace(full_span(), user_id=mail, detail=detail)
    new = chain(content=policy)(span)
    assert new.detail.params[name] == new.user_id != mail
    assert new.detail.params["n"] == 2
    if policy != "hash":
        assert new.detail.params["prompt_cache_key"] == "k"
        assert f"detail.params.{name}" in {r.field for r in new.redactions if r.action == "hash"}
    kept = chain(content="full", user_ids="keep")(span)
    assert kept.detail.params == span.detail.params  # type: ignore[union-attr]
    assert chain(content="none")(span).detail.params[name] == "[CONTENT_REMOVED]"


@pytest.mark.parametrize("policy", ["none", "hash"])
def test_numbers_of_http_are_structure(policy: str) -> None:
    attributes = {
        "http.response.status_code": 200, "http.x": True, "http.route": "/of/jane", "age": 41,
    }  # fmt: skip
    new = chain(content=policy)(replace(full_span(), attributes=attributes)).attributes
    assert new["http.response.status_code"] == 200
    assert new["http.x"] is True
    assert new["http.route"] != "/of/jane"
    assert new["age"] != 41


def test_one_key_for_all_who_race(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(load(tmp_path / "d"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert sorted(os.listdir(tmp_path / "d")) == [".gitignore", "hash.key"]
    assert stat.S_IMODE((tmp_path / "d" / "hash.key").stat().st_mode) == 0o600
    assert Hasher(str(tmp_path / "d"))("x") == Hasher(str(tmp_path / "d"))("x")
    assert len(Hasher(str(tmp_path / "d")).key_id) == 8


def test_no_place_for_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "spanloom"):
        hasher = Hasher(str(tmp_path / "file" / "below"))
        assert hasher("x") == hasher("x")
    assert len(caplog.records) == 1
    assert "SPANLOOM_HASH_KEY" in caplog.text


def test_no_field_of_the_model_is_forgotten() -> None:
    """A new field with words must get an area: structure is numbers, and words of closed lists."""
    for kind in AREAS:
        for field in msgspec.structs.fields(kind):
            if field.name not in AREAS[kind] and field.name not in OWN:
                assert "str" not in str(field.type) or "Literal" in str(field.type), (kind, field)
                assert field.type is not Any, (kind, field)


def test_i5_a_fault_of_ours_leaves_only_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError(SECRET)

    monkeypatch.setenv("SPANLOOM_STRICT", "0")
    failing = chain()
    monkeypatch.setattr(failing, "_plain", broken)
    new = failing(full_span())
    assert SECRET not in repr(new)
    assert (new.span_id, new.kind, new.error.type) == (2, "llm", "server")
    assert new.faults == ("processors: ValueError",)
