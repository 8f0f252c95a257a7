"""Secrets that a sentence tells, in many languages: "the password is ...", "Пароль: ...", "API 密钥是..."."""

import re
from typing import Final

from spanloom.processors.rules import words
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule, Spot
from spanloom.processors.rules.values import secretive, stand_in

_GAP: Final = "[ \u00a0\u202f]"
_WORD: Final = r"[^\s:\uff1a=.,;!?\"'`|{}()<>@/\\_#0-9-]{1,16}"
_QUOTES: Final = "\"'`\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"
_COLON: Final = rf"[\"*]{{0,2}}{_GAP}{{0,2}}[:\uff1a][\s*]{{0,4}}"
_COPULA: Final = "|".join(map(re.escape, sorted(words.IS, key=len, reverse=True)))
_OPEN: Final = rf"(?P<open>[{_QUOTES}]?){_GAP}?"
_VALUE: Final = rf"{_OPEN}(?P<value>[^\s{_QUOTES}<>\\|]{{4,256}})"
_LONE: Final = (
    rf"{_OPEN}(?P<value>(?:[^\s{_QUOTES}<>\\|,;&]|&(?!\w{{1,32}}=)){{4,256}}+)(?![;&]|,\S)"
)
_CLOSING: Final = ".,;:)"

