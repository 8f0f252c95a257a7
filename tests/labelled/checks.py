"""Whether a value is valid, each rule written anew: another form than the makers have."""

import re
from collections.abc import Callable, Mapping

_DOUBLED = "0246813579"
_CODICE_ODD = "BAKPLCQDREVOSFTGUHMINJWZYX"
_CODICE_DIGITS = "ABCDEFGHIJ"


def digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def luhn(text: str) -> bool:
    numbers = digits(text)[::-1]
    return (sum(numbers[::2]) + sum(int(_DOUBLED[each]) for each in numbers[1::2])) % 10 == 0


def iban(text: str) -> bool:
    compact = re.sub(r"[^A-Z0-9]", "", text.upper())
    rest = 0
    for char in compact[4:] + compact[:4]:
        value = int(char, 36)
        rest = (rest * (100 if value > 9 else 10) + value) % 97
    return rest == 1


def ssn(text: str) -> bool:
    made = re.fullmatch(r"(\d{3})\D?(\d{2})\D?(\d{4})", text)
    if made is None:
        return False
    area, two, serial = map(int, made.groups())
    return 0 < area < 900 and area != 666 and two > 0 and serial > 0


def _sum(*weights: int) -> Callable[[str], int]:
    return lambda text: sum(a * b for a, b in zip(weights, digits(text), strict=True))


def _divides(by: int, *weights: int) -> Callable[[str], bool]:
    total = _sum(*weights)
    return lambda text: total(text) % by == 0


def _zero_for_ten(*weights: int) -> Callable[[str], bool]:
    """The check digit is 0 where the rule would ask for 10 or 11."""
    total = _sum(*weights)
    return lambda text: total(text) % 11 == 0 or (text[-1] == "0" and total(text) % 11 == 1)


def _gb(text: str) -> bool:
    return bool(
        re.fullmatch(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", text)
    )


def _fr(text: str) -> bool:
    numeric = text.replace("A", "0").replace("B", "0")
    less = 1_000_000 * text.count("A") + 2_000_000 * text.count("B")
    return (int(numeric[:13]) - less + int(numeric[13:])) % 97 == 0


def _de(text: str) -> bool:
    product = 10
    for each in digits(text)[:-1]:
        total = (product + each) % 10
        product = 2 * (total or 10) % 11
    counts = sorted(text[:10].count(each) for each in "0123456789")
    return (product + int(text[-1])) % 10 == 1 and counts in (
        [0] + [1] * 8 + [2],
        [0, 0] + [1] * 7 + [3],
    )


def _es(text: str) -> bool:
    number = int(text[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2"))
    return text[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def _it(text: str) -> bool:
    letters = [_CODICE_DIGITS[int(char)] if char.isdigit() else char for char in text[:-1]]
    odd = sum(_CODICE_ODD.index(char) for char in letters[::2])
    even = sum(ord(char) - 65 for char in letters[1::2])
    return (odd + even) % 26 == ord(text[-1]) - 65


def _br(text: str) -> bool:
    first, second = _sum(*range(10, 1, -1))(text[:9]), _sum(*range(11, 1, -1))(text[:10])
    return (first * 10 % 11 % 10, second * 10 % 11 % 10) == (int(text[9]), int(text[10]))


def _tr(text: str) -> bool:
    each = digits(text)
    tenth = (7 * sum(each[:9:2]) + 9 * sum(each[1:8:2])) % 10
    return each[9] == tenth and each[10] == sum(each[:10]) % 10


def _ru(text: str) -> bool:
    if len(text) == 11:
        return _sum(*range(9, 0, -1))(text[:9]) % 101 % 100 == int(text[9:])
    first = _sum(7, 2, 4, 10, 3, 5, 9, 4, 6, 8)(text[:10]) % 11 % 10
    second = _sum(3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)(text[:11]) % 11 % 10
    return [first, second] == digits(text[10:])


def _in(text: str) -> bool:
    """Verhoeff, by the rules of the turns and flips of a pentagon."""
    state, moved = 0, list(range(10))
    for each in digits(text)[::-1]:
        other = moved[each]
        if state < 5:
            state = (state + other) % 5 + (5 if other > 4 else 0)
        else:
            state = (state - other) % 5 + (0 if other > 4 else 5)
        moved = [(1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[at] for at in moved]
    return state == 0


def _cn(text: str) -> bool:
    total = sum(2 ** (17 - at) * value for at, value in enumerate(digits(text[:17])))
    return text[-1] == "10X98765432"[total % 11]


def _kr(text: str) -> bool:
    return (11 - _sum(2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)(text[:12]) % 11) % 10 == int(text[12])


def _be(text: str) -> bool:
    return any((int(before + text[:9]) + int(text[9:])) % 97 == 0 for before in ("", "2"))


def _fi(text: str) -> bool:
    number = "".join(map(str, digits(text[:-1])))
    return text[-1] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(number) % 31]


def _no(text: str) -> bool:
    return _divides(11, 3, 7, 6, 1, 8, 9, 4, 5, 2, 1)(text[:10]) and _divides(
        11, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1
    )(text)


# by country: the rule, for a value without its marks, and an example, published where there is one
NATIONAL: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "gb": (_gb, "AB123456C"),
    "fr": (_fr, "295109912611193"),
    "de": (_de, "36574261809"),
    "es": (_es, "54362315K"),
    "it": (_it, "RSSMRA85T10A562S"),
    "pt": (_zero_for_ten(*range(9, 0, -1)), "501964843"),
    "br": (_br, "11144477735"),
    "nl": (_divides(11, *range(9, 1, -1), -1), "111222333"),
    "pl": (_divides(10, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), "44051401359"),
    "tr": (_tr, "10000000146"),
    "ru": (_ru, "11223344595"),
    "sa": (luhn, "1000000008"),
    "ae": (luhn, "784198012345678"),
    "il": (luhn, "039337423"),
    "in": (_in, "234123412346"),
    "cn": (_cn, "11010519491231002X"),
    "jp": (_zero_for_ten(6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), "123456789018"),
    "kr": (_kr, "9710139019902"),
    "se": (lambda text: luhn(text[-10:]), "8112289874"),
    "ca": (luhn, "046454286"),
    "ch": (_divides(10, *(1, 3) * 6, 1), "7569217076985"),
    "be": (_be, "85073003328"),
    "fi": (_fi, "131052308T"),
    "no": (_no, "15108695088"),
}
