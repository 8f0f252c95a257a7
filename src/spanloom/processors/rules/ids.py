"""Numbers by which states know people: social security, tax, identity.

Facts (layouts and check digits) from the public definitions of each. What has neither a layout of
its own nor check digits that are hard to meet by chance counts only after a word that says what it is.
"""

import re
from collections.abc import Callable
from typing import Final

from spanloom.processors.rules import checks, national
from spanloom.processors.rules.cues import LEAD, named, nearest, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.layouts import NATIONAL, Id
from spanloom.processors.rules.screen import Rule

DASH: Final = "[-\u2010-\u2015]"
GAP: Final = "[ \u00a0\u2007\u2009\u202f]"
NOT_BEFORE: Final = (
    r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))(?<![0-9][-./])(?<!@)"
)
"""Not in the middle of a word or of a longer number; but after ``\\n`` of JSON or ``%3D`` of a URL."""
NOT_AFTER: Final = r"(?![0-9A-Za-z_\u00c0-\u024f]|[-./][0-9]|-[A-Za-z])"

_DATE = later("(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_ROW_BEFORE = later(rf"[0-9]{GAP}\Z")
_ROW_AFTER = later(rf"{GAP}[0-9]")
_SEPARATORS = later(r"[^0-9A-Za-z]+")


def _pattern(layout: str) -> str:
    parts = []
    for token in re.findall(r"\d+|.", layout):
        if token.isdigit():
            parts.append(f"[0-9]{{{token}}}")
        else:
            known = {"A": "[A-Za-z]", " ": GAP, "-": DASH}
            parts.append(known.get(token) or re.escape(token))
    return "".join(parts)


def _spelt(layout: str) -> tuple[str, ...]:
    """With a digit at its end and with a letter, so that a number has one layout only."""
    if layout[-1] not in "XC":
        return (layout,)
    last = re.search(r"\d*.\Z", layout)
    assert last
    head, count = layout[: last.start()], last[0][:-1]
    return f"{head}{int(count or 0) + 1}", f"{head}{count}A"


_LAYOUTS: Final = tuple(
    sorted(
        {
            layout
            for each in NATIONAL
            for written in (*each.plain, *each.cued, *each.named)
            for layout in _spelt(written)
        },
        key=lambda layout: (-len(layout), layout),
    )
)


def _by_layout(layouts: Callable[[Id], tuple[str, ...]]) -> dict[str, tuple[Id, ...]]:
    return {
        f"n{i}": tuple(each for each in NATIONAL if any(layout in _spelt(w) for w in layouts(each)))
        for i, layout in enumerate(_LAYOUTS)
    }


_PLAIN: Final = _by_layout(lambda each: each.plain)
_CUED: Final = _by_layout(lambda each: each.cued)
_NAMED: Final = _by_layout(lambda each: each.named)
_WORDS: Final = {word: each for each in NATIONAL for word in each.words.split()}
_OWN_WORDS: Final = frozenset(_WORDS)
_CUES: Final = frozenset({"id", "named_id", "ssn"})


def apart(text: str, start: int, end: int) -> bool:
    """Whether a number written with spaces is not part of a longer row of numbers."""
    if text[start:end].isalnum():
        return True
    row_before = _ROW_BEFORE.search(text, max(0, start - 2), start)
    return not row_before and not _ROW_AFTER.match(text, end)


def _digits_of(layout: str) -> int:
    """How many digits a layout has, if it has no letters."""
    return sum(map(int, re.findall(r"\d+", layout))) if not layout[-1].isalpha() else 0


_BY_DIGITS: Final = {
    count: tuple(
        each
        for each in NATIONAL
        if any(_digits_of(s) == count for w in (*each.plain, *each.cued) for s in _spelt(w))
    )
    for count in range(8, 19)
}
_LOOSE = later(rf"[0-9](?:[ \u00a0\u2007\u2009\u202f\u2010-\u2015./-]?[0-9]){{7,17}}{NOT_AFTER}")


def _loose(match: re.Match[str]) -> tuple[int, int] | None:
    """After a word for such numbers: however its digits are put in groups."""
    text, start = match.string, match.start()
    number = _SEPARATORS.sub("", match[0])
    if "." in match[0] and any(c.isspace() for c in match[0]):
        return None  # measurements in a row
    if (
        _DATE.match(number)
        or not told(text, start, match.end()) & _CUES
        or named(text, start, "order")
    ):
        return None
    own = _WORDS.get(nearest(text[max(0, start - LEAD) : start], _OWN_WORDS))
    return match.span() if _of(_BY_DIGITS.get(len(number), ()), number, own) else None


def _of(ids: tuple[Id, ...], number: str, own: Id | None = None) -> bool:
    return any(each.check(number) for each in ids if own in (None, each))


def _national(match: re.Match[str]) -> tuple[int, int] | None:
    group = match.lastgroup
    loose = _LOOSE.match(match.string, match.start())
    if group is None:
        return loose and _loose(loose)
    text, (start, end) = match.string, match.span(group)
    if not apart(text, start, end) or _DATE.fullmatch(text, start, end):
        return None
    number = _SEPARATORS.sub("", match[group]).upper()
    good = _of(_PLAIN[group], number)
    if not good and told(text, start, end) & _CUES:
        own = _WORDS.get(nearest(text[max(0, start - LEAD) : start], _OWN_WORDS))
        by_name = own is None and named(text, start, "named_id")
        good = _of(_CUED[group], number, own) or (by_name and _of(_NAMED[group], number))
    if good:
        return (start, end) if not named(text, start, "order") else None
    return loose and _loose(loose)


NATIONAL_ID: Final = Rule(
    name="national_id",
    kind="national_id",
    digits=7,
    pattern=later(
        NOT_BEFORE
        + "(?="
        + "|".join(f"(?P<n{i}>{_pattern(layout)}){NOT_AFTER}" for i, layout in enumerate(_LAYOUTS))
        + "|[0-9])"
    ),
    spot=_national,
)


# --- with letters

_SEP: Final = rf"(?:{GAP}|{DASH})?"
_LETTERED: Final = {
    "gb_nino": (
        "[A-Z]{2}",
        rf"[0-9]{_SEP}[0-9]{{2}}{_SEP}[0-9]{{2}}{_SEP}[A-Z]",
        checks.gb_nino,
    ),
    "es_nie": ("[XYZ]", r"(?:(?<=[XYZ].)|(?<=[XYZ][ -].))[0-9]{6}-?[A-Z]", checks.es_nie),
    "sg_nric": ("[STFGM]", r"(?<=[STFGM].)[0-9]{6}[A-Z]", checks.sg_nric),
    "in_pan": ("[A-Z]{5}", r"[0-9]{3}[A-Z]", checks.in_pan),
    "it_fiscal": (
        f"[A-Z]{{3}}{GAP}?[A-Z]{{3}}",
        rf"[0-9][A-EHLMPRST][0-9L-NP-V]{{2}}{GAP}?[A-Z][0-9L-NP-V]{{3}}[A-Z]",
        checks.it_fiscal,
    ),
    "mx_curp": ("[A-Z]{4}", r"[0-9]{5}[HMX][A-Z]{5}[A-Z0-9][0-9]", checks.mx_curp),
    "mx_rfc": ("[A-ZÑ&]{3,4}", r"(?<=[A-ZÑ&][A-ZÑ&][A-ZÑ&].)[0-9]{5}-?[A-Z0-9]{3}", national.mx_rfc),
    "tw_id": ("[A-Z]", r"(?<=[A-Z][12])[0-9]{8}", national.tw_id),
    "hk_id": ("[A-Z]{1,2}", r"(?<=[A-Z].)[0-9]{5}(?:\([0-9A]\)|[0-9A])", national.hk_id),
    "ie_pps": ("", r"[0-9]{6}[A-W][A-IW]?", national.ie_pps),
    "de_social": ("", r"[0-9]{7}[A-Z][0-9]{3}", national.de_social),
    "fi_personal": ("", r"[0-9]{5}[A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]", national.fi_personal),
    "fr_nir": (  # of Corsica
        "",
        rf"(?<=[12]){GAP}?[0-9]{{2}}{GAP}?[0-9]{{2}}{GAP}?2[AB]{GAP}?[0-9]{{3}}{GAP}?[0-9]{{3}}(?:{GAP}?[0-9]{{2}})?",
        checks.fr_nir,
    ),
}  # fmt: skip
"""The letters before the first digit, what follows it, the check."""
_UNCHECKED: Final = frozenset({"gb_nino", "in_pan"})
_WEAK: Final = frozenset({"tw_id", "ie_pps"})
"""Whose check one in ten or twenty meets by chance."""


def _either_case(pattern: str) -> str:
    # re.IGNORECASE would ask for the case of every character, which takes three times as long
    return re.sub(
        r"\[([0-9-]*[A-Z][0-9A-Z-]*)\]", lambda found: f"[{found[1]}{found[1].lower()}]", pattern
    )


_LETTERS: Final = {
    name: later(
        r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
        rf"{_either_case(letters)}{_SEP if letters else ''}\Z"
    )
    for name, (letters, _, _) in _LETTERED.items()
}


def _lettered(match: re.Match[str]) -> tuple[int, int] | None:
    name = match.lastgroup
    if name is None:
        return None
    text, digit, end = match.string, match.start(), match.end()
    before = _LETTERS[name].search(text, max(0, digit - 8), digit)
    if before is None:
        return None
    start = before.start()
    written = text[start:end]
    number = _SEPARATORS.sub("", written).upper()
    good = _LETTERED[name][2](number)
    if name in _UNCHECKED and not (good and written.isupper()):
        good = (good or name == "gb_nino") and bool(told(text, start, end) & _CUES)
    weak = name in _WEAK or (name == "hk_id" and written[-1] != ")")
    if good and weak:
        good = bool(told(text, start, end) & _CUES)
    if name == "mx_rfc" and not good and written.isupper():
        good = "named_id" in told(
            text, start, end
        )  # its last letters are not always those that are right
    return (start, end) if good and not named(text, start, "order") else None


def _preceded(gap: str) -> str:
    """Looks back from the last letter of such a number at the shape of all of it."""
    shapes = [
        *(f"[\n ]aa{a}{digits}{gap}a" for a in ("", " ") for digits in ("000000", "00 00 00")),
        *(f"[\n ]a{a}0000000{gap}a" for a in ("", " ")),
    ]
    if not gap:
        shapes += ["[\n ]aaaaa0000a", "aaa00a00a000a", "aaa 00a00a000a", "00a00 a000a"]
    return "|".join(f"(?<={shape})" for shape in shapes)


LETTERED_ID: Final = Rule(
    name="lettered_id",
    frequent=True,
    kind="national_id",
    view="mask",
    # each begins with a literal of two characters, which is searched for very fast
    probes=(
        later(
            f"0a(?:(?![a0])(?:{_preceded('')})|aaaaa[a0]0(?<=aaaa000000aaaaaa.0)"
            "|000000(?<=[\n ]000000a000000)| 000 000(?<=[\n ]0 00 00 0a 000 000))"
        ),
        later(f"0 a(?![a0])(?:{_preceded(' ')})"),
    ),
    # from its first digit: digits are rarer than letters, and found faster
    pattern=later(
        "[0-9](?<![0-9][0-9])(?:"
        + "|".join(
            f"(?P<{name}>{_either_case(rest)})(?![0-9A-Za-z_])"
            for name, (_, rest, _) in _LETTERED.items()
        )
        + ")"
    ),
    spot=_lettered,
)


SHORT_ID: Final = Rule(
    name="short_id",
    frequent=True,
    kind="national_id",
    view="mask",
    hints=("a000000", "000000a"),
    probes=(
        later(
            "a000000(?:(?<=[\n ]a000000)(?:000(?![a0])| ?0(?![a0])|a(?![a0]))"
            "|(?:(?<=[\n ]aaaa000000)|(?<=[\n ]aaa000000)) ?[0a]{3}(?![0a])"
            "|(?<=[\n ]aa000000)(?: ?0(?![a0])|a(?![a0])))"
        ),
        later(
            "000000a(?:(?<=[\n ]000000a)|(?<=[\n ]00000000a))000[0a]?(?![0a])"
            "|000000a(?<=[\n ]0000000a)a?(?![a0])"
        ),
    ),
    pattern=LETTERED_ID.pattern,
    spot=_lettered,
)
"""The same, by other shapes: a letter or two before or behind six digits or more."""


# --- US social security


def _ssn(match: re.Match[str]) -> tuple[int, int] | None:
    text, (start, end) = match.string, match.span(1)
    if not checks.us_ssn(_SEPARATORS.sub("", match[1])) or named(text, start, "order"):
        return None
    if match[2] is None or match[2] in "./":
        return (start, end) if "ssn" in told(text, start, end) else None
    return (start, end) if match[2] not in GAP or apart(text, start, end) else None


SSN: Final = Rule(
    name="ssn",
    kind="ssn",
    digits=9,
    pattern=later(
        rf"{NOT_BEFORE}(?=([0-9]{{3}}(?:({DASH}|{GAP}|[./])[0-9]{{2}}\2[0-9]{{4}}|[0-9]{{6}})){NOT_AFTER})"
    ),
    spot=_ssn,
)
