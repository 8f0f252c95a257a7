"""Secrets by the name before them: ``password=``, ``--token``, ``://user:password@``, "the password is"."""

import re
from functools import lru_cache
from typing import Final

from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

_COUNTS: Final = frozenset(
    {"max", "min", "num", "number", "total", "count", "per", "prompt", "completion", "input",
     "output", "cached", "cache", "reasoning", "page", "next", "continuation", "stop", "eos", "bos",
     "pad", "sep", "unk", "cls", "mask", "special", "first", "last", "each", "generated", "usage"}
)  # fmt: skip
_ALONE: Final = frozenset(
    {"password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets",
     "token", "apikey", "authorization", "auth", "credential", "credentials", "cookie",
     "cookies", "accesskey", "secretkey", "privatekey", "accesstoken", "authtoken", "clientsecret",
     "passwort", "kennwort", "senha", "parola"}
)  # fmt: skip
_BEFORE_KEY: Final = frozenset(
    {"api", "access", "secret", "private", "signing", "encryption", "account", "master", "auth", "shared"}
)  # fmt: skip
_PASSWORDS: Final = frozenset(
    {
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "secret",
        "passwort",
        "kennwort",
        "senha",
    }
)
_PARTS = later(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


@lru_cache(maxsize=4096)
def secret_name(name: str) -> bool:
    """Whether what stands under that name is a secret; ``max_tokens`` and ``next_page_token`` are not."""
    parts = [part.lower() for part in _PARTS.findall(name[-128:])]
    while parts and parts[-1].isdigit():
        parts.pop()
    if not parts or (_COUNTS.intersection(parts[:-1]) and parts[-1] == "token"):
        return False
    if parts[-1] in _ALONE or parts[-2:] == ["connection", "string"]:
        return True
    if parts[-1] == "key" and len(parts) > 1:
        return parts[-2] in _BEFORE_KEY
    return len(parts) > 1 and "".join(parts[-2:]) in _ALONE


def password_name(name: str) -> bool:
    """Of secret names those under which even a number is a secret."""
    parts = [part.lower() for part in _PARTS.findall(name[-128:])]
    return bool(_PASSWORDS.intersection(parts))


_VALUE_CHARS: Final = 4096
_NOT_VALUES: Final = frozenset(
    {"none", "null", "true", "false", "str", "string", "int", "bool", "bytes", "any", "optional",
     "required", "undefined", "nil", "field", "secretstr", "object", "number", "text", "type"}
)  # fmt: skip
_BARE: Final = frozenset(
    {"token", "auth", "cookie", "cookies", "credential", "credentials", "secrets"}
)
_SCHEME = later(r"(?:(?i:bearer|basic|token|digest|negotiate|apikey)\s{1,4})?")
_UNQUOTED = later(rf"[^\s,;&\"'<>\\)}}\]|`]{{1,{_VALUE_CHARS}}}")
_OPEN = later(r"\\{0,8}[\"'`]")
_REFERENCE = later(
    r"[\[({<$%*]|(?:os|self|settings|config|env|environ|process|getenv|args|request|secrets)[.\[(]"
)
_LETTERS_AND_DIGIT = later(r"(?=\D{0,64}\d)\S{8}")
_NAME_CHARS = later(r"[\w.-]{0,64}\Z")


def _assigned(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.end()
    lead = _NAME_CHARS.search(text, max(0, match.start() - 64), match.start())
    name = (lead[0] if lead else "") + match[1]
    if not secret_name(name):
        return None
    opening = _OPEN.match(text, start)
    if opening is not None:
        end = _closing(text, opening)
        return (opening.end(), end) if end > opening.end() else None
    scheme = _SCHEME.match(text, start)
    value = _UNQUOTED.match(text, scheme.end() if scheme else start)
    if value is None:
        return None
    said = value[0].rstrip(".:!?").lower()
    if said in _NOT_VALUES or _REFERENCE.match(value[0]):
        return None
    if name.lower() in _BARE and text[match.start() - 1 : match.start()] not in ("?", "&"):
        # "token: the smallest unit" is prose
        return value.span() if _LETTERS_AND_DIGIT.match(value[0]) else None
    return value.span()


def _closing(text: str, opening: re.Match[str]) -> int:
    """Where the quoted value ends: at the same quote, escaped just as often (JSON in JSON)."""
    quote, escapes, begin = opening[0][-1], len(opening[0]) - 1, opening.end()
    limit = min(len(text), begin + _VALUE_CHARS)
    at = begin
    for _ in range(64):
        end = text.find(quote, at, limit)
        if end < 0:
            break
        slashes = end
        while slashes > begin and text[slashes - 1] == "\\" and end - slashes <= 16:
            slashes -= 1
        if end - slashes <= escapes:
            return slashes
        at = end + 1
    # never closed, as in a cut text: up to the end of the line
    line = later(r"[^\r\n]*").match(text, begin, limit)
    return line.end() if line else begin


_NAME = (
    r"pass(?:word|wd|phrase|code)s?|pwd|passwort|kennwort|senha|parola|secrets?|token|credentials?|authorization|auth|cookies?"
    r"|(?:api|access|secret|private|signing|encryption|account|master|auth|shared)[-_. ]?key"
    r"|connection[-_ ]?string"
)

ASSIGNED: Final = Rule(
    name="assigned",
    kind="secret",
    view="names",
    hints=(
        "password", "passwords", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets",
        "token", "credential", "credentials", "authorization", "auth", "cookie", "cookies",
        "apikey", "accesskey", "secretkey", "privatekey", "signingkey", "encryptionkey",
        "accountkey", "masterkey", "authkey", "sharedkey", "connectionstring", "passwort", "kennwort",
        "senha", "parola",
    ),
    pattern=later(
        rf"((?i:{_NAME})\d{{0,4}})[\"'\\\]`*]{{0,8}}\s{{0,4}}(?:=>|:=|={{1,2}}|:)[*\s]{{0,4}}"
    ),
    spot=_assigned,
)  # fmt: skip

OPTION: Final = Rule(
    name="option",
    kind="secret",
    view="text",
    hints=(" --", " -u "),
    pattern=later(
        r"--(?:[a-z]{1,20}-){0,3}(?:password|passwd|pwd|token|secret|api-?key|access-key|secret-key)"
        r"(?:[ =]|[\"'],\s?[\"'])([^\s\"'\\-][^\s\"'\\]{0,1023})"
        r"|(?<= -u )[\"']?[^\s\"':]{1,64}:([^\s\"'\\]{1,256})"  # of curl
    ),
    spot=lambda match: match.span(match.lastindex or 0),
)


def _password_in_url(match: re.Match[str]) -> tuple[int, int]:
    # an "@" in the password should be escaped and often is not
    more = _UP_TO_HOST.match(match.string, match.end())
    return match.start(1), (more.end() if more else match.end()) - 1


_UP_TO_HOST = later(r"(?:[^\s/@\"'<>\\]{0,128}@){1,4}")

URL: Final = Rule(
    name="url",
    kind="secret",
    view="text",
    hints=("@",),
    pattern=later(r"://[^\s/@:\"'<>\\]{0,128}:([^\s/@\"'<>\\]{1,512})@"),
    spot=_password_in_url,
)

URL_TOKEN: Final = Rule(  # https://TOKEN@host: nobody's name is so long, and has digits
    name="url_token",
    kind="secret",
    view="text",
    hints=("@",),
    pattern=later(r"://(?=[^\s/@:]{0,64}[0-9])([A-Za-z0-9_-]{20,512})(?=:?@)"),
    spot=lambda match: match.span(1),
)

# --- secrets that a sentence tells

_SYMBOLS: Final = frozenset("!@#$%^&*?+~")
_TECHNICAL = later(
    r"(?:base|sha|md|utf|oauth|rs|hs|es|aes|jwt|x509|pkcs|argon|bcrypt|rot|ed|rsa|tls|ipv?|v)[-_]?[0-9]",
    re.IGNORECASE,
)


def _told(match: re.Match[str]) -> tuple[int, int] | None:
    start, end = match.span(3)
    value = match[3].rstrip(".,;:)!?") or match[3]
    end = start + len(value)
    if _REFERENCE.match(value) or _TECHNICAL.match(value):
        return None
    if match[2]:  # in quotes
        return start, start + len(match[3])
    digit, letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    symbol = not _SYMBOLS.isdisjoint(match[3])
    if match[1].lower() == "key":
        good = digit and letter and len(value) >= 8
    else:
        good = (digit and letter and len(value) >= 5) or (
            symbol and (digit or letter) and value != match[3][:-1]
        )
    return (start, end) if good else None


TOLD: Final = Rule(
    name="told",
    kind="secret",
    view="text",
    hints=("word is", "key is"),
    pattern=later(r"((?i:password|key)) is:? ([\"'`\u201c]?)([^\s\"'`\u201c\u201d<>]{4,256})"),
    spot=_told,
)
