"""National ids with their real check digits, one maker for each country; and the US SSN."""

from collections.abc import Callable, Mapping
from random import Random

from . import checksums
from .model import NO_LANGUAGE, chars

Ids = Mapping[str, Callable[[Random], str]]
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def _date(rng: Random) -> tuple[int, int, int]:
    return rng.randint(1945, 2004), rng.randint(1, 12), rng.randint(1, 28)


def ssn(rng: Random) -> tuple[str, str, str]:
    area = rng.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03}", f"{rng.randint(1, 99):02}", f"{rng.randint(1, 9999):04}"


def gb(rng: Random) -> str:
    while True:
        prefix = rng.choice("ABCEGHJKLMNOPRSTWXYZ") + rng.choice("ABCEGHJKLMNPRSTWXYZ")
        if prefix not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"):
            break
    digits, suffix = chars(rng, "d", 6), rng.choice("ABCD")
    if rng.random() < 0.5:
        return f"{prefix}{digits}{suffix}"
    return f"{prefix} {digits[:2]} {digits[2:4]} {digits[4:]} {suffix}"


def fr(rng: Random) -> str:
    year, month, _ = _date(rng)
    department = rng.choice([*(f"{n:02}" for n in range(1, 96) if n != 20), "2A", "2B"])
    body = f"{rng.choice('12')}{year % 100:02}{month:02}{department}"
    body += f"{rng.randint(1, 400):03}{rng.randint(1, 999):03}"
    numeric = body[:5] + {"2A": "19", "2B": "18"}.get(department, department) + body[7:]
    key = f"{97 - int(numeric) % 97:02}"
    if rng.random() < 0.5:
        return body + key
    return " ".join((body[0], body[1:3], body[3:5], body[5:7], body[7:10], body[10:], key))


def de(rng: Random) -> str:
    """Of the first ten digits one occurs twice and one not at all."""
    digits = rng.sample("0123456789", 9)
    digits.insert(rng.randint(1, 9), rng.choice(digits))
    if digits[0] == "0":
        other = next(index for index, digit in enumerate(digits) if digit != "0")
        digits[0], digits[other] = digits[other], digits[0]
    body = "".join(digits)
    body += checksums.mod11_10(body)
    return rng.choice((body, f"{body[:2]} {body[2:5]} {body[5:8]} {body[8:]}"))


def es(rng: Random) -> str:
    if rng.random() < 0.3:
        first = rng.randrange(3)
        number = chars(rng, "d", 7)
        return f"{'XYZ'[first]}{number}{_DNI[int(f'{first}{number}') % 23]}"
    number = str(rng.randint(10_000_000, 99_999_999))
    letter = _DNI[int(number) % 23]
    dotted = f"{number[:2]}.{number[2:5]}.{number[5:]}-{letter}"
    return rng.choice((number + letter, f"{number}-{letter}", dotted))


def it(rng: Random) -> str:
    year, month, day = _date(rng)
    name = "".join(rng.choices("BCDFGLMNPRSTVZ", k=6))
    body = f"{name}{year % 100:02}{'ABCDEHLMPRST'[month - 1]}{day + rng.choice((0, 40)):02}"
    body += f"{rng.choice('ABCDEFGHIL')}{rng.randint(1, 999):03}"
    return body + checksums.codice(body)


def pt(rng: Random) -> str:
    body = rng.choice("123") + chars(rng, "d", 7)
    rest = checksums.weighted(body, range(9, 1, -1)) % 11
    body += str(0 if rest < 2 else 11 - rest)
    return rng.choice((body, f"{body[:3]} {body[3:6]} {body[6:]}"))


