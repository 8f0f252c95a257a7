"""A key and a card in every place of the model, in many shapes: in no byte of what is written.

The places come from the types, so that a field that is new tomorrow is planted too.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import spanloom
from spanloom import types as t
from spanloom.backends.console import ConsoleBackend
from spanloom.backends.local import LocalBackend
from spanloom.backends.memory import MemoryBackend
from spanloom.backends.otel import OTelExporterBackend
from spanloom.processors import Chain
from spanloom.settings import Redact, Settings

from ..planting import SHAPES, TEXTS, Kept, Plants, Watch, places, spans, written

KEPT: Mapping[str, str] = {
    "redactions[0]<Redaction>.kind": "a word of ours, or the name of a pattern of the user's",
    "redactions[0]<Redaction>.key_id": "ours: it tells keys apart",
    "blobs[0]<Blob>.sha256": "what local stores under a name that is no hash is refused",
}
"""Places that nobody looks at, each with the reason."""
NOTES = ("redactions", "truncated", "faults", "blobs", "resource")
"""What is not the program's data but made by the recorder, of texts."""


def shapes_at(path: str) -> tuple[str, ...]:
    """What can stand there: a ``data:`` URL is content, and nobody's key."""
    if path.startswith(NOTES):
        return tuple(TEXTS)
    return tuple(
        s for s in SHAPES if not path.endswith("<key>") or s not in ("data url", "exception")
    )


PLACES = tuple((path, make) for path, make in places(t.Span) if path not in KEPT)
SETTINGS = Settings(hash_key="test", encrypt_key="ab" * 32)
POLICIES: Mapping[str, Settings] = {
    "redacted": SETTINGS,
    **{
        f"redacted, {action}": replace(SETTINGS, redact=Redact(default=action))
        for action in ("hash", "mask", "drop", "encrypt")
    },
    "hash": replace(SETTINGS, content="hash"),
    "none": replace(SETTINGS, content="none"),
    "redacted but for metadata": replace(
        SETTINGS, content={"default": "redacted", "metadata": "full"}
    ),
}


def test_the_places_are_those_that_a_reader_of_the_types_sees() -> None:
    paths = {path for path, _ in PLACES}
    assert len(paths) > 300
    assert paths > {
        "name", "tags[0]", "metadata.<key>", "error<Error>.stack[0]", "resource<Resource>.command",
        "detail<LLMCall>.input[0]<Message>.parts[0]<ToolRequest>.arguments[0].k[0]",
        "detail<Handoff>.reason", "detail<Retrieval>.documents[0]<Document>.content",
        "events[0]<LogEvent>.attributes.k", "blobs[0]<Blob>.data", "detail<LLMCall>.finish[0]",
    }  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_found_where_it_stands_alone(shape: str) -> None:
    """Nothing else in the span makes anybody look."""
    chain = Chain(SETTINGS)
    leaks = []
    for path, make in PLACES:
        if shape not in shapes_at(path):
            continue
        plants = Plants()
        span = make(plants.both(path, SHAPES[shape]))
        if plants.found_in(repr(chain(span))):
            leaks.append(path)
    assert not leaks


def everywhere(
    folder: Path, spans: Sequence[t.Span], capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    """What each backend makes of them."""
    memory, exporter = MemoryBackend(), Kept()
    backends: list[Any] = [
        LocalBackend(SETTINGS, dir=folder), memory, OTelExporterBackend(exporter),
        ConsoleBackend(content=True, hold_s=0),
    ]  # fmt: skip
    for backend in backends:
        backend.export(spans)
        backend.close()
    return {
        "local": written(folder).decode(), "memory": repr(memory.spans), "otel": exporter.written,
        "console": capsys.readouterr().err,
    }  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_no_backend_gets_it_under_any_policy(
    policy: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    plants, chain = Plants(), Chain(POLICIES[policy])

    def make(path: str) -> Any:
        place = path.partition(": ")[2]
        if place.startswith("metadata") and "metadata" in policy:
            return "kept"
        shapes = shapes_at(place)
        return plants.both(path, SHAPES[shapes[len(plants.places) % len(shapes)]])

    done = [chain(span) for _ in range(2) for span in spans(make)]
    with caplog.at_level(logging.DEBUG):
        seen = everywhere(tmp_path / "record", done, capsys)
    assert len(plants.places) > 2000
    for backend, text in {**seen, "log": caplog.text}.items():
        assert not plants.found_in(text), backend
    assert '"kind":"handoff"' in seen["local"]


def test_full_keeps_it_or_the_others_would_prove_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plants, chain = Plants(), Chain(replace(SETTINGS, content="full", user_ids="keep"))
    seen = everywhere(tmp_path / "record", [chain(one) for one in spans(plants.both)], capsys)
    every = set(plants.places)
    assert plants.found_in(seen["local"]) == plants.found_in(seen["memory"]) == every
    assert len(plants.found_in(seen["otel"])) > len(every) / 2
    assert plants.found_in(seen["console"])


def test_whoever_planted_it_and_however_late(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A processor of the user's comes after redaction, so what it makes is redacted again."""
    plants = Plants()
    planted = iter(list(spans(plants.both)))
    watch = Watch(
        tmp_path / "record", capsys, caplog, processors=[lambda _: next(planted)], integrations=[]
    )
    for _ in t.DETAILS:
        with spanloom.span("step"):
            pass
    for place, text in watch.written().items():
        assert not plants.found_in(text), place
    assert {span.kind for span in watch.memory.spans} == set(t.DETAILS)


@pytest.mark.parametrize("name", ["password", "api_key", "Authorization", "clientSecret"])
def test_what_only_its_name_tells_is_a_secret_too(name: str) -> None:
    word = "tulipshoe8quartz"
    shapes: list[Any] = [
        {name: word}, {"x": [{name: [word]}]}, {name: {"value": word}}, [name, word],
        json.dumps({name: word}), json.dumps({"a": json.dumps({name: word})}),
        repr({name: word}), f"call({name}={word!r})", f"{name}: {word}", f"export X_{name}={word}",
        f"https://x.example/?a=1&{name}={word}&b=2", f"?next=%2Fa%3F{name}%3D{word}%26b",
        f"%7B%22{name}%22%3A%22{word}%22%7D", f"**{name}:** {word}",
    ]  # fmt: skip
    chain = Chain(SETTINGS)
    for shape in shapes:
        span = t.Span(
            trace_id=1, span_id=1, name="x", integration="x", start_ns=1, detail=t.Task(input=shape)
        )
        assert word not in repr(chain(span)), shape
        assert word not in msgspec.json.encode(chain(span).detail).decode()
