"""What counts as a secret, a card, an e-mail address: rules as data, and one screen for all of them.

A rule costs nothing on a text that cannot match it. ``Screen`` looks at a text once, in views from
which everything is deleted that no rule asks for, and says which rules may match; their patterns
run only then. All patterns are bounded (see ``OVERLAP``), so time is linear in the text.
"""

import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, Literal, get_args

from msgspec import Struct

View = Literal["text", "long", "names", "digits"]
"""Where a rule's hints are looked for.

``text``: as it is. ``long``: only words of 16 and more of ``A-Z a-z 0-9 _ -``, each with the 12
characters before it. ``names``: the lower-case letters at the end of what stands before each ``:``
and ``=``. ``digits``: digits as ``0``, without spaces and dashes.
"""

Spot = Callable[[re.Match[str]], tuple[int, int] | None]


def whole(match: re.Match[str]) -> tuple[int, int] | None:
    return match.span()


class Rule(Struct, frozen=True, kw_only=True, eq=False):
    """One detector.

    ``hints``: one of them must be in the ``view``. ``pattern``: bounded by ``OVERLAP`` (``spot`` may
    look further). ``spot``: what of a match is to go, or ``None`` if it is none after all.
    """

    name: str
    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    view: View = "long"
    spot: Spot = whole


class Hit(Struct, frozen=True):
    start: int
    end: int
    kind: str


# --- the screen

_WORD_CHARS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_WORDS: Final = bytes(120 if c in _WORD_CHARS else 32 for c in range(256))
_LONG: Final = b"x" * 16
_LEAD: Final = 12

_FLAT: Final = bytes(
    ord("0")
    if chr(c).isdigit() and c < 128
    else ord("=")
    if c in b":="
    else ord(chr(c).lower()) & 255
    for c in range(256)
)
_DROPPED: Final = b" \t\r\n\"'`\\-_.*" + bytes(range(128, 256))


