"""What stands behind a secret's name: a secret, or only something in its place."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from spanloom.processors.rules.later import later

_NOTHING: Final = frozenset(
    "none null nil undefined nan true false yes no on off ok str string int integer bool boolean "
    "bytes any optional required undefined field secretstr object number text varchar char type "
    "redacted removed hidden masked omitted filtered scrubbed sanitized elided empty blank unset missing "
    "expired invalid incorrect wrong changed reset forgotten disabled enabled unknown default "
    "changeme changeit placeholder example sample dummy todo tbd fixme n/a bearer basic token key "
    "apikey await new input async function lambda yield not self cls this vergessen geändert falsch "
    "oublié olvidada esquecida ~ not insert enter replace your put paste add to see ask here > >- |".split()
)
_MASKED = later(
    r"(?:[A-Za-z0-9]{1,8}[-_]){0,3}[*xX\u2022\u25cf\u00b7.\u2026#_-]{3,256}[A-Za-z0-9]{0,4}"
    r"|[A-Za-z0-9_-]{0,12}(?:\*{3,256}|\.{3}|\u2026|\u2022{3,256}|\[\.{3}\])[A-Za-z0-9]{0,6}"
    r"|[A-Za-z0-9_-]{0,16}[xX]{6,256}|\*+|-+"
)
"""``sk-...abcd``, ``xxxx-xxxx``, ``********``."""
_FILLED_IN = later(
    r"[\[({<`]"  # <key>, {key}, {{ key }}, [REDACTED], (none)
    r"|[$#][{(]|\$(?i:env:)|\$[A-Za-z_][A-Za-z0-9_]*(?:(?:->|[.\[]).*)?\Z"  # ${KEY}, $(cat key), $KEY
    r"|%\(|%[A-Za-z_][A-Za-z0-9_]*%\Z|__[A-Za-z_]+__\Z|<?%=|\*[A-Za-z]\w*\Z|@[A-Za-z.]+\("
    r"|!(?:secret|vault|Ref|Sub|GetAtt|ImportValue|reference|[Ee][Nn][Vv]\w*)\b"
    r"|(?:op|vault|secret|secrets|ssm|env|file|kms|keyvault|aws-?sm|gcp-?sm)://?|ENC\[|arn:aws:|/run/secrets/"
    r"|(?:vault|ssm|env|secretsmanager):[A-Za-z/]"
    r"|(?i:os|self|this|settings|config|cfg|conf|env|environ|process|getenv|args|kwargs|opts|options|props|params"
    r"|request|req|secrets|credentials|ctx|context|app|form|data|body|session|state|var|local|module|import\.meta"
    r"|Deno|System|Environment|builder|event)(?:\.|\?\.|\[|\()"
)
"""Where a program or a template puts the secret."""
_CODE = later(r"[A-Za-z_][A-Za-z_.]{1,64}[(\[]|[A-Za-z_]{1,32}(?:\.[A-Za-z_]{1,32}){1,4}\(|=>")
_ESCAPE = later(r"\\{1,16}u([0-9A-Fa-f]{4})")
_WORDS = later(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")

_YOURS: Final = frozenset(
    "your insert enter replace change put paste fill provide placeholder redacted example dummy todo "
    "dein deine deinen ihr votre ton tu su seu sua tuo tua uw jouw twoj twój din ditt ваш твой".split()
)
_NOUNS: Final = frozenset(
    "api key apikey token secret access auth password passwd client my the some a an app user id "
    "bearer private value name here".split()
)
_YOUR = later(
    r"(?i:(?:\w{1,6}[-_])?(?:your|insert|my)(?:own)?(?:api|access|secret)?(?:key|token|secret|password))\w{0,8}"
)


def unescaped(value: str) -> str:
    """Without the escapes of URLs and JSON."""
    if "\\u" in value:
        value = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
    return unquote(value) if "%" in value else value


@lru_cache(maxsize=64)
def stand_in(value: str, *, quoted: bool = True) -> bool:
    """Whether a value is only in the place of a secret: ``<key>``, ``${KEY}``, ``xxxx``, ``your-key``, a call."""
    said = unescaped(value).strip()
    lower = said.lower().rstrip(".:!?,")
    if lower in _NOTHING or not lower:
        return True
    if _FILLED_IN.match(said) or _MASKED.fullmatch(said):
        return True
    if not quoted and (_CODE.match(said) or said.endswith(":")):
        return True
    return len(said) <= 64 and _worded(said)


def _worded(said: str) -> bool:
    """``your-api-key``, ``INSERT_TOKEN_HERE``."""
    words = [word.lower() for word in _WORDS.findall(said)]
    if not words or any(map(str.isdigit, said)):
        return False
    if len(words) == 1:
        return _YOUR.fullmatch(said) is not None
    return (
        (not _YOURS.isdisjoint(words[:2]) and (len(words) < 6 or not said.isalnum()))
        or words[-1] in ("here", "placeholder", "example", "hier", "ici", "aqui", "aquí")
        or _NOUNS.issuperset(words)
    )


_SYMBOLS: Final = frozenset("!@#$%^&*?+~")
_TECHNICAL = later(
    r"(?:base|sha|md|utf|oauth|rs|hs|es|aes|jwt|x509|pkcs|argon|bcrypt|rot|ed|rsa|tls|ipv?|v|http)[-_/]?[0-9]"
    r"|[0-9]{1,4}[-./:][0-9]{1,2}[-./:][0-9]|[0-9]+(?:[.,:][0-9]+)*[a-z%]{0,5}\Z"
    r"|[a-z]{2,8}://|www\.|[\w./-]{1,64}\.(?:py|js|ts|go|rs|rb|md|json|ya?ml|toml|txt|html?|csv|env|com|org|net|io)\Z|\S{1,64}@[a-z0-9-]{1,64}\.[a-z]{2,16}\Z|[a-z_]{2,32}\(|/[a-z]",
    re.IGNORECASE,
)
"""Names of algorithms, dates, numbers, addresses."""
_CAMEL = later(r"[^\W\d_]{0,32}?[a-zß-ÿ][A-Z][^\W\d_]{1,32}")
_JOINED = later(r"[^\W\d_]{2,16}(?:[-_.][^\W\d_]{2,16}){2,12}")


def secretive(value: str, *, sure: bool = True) -> bool:
    """Whether a value in a sentence looks like a secret: no ordinary word, date, number or address.

    Args:
        value: without quotes and the punctuation of the sentence.
        sure: a colon, a quote or a word such as "is" says that this is what the name before it means.

    """
    if stand_in(value, quoted=False) or _TECHNICAL.match(value):
        return sure and value.isdecimal() and 4 <= len(value) <= 12
    digit, letter = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    if digit and letter:
        return len(value) >= (5 if sure else 8)
    inside = value.rstrip("!?")
    symbol = not _SYMBOLS.isdisjoint(inside) or (
        sure and inside[1:-1].isalpha() and value[-1:] == "!"
    )
    if symbol and (digit or letter) and len(value) >= 5:
        return True
    return sure and len(value) >= 8 and bool(_CAMEL.fullmatch(value) or _JOINED.fullmatch(value))
