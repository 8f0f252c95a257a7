"""The key of our keyed hashes: from the settings, or made once and kept beside the record."""

import hashlib
import hmac
import os
import secrets
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

from spanloom.errors import log

FILE: Final = "hash.key"
_BYTES: Final = 32


class Hasher:
    """HMAC-SHA-256 cut to 128 bits, as hex. The key is read at the first use, never before."""

    def __init__(self, directory: str, key: str | None = None) -> None:
        self._directory = directory
        self._given = key
        self._key: bytes | None = None
        self._lock = threading.Lock()
        self._digest = lru_cache(maxsize=1024)(self._compute)

    @property
    def key(self) -> bytes:
        with self._lock:
            if self._key is None:
                self._key = self._given.encode() if self._given else load(Path(self._directory))
            return self._key

    @property
    def key_id(self) -> str:
        """Tells keys apart without telling the key."""
        return hashlib.sha256(self.key).hexdigest()[:8]

    def __call__(self, text: str) -> str:
        return self._digest(text) if len(text) <= 256 else self._compute(text)

    def _compute(self, text: str) -> str:
        return hmac.digest(self.key, text.encode("utf-8", "backslashreplace"), "sha256")[:16].hex()


def load(directory: Path) -> bytes:
    """The key in ``directory``, made if there is none: of several processes at once one wins.

    Where it cannot be kept, a key of this process's own: hashes then do not join with others.
    """
    path = directory / FILE
    try:
        return _read(path) or _make(path)
    except OSError as exc:
        log.warning(
            "spanloom cannot keep the key of hashed ids in %s (%s): ids of this process will not match those "
            "of others; set SPANLOOM_HASH_KEY, or SPANLOOM_DIR to a writable directory",
            path, type(exc).__name__,
        )  # fmt: skip
        return secrets.token_bytes(_BYTES)


def _read(path: Path) -> bytes | None:
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise OSError("not a key") from None
    if len(text) < _BYTES:
        raise OSError("not a key")
    return text.encode()


def _make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), open(path.parent / ".gitignore", "x", encoding="ascii") as file:
        file.write("*\n")
    key = secrets.token_hex(_BYTES).encode()
    # written whole under another name first: link() is atomic and never replaces the winner's
    draft = path.with_name(f".{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(key + b"\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return _read(path) or key
    finally:
        draft.unlink(missing_ok=True)
    return key
