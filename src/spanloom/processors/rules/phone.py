"""Telephone numbers.

What people write so that it can be read aloud is taken as one: with a country code, an area code in
parentheses, or a national layout. A number in one piece is one only after a word such as "tel".
"""

import re
from typing import Final

from spanloom.processors.rules.cues import named, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

_SEP: Final = "[ .\u00a0\u2007\u2009\u202f\u2010-\u2015/-]"
_LOOSE: Final = "[ .\u00a0\u2007\u2009\u202f\u2010-\u2015/()-]"
_AFTER: Final = r"(?:(?![0-9A-Za-z_]|[-.:/][0-9]|-[A-Za-z])|(?=x[0-9]{1,6}(?![0-9A-Za-z_])))"

_LENGTHS: Final = {
    "1": (10, 10), "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9),
    "32": (8, 9), "33": (9, 9), "34": (9, 9), "36": (8, 9), "39": (6, 11), "40": (9, 9), "41": (9, 9),
    "43": (6, 13), "44": (9, 10), "45": (8, 8), "46": (7, 10), "47": (8, 8), "48": (9, 9),
    "49": (6, 11), "51": (8, 9), "52": (10, 11), "54": (10, 11), "55": (10, 11), "56": (9, 9),
    "57": (8, 10), "61": (9, 9), "62": (8, 12), "63": (8, 10), "64": (8, 10), "65": (8, 8), "66": (8, 9),
    "81": (9, 10), "82": (8, 10), "84": (9, 10), "86": (9, 11), "90": (10, 10), "91": (10, 10),
    "92": (9, 10), "98": (10, 10), "351": (9, 9), "352": (5, 9), "353": (7, 9), "354": (7, 7),
    "358": (6, 11), "359": (8, 9), "380": (9, 9), "420": (9, 9), "421": (9, 9), "852": (8, 8),
    "886": (8, 9), "966": (8, 9), "971": (8, 9), "972": (8, 9),
}  # fmt: skip
"""Digits after the country code, where the plan is that strict."""
_TWO_DIGITS: Final = frozenset(code for code in _LENGTHS if len(code) == 2) | {
    "53",
    "58",
    "60",
    "93",
    "94",
    "95",
}
_GROUPS = later("[0-9]+")
_EXTENSION = later(r",?[ ]?(?:ext(?:ension)?\.?|x|#)[ ]?[0-9]{1,6}(?![0-9A-Za-z_])", re.IGNORECASE)
_ENDS = later(r"(?![0-9A-Za-z_])|(?=x[0-9]{1,6}(?![0-9A-Za-z_]))")
_DATE_TEXT: Final = (
    r"(?:19|20)[0-9]{2}[-./ ][01]?[0-9][-./ ][0-3]?[0-9](?![0-9])"
    r"|[0-3]?[0-9][-./ ][0-3]?[0-9][-./ ](?:19|20)[0-9]{2}(?![0-9])"
    r"|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?:[0-9]{4}|[0-9]{6})?(?![0-9])"
)
_DATE = later(_DATE_TEXT)
_OTHER = later(
    rf"(?:{_DATE_TEXT})|97[89]-?[0-9]-?[0-9]{{2,7}}-|[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}(?![0-9])"
)
"""A date, an ISBN, what has the shape of a social security number."""

PHONE_PATTERN: Final = later(
    r"(?:(?<![0-9A-Za-z_+(])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f])|(?<=[(])(?=[+]))(?<![0-9][-.:/])(?:"
    rf"(?P<intl>[+][ ]?[(]?[1-9](?:{_LOOSE}{{0,3}}[0-9]){{6,16}}|00[1-9](?:{_LOOSE}{{0,3}}[0-9]){{7,16}})"
    rf"|(?P<area>(?:[08][ ]?)?[(]0?[1-9][0-9]{{0,4}}[)]{_SEP}{{0,2}}[0-9]{{3,8}}(?:{_SEP}[0-9]{{2,4}}){{0,4}}){_AFTER}"
    rf"|(?P<nanp>(?:1{_SEP})?[2-9][0-9]{{2}}{_SEP}[0-9]{{3}}{_SEP}[0-9]{{4}}){_AFTER}"
    rf"|(?P<trunk>0[1-9][0-9]{{0,4}}(?P<sep>{_SEP}|[ ]/[ ])[0-9]{{2,8}}(?:{_SEP}[0-9]{{2,4}}){{0,4}}){_AFTER}"
    rf"|(?P<mobile>1[3-9][0-9](?P<gap>[ -])[0-9]{{4}}(?P=gap)[0-9]{{4}}"
    rf"|8(?P<space>[ -])[349][0-9]{{2}}(?P=space)[0-9]{{3}}(?P=space)[0-9]{{2}}(?P=space)[0-9]{{2}}){_AFTER}"
    rf"|(?P<cued>[(]?[0-9](?:{_LOOSE}{{0,2}}[0-9]){{6,14}}){_AFTER}"
    ")"
)


