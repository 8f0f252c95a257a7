"""Numbers by which states know people: social security, tax, identity.

Facts (layouts and check digits) from the public definitions of each. What has neither a layout of
its own nor check digits that are hard to meet by chance counts only after a word that says what it is.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from spanloom.processors.rules import checks
from spanloom.processors.rules.cues import named, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

DASH: Final = "[-\u2010-\u2015]"
GAP: Final = "[ \u00a0\u2007\u2009\u202f]"
NOT_BEFORE: Final = (
    r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))(?<![0-9][-./])"
)
"""Not in the middle of a word or of a longer number; but after ``\\n`` of JSON or ``%3D`` of a URL."""
NOT_AFTER: Final = r"(?![0-9A-Za-z_]|[-./][0-9]|-[A-Za-z])"

_SEPARATORS = later(r"[^0-9A-Za-z]+")


class Id(Struct, frozen=True):
    """One country's number.

    In layouts a digit stands for so many digits, ``A`` for a letter, ``X`` for a digit or X. ``plain``
    ones can be told by themselves, ``cued`` ones need a word before them.
    """

    name: str
    check: Callable[[str], bool]
    plain: tuple[str, ...] = ()
    cued: tuple[str, ...] = ()


NATIONAL: Final = (
    Id("br_cnpj", checks.br_cnpj, ("2.3.3/4-2",), ("14",)),
    Id("br_cpf", checks.br_cpf, ("3.3.3-2",), ("11", "9-2")),
    Id("cn_resident", checks.cn_resident, ("17X", "6 8 3X")),
    Id("fr_nir", checks.fr_nir, ("15", "1 2 2 2 3 3 2", "13 2"), ("13", "1 2 2 2 3 3")),
    Id("ch_ahv", checks.ch_ahv, ("3.4.4.2", "13")),
    Id("in_aadhaar", checks.in_aadhaar, ("4 4 4", "4-4-4"), ("12",)),
    Id("de_tax", checks.de_tax, ("2 3 3 3",), ("11", "3 3 3 2", "2/3/3/3", "2-3-3-3")),
    Id("pl_pesel", checks.pl_pesel, (), ("11",)),
    Id("ca_sin", checks.ca_sin, ("3-3-3",), ("3 3 3", "9")),
    Id("au_tfn", checks.au_tfn, (), ("3 3 3", "3-3-3", "9", "8", "3 3 2")),
    Id("nl_bsn", checks.nl_bsn, (), ("9", "4.2.3", "4 2 3", "3 3 3")),
    Id("se_personal", checks.se_personal, (), ("6-4", "8-4", "10", "12")),
    Id("kr_resident", checks.kr_resident, ("6-7",), ("13",)),
    Id("es_dni", checks.es_dni, ("8A", "8-A", "2.3.3-A", "2.3.3A", "8 A")),
)  # fmt: skip


def _pattern(layout: str) -> str:
    parts = []
    for token in re.findall(r"\d+|.", layout):
        if token.isdigit():
            parts.append(f"[0-9]{{{token}}}")
        else:
            known = {"A": "[A-Za-z]", "X": "[0-9Xx]", " ": GAP, "-": DASH}
            parts.append(known.get(token) or re.escape(token))
    return "".join(parts)


_LAYOUTS: Final = tuple(
    sorted(
        dict.fromkeys(layout for each in NATIONAL for layout in (*each.plain, *each.cued)),
        key=lambda layout: (-len(layout), layout),
    )
)
_PLAIN: Final = {
    f"n{i}": tuple(each for each in NATIONAL if layout in each.plain)
    for i, layout in enumerate(_LAYOUTS)
}
_CUED: Final = {
    f"n{i}": tuple(each for each in NATIONAL if layout in each.cued)
    for i, layout in enumerate(_LAYOUTS)
}


def apart(text: str, start: int, end: int) -> bool:
    """Whether a number written with spaces is not part of a longer row of numbers."""
    if text[start:end].isalnum():
        return True
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return not (before[1:].isspace() and before[0].isdigit()) and not (
        after[:1].isspace() and after[1:].isdigit()
    )


def _national(match: re.Match[str]) -> tuple[int, int] | None:
    group = match.lastgroup
    if group is None:
        return None
    text, (start, end) = match.string, match.span(group)
    if not apart(text, start, end):
        return None
    number = _SEPARATORS.sub("", match[group]).upper()
    good = any(each.check(number) for each in _PLAIN[group])
    if not good and any(each.check(number) for each in _CUED[group]):
        good = bool(told(text, start) & {"id", "ssn"})
    return (start, end) if good and not named(text, start, "order") else None


NATIONAL_ID: Final = Rule(
    name="national_id",
    kind="national_id",
    digits=8,
    pattern=later(
        NOT_BEFORE
        + "(?="
        + "|".join(f"(?P<n{i}>{_pattern(layout)}){NOT_AFTER}" for i, layout in enumerate(_LAYOUTS))
        + ")"
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
        "[A-Z]{6}",
        rf"[0-9][A-EHLMPRST][0-9L-NP-V]{{2}}{GAP}?[A-Z][0-9L-NP-V]{{3}}[A-Z]",
        checks.it_fiscal,
    ),
    "mx_curp": ("[A-Z]{4}", r"[0-9]{5}[HMX][A-Z]{5}[A-Z0-9][0-9]", checks.mx_curp),
    "fr_nir": (  # of Corsica
        "",
        rf"(?<=[12]){GAP}?[0-9]{{2}}{GAP}?[0-9]{{2}}{GAP}?2[AB]{GAP}?[0-9]{{3}}{GAP}?[0-9]{{3}}(?:{GAP}?[0-9]{{2}})?",
        checks.fr_nir,
    ),
}  # fmt: skip
"""The letters before the first digit, what follows it, the check."""
_UNCHECKED: Final = frozenset({"gb_nino", "in_pan"})


def _either_case(pattern: str) -> str:
    # re.IGNORECASE would ask for the case of every character, which takes three times as long
    return re.sub(
        r"\[([0-9-]*[A-Z][0-9A-Z-]*)\]", lambda found: f"[{found[1]}{found[1].lower()}]", pattern
    )


_LETTERS: Final = {
    name: later(
        r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
        rf"{_either_case(letters)}{_SEP}\Z"
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
        good = (good or name == "gb_nino") and "id" in told(text, start)
    return (start, end) if good and not named(text, start, "order") else None


def _preceded(gap: str) -> str:
    """Looks back from the last letter of such a number at the shape of all of it."""
    shapes = [
        *(f"[\n ]aa{a}{digits}{gap}a" for a in ("", " ") for digits in ("000000", "00 00 00")),
        *(f"[\n ]a{a}0000000{gap}a" for a in ("", " ")),
    ]
    if not gap:
        shapes += ["[\n ]aaaaa0000a", "aaa00a00a000a", "00a00 a000a"]
    return "|".join(f"(?<={shape})" for shape in shapes)


LETTERED_ID: Final = Rule(
    name="lettered_id",
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


# --- US social security


def _ssn(match: re.Match[str]) -> tuple[int, int] | None:
    text, (start, end) = match.string, match.span(1)
    if not checks.us_ssn(_SEPARATORS.sub("", match[1])) or named(text, start, "order"):
        return None
    if match[2] is None or match[2] in "./":
        return (start, end) if "ssn" in told(text, start) else None
    return (start, end) if apart(text, start, end) else None


SSN: Final = Rule(
    name="ssn",
    kind="ssn",
    digits=9,
    pattern=later(
        rf"{NOT_BEFORE}(?=([0-9]{{3}}(?:({DASH}|{GAP}|[./])[0-9]{{2}}\2[0-9]{{4}}|[0-9]{{6}})){NOT_AFTER})"
    ),
    spot=_ssn,
)
