"""``spanloom reveal``: from the program that records to those who hold the key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KEY, OTHER = "0a" * 32, "0b" * 32
SAID = 'mail jane@example.org, or "call" +1 415 555 0132\nat noon'
PROGRAM = f"""
import json, spanloom
spanloom.init(redact={{"email": "encrypt"}})
with spanloom.span("ask", kind="tool", note={SAID!r}) as span:
    span.set_attributes(body=json.dumps({{"to": 'a "b" jane@example.org'}}))
spanloom.shutdown()
"""


def run(
    *command: str, cwd: Path, key: str | None = KEY, input: str | None = None
) -> tuple[int, str, str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SPANLOOM_")}
    if key is not None:
        environ["SPANLOOM_ENCRYPT_KEY"] = key
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environ, input=input, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    status, _, said = run("-c", PROGRAM, cwd=tmp_path)
    assert (status, said) == (0, "")
    (file,) = tmp_path.glob(".spanloom/traces/*/*.jsonl")
    assert "jane" not in file.read_text()
    return file


@pytest.mark.parametrize("source", ["last", "file", "-"])
def test_with_the_key(recorded: Path, source: str, tmp_path: Path) -> None:
    text = recorded.read_text() if source == "-" else None
    words = ("-m", "spanloom", "reveal", str(recorded) if source == "file" else source)
    status, out, said = run(*words, cwd=tmp_path, input=text)
    assert (status, said) == (0, "spanloom: 2 values revealed\n")
    (span,) = [json.loads(line) for line in out.splitlines()]
    assert span["attributes"]["note"] == SAID.replace("+1 415 555 0132", "[PHONE_REDACTED]")
    assert json.loads(span["attributes"]["body"]) == {"to": 'a "b" jane@example.org'}


def test_with_another_key(recorded: Path, tmp_path: Path) -> None:
    status, out, said = run("-m", "spanloom", "reveal", "last", cwd=tmp_path, key=OTHER)
    assert status == 1
    assert "[EMAIL_ENCRYPTED_" in out
    assert "jane" not in out
    assert "sealed with another key" in said


@pytest.mark.parametrize(
    ("key", "words"), [(None, "SPANLOOM_ENCRYPT_KEY"), ("abc", "must be 64 hex digits")]
)
def test_without_a_key(tmp_path: Path, key: str | None, words: str) -> None:
    status, out, said = run("-m", "spanloom", "reveal", "last", cwd=tmp_path, key=key)
    assert (status, out) == (2, "")
    assert words in said
    assert "abc" not in said


def test_text_that_is_not_json(recorded: Path, tmp_path: Path) -> None:
    mark = (
        json.loads(recorded.read_text().splitlines()[-1])["attributes"]["note"]
        .split()[1]
        .rstrip(",")
    )
    status, out, _ = run("-m", "spanloom", "reveal", "-", cwd=tmp_path, input=f"log: {mark}!\n")
    assert (status, out) == (0, "log: jane@example.org!\n")


def test_no_such_trace(tmp_path: Path) -> None:
    status, out, said = run("-m", "spanloom", "reveal", "abc", cwd=tmp_path)
    assert (status, out) == (1, "")
    assert said
