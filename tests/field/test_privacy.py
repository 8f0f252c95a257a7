"""I1 to I5: what leaves the program, and what the record may not hold."""

import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

import spanloom
from spanloom.sdk import Active
from spanloom.testing import Chat, Error, FakeProvider, ToolCall
from spanloom.types import Custom, Span, Task

from .conftest import Watched

KEY = "sk-proj-" + "Ab3dEf9hIjKlMn0pQrStUv7xYz12" * 2
CARD = "4111 1111 1111 1111"
MAIL = "ann.example@example.org"
SECRETS = (KEY, CARD, MAIL)
ALL = f"key {KEY}, card {CARD}, mail {MAIL}"

TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


class Theirs:
    """A backend of a third party, which keeps what it gets as bytes."""

    name = "theirs"
    wants_pending = True

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def export(self, batch: Sequence[Span], /) -> None:
        self.spans.extend(batch)

    def close(self) -> None:
        pass

    @property
    def bytes(self) -> bytes:
        return b"".join(msgspec.json.encode(s, enc_hook=repr) for s in self.spans)


def on_disk(folder: Path) -> bytes:
    """All that is below the folder: contents and names."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert files
    return b"".join(str(p).encode() + p.read_bytes() for p in files)


def everything(client: openai.OpenAI, provider: FakeProvider, text: str) -> None:
    """``text`` wherever a program can put text, recorded by the SDK and by hand."""

    class Failure(Exception):
        pass

    @spanloom.tool
    def look_up(query: str, options: dict[str, Any]) -> dict[str, Any]:
        spanloom.event("looked", found=text)
        spanloom.set_attributes(note=text, nested={"deep": [{"er": text}]})
        return {"result": text, "json": msgspec.json.encode({"inner": text}).decode()}

    call = ToolCall("look_up", {"query": text})
    provider.script([
        Chat(text=text), Chat(text=None, tool_calls=(call,)), Chat(text=text, chunks=7),
        Error(400, message=f"cannot do: {text}"),
    ])  # fmt: skip
    ask: Any = [
        {"role": "system", "content": text},
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "assistant", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": text}}
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": text},
    ]  # fmt: skip
    chat = client.chat.completions
    with spanloom.agent("helper", input=text) as agent:
        chat.create(model="gpt-4o", messages=ask, tools=[TOOL], stop=[text], user=text)
        chat.create(model="gpt-4o", messages=ask, metadata={"note": text})
        list(chat.create(model="gpt-4o", messages=ask, stream=True))
        with pytest.raises(openai.BadRequestError):
            chat.create(model="gpt-4o", messages=ask)
        look_up(text, {"secret": [text, {"k": text}]})
        with pytest.raises(Failure), spanloom.task("fails"):
            raise Failure(text)
        spanloom.score("quality", 1, comment=text)
        spanloom.handoff("helper", "other", reason=text, payload={"text": text})
        agent.record(output={"answer": text})
    with spanloom.llm_call(model="m", input=text) as given:
        given.record(output=[{"role": "assistant", "content": text}])
    with spanloom.retrieval("search", query=text) as found:
        found.record(documents=[{"content": text, "metadata": {"source": text}}])
    client.embeddings.create(model="text-embedding-3-small", input=[text])
    client.responses.create(model="gpt-4o", input=text, instructions=text)


@pytest.mark.field("I1", "secrets are gone on every backend and on disk, whoever made the span")
def test_redaction_everywhere(
    tmp_path: Path, client: openai.OpenAI, provider: FakeProvider
) -> None:
    theirs = Theirs()
    spanloom.init(backends=["local", "memory", theirs], flush_interval_s=0.05)
    everything(client, provider, ALL)
    plugin = Active(f"plugin {KEY}", "task")
    plugin.integration = "a-plugin"
    plugin.extract = lambda _: Task(input=ALL, output=[ALL])
    plugin.start()
    plugin.add_event(Custom(time_ns=plugin.now_ns(), name=f"e {MAIL}", attributes={"x": ALL}))
    plugin.end()
    assert spanloom.flush(10).ok
    spanloom.shutdown()
    disk = on_disk(tmp_path / ".spanloom")
    assert len({s.span_id for s in theirs.spans}) == 13
    for secret in SECRETS:
        for text in (secret, secret.replace(" ", "")):
            assert text.encode() not in disk
            assert text.encode() not in theirs.bytes
    for placeholder in (b"[CC_REDACTED]", b"[EMAIL_REDACTED]"):
        assert placeholder in disk
    redacted = [s for s in theirs.spans if s.redactions]
    assert {s.integration for s in redacted} == {"openai", "manual", "a-plugin"}


@pytest.mark.field("I1", "what is still open is redacted too before it is written")
def test_pending_is_redacted(tmp_path: Path, client: openai.OpenAI) -> None:
    spanloom.init(backends=["local"], flush_interval_s=0.05)
    folder = tmp_path / ".spanloom"
    with spanloom.agent("open", input=ALL, note=ALL):
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": ALL}], stream=True
        )
        next(stream)
        from .programs import until

        until(lambda: folder.exists() and on_disk(folder).count(b'"pending"') == 2)
        disk = on_disk(folder)
        stream.close()
    for secret in SECRETS:
        assert secret.encode() not in disk


WAYS: list[Callable[[Any], Any]] = [
    lambda c: c.chat.completions.create(model="gpt-4o", messages=ASK, tools=[TOOL], seed=4),
    lambda c: list(c.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)),
    lambda c: c.chat.completions.with_raw_response.create(model="gpt-4o", messages=iter(ASK)),
    lambda c: c.chat.completions.create(
        model="gpt-4o", messages=ASK, extra_headers={"x-mine": "1"}, extra_body={"top_k": 3}
    ),
    lambda c: c.responses.create(model="gpt-4o", input="hi", metadata={"a": "b"}),
    lambda c: list(c.responses.create(model="gpt-4o", input="hi", stream=True)),
    lambda c: c.embeddings.create(model="text-embedding-3-small", input=["a", "b"]),
    lambda c: c.images.generate(model="gpt-image-1", prompt="a loom"),
    lambda c: c.moderations.create(input="hi"),
    lambda c: c.models.list(),
    lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="hi"),
    lambda c: c.audio.transcriptions.create(
        model="whisper-1",
        file=("a.wav", io.BytesIO(b"RIFF"), "audio/wav"),
        extra_headers={"Content-Type": "multipart/form-data; boundary=fixed"},
    ),
]
ASK: list[Any] = [{"role": "user", "content": "hi"}, {"role": "user", "content": "é \ud83d\ude00"}]
ASK[1]["content"] = "é 😀"


@pytest.mark.field("I2", "the bytes on the wire are the same with and without us", by="openai")
def test_bytes_on_the_wire(start: Callable[..., Watched], provider: FakeProvider) -> None:
    def wire() -> list[bytes]:
        provider.clear()
        provider.on(lambda call: "retry" in call.text, Error(500))
        with openai.OpenAI(base_url=provider.url, api_key="any", max_retries=1) as client:
            for way in WAYS:
                way(client)
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "retry"}]
                )
        return list(provider.raw_requests)

    without = wire()
    watched = start()
    with spanloom.session("s", user="u", tags=["t"]), spanloom.workflow("outer"):
        assert wire() == without
    spanloom.uninstrument()
    assert wire() == without
    assert len(without) == len(WAYS) + 2
    assert len(watched.spans()) == len(WAYS) + 1, "all but the list of models, and the workflow"


MARK = "zebra-7Q4"


@pytest.mark.field("I3", "with content off nothing of it leaks another way")
@pytest.mark.parametrize("content", ["none", "hash"])
def test_content_off(
    tmp_path: Path,
    client: openai.OpenAI,
    provider: FakeProvider,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    content: str,
) -> None:
    theirs = Theirs()
    with caplog.at_level(logging.DEBUG, "spanloom"):
        spanloom.init(backends=["local", theirs], content=content, log_level="debug")
        everything(client, provider, f"the {MARK} sleeps")
        assert spanloom.flush(10).ok
        spanloom.shutdown()
    assert MARK.encode() not in on_disk(tmp_path / ".spanloom")
    assert MARK.encode() not in theirs.bytes
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("spanloom")]
    assert MARK not in "\n".join(ours)
    assert MARK not in "".join(capfd.readouterr())
    ended = [s for s in theirs.spans if s.status != "pending"]
    calls = [s for s in ended if s.kind == "llm" and s.integration == "openai"]
    assert len(calls) == 5
    assert all(s.detail.model for s in calls), "what is no content is there"
    assert [s.status for s in calls].count("error") == 1


@pytest.mark.field("I3", "the standard variable that switches content off is obeyed")
def test_content_off_by_variable(
    tmp_path: Path, monkeypatch: Any, client: openai.OpenAI, provider: FakeProvider
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT")
    spanloom.init(backends=["local"])
    everything(client, provider, f"the {MARK} sleeps")
    assert spanloom.flush(10).ok
    assert MARK.encode() not in on_disk(tmp_path / ".spanloom")


IDS = (
    "123e4567-e89b-42d3-a456-426614174000", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709", "chatcmpl-9nYkzQhx2VbT7RmWcLpD4sGfJ1AoE",
    "call_w3Yd81LkPq0ZsVxN5TbRmGhC", "1716239022123",
)  # fmt: skip


@pytest.mark.field(
    "I4", "a UUID or a hex id is no secret, a key in a URL, header, error or JSON is"
)
def test_ids_stay_and_keys_go(
    watched: Watched, client: openai.OpenAI, provider: FakeProvider
) -> None:
    ids = " ".join(IDS)
    nested = msgspec.json.encode({"a": msgspec.json.encode({"b": [KEY]}).decode()}).decode()
    keys = f"https://api.example.org/v1?key={KEY}\nAuthorization: Bearer {KEY}\n{nested}"
    for text in (ids, keys):
        provider.script([Chat(text=text), Error(400, message=text)])
        ask: Any = [{"role": "user", "content": text}]
        client.chat.completions.create(model="gpt-4o", messages=ask)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="gpt-4o", messages=ask)
        with pytest.raises(LookupError), spanloom.task("by hand", input={"text": text}):
            raise LookupError(text)
    spans = [msgspec.json.encode(span, enc_hook=repr).decode() for span in watched.spans()]
    assert len(spans) == 6
    for kept in spans[:3]:
        assert all(id in kept for id in IDS)
    for kept in spans[3:]:
        assert KEY not in kept
        assert KEY[8:24] not in kept, "nor a part of it"


@pytest.mark.field("I5", "a processor that fails withholds the span's content, and it is said")
def test_failing_redactor(
    tmp_path: Path,
    client: openai.OpenAI,
    provider: FakeProvider,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def redact(span: Span) -> Span:
        if span.kind == "agent":
            return span
        raise RuntimeError(f"cannot look at {span!r}")

    theirs = Theirs()
    spanloom.init(backends=["local", theirs], processors=[redact], content="full")
    with spanloom.agent("outer"):
        with spanloom.task("step", input=ALL, note=ALL):
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": ALL}]
            )
    with caplog.at_level(logging.WARNING, "spanloom"):
        assert spanloom.flush(10).ok
    for secret in SECRETS:
        assert secret.encode() not in on_disk(tmp_path / ".spanloom")
        assert secret.encode() not in theirs.bytes
        assert secret not in caplog.text
    call, step, agent = (s for s in theirs.spans if s.status != "pending")
    assert (call.parent_id, step.parent_id) == (step.span_id, agent.span_id)
    for span in (call, step):
        assert span.faults == ("processor failed: RuntimeError",)
        assert span.status == "ok"
    assert not agent.faults
    assert "redact failed: RuntimeError" in caplog.text
    assert "the span's content is withheld" in caplog.text


@pytest.mark.field(
    "I5", "data that cannot be looked at is withheld, and its span goes on", by="manual"
)
def test_unreadable_data(tmp_path: Path, client: openai.OpenAI, watched: Watched) -> None:
    class Sly(str):
        """A text whose every method fails."""

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(ALL)

    class Bad(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            raise RuntimeError(ALL)

        keys = values = __iter__ = __len__ = items

    with spanloom.task("step", sly=Sly(ALL), bad=Bad(a=ALL)) as step:
        step.record(input=Bad(b=ALL), output=[Sly(ALL), "fine"])
    span = watched.one()
    found = msgspec.json.encode(span, enc_hook=repr)
    for secret in SECRETS:
        assert secret.encode() not in found
    assert span.status == "ok"