def _phone(match: re.Match[str]) -> tuple[int, int] | None:
    text, (start, end), written = match.string, match.span(), match[0]
    groups = _GROUPS.findall(written)
    digits = "".join(groups)
    if match["intl"] is not None:
        if written[0] == "0" and named(text, start, "order"):
            return None
        span = _international(text, start, end, digits)
        if span and text[start - 1 : start] == "(" and ")" in text[start : span[1]]:
            span = start - 1, span[1]  # (+91) 98765 43210
        if span is None and written[0] == "0":
            span = _cued(text, start, end, digits)
        return span and _with_extension(text, *span)
    if _DATE.match(written):
        return None
    if match["area"] is not None:
        # a Turk's or a Russian's trunk stands before it
        trunk = written[0] in "08"
        good = len(digits) == 11 if trunk else _area(groups[0], digits)
    elif match["trunk"] is not None:
        # written in threes it may as well be any other number
        threes = [len(group) for group in groups] == [3, 3, 3]
        taken = re.fullmatch("[0-9]{5}-[0-9]{4}|[0-9]{3}-[0-9]{2}-[0-9]{4}", written)  # ZIP, SSN
        good = 9 <= len(digits) <= 12 and _one_separator(written) and not threes and not taken
    else:
        good = match["cued"] is None
    if good:
        named_otherwise = named(text, start, "order") or named(text, start, "version")
        good = not named_otherwise and _free_standing(text, start, end)
    span = (start, end) if good else _cued(text, start, end, digits)
    return span and _with_extension(text, *span)


def _area(area: str, digits: str) -> bool:
    """``(020) 7946 0958``, ``(415) 555-0132``, ``(11) 91234-5678``."""
    if area[0] == "0":
        return 9 <= len(digits) <= 12
    if len(area) == 3:
        return len(digits) == 10 and area[0] > "1"
    return len(area) == 2 and len(digits) in (10, 11)


def _one_separator(written: str) -> bool:
    """``030/90 18 20`` has one after the area and another one in between; no more."""
    found = [c for c in re.sub(r"[0-9]+", "#", written.replace(" / ", "/")) if c != "#"]
    return len(set(found[1:])) <= 1


def _free_standing(text: str, start: int, end: int) -> bool:
    """Not in a longer row of numbers."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    row_before = len(before) == 2 and before[1] in " \u00a0" and before[0].isdigit()
    return not row_before and not (after[:1] in (" ", "\u00a0") and after[1:].isdigit())


def _cued(text: str, start: int, end: int, digits: str) -> tuple[int, int] | None:
    said = 7 <= len(digits) <= 15 and len(set(digits)) > 1 and "phone" in told(text, start, end)
    if not said or named(text, start, "order") or _OTHER.match(text, start):
        return None
    if text[start - 1 : start] in ("@", "-"):
        return None
    written = text[start:end]
    if ("." in written and " " in written.strip()) or len(_GROUPS.findall(written)) > 5:
        return None  # measurements in a row
    return start, end


def _international(text: str, start: int, end: int, digits: str) -> tuple[int, int] | None:
    """The longest row of groups that the numbering plan of the country allows."""
    if text[start] == "0":
        digits = digits[2:]
    code = (
        digits[:1] if digits[0] in "17" else digits[:2] if digits[:2] in _TWO_DIGITS else digits[:3]
    )
    least, most = _LENGTHS.get(code, (6, 12))
    found, count = None, -len(code) - (2 if text[start] == "0" else 0)
    for group in _GROUPS.finditer(text, start, min(len(text), end + 16)):
        trunk = group[0] == "0" and text[group.start() - 1 : group.end() + 1] == "(0)"
        count += 0 if trunk else len(group[0])
        if group.start() >= end or count > most:
            break
        if count >= least and _ENDS.match(text, group.end()):
            found = group.end()
    if found is None:
        return None
    if text[start] == "0" and (
        found - start == len(digits) + 2 or not _free_standing(text, start, found)
    ):
        return None  # in one piece, or one of many: rather a number with zeros in front
    return start, found


def _with_extension(text: str, start: int, end: int) -> tuple[int, int]:
    more = _EXTENSION.match(text, end)
    return start, more.end() if more else end


PHONE: Final = Rule(name="phone", kind="phone", digits=7, pattern=PHONE_PATTERN, spot=_phone)
