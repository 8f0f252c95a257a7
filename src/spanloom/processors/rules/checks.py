"""Check digits of cards, accounts and national numbers. Facts, from the public definitions of each."""

from collections.abc import Sequence
from datetime import date
from typing import Final

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


_DIHEDRAL: Final = tuple(
    tuple((a + b if a < 5 else a - b) % 5 + (5 if (a < 5) != (b < 5) else 0) for b in range(10))
    for a in range(10)
)
_SHUFFLES: Final = [tuple(range(10))]
while len(_SHUFFLES) < 8:
    _SHUFFLES.append(tuple((1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[d] for d in _SHUFFLES[-1]))


def verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _DIHEDRAL[check][_SHUFFLES[place % 8][int(digit)]]
    return check == 0


def day(year: int, month: int, number: int) -> bool:
    """Whether there was such a day, as the birthday of somebody alive."""
    try:
        return date(1890, 1, 1) < date(year, month, number) < date(2036, 1, 1)
    except ValueError:
        return False


# --- accounts

IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AO": 25, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BF": 28, "BG": 22,
    "BH": 22, "BI": 27, "BJ": 28, "BR": 29, "BY": 28, "CF": 27, "CG": 27, "CH": 21, "CI": 28, "CM": 27,
    "CR": 22, "CV": 25, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "DZ": 26, "EE": 20,
    "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GA": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GQ": 27, "GR": 27, "GT": 28, "GW": 25, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23,
    "IQ": 23, "IR": 26, "IS": 26, "IT": 27, "JO": 30, "KM": 27, "KW": 30, "KZ": 20, "LB": 28, "LC": 32,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MA": 28, "MC": 27, "MD": 24, "ME": 22, "MG": 27,
    "MK": 19, "ML": 28, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "MZ": 25, "NE": 28, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33,
    "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SN": 28, "SO": 23, "ST": 25,
    "SV": 28, "TD": 27, "TG": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
"""Of the registry, and of those who use the form without being in it."""


def iban(text: str) -> bool:
    """Upper case, without spaces."""
    turned = text[4:] + text[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


# --- national numbers: each takes what is left without separators, in upper case


def us_ssn(n: str) -> bool:
    """Also the taxpayer numbers that begin with 9 (ITIN)."""
    group, serial = int(n[3:5]), n[5:]
    if n[0] == "9":
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return n[:3] not in ("000", "666") and group != 0 and serial != "0000"


def ca_sin(n: str) -> bool:
    return len(set(n)) > 1 and luhn(n)


def au_tfn(n: str) -> bool:
    weights = (1, 4, 3, 7, 5, 8, 6, 9, 10) if len(n) == 9 else (10, 7, 8, 4, 6, 3, 5, 1)
    return len(set(n)) > 1 and weighted(n, weights) % 11 == 0


def nl_bsn(n: str) -> bool:
    return len(set(n)) > 1 and weighted(n, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def br_cpf(n: str) -> bool:
    def check(part: str) -> int:
        return weighted(part, range(len(part) + 1, 1, -1)) * 10 % 11 % 10

    return len(set(n)) > 1 and check(n[:9]) == int(n[9]) and check(n[:10]) == int(n[10])


def br_cnpj(n: str) -> bool:
    def check(part: str) -> int:
        rest = weighted(part, (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)[-len(part) :]) % 11
        return 0 if rest < 2 else 11 - rest

    return len(set(n)) > 1 and check(n[:12]) == int(n[12]) and check(n[:13]) == int(n[13])


def in_aadhaar(n: str) -> bool:
    return n[0] not in "01" and len(set(n)) > 1 and verhoeff(n)


def cn_resident(n: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    born = day(int(n[6:10]), int(n[10:12]), int(n[12:14]))
    return (
        born and 11 <= int(n[:2]) <= 91 and "10X98765432"[weighted(n[:17], weights) % 11] == n[17]
    )


def de_tax(n: str) -> bool:
    counts = sorted((n[:10].count(d) for d in set(n[:10])), reverse=True)
    if n[0] == "0" or counts[0] not in (2, 3) or counts[1:2] != [1]:
        return False
    product = 10
    for digit in n[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(n[10])


def pl_pesel(n: str) -> bool:
    century, month = divmod(int(n[2:4]), 20)
    year = {4: 1800, 0: 1900, 1: 2000, 2: 2100, 3: 2200}[century] + int(n[:2])
    return (
        day(year, month, int(n[4:6])) and weighted(n, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    )


def fr_nir(n: str) -> bool:
    """With or without its two check digits; ``2A`` and ``2B`` are Corsica."""
    month = int(n[3:5])
    if n[0] not in "12" or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    if len(n) == 13:
        return n[5:7] != "00"
    number = int(n[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(n[13:])


def ch_ahv(n: str) -> bool:
    return n[:3] == "756" and weighted(n, (1, 3) * 6 + (1,)) % 10 == 0


def se_personal(n: str) -> bool:
    n = n[-10:]
    return day(1900 + int(n[:2]), int(n[2:4]), int(n[4:6])) and luhn(n)


def kr_resident(n: str) -> bool:
    year = (1900 if n[6] in "1256" else 2000) + int(n[:2])
    if n[6] not in "12345678" or not day(year, int(n[2:4]), int(n[4:6])):
        return False
    return (11 - weighted(n[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == int(n[12])


_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def es_dni(n: str) -> bool:
    return _DNI_LETTERS[int(n[:8]) % 23] == n[8]


def es_nie(n: str) -> bool:
    return _DNI_LETTERS[int(f"{'XYZ'.index(n[0])}{n[1:8]}") % 23] == n[8]


def gb_nino(n: str) -> bool:
    if n[:2] in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") or n[1] == "O":
        return False
    return not set(n[:2]) & set("DFIQUV") and n[8] in "ABCD"


def in_pan(n: str) -> bool:
    return n[3] in "ABCFGHJLPTK" and n[5:9] != "0000"


def sg_nric(n: str) -> bool:
    total = weighted(n[1:8], (2, 7, 6, 5, 4, 3, 2))
    match n[0]:
        case "S" | "T":
            return "JZIHGFEDCBA"[(total + (4 if n[0] == "T" else 0)) % 11] == n[8]
        case "F" | "G":
            return "XWUTRQPNMLK"[(total + (4 if n[0] == "G" else 0)) % 11] == n[8]
        case _:
            return "KLJNPQRTUWX"[10 - (total + 3) % 11] == n[8]


_CF_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8,
         12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def it_fiscal(n: str) -> bool:
    total = sum(_CF_ODD[c] for c in n[0:15:2])
    total += sum(int(c) if c.isdigit() else ord(c) - 65 for c in n[1:15:2])
    return n[8] in "ABCDEHLMPRST" and chr(65 + total % 26) == n[15]


_CURP_VALUES: Final = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def mx_curp(n: str) -> bool:
    century = 1900 if n[16].isdigit() else 2000
    if not day(century + int(n[4:6]), int(n[6:8]), int(n[8:10])):
        return False
    total = sum(_CURP_VALUES.index(c) * (18 - place) for place, c in enumerate(n[:17]))
    return (10 - total % 10) % 10 == int(n[17])
