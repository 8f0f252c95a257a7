"""Binary content leaves the data, once by hash."""

import base64
import hashlib
import time

from msgspec.structs import replace

from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.settings import Settings

SPAN = t.Span(trace_id=1, span_id=2, name="n", detail=t.Task(), integration="manual", start_ns=1)
IMAGE = bytes(range(256)) * 8
SHA = hashlib.sha256(IMAGE).hexdigest()
ENCODED = base64.b64encode(IMAGE).decode()
URL = f"data:image/png;base64,{ENCODED}"
chain = default_chain(Settings(hash_key="test"))[0]


def test_h2_an_image_is_stored_once_and_named() -> None:
    part = t.Media(media="image", url=URL)
    new = chain(
        replace(SPAN, detail=t.LLMCall(input=(t.Message(role="user", parts=(part, part)),)))
    )
    assert isinstance(new.detail, t.LLMCall)
    stored = t.Media(media="image", mime_type="image/png", sha256=SHA, size_bytes=len(IMAGE))
    assert new.detail.input[0].parts == (stored, stored)
    assert new.blobs == (t.Blob(sha256=SHA, data=IMAGE, mime_type="image/png"),)


def test_binary_content_in_data_of_the_program() -> None:
    value = {
        "image_url": {"url": URL},
        "input_audio": {"data": ENCODED, "format": "wav"},
        "source": {"type": "base64", "media_type": "image/jpeg", "data": ENCODED},
        "raw": IMAGE,
        "small": b"abc",
    }
    new = chain(replace(SPAN, detail=t.Task(input=value)))
    assert isinstance(new.detail, t.Task)
    found = new.detail.input
    assert found["image_url"]["url"] == {
        "type": "media", "media": "image", "mime_type": "image/png", "sha256": SHA,
        "size_bytes": len(IMAGE),
    }  # fmt: skip
    assert found["input_audio"]["data"]["media"] == "audio"
    assert found["source"]["data"]["mime_type"] == "image/jpeg"
    assert found["raw"]["sha256"] == SHA
    assert found["small"] == "<bytes 3>"
    assert len(new.blobs) == 1


def test_too_large_content_is_known_by_hash_only() -> None:
    small = default_chain(replace(Settings(hash_key="test"), max_blob_bytes=100))[0]
    new = small(replace(SPAN, detail=t.Task(input=URL)))
    assert isinstance(new.detail, t.Task)
    assert new.detail.input["sha256"] == SHA
    assert new.blobs == ()
    assert new.truncated == ("detail.input",)


def test_h2_two_megabytes_cost_little() -> None:
    url = "data:image/png;base64," + base64.b64encode(bytes(2_000_000)).decode()
    span = replace(
        SPAN,
        detail=t.LLMCall(input=(t.Message(role="user", parts=(t.Media(media="image", url=url),)),)),
    )
    began = time.perf_counter()
    new = chain(span)
    assert time.perf_counter() - began < 0.5
    assert len(new.blobs[0].data) == 2_000_000


def test_broken_data_urls_stay_texts() -> None:
    new = chain(
        replace(SPAN, detail=t.Task(input="data: see below", output="data:image/png;base64,%%"))
    )
    assert new.detail == t.Task(input="data: see below", output="data:image/png;base64,%%")


def test_text_in_a_data_url_is_scanned_too() -> None:
    secret = base64.b64encode(b"mail jane@example.org" * 9).decode()
    harmless = base64.b64encode(b"nothing of note here" * 9).decode()
    new = chain(
        replace(
            SPAN,
            detail=t.Task(
                input=f"data:text/plain;base64,{secret}",
                output=f"data:text/plain;base64,{harmless}",
            ),
        )
    )
    assert isinstance(new.detail, t.Task)
    assert [blob.data[:7] for blob in new.blobs] == [b"nothing"]
    assert new.redactions == (
        t.Redaction(field=f"blobs.{new.detail.input['sha256']}", kind="content"),
    )


def test_a_command_line_that_is_not_utf8() -> None:
    new = chain(replace(SPAN, resource=t.Resource(command="app --name \udcff --token abc")))
    assert new.resource.command == "app --name \\udcff --token [SECRET_REDACTED]"