def br(rng: Random) -> str:
    body = chars(rng, "d", 9)
    body += checksums.cpf(body)
    return rng.choice((f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}",) * 2 + (body,))


def nl(rng: Random) -> str:
    while True:
        body = rng.choice("123456789") + chars(rng, "d", 7)
        check = checksums.weighted(body, range(9, 1, -1)) % 11
        if check < 10:
            return f"{body}{check}"


def pl(rng: Random) -> str:
    year, month, day = _date(rng)
    body = f"{year % 100:02}{month + (20 if year >= 2000 else 0):02}{day:02}{chars(rng, 'd', 4)}"
    return body + str(-checksums.weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def tr(rng: Random) -> str:
    body = rng.choice("123456789") + chars(rng, "d", 8)
    return body + checksums.tckn(body)


def ru(rng: Random) -> str:
    if rng.random() < 0.4:
        body = f"{rng.randint(1, 79):02}" + chars(rng, "d", 8)
        return body + checksums.inn(body)
    body = str(rng.randint(2, 9)) + chars(rng, "d", 8)
    return f"{body[:3]}-{body[3:6]}-{body[6:]} {checksums.snils(body)}"


def sa(rng: Random) -> str:
    body = rng.choice("12") + chars(rng, "d", 8)
    return body + checksums.luhn(body)


def ae(rng: Random) -> str:
    year, number = str(_date(rng)[0]), chars(rng, "d", 7)
    return f"784-{year}-{number}-{checksums.luhn('784' + year + number)}"


def il(rng: Random) -> str:
    body = rng.choice("0235") + chars(rng, "d", 7)
    return body + checksums.luhn(body)


def india(rng: Random) -> str:
    body = rng.choice("23456789") + chars(rng, "d", 10)
    body += checksums.verhoeff(body)
    return rng.choice((f"{body[:4]} {body[4:8]} {body[8:]}",) * 2 + (body,))


def cn(rng: Random) -> str:
    year, month, day = _date(rng)
    # districts come and go: these of Beijing and Shanghai have always been, the others since 1990
    regions = ["110101", "110105", "110108", "310101", "310104", "310105"]
    if year >= 1990:
        regions += ["330106", "420106", "440305", "510107", "610113", "320102", "210102", "370102"]
    region = rng.choice(regions)
    body = f"{region}{year}{month:02}{day:02}{rng.randint(1, 999):03}"
    return body + checksums.mod11_2(body)


def jp(rng: Random) -> str:
    body = chars(rng, "d", 11)
    body += checksums.my_number(body)
    return rng.choice((f"{body[:4]} {body[4:8]} {body[8:]}", body))


def kr(rng: Random) -> str:
    year, month, day = _date(rng)
    century = rng.choice("34" if year >= 2000 else "12")
    body = f"{year % 100:02}{month:02}{day:02}{century}{rng.randint(0, 95):02}{chars(rng, 'd', 3)}"
    rest = checksums.weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return f"{body[:6]}-{body[6:]}{(11 - rest % 11) % 10}"


def se(rng: Random) -> str:
    year, month, day = _date(rng)
    body = f"{year % 100:02}{month:02}{day:02}{rng.randint(1, 999):03}"
    century = rng.choice(("", str(year // 100)))
    return f"{century}{body[:6]}-{body[6:]}{checksums.luhn(body)}"


def ca(rng: Random) -> str:
    body = rng.choice("1234567") + chars(rng, "d", 7)
    body += checksums.luhn(body)
    separator = rng.choice(" -")
    return separator.join((body[:3], body[3:6], body[6:]))


def ch(rng: Random) -> str:
    body = "756" + chars(rng, "d", 9)
    check = -checksums.weighted(body, (1, 3) * 6) % 10
    return f"756.{body[3:7]}.{body[7:11]}.{body[11]}{check}"


def be(rng: Random) -> str:
    year, month, day = _date(rng)
    body = f"{year % 100:02}{month:02}{day:02}{rng.randint(1, 997):03}"
    check = 97 - int(("2" if year >= 2000 else "") + body) % 97
    return f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{check:02}"


def fi(rng: Random) -> str:
    year, month, day = _date(rng)
    date = f"{day:02}{month:02}{year % 100:02}"
    number = f"{rng.randint(2, 899):03}"
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(date + number) % 31]
    return f"{date}{'A' if year >= 2000 else '-'}{number}{check}"


def no(rng: Random) -> str:
    while True:
        year, month, day = _date(rng)
        low, high = (500, 999) if year >= 2000 else (0, 499)
        body = f"{day:02}{month:02}{year % 100:02}{rng.randint(low, high):03}"
        first = -checksums.weighted(body, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
        if first == 10:
            continue
        second = -checksums.weighted(f"{body}{first}", (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
        if second < 10:
            return f"{body[:6]} {body[6:]}{first}{second}"


COUNTRIES: Ids = {
    "gb": gb,
    "fr": fr,
    "de": de,
    "es": es,
    "it": it,
    "pt": pt,
    "br": br,
    "nl": nl,
    "pl": pl,
    "tr": tr,
    "ru": ru,
    "sa": sa,
    "ae": ae,
    "il": il,
    "in": india,
    "cn": cn,
    "jp": jp,
    "kr": kr,
    "se": se,
    "ca": ca,
    "ch": ch,
    "be": be,
    "fi": fi,
    "no": no,
}


def ssn_text(rng: Random, _language: str = NO_LANGUAGE) -> str:
    return "-".join(ssn(rng))
