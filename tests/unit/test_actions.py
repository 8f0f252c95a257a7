"""What becomes of a find: by kind, by area, and never less than the default where a setting is wrong."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from spanloom import errors
from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.processors.actions import MARK
from spanloom.processors.keys import Hasher
from spanloom.processors.sealing import SEALED, Sealer
from spanloom.settings import load

MAIL, PHONE, KEY = "jane@example.org", "+1 415 555 0132", "sk-proj-A1b2C3d4E5f6G7h8"
TEXT = f"{MAIL} or {PHONE}, with {KEY}"
ENCRYPT_KEY = "0a" * 32
HASHER = Hasher("", "test")


def span(**fields: Any) -> t.Span:
    detail = t.Task(input=TEXT, output=TEXT)
    values = {"trace_id": 1, "span_id": 2, "name": "n", "integration": "manual", "start_ns": 1}
    return t.Span(**values | {"detail": detail} | fields)


def chain(tmp_path: Path, environ: dict[str, str] | None = None, **settings: Any) -> Any:
    given = {"hash_key": "test"} | settings
    return default_chain(load(given, environ=environ or {}, cwd=tmp_path))[0]


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    monkeypatch.delenv("SPANLOOM_STRICT", raising=False)
    monkeypatch.setattr(errors, "_said", set())
    caplog.set_level(logging.WARNING, "spanloom")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("redact", "[EMAIL_REDACTED]"), ("mask", "****@*******.***"), ("drop", ""), ("keep", MAIL),
        ("hash", f"[EMAIL_HASH_{HASHER(MAIL)}]"), (str.upper, MAIL.upper()),
    ],
)  # fmt: skip
def test_each_action(tmp_path: Path, action: Any, expected: str) -> None:
    new = chain(tmp_path, redact={"email": action})(span())
    assert new.detail.input == f"{expected} or [PHONE_REDACTED], with [SECRET_REDACTED]"
    said = {(r.field, r.kind): r for r in new.redactions}
    assert said["detail.input", "phone"].action == "redact"
    if action == "keep":
        assert ("detail.input", "email") not in said
    else:
        redaction = said["detail.input", "email"]
        assert redaction.action == (action if isinstance(action, str) else "custom")
        assert redaction.key_id == (HASHER.key_id if action == "hash" else None)


def test_nearest_wins(tmp_path: Path) -> None:
    redact = {
        "default": "mask",
        "email": "hash",
        "outputs": {"email": "keep", "default": "drop"},
        "metadata": "redact",
    }
    new = chain(tmp_path, redact=redact)(span(metadata={"a": MAIL}, attributes={"a": MAIL}))
    hashed = f"[EMAIL_HASH_{HASHER(MAIL)}]"
    assert new.detail.input == f"{hashed} or +* *** *** ****, with [SECRET_REDACTED]"
    assert new.detail.output == f"{MAIL} or , with "
    assert new.metadata == {"a": "[EMAIL_REDACTED]"}
    assert new.attributes == {"a": hashed}


def test_a_mask_shows_nothing_of_a_secret(tmp_path: Path) -> None:
    new = chain(tmp_path, redact="mask")(
        span(detail=t.Task(input=[KEY, {"password": "hunter2"}, "card 4111 1111 1111 1111"]))
    )
    assert new.detail.input == [
        "[SECRET_REDACTED]",
        {"password": "[SECRET_REDACTED]"},
        "card **** **** **** ****",
    ]


def test_a_file_and_a_variable_are_merged(tmp_path: Path) -> None:
    (tmp_path / "spanloom.toml").write_text(
        "[redact]\nemail = 'hash'\nphone = 'mask'\n"
        "[redact.outputs]\nphone = 'keep'\n[redact.patterns]\nstaff = 'EMP-[0-9]{6}'\n"
    )
    environ = {"SPANLOOM_REDACT": "email=drop, attributes.phone=keep"}
    task = t.Task(input=f"EMP-123456 {MAIL} {PHONE}", output=PHONE)
    new = chain(tmp_path, environ)(span(detail=task, attributes={"a": PHONE}))
    assert new.detail.input == "[STAFF_REDACTED]  +* *** *** ****"
    assert new.detail.output == PHONE
    assert new.attributes == {"a": PHONE}


def test_patterns_and_functions_of_ones_own(tmp_path: Path) -> None:
    def names(text: str) -> list[tuple[int, int, str]]:
        return [(m.start(), m.end(), "name") for m in re.finditer("Jane Doe", text)]

    redact = {
        "patterns": {"staff": r"EMP-\d+", "ward": re.compile("(?i)ward [a-f]")},
        "recognisers": [names],
        "staff": "hash",
    }
    task = t.Task(input={"a": ["EMP-99 in Ward B", "Jane Doe and EMP-1"]})
    new = chain(tmp_path, redact=redact)(span(name="Jane Doe's run", detail=task))
    assert new.detail.input == {
        "a": [
            f"[STAFF_HASH_{HASHER('EMP-99')}] in [WARD_REDACTED]",
            f"[NAME_REDACTED] and [STAFF_HASH_{HASHER('EMP-1')}]",
        ]
    }
    assert new.name == "Jane Doe's run"  # a name that the program gave, not content
    assert chain(tmp_path)(span(detail=task)).detail.input == task.input


def test_a_failing_function_costs_the_text(tmp_path: Path) -> None:
    def broken(text: str) -> Any:
        raise ValueError(text)

    for redact in ({"recognisers": [broken]}, {"email": broken}):
        new = chain(tmp_path, redact=redact)(span())
        assert new.detail.input == "[WITHHELD]"
        assert ("detail.input", "withheld") in {(r.field, r.kind) for r in new.redactions}


@pytest.mark.parametrize(
    ("redact", "words"),
    [
        ({"email": "hsah"}, ("redact.email", "'hsah'", "did you mean 'hash'", '"mask"')),
        ({"outputs": {"phone": 3}}, ("redact.outputs.phone", "3")),
        ({"emial": "keep"}, ("redact.emial", "did you mean 'email'")),
        ({"outptus.email": "keep"}, ("redact.outptus.email", "did you mean 'outputs'")),
        ("kep", ("redact.default", "'kep'", "did you mean 'keep'")),
        (7, ("sets redact to 7",)),
    ],
)
def test_a_wrong_entry_is_said_and_protects_no_less(
    tmp_path: Path, lenient: Any, redact: Any, words: tuple[str, ...]
) -> None:
    (tmp_path / "spanloom.toml").write_text("[redact]\nemail = 'keep'\n")
    merged = redact | {"card": "mask"} if isinstance(redact, dict) else redact
    new = chain(tmp_path, redact=merged)(span(detail=t.Task(input=f"{TEXT} 4111 1111 1111 1111")))
    (message,) = lenient()
    assert message.startswith("spanloom: the argument redact= sets redact")
    assert all(word in message for word in words), message
    assert KEY not in new.detail.input
    assert PHONE not in new.detail.input
    # what is right in the same source and in others stays in force, but not for what is wrong
    assert ("**** ****" in new.detail.input) is isinstance(redact, dict)
    assert (MAIL in new.detail.input) is ("hsah" not in message)


@pytest.mark.parametrize(
    ("redact", "words"),
    [
        ({"patterns": {"staff": "EMP-("}}, ("redact.patterns.staff", "'EMP-('", "unterminated")),
        ({"patterns": {"staff": "(a+)+b"}}, ("redact.patterns.staff", "take for ever", "++")),
        ({"patterns": {"staff": "(?:a|ab){1,90}c"}}, ("take for ever",)),
        ({"patterns": {"staff": "x*"}}, ("where nothing is",)),
        ({"patterns": {"inputs": "x"}}, ("name of its own",)),
        ({"patterns": "x"}, ("redact.patterns",)),
        ({"recognisers": ["nobody"]}, ("'nobody' is not installed", "known:")),
        ({"recognisers": [3]}, ("redact.recognisers",)),
    ],
)
def test_what_a_detector_would_have_found_is_not_kept(
    tmp_path: Path, lenient: Any, redact: Any, words: tuple[str, ...]
) -> None:
    new = chain(tmp_path, redact=redact)(span(attributes={"a": "EMP-1"}))
    (message,) = lenient()
    assert all(word in message for word in words), message
    assert "no content is kept" in message
    assert new.detail.input == new.attributes["a"] == "[CONTENT_REMOVED]"


def test_patterns_that_are_fine() -> None:
    redact = {"patterns": {"a": r"(?:[A-Z]{3}-){2}\d+", "b": r"(?:ab|cd)\d{1,9}", "c": r"\d++x"}}
    assert set(load({"redact": redact}, environ={}).redact.patterns) == {"a", "b", "c"}


def test_a_pattern_that_takes_the_square_of_a_text_takes_a_multiple_of_it(tmp_path: Path) -> None:
    import time

    slow = chain(tmp_path, redact={"patterns": {"x": r"a+b"}})
    began = time.perf_counter()
    slow(span(detail=t.Task(input="a" * 100_000)))
    assert time.perf_counter() - began < 5  # as one text it would take a minute


# --- encrypt


def test_what_is_encrypted_can_be_read_with_the_key(tmp_path: Path) -> None:
    new = chain(tmp_path, redact={"email": "encrypt"}, encrypt_key=ENCRYPT_KEY)(span())
    assert MAIL not in repr(new)
    match = SEALED.search(new.detail.input)
    assert match is not None
    assert new.detail.input.startswith("[EMAIL_ENCRYPTED_")
    assert match[1] == Sealer(ENCRYPT_KEY).key_id
    assert Sealer(ENCRYPT_KEY).open(match[2]) == MAIL
    with pytest.raises(ValueError, match="another key"):
        Sealer("0b" * 32).open(match[2])
    redaction = next(r for r in new.redactions if r.action == "encrypt")
    assert redaction.key_id == match[1]
    again = chain(tmp_path, redact={"email": "encrypt"}, encrypt_key=ENCRYPT_KEY)(span())
    assert again.detail.input != new.detail.input  # equal values cannot be told


@pytest.mark.parametrize("key", [None, "short"])
def test_without_a_key_a_placeholder_stands(tmp_path: Path, lenient: Any, key: str | None) -> None:
    new = chain(tmp_path, redact={"email": "encrypt"}, encrypt_key=key)(span())
    (message,) = lenient()
    assert "SPANLOOM_ENCRYPT_KEY" in message or "encrypt_key" in message
    assert "64 hex digits" in message
    assert "short" not in message
    assert new.detail.input.startswith("[EMAIL_REDACTED]")


@pytest.mark.parametrize("action", ["hash", "encrypt", "mask", "redact", "drop"])
def test_what_stands_in_place_of_a_find_is_not_found_again(tmp_path: Path, action: str) -> None:
    """What a processor of the user's changed is looked at once more."""
    redactor = chain(tmp_path, redact=action, encrypt_key=ENCRYPT_KEY)
    task = t.Task(
        input={"password": "hunter2", "text": f"{TEXT}, password='hunter2' api_key=abc123"}
    )
    once = redactor(span(detail=task, user_id="u"))
    twice = redactor(replace(once, name="other"), once)
    assert twice.detail == once.detail
    assert twice.user_id == once.user_id
    if action in ("hash", "encrypt"):
        assert len(MARK.findall(repr(once.detail))) == 6


