"""What is redacted of real calls: also what came in pieces, and what is a document in a document."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spanloom.testing import Chat, FakeProvider, ToolCall

from .test_first_trace import environment

SAID = {
    "sk-proj-A1b2C3d4E5f6G7h8J9k0": "[SECRET_REDACTED]",
    "jane@example.org": "[EMAIL_REDACTED]",
    "+1 (415) 555-0132": "[PHONE_REDACTED]",
    "4111 1111 1111 1111": "[CC_REDACTED]",
    "DE89 3704 0044 0532 0130 00": "[IBAN_REDACTED]",
    "123-45-6789": "[SSN_REDACTED]",
    "203.0.113.7": "[IP_REDACTED]",
    "12345678Z": "[NATIONAL_ID_REDACTED]",
}
TEXT = "; ".join(f"I know {value}" for value in SAID)
PROGRAM = """
import openai
reply = openai.OpenAI().chat.completions.create(
    model="gpt-4o", messages=[{"role": "user", "content": "Who?"}], stream=%r
)
text = "".join(c.choices[0].delta.content or "" for c in reply if c.choices) if %r else ""
"""


def recorded(tmp_path: Path, answer: Chat, *, stream: bool) -> str:
    with FakeProvider() as provider:
        provider.on(lambda call: True, answer)
        environ = environment(tmp_path, provider)
        code = PROGRAM % (stream, stream)
        subprocess.run(
            [sys.executable, "-m", "spanloom", "run", "--quiet", "--", sys.executable, "-c", code],
            env=environ, check=True, timeout=60,
        )  # fmt: skip
    (file,) = (tmp_path / "record").glob("traces/*/*.jsonl")
    return file.read_text()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_what_came_in_pieces_goes_as_a_whole(tmp_path: Path, size: int) -> None:
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    lines = recorded(tmp_path, Chat(TEXT, chunks=pieces), stream=True)
    assert not [value for value in SAID if value in lines]
    shown = [json.loads(line) for line in lines.splitlines() if '"kind":"llm"' in line]
    *pending, call = shown
    assert not any(one["detail"].get("output") for one in pending), "half a secret is none"
    (part,) = call["detail"]["output"][0]["parts"]
    assert part["text"] == "; ".join(f"I know {placeholder}" for placeholder in SAID.values())
    assert {r["kind"] for r in call["redactions"]} >= {"secret", "phone", "iban", "ssn", "ip"}


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_are_json_in_json(tmp_path: Path, stream: bool) -> None:
    inner = json.dumps({"to": [*SAID], "note": json.dumps({"phone": "4155550132"})})
    answer = Chat(tool_calls=(ToolCall("send", inner),))
    lines = recorded(tmp_path, answer, stream=stream)
    assert not [value for value in (*SAID, "4155550132") if value in lines]
    assert "PHONE_REDACTED" in lines
