"""Check digits of the numbers by which states know people, by country.

Each function takes a number without separators, in upper case and of the right shape. Facts, from the public
definitions of each.
"""

from collections.abc import Callable, Sequence
from typing import Final

from spanloom.processors.rules.checks import day, luhn, verhoeff, weighted

Check = Callable[[str], bool]

_VARIOUS: Final = 3
"""So many different digits has every number that is no filler."""


def various(n: str) -> bool:
    """All that can be said of numbers without check digits."""
    return len(set(n)) >= _VARIOUS


def _last(weights: Sequence[int], modulus: int, *, less: int = 0, ten: int = 0) -> Check:
    """The last digit is the weighted sum of the others: its rest, or what lacks to ``less``."""

    def check(n: str) -> bool:
        rest = weighted(n, weights) % modulus
        rest = (less - rest) % modulus if less else rest
        return various(n) and (ten if rest == 10 else rest) == int(n[len(weights)])

    return check


def _born(n: str, order: str = "ymd", *, extra: int = 0) -> bool:
    """Whether it begins with the day of a birth, in two digits each; ``extra`` may be added to the day."""
    parts = dict(zip(order, (int(n[0:2]), int(n[2:4]), int(n[4:6])), strict=True))
    number = parts["d"] - extra if extra and parts["d"] > extra else parts["d"]
    return day(1900 + parts["y"], parts["m"], number) or day(2000 + parts["y"], parts["m"], number)


def _mod_11_10(n: str) -> bool:
    product = 10
    for digit in n[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(n[-1])


# --- Europe

gb_nhs: Final = _last(range(10, 1, -1), 11, less=11, ten=-1)


def ie_pps(n: str) -> bool:
    total = weighted(n[:7], range(8, 1, -1)) + (
        9 * (ord(n[8]) - 64) if n[8:] not in ("", "W") else 0
    )
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == n[7]


def fr_tax(n: str) -> bool:
    return n[0] in "0123" and int(n[:10]) % 511 == int(n[10:])


def pt_nif(n: str) -> bool:
    rest = weighted(n[:8], range(9, 1, -1)) % 11
    return n[0] != "0" and various(n) and int(n[8]) == (0 if rest < 2 else 11 - rest)


def be_national(n: str) -> bool:
    return int(n[9:]) in (97 - int(n[:9]) % 97, 97 - int("2" + n[:9]) % 97) and int(n[2:4]) <= 52


def lu_national(n: str) -> bool:
    born = day(int(n[:4]), int(n[4:6]), int(n[6:8]))
    return born and luhn(n[:12]) and verhoeff(n[:11] + n[12])


def at_social(n: str) -> bool:
    total = weighted(n, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
    return n[0] != "0" and total == int(n[3]) and 1 <= int(n[4:6]) <= 31 and 1 <= int(n[6:8]) <= 15


def de_social(n: str) -> bool:
    digits = f"{n[:8]}{ord(n[8]) - 64:02}{n[9:11]}"
    total = 0
    for digit, weight in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True):
        tens, ones = divmod(int(digit) * weight, 10)
        total += tens + ones
    return total % 10 == int(n[11])


pl_nip: Final = _last((6, 5, 7, 2, 3, 4, 5, 6, 7), 11, ten=-1)


def cz_birth(n: str) -> bool:
    month = int(n[2:4]) % 50
    month -= 20 if month > 20 else 0
    if not 1 <= month <= 12 or not 1 <= int(n[4:6]) <= 31:
        return False
    return len(n) == 9 or int(n) % 11 == 0 or (int(n[:9]) % 11 == 10 and n[9] == "0")


_hu_tax: Final = _last(range(1, 10), 11, ten=-1)


def hu_tax(n: str) -> bool:
    return n[0] == "8" and _hu_tax(n)


hu_social: Final = _last((3, 7) * 4, 10)


def hu_personal(n: str) -> bool:
    down, up = weighted(n, range(10, 0, -1)) % 11, weighted(n, range(1, 11)) % 11
    return n[0] in "12345678" and _born(n[1:]) and int(n[10]) in (down, up)


_ro_cnp: Final = _last((2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9), 11, ten=1)


def ro_cnp(n: str) -> bool:
    return n[0] != "0" and _born(n[1:]) and _ro_cnp(n)


_bg_egn: Final = _last((2, 4, 8, 5, 10, 9, 7, 3, 6), 11)


def bg_egn(n: str) -> bool:
    century, month = divmod(int(n[2:4]), 20)
    year = (1900, 1800, 2000)[century] if century < 3 else 0
    return day(year + int(n[:2]), month, int(n[4:6])) and _bg_egn(n)


gr_tax: Final = _last([2**power for power in range(8, 0, -1)], 11)


def gr_amka(n: str) -> bool:
    return _born(n, "dmy") and luhn(n)


hr_oib: Final = _mod_11_10


def jmbg(n: str) -> bool:
    """Of Slovenia, Serbia, Bosnia, Montenegro, North Macedonia."""
    year = int(n[4:7]) + (1000 if n[4] == "9" else 2000)
    rest = weighted(n, (7, 6, 5, 4, 3, 2) * 2) % 11
    return day(year, int(n[2:4]), int(n[:2])) and int(n[12]) == (0 if rest < 2 else 11 - rest)


def _baltic_rest(n: str, first: Sequence[int], second: Sequence[int]) -> int:
    rest = weighted(n, first) % 11
    return rest if rest < 10 else weighted(n, second) % 11 % 10


def baltic(n: str) -> bool:
    """Of Estonia and Lithuania."""
    rest = _baltic_rest(n, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1), (3, 4, 5, 6, 7, 8, 9, 1, 2, 3))
    return n[0] in "12345678" and _born(n[1:]) and rest == int(n[10])