# --- user ids


@pytest.mark.parametrize(
    ("action", "expected"),
    [("keep", "jane"), ("redact", "[USER_ID_REDACTED]"), ("mask", "****"), ("drop", None),
     ("hash", HASHER("jane"))],
)  # fmt: skip
def test_user_ids(tmp_path: Path, action: str, expected: str | None) -> None:
    call = t.LLMCall(params={"user": "jane"})
    new = chain(tmp_path, user_ids=action)(span(user_id="jane", detail=call))
    assert new.user_id == expected
    assert new.detail.params["user"] == (expected or "")


# --- content by area


def test_content_by_area(tmp_path: Path) -> None:
    policy = {"inputs": "none", "outputs": "full", "metadata": "hash"}
    new = chain(tmp_path, content=policy)(
        span(metadata={"a": TEXT}, attributes={"a": TEXT}, name=f"for {MAIL}")
    )
    assert new.detail.input == "[CONTENT_REMOVED]"
    assert new.detail.output == TEXT
    assert new.metadata == {"a": HASHER(TEXT)}
    assert new.attributes == {"a": "[EMAIL_REDACTED] or [PHONE_REDACTED], with [SECRET_REDACTED]"}
    assert new.name == "for [EMAIL_REDACTED]"
    said = {(r.field, r.kind): r.action for r in new.redactions}
    assert said["detail.input", "content"] == "redact"
    assert said["metadata.a", "content"] == "hash"