_ANNOUNCED = later(rf"(?P<gap>(?:{_GAP}{{1,2}}{_WORD}){{0,4}}){_COLON}{_VALUE}")
_EQUATED = later(
    rf"(?:{_GAP}{{1,2}}{_WORD}){{0,5}}?{_GAP}(?i:{_COPULA})(?:{_COLON}|{_GAP}{{1,2}}){_VALUE}"
)
_BESIDE = later(
    rf"(?:{_GAP}{{0,2}}(?:=|[-=]>|[\u2013\u2014\u2192(-]|,{_GAP}(?:c'est|it's|it is|ist|es){_GAP}){_GAP}{{0,2}}|{_GAP}){_LONE}"
)
_BEFORE = later(
    rf"(?<![^\s{_QUOTES}(:])(?P<value>[^\s{_QUOTES}<>\\|(),;]{{5,128}})[{_QUOTES}]?{_GAP}"
    rf"(?i:is|ist|est|es|è|é|är|er|jest|je|это|as|als|como|comme|come|jako|som|kot){_GAP}(?:[^\W\d_]{{1,12}}'?{_GAP}){{0,2}}"
    r"(?:[^\W\d_]{0,3}['-])?[^\W\d_]?\Z"
)
"""``hunter2 is my password``, up to the first letter of the name."""
_ATTACHED = later(
    rf"(?:[^\s\d!-~]{{0,6}}{_GAP}?|{_GAP}?(?:[:=]|\uff1a)[\s*]{{0,4}})[{_QUOTES}]?"
    r"(?P<value>[!#-&(-;=?-\[\]^_a-{}~]{4,256})"
)
"""Without a space between the name, what makes a sentence of it, and the value, which is in ASCII."""
_ABOUT: Final = frozenset(
    "hint hints policy hash reset url link length age expiry expires changed updated rules rule strength manager field error "
    "errors id type version count attempts change history format requirements".split()
)
"""What is told of a password, and is none."""
_UUID = later(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[\w.-]*[-_][0-9]{1,6}")


_DIGIT = later(r"[0-9\"'\u201c]")


def _told(match: re.Match[str], *, key: bool = False) -> tuple[int, int] | None:
    """The value that a sentence gives to the name in ``match``; a ``key`` is long and has digits."""
    text, end = match.string, match.end()
    if key and not _DIGIT.search(text, max(0, match.start() - 160), end + 320):
        return None
    before = _BEFORE.search(text, max(0, match.start() - 160), match.start())
    if before is not None and _good(before["value"], key=key, sure=True):
        return before.span("value")
    for form in (_ANNOUNCED, _EQUATED, _BESIDE):
        found = form.match(text, end)
        if found is None:
            continue
        if form is _ANNOUNCED:
            if (
                not found["gap"]
                and match[0].isascii()
                and (not key or match[0] in ("oken", "ecret"))
            ):
                return None  # a name, of which ``ASSIGNED`` knows more
            if not _ABOUT.isdisjoint(found["gap"].lower().split()):
                return None
        value, start, sure = found["value"], found.start("value"), form is not _BESIDE
        if found["open"]:
            sure, closed = True, text[found.end() :].lstrip(" \u00a0\u202f")[:1]
            if (
                (not key or len(value) >= 6)
                and form is not _BESIDE
                and closed
                and closed in _QUOTES
            ):
                return None if stand_in(value) else (start, found.end())
        else:
            value = value.rstrip(_CLOSING)  # a "!" may be its last character
        if key and form is _BESIDE and not _RANDOM.match(value):
            continue
        if _good(value, key=key, sure=sure):
            return start, start + len(value)
    return None


_RANDOM = later(
    r"(?=[^A-Z]{0,64}[A-Z])(?=[^a-z]{0,64}[a-z])(?=[^0-9]{0,64}[0-9])\S{16}|[0-9a-f]{32}"
)


def _good(value: str, *, key: bool, sure: bool) -> bool:
    if key and (
        len(value) < (8 if sure else 16)
        or _UUID.fullmatch(value)
        or not any(map(str.isdigit, value))
    ):
        return False
    return secretive(value, sure=sure)


def _attached(match: re.Match[str]) -> tuple[int, int] | None:
    found = _ATTACHED.match(match.string, match.end())
    if found is None:
        return _told(match)
    value = found["value"].rstrip(_CLOSING)
    start = found.start("value")
    return (start, start + len(value)) if secretive(value) else None


_OTHER_KEYS: Final = frozenset(
    "public primary foreign sort cache partition idempotency object hash lookup map routing dictionary candidate index row "
    "hot shortcut answer chave palavra palabra parola mot publique pública pubblica publieke publiczny openbare next page "
    "max min".split()
)


def _key(match: re.Match[str]) -> tuple[int, int] | None:
    """A key by itself may be one of a cache or of a table: whose it is stands before."""
    if match.string[match.start() - 1 : match.start()] in ("_", "."):
        return None
    lead = (
        match.string[max(0, match.start() - 24) : match.start()]
        .lower()
        .rstrip(" -_'")
        .replace("_", " ")
        .split()
    )
    if lead and lead[-1].strip("\"'(") in _OTHER_KEYS:
        return None
    return _told(match, key=True)


_SAID = later(rf"{_GAP}(?:(?:word|phrase|code|key|value){_GAP})?(?:is|est|ist|es|è){_GAP}")


def _secret(match: re.Match[str]) -> tuple[int, int] | None:
    """A secret may be no more than a riddle: what it is has to be said."""
    text, end = match.string, match.end()
    beside = _BESIDE.match(text, end)
    said = (
        _SAID.match(text, end)
        or _ANNOUNCED.match(text, end)
        or (beside and _RANDOM.match(beside["value"]))
    )
    return _key(match) if said else None


_AFTER_IS = later(rf"(?:{_COLON}|{_GAP}{{1,2}}){_VALUE}")


def _said(match: re.Match[str]) -> tuple[int, int] | None:
    found = _AFTER_IS.match(match.string, match.end())
    if found is None or not secretive(found["value"].rstrip(_CLOSING)):
        return None
    return found.start("value"), found.start("value") + len(found["value"].rstrip(_CLOSING))


_CODE = later(
    r"(?=.{0,32}[a-z])(?=.{0,64}[0-9])(?:(?=.{0,32}[A-Z])|(?=.{0,32}[!@#$%^&*?~])|[a-z]+-[a-z]+-)\S{7}"
)


def _code(match: re.Match[str]) -> tuple[int, int] | None:
    """A code that opens something is no number of an order: it has small letters, and others."""
    span = _said(match)
    return span if span and _CODE.match(match.string[slice(*span)]) else None


_API_VALUE = later(
    r"(?P<said>[^\d\n:\uff1a=.,;!?\"'`|(){}<>@/\\_#]{0,32}?)"
    rf"(?:{_GAP}?(?:[:=]|\uff1a)\s{{0,2}}|{_GAP}|(?<![ -~]))[{_QUOTES}]?"
    r"(?P<value>(?=[A-Za-z_.+/=-]{0,64}[0-9])[A-Za-z0-9_.+/=-]{8,512})"
)
_KEYS_ATTACHED: Final = tuple(key for key in words.KEYS if ord(key[0]) > 0x0900)
_BETWEEN: Final = frozenset("de d' do da la l' per der für for di an".split())


def _api_key(match: re.Match[str]) -> tuple[int, int] | None:
    """``clé API``, ``API-Schlüssel``: which word stands beside says that it is about a key."""
    text, end = match.string, match.end()
    found = _API_VALUE.match(text, end)
    before = text[max(0, match.start() - 24) : match.start()].lower().split()
    while before and before[-1] in _BETWEEN:
        before.pop()
    if found is None:
        return (
            _told(match, key=True)
            if text[end : end + 8].lower().lstrip(" -").startswith(words.KEY)
            else None
        )
    said = found["said"].lower()
    near = {*said.replace("-", " ").split(), *before[-1:]}
    if near.isdisjoint(words.KEYS) and not any(key in said for key in _KEYS_ATTACHED):
        return None
    value = found["value"].rstrip(_CLOSING)
    return (found.start("value"), found.start("value") + len(value)) if secretive(value) else None


_PIN = later(
    rf"(?:{_GAP}{_WORD}){{0,2}}(?:{_COLON}|{_GAP}(?i:{_COPULA}){_GAP})[{_QUOTES}]?([0-9]{{4}}|[0-9]{{6}})(?![\w-]|[.:/][0-9])"
)
_LOGIN = later(
    rf"(?: are| is)?:?{_GAP}{{1,2}}[{_QUOTES}]?[\w.@+-]{{1,64}}(?: ?[/:|,] ?| and | with )[{_QUOTES}]?([^\s{_QUOTES}<>\\|,;]{{5,64}})"
)
_WITH = later(
    rf"\w{{0,3}}[\w-]{{0,8}}(?:{_GAP}(?:as|to|in|als){_GAP}\S{{1,32}}){{0,2}}{_GAP}(?:with|using|avec|met|mit){_GAP}[{_QUOTES}]?([^\s{_QUOTES}<>\\|,;]{{8,64}})"
)


def _following(pattern: re.Pattern[str], *, sure: bool) -> Spot:
    def spot(match: re.Match[str]) -> tuple[int, int] | None:
        found = pattern.match(match.string, match.end())
        if found is None:
            return None
        value = found[1].rstrip(_CLOSING)
        good = pattern is _PIN or secretive(value, sure=sure)
        return (found.start(1), found.start(1) + len(value)) if good else None

    return spot


def _rule(word: str, literal: str, ending: str, spot: Spot) -> Rule:
    return Rule(
        name=f"told {word}", kind="secret", view="text", hints=(literal,), spot=spot, frequent=True,
        pattern=later(re.escape(literal) + ending),
    )  # fmt: skip


_ENDING: Final = r"[^\W\d_A-Z]{0,8}"


def _cased(word: str) -> tuple[Rule, ...]:
    """Small, with a capital, in capitals; without its first letter where what remains is as rare."""
    forms: tuple[str, ...] = (word[1:],) if word.isascii() else (word[1:], word.upper())
    if not word.isascii() and word[1:].isascii():
        forms = (word, word.capitalize(), word.upper())
    return tuple(_rule(word, form, _ENDING, _told) for form in forms)


def _named(word: str, spot: Spot = _told) -> Rule:
    """Only where a colon follows: to look for those names costs nothing."""
    name = re.sub("[ '-]", "", word)
    return Rule(
        name=f"told {word}", kind="secret", view="names", spot=spot,
        hints=(name,),
        pattern=later(re.escape(word[1:]) + _ENDING),
    )  # fmt: skip


TOLD: Final = (
    *(rule for word in (*words.PLAIN, *words.CASED) for rule in _cased(word)),
    *map(_named, words.NAMED),
    *(_rule(word, word, r"[^\s\d:!-~]{0,6}", _told) for word in words.SPACED),
    *(_rule(word, word, "", _attached) for word in words.UNSPACED),
    *(_rule(word, word, r"s?(?![\w-])" if word.isascii() else _ENDING, _key) for word in words.KEY),
    _rule("secret", "ecret", "(?= )", _secret),
    _rule("api key", "API", "", _api_key),
    _rule("pass", "pass", "(?=[ :])(?<=[^A-Za-z]....)", _key),
    *(_named(word, _key) for word in words.NAMED_KEYS),
    _rule("pw", "pw is", "", _said),
    _rule("code", "ode is", "", _code),
    _rule("PIN", "PIN", r"(?:[- ]?[Cc]ode|-Nummer)?\b", _following(_PIN, sure=True)),
    _rule("credentials", "redentials", "", _following(_LOGIN, sure=True)),
    _rule("log in", "og in", "", _following(_WITH, sure=False)),
)
