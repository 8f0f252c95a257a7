"""Cards and accounts."""

import re
from typing import Final

from spanloom.processors.rules.checks import IBAN_LENGTHS, iban, luhn
from spanloom.processors.rules.cues import named, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

_GAPS: Final = " +.\u00a0\u2007\u2009\u202f\u2010-\u2015-"
_GAP: Final = f"[{_GAPS}]"
_NETWORK = later(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})\Z"  # Visa
    r"|(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)[0-9]*(?<=\A.{16})\Z"  # Mastercard
    r"|3[47][0-9]{13}\Z"  # American Express
    r"|(?:30[0-59]|3[689])[0-9]*(?<=\A.{14})\Z|(?:3[689]|30)[0-9]{14,17}\Z"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}\Z|(?:1800|2131)[0-9]{11}\Z"  # JCB
    r"|220[0-5][0-9]{12,15}\Z|9792[0-9]{12}\Z|(?:9860|8600|9704|5614|5440)[0-9]{12}\Z|9704[0-9]{15}\Z"
    r"|(?:60|62|6[4-5]|81|82)[0-9]{14,17}\Z"  # Discover, UnionPay, RuPay
    r"|6[0-9]{15,18}\Z|5[06-8][0-9]{14,17}\Z"  # Maestro, Elo, Verve
)
"""Networks by their first digits, with the lengths of their numbers."""
_RARE: Final = 16
"""Shorter ones, but of American Express, Diners Club and JCB, count only after a word for cards."""
_GROUPS: Final = frozenset(
    {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (4, 4, 4, 1),
     (4, 4, 4, 2), (4, 4, 4, 3), (4, 4, 4), (4, 3, 3, 3), (4, 4, 5), (6, 13), (6, 10), (8, 8), (4, 5, 6),
     (6, 4, 6), (6, 6, 4), (4, 12)}
)  # fmt: skip
_DIGITS = later("[0-9]+")
_PART_OF_MORE = later(rf"(?<![0-9A-Za-z])(?:[A-Za-z]{{2}}[0-9]{{2}}|[0-9]{{4}}){_GAP}\Z")


def _card(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.start()
    groups = [*_DIGITS.finditer(text, start, match.end())]
    # what follows may be the year until which it is good, or what is printed on its back
    for count in range(len(groups), 0, -1):
        digits = "".join(group[0] for group in groups[:count])
        sizes = tuple(len(group[0]) for group in groups[:count])
        if 12 <= len(digits) <= 19 and luhn(digits) and (count == 1 or sizes in _GROUPS):
            end = groups[count - 1].end()
            whole = count == len(groups)
            if (whole or text[end] in " \u00a0") and _a_card(
                text, start, end, digits, sizes, whole
            ):
                return start, end
    return None


def _a_card(
    text: str, start: int, end: int, digits: str, sizes: tuple[int, ...], whole: bool
) -> bool:
    if len(set(digits)) == 1 or digits[0] == "0":
        return False
    if sizes[0] == 4 and len(sizes) > 1 and _PART_OF_MORE.search(text, max(0, start - 6), start):
        return False  # of an account's number
    if "card" in told(text, start, end):
        return True
    if not _NETWORK.match(digits):
        return False
    if len(digits) < _RARE and digits[0] in "4567" and sizes != (4, 3, 3, 3):
        return False
    # in one piece, or with more behind, an order's number may be as long
    return (whole and len(sizes) > 1) or not named(text, start, "order")


CARD: Final = Rule(
    name="card",
    kind="card",
    digits=12,
    pattern=later(
        r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))(?<![0-9][-.])"
        rf"(?:[0-9]{{12,19}}|[0-9]{{4,8}}(?:{_GAP}{{1,2}}[0-9]{{1,13}}){{1,5}}(?:(?<=[0-9]{{3}})|(?<=\D[0-9]{{2}})|(?<=\D[0-9])))"
        r"(?![0-9A-Za-z_]|[-.][0-9]|-[A-Za-z])"
    ),
    spot=_card,
)


# --- IBAN


def _iban(match: re.Match[str]) -> tuple[int, int] | None:
    text, start = match.string, match.start() - 2
    if _IN_UUID.search(text, max(0, start - 2), start):
        return None
    end = _iban_end(text, start, IBAN_LENGTHS.get(text[start : start + 2].upper(), 0))
    return (start, end) if end else None


def _iban_end(text: str, start: int, length: int) -> int:
    written: list[str] = []
    at, stop = start, min(len(text), start + 2 * length)
    while at < stop and len(written) < length:
        char = text[at]
        if char.isascii() and char.isalnum():
            written.append(char)
        elif not _BETWEEN.match(text, at):
            return 0
        at += 1
    whole = len(written) == length > 0 and not _MORE.match(text, at)
    return at if whole and iban("".join(written).upper()) else 0


_IN_UUID = later(r"[0-9A-Za-z]-\Z")
_BETWEEN = later(rf"{_GAP}[0-9A-Za-z]")
_MORE = later("[0-9A-Za-z]")

IBAN: Final = Rule(
    name="iban",
    kind="iban",
    frequent=True,
    view="mask",
    hints=("aa00",),
    # the country and its check digits, then at least eleven more
    probes=(later("aa00(?:(?<=[\n ]aa00)|(?<=\naaa00)|(?<=\n[0a][0a]aa00))(?: {0,2}[0a]){11}"),),
    pattern=later(
        r"[0-9](?<=[A-Za-z][A-Za-z][0-9])(?:(?<![0-9A-Za-z]...)|(?<=\\[nrtbf]...)|(?<=%[0-9A-Fa-f][0-9A-Fa-f]...))"
        rf"[0-9](?={_GAP}?[0-9A-Za-z])"
    ),
    spot=_iban,
)
