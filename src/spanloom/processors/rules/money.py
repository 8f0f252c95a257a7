"""Cards and accounts."""

import re
from typing import Final

from spanloom.processors.rules.checks import IBAN_LENGTHS, iban, luhn
from spanloom.processors.rules.cues import named, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

_CARD_START = later(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|6(?:011|4[4-9]|5)|30[0-5]|3[689]"
    r"|35(?:2[89]|[3-8])|62|50|5[6-9]|6[0-9]|1800|2131"
)
_CARD_LENGTHS: Final = {
    "4": (16, 19), "5": (16,), "2": (16,), "34": (15,), "37": (15,), "30": (14,), "36": (14,),
    "38": (14,), "39": (14,), "35": (16,), "6": (16, 17, 18, 19), "18": (15,), "21": (15,),
}  # fmt: skip


def _card(match: re.Match[str]) -> tuple[int, int] | None:
    text, (start, end) = match.string, match.span()
    digits = "".join(c for c in match[0] if c.isdigit())
    if not luhn(digits) or len(set(digits)) == 1:
        return None
    lengths = _CARD_LENGTHS.get(digits[:2]) or _CARD_LENGTHS.get(digits[:1]) or ()
    if len(digits) in lengths and _CARD_START.match(digits):
        in_one_piece = len(digits) == end - start  # as a long order number may be
        return None if in_one_piece and named(text, start, "order") else (start, end)
    # lengths and beginnings that are rare by now
    return (start, end) if "card" in told(text, start) and digits[0] in "123456" else None


_GAP = "[ +.\u00a0\u2007\u2009\u202f\u2010-\u2015-]{1,2}"

CARD: Final = Rule(
    name="card",
    kind="card",
    digits=12,
    pattern=later(
        r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))(?<![0-9][-.])"
        rf"(?:[0-9]{{12,19}}|[0-9]{{4}}(?:{_GAP}[0-9]{{4}}){{3}}(?:{_GAP}[0-9]{{3}})?"
        rf"|3[0-9]{{3}}{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4,5}})"
        r"(?![0-9A-Za-z_]|[-.][0-9]|-[A-Za-z])"
    ),
    spot=_card,
)


# --- IBAN

_BEFORE: Final = 16
_START = later(r"(?<![0-9A-Za-z])([A-Za-z]{2})[0-9]{2}(?=[0-9A-Za-z \u00a0-]*\Z)")


def _iban(match: re.Match[str]) -> tuple[int, int] | None:
    """From its first long row of digits back to the country, then forward by the country's length."""
    text, at = match.string, match.start()
    for found in _START.finditer(text, max(0, at - _BEFORE), min(len(text), at + 2)):
        end = _iban_end(text, found.start(), IBAN_LENGTHS.get(found[1].upper(), 0))
        if end:
            return found.start(), end
    return None


def _iban_end(text: str, start: int, length: int) -> int:
    written: list[str] = []
    at, stop = start, min(len(text), start + 2 * length)
    while at < stop and len(written) < length:
        char = text[at]
        if char.isascii() and char.isalnum():
            written.append(char)
        elif char not in " \u00a0-" or not text[at + 1 : at + 2].isalnum():
            return 0
        at += 1
    whole = len(written) == length > 0 and not text[at : at + 1].isalnum()
    return at if whole and iban("".join(written).upper()) else 0


IBAN: Final = Rule(
    name="iban",
    kind="iban",
    digits=8,
    pattern=later(r"[0-9](?:(?<=[A-Za-z][0-9])|(?<=[A-Za-z][ \u00a0-][0-9]))"),
    spot=_iban,
)