def test_content_by_area_in_a_variable_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "spanloom.toml").write_text('[content]\ndefault = "none"\noutputs = "redacted"\n')
    new = chain(tmp_path)(span(attributes={"a": "x"}))
    assert (new.detail.input, new.attributes["a"]) == ("[CONTENT_REMOVED]",) * 2
    assert new.detail.output.startswith("[EMAIL_REDACTED]")
    new = chain(tmp_path, {"SPANLOOM_CONTENT": "default=full,inputs=none"})(span())
    assert new.detail.input == "[CONTENT_REMOVED]"
    assert new.detail.output == TEXT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"inputs": "nnoe"}, ("inputs = 'nnoe'", "did you mean 'none'")),
        ({"outptus": "none"}, ("no area is called 'outptus'", "did you mean 'outputs'")),
        ("inputs=full,outputs", ("default = 'outputs'",)),
    ],
)
def test_a_wrong_area_keeps_no_content(
    tmp_path: Path, lenient: Any, content: Any, words: tuple[str, ...]
) -> None:
    new = chain(tmp_path, content=content)(span())
    (message,) = lenient()
    assert all(word in message for word in words), message
    assert new.detail.input == new.detail.output == "[CONTENT_REMOVED]"


def test_a_picture_goes_where_nothing_kept_names_it(tmp_path: Path) -> None:
    data = b"\x89PNG" + b"0" * 200
    task = t.Task(input={"image": data}, output="fine")
    kept = chain(tmp_path, content={"outputs": "none"})(span(detail=task))
    assert [blob.data for blob in kept.blobs] == [data]
    for policy in ({"inputs": "none"}, {"media": "none"}):
        assert chain(tmp_path, content=policy)(span(detail=task)).blobs == ()


