"""What is too long to be looked at is cut first: nothing that would have been found is left in half."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors import Chain
from spanloom.processors.cut import cut
from spanloom.settings import Settings

from ..planting import Plants

ROOM = 1024
SETTINGS = Settings(hash_key="test")
WORDS = "lorem ipsum " * 200
SPAN = t.Span(trace_id=1, span_id=1, name="n", integration="manual", start_ns=1, detail=t.Task())

Carrier = Callable[[str, str], Any]
CARRIERS: dict[str, Carrier] = {
    "prose": lambda before, v: f"{before} {v} and {WORDS}",
    "one word": lambda before, v: f"{'x' * len(before)} {v} {'y' * 2000}",
    "accents": lambda before, v: f"{'é' * (len(before) // 2)} {v} {WORDS}",
    "url": lambda before, v: f"{before} https://x.example/?q={quote(v)}&b={WORDS}",
    "escapes": lambda before, v: (
        f"{before} {''.join(f'{chr(92)}u{ord(c):04x}' for c in v)} {WORDS}"
    ),
    "json": lambda before, v: json.dumps({"a": before[12:], "note": v, "b": WORDS}),
    "json in json": lambda before, v: json.dumps(
        {"a": before[40:], "b": [{"c": json.dumps({"note": v, "d": WORDS})}], "e": 1}
    ),
    "under a name": lambda before, v: json.dumps(
        {"a": before[40:], "credentials": {"x": {"y": [v]}}, "b": WORDS}
    ),
    "key": lambda before, v: {f"{before} {v} {WORDS}": 1},
}


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("limit", ["max_value_bytes", "max_text_bytes"])
def test_nothing_is_left_in_half_wherever_the_cut_falls(carrier: str, limit: str) -> None:
    settings = replace(SETTINGS, **{limit: ROOM})
    chain = Chain(settings)
    for room in range(ROOM - 160, ROOM + 10):
        plants = Plants(room)
        key, card = plants.key("key"), plants.card("card")
        for planted, pieces in ((key, (key[:14],)), (card, (card[:9], card.replace(" ", "")[:8]))):
            given = CARRIERS[carrier](WORDS[:room], planted)
            new = chain(replace(SPAN, detail=t.Task(input=given, output={"k": [given]})))
            text = repr(new)
            assert not plants.found_in(text), (room, planted)
            assert not [piece for piece in pieces if piece in text], (room, planted)
            assert new.truncated or limit == "max_text_bytes"


def test_a_multi_word_secret_under_a_name_that_is_cut() -> None:
    said = json.dumps({"a": WORDS[:900], "vault": {"secrets": {"pin": ["tulip shoe", WORDS]}}})
    new = Chain(replace(SETTINGS, max_value_bytes=ROOM))(replace(SPAN, detail=t.Task(input=said)))
    assert "tulip" not in repr(new)


DOCUMENTS: list[Any] = [
    {"a": [1, {"b": "c, {d"}, [], {}], "e": {"f": None, "g": True}, "h": 1.5},
    [["x" * 40, {"k": 'quote " and \\ slash \n'}], "é😀", {"deep": [[[[{"z": "w"}]]]]}],
    {"arguments": json.dumps({"a": json.dumps(["b, c", {"d": "e"}]), "f": [1, 2]}), "n": 2},
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_json_stays_json_wherever_the_cut_falls(document: Any, ensure_ascii: bool) -> None:
    text = json.dumps(document, ensure_ascii=ensure_ascii)
    for room in range(1, len(text)):
        short = cut(text[:room], len(text))
        made = json.loads(short)
        assert type(made) is type(document)
        assert "TRUNCATED" in short


@pytest.mark.parametrize("text", ["{no json", "[1] and more", "{{{", "]]", '{"a": b c', "[" * 3000])
def test_what_only_looks_like_json_is_cut_as_a_text(text: str) -> None:
    assert cut(text, 9999).endswith(" chars]") or json.loads(cut(text, 9999))


def test_a_number_is_not_cut_in_two() -> None:
    assert cut("pay 4111 1111 11", 90) == "pay... [TRUNCATED 87 chars]"
    assert cut("to DE89 3704 00", 90) == "to... [TRUNCATED 88 chars]"
