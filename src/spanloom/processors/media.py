"""Binary content leaves the span's data: stored once by its hash, named from where it was."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final, Literal
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from spanloom.types import Blob, Media

_HEADER = re.compile(
    r"data:([\w.+-]{1,64}/[\w.+-]{1,64})?((?:;[\w-]{1,32}=[^;,]{0,128}){0,4})(;base64)?,"
)

BINARY_KEYS: Final = frozenset(
    {
        "data",
        "b64_json",
        "base64",
        "bytes",
        "image",
        "audio",
        "file_data",
        "file",
        "content",
        "blob",
    }
)
"""Keys under which a long text of nothing but base64 is taken for binary content."""

Kind = Literal["image", "audio", "video", "file"]


class Blobs:
    """The binary contents of one span, each once.

    Larger ones than ``max_bytes`` are known by hash and size only.
    """

    def __init__(self, max_bytes: int, found: tuple[Blob, ...] = ()) -> None:
        self._max_bytes = max_bytes
        self._found = {blob.sha256: blob for blob in found}

    def __iter__(self) -> Iterator[Blob]:
        return iter(self._found.values())

    def add(self, data: bytes, mime_type: str | None) -> tuple[str, bool]:
        """The hash, and whether the content itself is kept."""
        sha256 = hashlib.sha256(data).hexdigest()
        if len(data) > self._max_bytes:
            return sha256, False
        self._found.setdefault(sha256, Blob(sha256=sha256, data=data, mime_type=mime_type))
        return sha256, True

    def part(self, media: Media) -> tuple[Media, bool]:
        """``media`` with its ``data:`` URL put away; second, whether nothing was lost."""
        decoded = decode_url(media.url) if type(media.url) is str else None
        if decoded is None:
            return media, True
        data, mime_type = decoded
        sha256, kept = self.add(data, media.mime_type or mime_type)
        mime_type = media.mime_type or mime_type
        new = replace(media, url=None, mime_type=mime_type, sha256=sha256, size_bytes=len(data))
        return new, kept

    def value(self, data: bytes, mime_type: str | None) -> tuple[dict[str, Any], bool]:
        """What stands in data of the program for binary content."""
        sha256, kept = self.add(data, mime_type)
        value: dict[str, Any] = {"type": "media", "media": kind_of(mime_type)}
        if mime_type:
            value["mime_type"] = mime_type
        return value | {"sha256": sha256, "size_bytes": len(data)}, kept


def kind_of(mime_type: str | None) -> Kind:
    match (mime_type or "").partition("/")[0]:
        case "image" | "audio" | "video" as kind:
            return kind
        case _:
            return "file"


def decode_url(url: str) -> tuple[bytes, str | None] | None:
    """Content and type of a ``data:`` URL; ``None`` if it is none, or broken."""
    header = _HEADER.match(url, 0, 1024)
    if header is None:
        return None
    body = url[header.end() :]
    mime_type: str | None = header[1]
    if not header[3]:
        return unquote_to_bytes(body), mime_type
    data = decode(body)
    return None if data is None else (data, mime_type)


def decode(text: str) -> bytes | None:
    """``text`` as base64, either alphabet, padded or not; ``None`` if it is not base64."""
    try:
        raw = text.encode("ascii")
        if b"-" in raw or b"_" in raw:
            raw = raw.translate(_STANDARD)
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None


_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