# --- what the name of a field says


def test_the_name_of_a_field_says_what_its_number_is(tmp_path: Path) -> None:
    value = {
        "phone_number": "4155550132", "phones": ["4155550132", 4155550133], "ssn": 123456789,
        "nested": {"mobile": {"home": "612 345 678"}}, "sin": "046 454 286", "created": 1716239022,
        "order_id": "4155550132", "version": "10.2.3.4", "ip": "1.2.3.4", "total": 4155550132,
        "contact": {"name": "phone", "value": "4155550132"}, "trace": "123456789",
    }  # fmt: skip
    phone = "[PHONE_REDACTED]"
    expected = value | {
        "phone_number": phone, "phones": [phone, phone], "ssn": "[SSN_REDACTED]",
        "nested": {"mobile": {"home": phone}}, "sin": "[NATIONAL_ID_REDACTED]", "ip": "[IP_REDACTED]",
        "contact": {"name": "phone", "value": phone},
    }  # fmt: skip
    new = chain(tmp_path)(span(detail=t.Task(input=value)))
    assert new.detail.input == expected


def test_the_private_part_of_a_json_web_key(tmp_path: Path) -> None:
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "abc",
        "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
    }
    new = chain(tmp_path)(span(detail=t.Task(input=jwk)))
    assert new.detail.input == jwk | {"d": "[SECRET_REDACTED]"}


def test_where_a_program_connects_to_stays(tmp_path: Path) -> None:
    call = t.LLMCall(server_address="10.20.30.40")
    new = chain(tmp_path)(span(detail=call, attributes={"peer": "10.20.30.40"}))
    assert new.detail.server_address == "10.20.30.40"
    assert new.attributes == {"peer": "[IP_REDACTED]"}
