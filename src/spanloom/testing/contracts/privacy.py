"""The content policy holds for whatever the integration puts into a span."""

from __future__ import annotations

from pathlib import Path

import pytest

import spanloom
from spanloom.backends.local import LocalBackend
from spanloom.settings import Settings
from spanloom.testing.answers import Answer, Chat, Error, ErrorInStream, ToolCall
from spanloom.testing.contracts.rig import Contract, Rig
from spanloom.testing.contracts.scenarios import Stream, Way

# Put together here, so that no scanner takes the source for a leak.
SECRET = "-".join(("sk", "proj", "Zx81kQpL0vN2mB7cT5yR3wJ9aHd4Gs6E"))
MARK = "vermilion marmalade"


def written(place: Path) -> bytes:
    """Every byte of the local record, names of files included."""
    files = [path for path in sorted(place.rglob("*")) if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def told(text: str, way: Way) -> list[Answer]:
    """Every place in which a server can say something."""
    said = f"it is {text}"
    answers: list[Answer] = [
        Chat(text=said, reasoning=said, finish_reason="stop"),
        Chat(tool_calls=(ToolCall("look", {"it": {"is": [said]}}), ToolCall("look", said))),
        Chat(refusal=said),
        Error(400, message=said, code="bad", type="invalid_request_error"),
    ]
    if isinstance(way, Stream):
        answers.append(ErrorInStream(2, message=said, answer=Chat(text=said)))
    return answers


class PrivacyCases(Contract):
    """Asked and answered with something that must not be in the record."""

    def test_redacted_keeps_no_secret(self, rig: Rig, any_way: Way) -> None:
        record = self.recorded_of(rig, any_way, SECRET, "redacted")
        assert SECRET.encode() not in record
        assert b"it is" in record

    def test_none_keeps_no_content(self, rig: Rig, any_way: Way) -> None:
        record = self.recorded_of(rig, any_way, MARK, "none")
        assert MARK.encode() not in record
        assert b"it is" not in record
        assert b'"usage"' in record

    def test_hash_keeps_no_content(self, rig: Rig, any_way: Way) -> None:
        record = self.recorded_of(rig, any_way, MARK, "hash")
        assert MARK.encode() not in record
        assert b"it is" not in record

    def test_full_keeps_it(self, rig: Rig, any_way: Way) -> None:
        """Or the cases above would prove nothing."""
        assert self.recorded_of(rig, any_way, MARK, "full").count(MARK.encode()) >= 5

    def recorded_of(self, rig: Rig, way: Way, text: str, content: str) -> bytes:
        place = rig.place / "record"
        backend = LocalBackend(Settings(), dir=place)
        rig.start(backends=[backend, rig.memory], content=content, dir=str(place))
        for answer in told(text, way):
            rig.answers(answer)
            with spanloom.span("around", kind="agent"):
                self.asked(rig, way, f"tell me, {text}")
        assert rig.recorded()
        spanloom.shutdown(5)
        assert spanloom.flush().ok
        return written(place)

    def asked(self, rig: Rig, way: Way, question: str) -> None:
        messages = [
            {"role": "system", "content": f"system: {question}"},
            {"role": "user", "content": question},
        ]
        try:
            rig.ask(way, messages)
        except Exception as error:
            if not rig.provider.exchanges:
                raise AssertionError("nothing was asked") from error

    @pytest.mark.parametrize("content", ["redacted", "none"])
    def test_nothing_is_logged(
        self, rig: Rig, any_way: Way, content: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("DEBUG", logger="spanloom"):
            self.recorded_of(rig, any_way, MARK, content)
        ours = [r.getMessage() for r in caplog.records if r.name.startswith("spanloom")]
        assert MARK not in "\n".join(ours)
