"""The labelled texts are what they claim: labels in place, values valid, decoys not."""

import ipaddress
import re
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from urllib.parse import unquote

import pytest

from . import checks, decoys
from .carriers import SEEN
from .hidden import HIDDEN
from .model import NO_LANGUAGE
from .national import COUNTRIES
from .texts import KINDS, SHAPES, Half, Kind, Labelled, make
from .values import CARDS, IBANS

COUNT = 2000
HALVES: tuple[Half, ...] = ("seen", "hidden")
LENGTHS = {"DE": 22, "FR": 27, "GB": 22, "NO": 15, "MT": 31, "PL": 28, "BE": 16, "BR": 29, "SA": 24}
each_half = pytest.mark.parametrize("half", HALVES)


@pytest.fixture(scope="module", params=HALVES)
def texts(request: pytest.FixtureRequest) -> list[Labelled]:
    half: Half = request.param
    return make(7, half, COUNT)


def values(texts: list[Labelled], kind: Kind) -> list[str]:
    """What the labels of a kind hold, without the escapes of JSON and URLs around it."""
    found = [
        each.text[label.start : label.end]
        for each in texts
        for label in each.labels
        if label.kind == kind
    ]
    unescaped = [
        re.sub(r"\\+u([0-9a-f]{4})", lambda at: chr(int(at[1], 16)), each) for each in found
    ]
    return [unquote(each) for each in unescaped]


def test_labels_lie_in_the_text_in_order_and_apart(texts: list[Labelled]) -> None:
    for each in texts:
        at = 0
        for label in each.labels:
            assert at <= label.start < label.end <= len(each.text), each
            value = each.text[label.start : label.end]
            assert value == value.strip(), each
            at = label.end
        assert "⟦" not in each.text


def test_every_kind_shape_and_language_is_there(texts: list[Labelled]) -> None:
    kinds = Counter(label.kind for each in texts for label in each.labels)
    assert min(kinds[kind] for kind in KINDS) >= 60, kinds
    shapes = Counter(each.shape for each in texts)
    assert min(shapes[shape] for shape in SHAPES) >= 60, shapes
    languages = Counter(each.language for each in texts)
    assert set(languages) == {NO_LANGUAGE, *SEEN.prose}
    assert min(languages.values()) >= 15, languages


def test_some_texts_hold_nothing_and_some_several(texts: list[Labelled]) -> None:
    many = Counter(min(len(each.labels), 2) for each in texts)
    assert many[0] >= 0.35 * COUNT
    assert many[2] >= 0.15 * COUNT


@each_half
def test_the_same_seed_makes_the_same_texts(half: Half) -> None:
    assert make(3, half, 200) == make(3, half, 200)
    assert make(3, half, 200) == make(3, half, 400)[:200]
    assert make(3, half, 200) != make(4, half, 200)


@each_half
def test_the_texts_are_made_fast(half: Half) -> None:
    start = time.thread_time()
    assert len(make(1, half, COUNT)) == COUNT
    assert time.thread_time() - start < 5


def test_the_halves_share_no_carrier() -> None:
    for language, pool in SEEN.prose.items():
        other = HIDDEN.prose[language]
        for kind, sentences in pool.items():
            assert not {*sentences} & {*other[kind]}, (language, kind)
    for kind in (*KINDS, "plain"):
        assert not {key for key, _ in SEEN.fields[kind]} & {key for key, _ in HIDDEN.fields[kind]}
    lines = [
        {line for pool in half.lines.values() for many in pool.values() for line in many}
        for half in (SEEN, HIDDEN)
    ]
    assert not lines[0] & lines[1]


def test_cards_have_a_network_a_length_and_a_check_digit(texts: list[Labelled]) -> None:
    forms = {(prefix, length) for prefixes, length, _ in CARDS for prefix in prefixes}
    for value in values(texts, "card"):
        number = re.sub(r"\D", "", value)
        assert checks.luhn(number), value
        assert any(number.startswith(start) and len(number) == size for start, size in forms), value


def test_ibans_have_the_length_of_their_country_and_a_checksum(texts: list[Labelled]) -> None:
    assert checks.iban("GB82 WEST 1234 5698 7654 32")
    found = values(texts, "iban")
    for value in found:
        compact = re.sub(r"[^A-Z0-9]", "", value.upper())
        assert checks.iban(value), value
        assert compact[:2] in IBANS
        assert len(compact) == LENGTHS.get(compact[:2], len(compact)), value
    assert len({value[:2].upper() for value in found}) > 30


def test_addresses_of_machines_are_addresses(texts: list[Labelled]) -> None:
    versions = Counter(ipaddress.ip_address(value).version for value in values(texts, "ip"))
    assert min(versions[4], versions[6]) >= 30


def test_ssns_are_of_ranges_that_are_given_out(texts: list[Labelled]) -> None:
    for value in values(texts, "ssn"):
        assert checks.ssn(value), value


def test_emails_and_phones_look_like_it(texts: list[Labelled]) -> None:
    for value in values(texts, "email"):
        assert re.fullmatch(r"[\w.+'-]+@([\w-]+\.)+\w+", value), value
    for value in values(texts, "phone"):
        assert 8 <= len(re.sub(r"\D", "", value)) <= 15, value
        assert re.fullmatch(r"[\d+() ./\u00a0-]+", value), value


def test_secrets_are_long_enough_to_be_one(texts: list[Labelled]) -> None:
    for value in values(texts, "secret"):
        assert len(value) >= 7, value
        if "BEGIN" in value:
            assert value.startswith("-----BEGIN "), value
            assert re.search(r"-----END [A-Z ]+-----$", value), value


@pytest.mark.parametrize("country", COUNTRIES)
def test_national_ids_pass_the_rule_of_their_country(country: str) -> None:
    valid, example = checks.NATIONAL[country]
    assert valid(example)
    rng = Random(country)
    for _ in range(300):
        value = COUNTRIES[country](rng)
        assert valid(re.sub(r"[^0-9A-Z]", "", value) if country != "fi" else value), value


@pytest.mark.parametrize(
    ("decoy", "valid"),
    [
        (decoys.bad_digits, checks.luhn),
        (decoys.bad_iban, checks.iban),
        (decoys.bad_ssn, checks.ssn),
    ],
)
def test_decoys_are_invalid(
    decoy: Callable[[Random, str], str], valid: Callable[[str], bool]
) -> None:
    rng = Random("decoys")
    for _ in range(500):
        value = decoy(rng, NO_LANGUAGE)
        assert not valid(value), value


def test_uuids_and_dates_hold_no_label(texts: list[Labelled]) -> None:
    """Of what is a decoy wherever it stands, none is labelled."""
    never = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1357][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    for each in texts:
        for label in each.labels:
            if label.kind != "secret":
                assert not never.search(each.text, label.start, label.end), each