class RuleSet:
    """Rules, and their hints by view, ready to be looked for in all texts of a span at once."""

    def __init__(self, rules: Iterable["Rule"]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._hints: dict[View, list[tuple[str, Rule]]] = {
            view: [(hint, rule) for rule in self.rules if rule.view == view for hint in rule.hints]
            for view in get_args(View)
        }
        self._names = tuple(hint.encode() for hint, _ in self._hints["names"])
        self._tails = frozenset(name[-3:] for name in self._names)

    def suspects(self, text: str) -> tuple["Rule", ...]:
        """The rules that may match in ``text``, which may be many texts joined by ``=``."""
        raw = text.encode("utf-8", "replace")
        flat = raw.translate(_FLAT, _DROPPED)
        views: dict[View, str] = {
            "text": text,
            "long": _long_words(raw),
            "names": self._names_in(flat),
            "digits": flat.decode("latin-1"),
        }
        found: dict[Rule, None] = {}
        for view, hay in views.items():
            if hay:
                for rule in [rule for hint, rule in self._hints[view] if hint in hay]:
                    found[rule] = None
        return tuple(found)

    def _names_in(self, flat: bytes) -> str:
        tails, names = self._tails, flat.translate(None, b"0").split(b"=")
        near = [name[-32:] for name in names if name[-3:] in tails and name.endswith(self._names)]
        return b"\n".join(near).decode("latin-1")


def _long_words(raw: bytes) -> str:
    words = raw.translate(_WORDS)
    found = []
    at = words.find(_LONG)
    while at >= 0:
        end = words.find(b" ", at)
        end = len(raw) if end < 0 else end
        found.append(raw[max(0, at - _LEAD) : end])
        at = words.find(_LONG, end)
    return b"\n".join(found).decode("latin-1")


WINDOW: Final = 32 * 1024
"""Longer texts are gone over in pieces: one step of a pattern holds the interpreter's lock."""

OVERLAP: Final = 12 * 1024
"""How far a pattern may look from where its match begins; the longest of ours takes 8,200 characters."""


def matches(pattern: re.Pattern[str], text: str, window: int = WINDOW) -> Iterator[re.Match[str]]:
    """What ``finditer`` gives for a pattern that is bounded, with a pause for other threads."""
    end, at = len(text), 0
    if end <= window:
        yield from pattern.finditer(text)
        return
    while at < end:
        stop = at + window
        # what stands before ``at`` can still be seen by a look-behind
        for match in pattern.finditer(text, at, min(stop + OVERLAP, end)):
            if match.start() >= stop:
                break
            yield match
            at = match.end()
        at = max(at, stop)
        time.sleep(0)


def find(text: str, rules: Sequence[Rule], window: int = WINDOW) -> list[Hit]:
    """What is to be replaced, in order; overlapping finds become one, of the longest one's kind."""
    hits = []
    for rule in rules:
        done = 0
        for match in matches(rule.pattern, text, window):
            # a spot may reach beyond its match: what lies inside is gone already
            span = rule.spot(match) if match.end() > done else None
            if span is not None:
                hits.append(Hit(*span, rule.kind))
                done = span[1]
    if len(hits) < 2:
        return hits
    hits.sort(key=lambda hit: (hit.start, -hit.end))
    merged = [hits[0]]
    longest = hits[0].end - hits[0].start
    for hit in hits[1:]:
        last, size = merged[-1], hit.end - hit.start
        if hit.start >= last.end:
            merged.append(hit)
            longest = size
        elif hit.end > last.end or size > longest:
            kind = hit.kind if size > longest else last.kind
            merged[-1] = Hit(last.start, max(last.end, hit.end), kind)
            longest = max(longest, size)
    return merged


# --- secrets with a shape of their own


_APART: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
"""Not in the middle of a word such as ``task-...``; but after ``\\n`` of JSON or ``%3D`` of a URL."""

_JWT_REST = re.compile(r"(?:\.[A-Za-z0-9_-]{4,8192}+)(?:\.[A-Za-z0-9_-]{0,4096}+){0,3}")


def _with_digit(match: re.Match[str]) -> tuple[int, int] | None:
    return match.span() if any(c.isdigit() for c in match[0]) else None


def _jwt(match: re.Match[str]) -> tuple[int, int] | None:
    rest = _JWT_REST.match(match.string, match.end())
    return (match.start(), rest.end()) if rest else None


def _pem(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.end()
    limit = min(len(text), start + 16384)
    end = text.find("-----END ", start, limit)
    if end < 0:
        return match.start(), limit  # cut, or hidden in something else: better too much
    close = text.find("-----", end + 9, end + 80)
    return match.start(), close + 5 if close >= 0 else end + 9


def _basic(match: re.Match[str]) -> tuple[int, int] | None:
    try:
        decoded = b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except ValueError:
        return None
    return match.span(1) if b":" in decoded else None


def _shape(name: str, hints: tuple[str, ...], pattern: str, spot: Spot = whole) -> Rule:
    return Rule(name=name, kind="secret", hints=hints, pattern=re.compile(pattern), spot=spot)


SHAPES: Final = (
    _shape("openai", ("sk-",), _APART + r"sk-[A-Za-z0-9_-]{16,512}", _with_digit),  # also anthropic, ...
    _shape("aws", ("AKIA", "ASIA", "ABIA", "ACCA"),
           _APART + r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{20,255}"),
    _shape("github_pat", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{20,255}"),
    _shape("gitlab", ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-"),
           _APART + r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{16,255}"),
    _shape("slack", ("xox",), r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,255}"),
    _shape("slack_app", ("xapp-",), r"xapp-\d-[A-Za-z0-9-]{10,255}"),
    _shape("google", ("AIza",), r"AIza[A-Za-z0-9_-]{30,60}"),
    _shape("google_oauth", ("ya29.", "GOCSPX-"), _APART + r"(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{16,2048}"),
    _shape("stripe", ("sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"),
           r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{10,255}"),
    _shape("huggingface", ("hf_", "api_org_"), _APART + r"(?:hf|api_org)_[A-Za-z0-9]{30,64}"),
    _shape("npm", ("npm_",), _APART + r"npm_[A-Za-z0-9]{30,64}"),
    _shape("pypi", ("pypi-",), _APART + r"pypi-[A-Za-z0-9_-]{32,512}"),
    _shape("sendgrid", ("SG.",), _APART + r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"),
    _shape("twilio", ("SK",), _APART + r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _shape("groq", ("gsk_",), _APART + r"gsk_[A-Za-z0-9]{20,128}"),
    _shape("xai", ("xai-",), _APART + r"xai-[A-Za-z0-9]{20,160}"),
    _shape("perplexity", ("pplx-",), _APART + r"pplx-[A-Za-z0-9]{20,160}"),
    _shape("replicate", ("r8_",), _APART + r"r8_[A-Za-z0-9]{20,80}"),
    _shape("nvidia", ("nvapi-",), _APART + r"nvapi-[A-Za-z0-9_-]{20,160}"),
    _shape("tavily", ("tvly-",), _APART + r"tvly-[A-Za-z0-9_-]{16,160}"),
    _shape("langsmith", ("lsv2_",), _APART + r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,160}"),
    _shape("databricks", ("dapi",), _APART + r"dapi[0-9a-f]{32}(?:-\d)?(?![A-Za-z0-9])"),
    _shape("digitalocean", ("do_v1_", "oo_v1_"), r"do[op]_v1_[0-9a-f]{32,128}|doo_v1_[0-9a-f]{32,128}"),
    _shape("shopify", ("shpat_", "shpca_", "shppa_", "shpss_"), r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    _shape("atlassian", ("ATATT3", "ATCTT3"), r"AT[AC]TT3[A-Za-z0-9_=.-]{20,512}"),
    _shape("docker", ("dckr_pat_", "dckr_oat_"), r"dckr_[po]at_[A-Za-z0-9_-]{20,64}"),
    _shape("vault", ("hvs.", "hvb."), _APART + r"hv[sb]\.[A-Za-z0-9_-]{20,512}"),
    _shape("grafana", ("glsa_", "glc_"), _APART + r"gl(?:sa|c)_[A-Za-z0-9_+/=-]{20,512}"),
    _shape("linear", ("lin_api_",), _APART + r"lin_api_[A-Za-z0-9]{20,80}"),
    _shape("postman", ("PMAK-",), r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _shape("age", ("SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _shape("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,4096}+", _jwt),
    _shape("private_key", ("KEY-----", "BLOCK-----"),
           r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE|SECRET) KEY(?: BLOCK)?-----", _pem),
    _shape("bearer", ("earer ", "EARER "), r"(?i:bearer)\s{1,4}([A-Za-z0-9._~+/=-]{16,8192})",
           lambda match: match.span(1)),
    _shape("basic", ("asic ", "ASIC "), r"(?i:basic)\s{1,4}([A-Za-z0-9+/]{8,1024}={0,2})", _basic),
)  # fmt: skip


# --- secrets by the name before them

_COUNTS: Final = frozenset(
    {"max", "min", "num", "number", "total", "count", "per", "prompt", "completion", "input",
     "output", "cached", "cache", "reasoning", "page", "next", "continuation", "stop", "eos", "bos",
     "pad", "sep", "unk", "cls", "mask", "special", "first", "last", "each", "generated", "usage"}
)  # fmt: skip
_ALONE: Final = frozenset(
    {"password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets",
     "token", "apikey", "authorization", "auth", "credential", "credentials", "cookie",
     "cookies", "accesskey", "secretkey", "privatekey", "accesstoken", "authtoken", "clientsecret"}
)  # fmt: skip
_BEFORE_KEY: Final = frozenset(
    {"api", "access", "secret", "private", "signing", "encryption", "account", "master", "auth", "shared"}
)  # fmt: skip
_PASSWORDS: Final = frozenset({"password", "passwd", "pwd", "passphrase", "passcode", "secret"})
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


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
_SCHEME = re.compile(r"(?:(?i:bearer|basic|token|digest|negotiate|apikey)\s{1,4})?")
_UNQUOTED = re.compile(rf"[^\s,;&\"'<>\\)}}\]|`]{{1,{_VALUE_CHARS}}}")
_OPEN = re.compile(r"\\{0,8}[\"'`]")
_REFERENCE = re.compile(
    r"[\[({<$%*]|(?:os|self|settings|config|env|environ|process|getenv|args|request|secrets)[.\[(]"
)
_LETTERS_AND_DIGIT = re.compile(r"(?=\D{0,64}\d)\S{8}")
_NAME_CHARS = re.compile(r"[\w.-]{0,64}\Z")


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
    line = re.compile(r"[^\r\n]*").match(text, begin, limit)
    return line.end() if line else begin


_NAME = (
    r"pass(?:word|wd|phrase|code)s?|pwd|secrets?|token|credentials?|authorization|auth|cookies?"
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
        "accountkey", "masterkey", "authkey", "sharedkey", "connectionstring",
    ),
    pattern=re.compile(
        rf"((?i:{_NAME})\d{{0,4}})[\"'\\\]`*]{{0,8}}\s{{0,4}}(?:=>|:=|={{1,2}}|:)[*\s]{{0,4}}"
    ),
    spot=_assigned,
)  # fmt: skip

OPTION: Final = Rule(
    name="option",
    kind="secret",
    view="text",
    hints=(" --",),
    pattern=re.compile(
        r"--(?:[a-z]{1,20}-){0,3}(?:password|passwd|pwd|token|secret|api-?key|access-key|secret-key)"
        r"(?:[ =]|[\"'],\s?[\"'])([^\s\"'\\-][^\s\"'\\]{0,1023})"
    ),
    spot=lambda match: match.span(1),
)

URL: Final = Rule(
    name="url",
    kind="secret",
    view="text",
    hints=("@",),
    pattern=re.compile(r"://[^\s/@:\"'<>\\]{0,128}:([^\s/@\"'<>\\]{1,512})@"),
    spot=lambda match: match.span(1),
)

# --- cards

_CARD_START = re.compile(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|6(?:011|4[4-9]|5)|30[0-5]|3[689]"
    r"|35(?:2[89]|[3-8])|62|50|5[6-9]|6[0-9]"
)
_CARD_LENGTHS: Final = {
    "4": (13, 16, 19), "5": (16,), "2": (16,), "34": (15,), "37": (15,), "30": (14,), "36": (14,),
    "38": (14,), "39": (14,), "35": (16,), "6": (16, 17, 18, 19),
}  # fmt: skip
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


def _card(match: re.Match[str]) -> tuple[int, int] | None:
    digits = "".join(c for c in match[0] if c.isdigit())
    lengths = _CARD_LENGTHS.get(digits[:2]) or _CARD_LENGTHS.get(digits[:1]) or ()
    good = len(digits) in lengths and _CARD_START.match(digits) and luhn(digits)
    return match.span() if good and len(set(digits)) > 1 else None


_GAP = "[ .\u00a0\u2007\u2009\u202f\u2010-\u2015-]{1,2}"

CARD: Final = Rule(
    name="card",
    kind="card",
    view="digits",
    hints=("0" * 13,),
    pattern=re.compile(
        r"(?<![0-9A-Za-z_])(?<![0-9][-.,])"
        rf"(?:[0-9]{{13,19}}|[0-9]{{4}}(?:{_GAP}[0-9]{{4}}){{3}}(?:{_GAP}[0-9]{{3}})?"
        rf"|3[0-9]{{3}}{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4,5}})"
        r"(?![0-9A-Za-z_]|[-.,][0-9]|-[A-Za-z])"
    ),
    spot=_card,
)

# --- e-mail addresses

_FILES: Final = frozenset(
    {"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "html", "py", "md"}
)


def _email(match: re.Match[str]) -> tuple[int, int] | None:
    text, at = match.string, match.start()
    start, limit = at, max(0, at - 64)
    while start > limit and (text[start - 1].isalnum() or text[start - 1] in "._%+'-"):
        start -= 1
    while start < at and text[start] in ".'-":
        start += 1
    if start == at or match[1].lower() in _FILES:
        return None
    if (
        text[max(0, start - 1)] == ":"
        and "://" in text[max(0, start - 256) : start].rpartition(" ")[2]
    ):
        return None  # the password of a URL
    return start, match.end()


EMAIL: Final = Rule(
    name="email",
    kind="email",
    view="text",
    hints=("@",),
    pattern=re.compile(r"@(?:[^\W_][\w-]{0,62}\.){1,8}([^\W\d_]{2,24})(?![\w-])"),
    spot=_email,
)

RULES: Final = RuleSet((*SHAPES, URL, ASSIGNED, OPTION, CARD, EMAIL))

PLACEHOLDERS: Final = {
    "email": "[EMAIL_REDACTED]",
    "card": "[CC_REDACTED]",
    "secret": "[SECRET_REDACTED]",
}


def placeholder(kind: str) -> str:
    return PLACEHOLDERS.get(kind) or f"[{kind.upper()}_REDACTED]"
