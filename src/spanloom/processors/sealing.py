"""Encryption of what is found, for those who must be able to look: AES-256-GCM.

Needs the extra ``spanloom[encrypt]``. A sealed value is its nonce and its ciphertext in base64; the id
of its key stands before it (see ``actions.MARK``).
"""

import hashlib
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from importlib import import_module
from typing import Any, Final

from spanloom.errors import mistake

_NONCE_BYTES: Final = 12
_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}")
SEALED: Final = re.compile(
    r"\[[A-Z][A-Z0-9_]{0,63}_ENCRYPTED_([0-9a-f]{8})_([A-Za-z0-9_-]{38,16384})\]"
)

MAKE_ONE: Final = 'python -c "import secrets; print(secrets.token_hex(32))"'


class Sealer:
    """Seals and opens under one key.

    Raises:
        ValueError: the key is not 64 hex digits.
        ImportError: the extra is not installed.

    """

    def __init__(self, key: str) -> None:
        ciphers: Any = import_module("cryptography.hazmat.primitives.ciphers.aead")  # an extra
        if not _KEY.fullmatch(key):
            raise ValueError("not 64 hex digits")
        raw = bytes.fromhex(key)
        self._cipher = ciphers.AESGCM(raw)
        self.key_id: str = hashlib.sha256(raw).hexdigest()[:8]

    def __call__(self, text: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode("utf-8", "backslashreplace"), None)
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, sealed: str) -> str:
        """The text again.

        Raises:
            ValueError: sealed with another key, or not what was sealed.

        """
        raw = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        try:
            text: bytes = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
        except import_module("cryptography.exceptions").InvalidTag as exc:
            raise ValueError("sealed with another key, or changed since") from exc
        return text.decode()


def sealer(key: str | None) -> Sealer | None:
    """``None``, and the user is told, where nothing can be sealed: placeholders stand then."""
    if key is None:
        said = f"needs a key: set SPANLOOM_ENCRYPT_KEY to 64 hex digits ({MAKE_ONE})"
    else:
        try:
            return Sealer(key)
        except ImportError:
            said = "needs what is not installed: pip install 'spanloom[encrypt]'"
        except ValueError:
            said = f"cannot use encrypt_key (not shown): it must be 64 hex digits ({MAKE_ONE})"
    mistake(f"spanloom: the action 'encrypt' {said}; until then placeholders are used.")
    return None