def lv_personal(n: str) -> bool:
    if n[:2] == "32":
        return True
    total = 1 + weighted(n, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))
    return _born(n, "dmy") and total % 11 % 10 == int(n[10])


def fi_personal(n: str) -> bool:
    """``n`` may still have its sign of the century."""
    digits = n[:6] + n[-4:-1]
    return _born(n, "dmy") and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == n[-1]


def no_birth(n: str) -> bool:
    first = -weighted(n, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    month = int(n[2:4]) % 40  # made-up people have more months
    born = _born(f"{n[:2]}{month:02}{n[4:6]}", "dmy", extra=40)
    return born and (first, second) == (int(n[9]), int(n[10]))


def dk_cpr(n: str) -> bool:
    return _born(n, "dmy") and various(n)


def is_kennitala(n: str) -> bool:
    rest = -weighted(n, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return _born(n, "dmy", extra=40) and rest == int(n[8]) and n[9] in "089"


def ru_snils(n: str) -> bool:
    return various(n) and weighted(n[:9], range(9, 0, -1)) % 101 % 100 == int(n[9:])


_INN: Final = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def ru_inn(n: str) -> bool:
    def check(part: str, weights: Sequence[int], digit: str) -> bool:
        return weighted(part, weights) % 11 % 10 == int(digit)

    if len(n) == 10:
        return various(n) and check(n[:9], _INN[2:], n[9])
    return various(n) and check(n[:10], _INN[1:], n[10]) and check(n[:11], _INN, n[11])


ua_tax: Final = _last((-1, 5, 7, 9, 4, 6, 10, 5, 7), 11)


# --- Asia


def kz_iin(n: str) -> bool:
    rest = weighted(n, range(1, 12)) % 11
    rest = rest if rest < 10 else weighted(n, (*range(3, 12), 1, 2)) % 11
    return _born(n) and rest == int(n[11])


def tr_kimlik(n: str) -> bool:
    tenth = (weighted(n, (7, -1, 7, -1, 7, -1, 7, -1, 7))) % 10
    return n[0] != "0" and tenth == int(n[9]) and sum(map(int, n[:10])) % 10 == int(n[10])


def il_id(n: str) -> bool:
    return various(n) and luhn(n)


def ae_id(n: str) -> bool:
    return n[:3] == "784" and 1900 <= int(n[3:7]) <= 2035


def sa_id(n: str) -> bool:
    return n[0] in "12" and luhn(n)


def kw_civil(n: str) -> bool:
    rest = -weighted(n, (2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    return n[0] in "123" and _born(n[1:]) and rest == int(n[11])


def ir_national(n: str) -> bool:
    rest = weighted(n, range(10, 1, -1)) % 11
    return various(n) and int(n[9]) == (rest if rest < 2 else 11 - rest)


def eg_national(n: str) -> bool:
    return n[0] in "23" and _born(n[1:]) and (1 <= int(n[7:9]) <= 35 or n[7:9] == "88")


def pk_cnic(n: str) -> bool:
    return n[0] in "1234567" and various(n)


def jp_my_number(n: str) -> bool:
    rest = weighted(n, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return various(n) and int(n[11]) == (0 if rest < 2 else 11 - rest)


def kr_born(n: str) -> bool:
    """Numbers given since 2020 have no check digit."""
    return n[6] in "12345678" and day(
        (1900 if n[6] in "1256" else 2000) + int(n[:2]), int(n[2:4]), int(n[4:6])
    )


_TW: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def tw_id(n: str) -> bool:
    area = _TW.index(n[0]) + 10
    digits = str(area) + (n[1:] if n[1].isdigit() else str("ABCD".index(n[1])) + n[2:])
    return weighted(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def hk_id(n: str) -> bool:
    letters = n[:-7].rjust(2)
    total = sum(
        w * (36 if c == " " else ord(c) - 55) for c, w in zip(letters, (9, 8), strict=True)
    ) + weighted(n[-7:-1], range(7, 1, -1))
    return (total + (10 if n[-1] == "A" else int(n[-1]))) % 11 == 0


def my_kad(n: str) -> bool:
    place = int(n[6:8])
    return _born(n) and place not in (0, 17, 18, 19, 20, 69, 70, 73, 80, 81) and place <= 99


def th_national(n: str) -> bool:
    rest = weighted(n, range(13, 1, -1)) % 11
    return n[0] in "12345678" and (11 - rest) % 10 == int(n[12])


def id_nik(n: str) -> bool:
    return 11 <= int(n[:2]) <= 96 and _born(n[6:], "dmy", extra=40)


def lk_nic(n: str) -> bool:
    number = int(n[2:5])
    return 1 <= (number - 500 if number > 500 else number) <= 366


# --- Africa


def za_id(n: str) -> bool:
    return _born(n) and n[10] in "012" and luhn(n)


# --- Americas


def ar_cuit(n: str) -> bool:
    rest = -weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return n[:2] in ("20", "23", "24", "25", "26", "27", "30", "33", "34") and int(n[10]) == (
        9 if rest == 10 else rest
    )


def cl_rut(n: str) -> bool:
    rest = -weighted(n[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11
    return various(n) and "0123456789K"[rest] == n[-1]


def co_nit(n: str) -> bool:
    rest = weighted(n[-2::-1], (3, 7, 13, 17, 19, 23, 29, 37, 41, 43)) % 11
    return various(n) and int(n[-1]) == (rest if rest < 2 else 11 - rest)


_RFC: Final = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ"


def mx_rfc(n: str) -> bool:
    if not _born(n[-9:]):
        return False
    total = sum(_RFC.index(c) * (13 - i) for i, c in enumerate(n[:-1].rjust(12)))
    return "0123456789A"[-total % 11] == n[-1]


def pe_ruc(n: str) -> bool:
    rest = weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return n[:2] in ("10", "15", "16", "17", "20") and (11 - rest) % 10 == int(n[10])


def ec_cedula(n: str) -> bool:
    return (1 <= int(n[:2]) <= 24 or n[:2] == "30") and luhn(n)


def uy_ci(n: str) -> bool:
    return various(n) and -weighted(n.rjust(8, "0"), (2, 9, 8, 7, 6, 3, 4)) % 10 == int(n[-1])


def br_pis(n: str) -> bool:
    rest = weighted(n, (3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return various(n) and int(n[10]) == (0 if rest < 2 else 11 - rest)


# --- Oceania


def au_medicare(n: str) -> bool:
    return n[0] in "23456" and weighted(n, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(n[8])


def nz_ird(n: str) -> bool:
    n = n.rjust(9, "0")
    rest = -weighted(n, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    rest = rest if rest < 10 else -weighted(n, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return 10_000_000 < int(n) < 150_000_000 and rest == int(n[8])
