"""Check digits as the issuers define them, each as "what follows this body"."""

from collections.abc import Sequence

_VERHOEFF_TIMES = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_VERHOEFF_SHIFT = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_CODICE_ODD = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)


def weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def luhn(body: str) -> str:
    total = 0
    for index, digit in enumerate(reversed(body)):
        value = int(digit) * (1 if index % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def iban(country: str, bban: str) -> str:
    number = int("".join(str(int(char, 36)) for char in bban + country + "00"))
    return f"{98 - number % 97:02}"


def mod11_10(body: str) -> str:
    """ISO 7064, as for the German tax id."""
    product = 10
    for digit in body:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return str((11 - product) % 10)


def mod11_2(body: str) -> str:
    """ISO 7064, as for the Chinese resident id."""
    total = 0
    for digit in body:
        total = (total + int(digit)) * 2 % 11
    check = (12 - total) % 11
    return "X" if check == 10 else str(check)


def verhoeff(body: str) -> str:
    check = 0
    for index, digit in enumerate(reversed(body), 1):
        value = int(digit)
        for _ in range(index % 8):
            value = _VERHOEFF_SHIFT[value]
        check = _VERHOEFF_TIMES[check][value]
    return str(_VERHOEFF_TIMES[check].index(0))


def codice(body: str) -> str:
    total = 0
    for index, char in enumerate(body):
        value = int(char) if char.isdigit() else ord(char) - ord("A")
        total += value if index % 2 else _CODICE_ODD[value]
    return chr(ord("A") + total % 26)


def cpf(body: str) -> str:
    for _ in range(2):
        rest = weighted(body, range(len(body) + 1, 1, -1)) % 11
        body += str(0 if rest < 2 else 11 - rest)
    return body[-2:]


def inn(body: str) -> str:
    """The two last digits of a Russian person's tax number."""
    for weights in ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)):
        body += str(weighted(body, weights) % 11 % 10)
    return body[-2:]


def snils(body: str) -> str:
    return f"{weighted(body, range(9, 0, -1)) % 101 % 100:02}"


def tckn(body: str) -> str:
    """The two last digits of a Turkish identity number."""
    odd, even = sum(map(int, body[::2])), sum(map(int, body[1::2]))
    body += str((odd * 7 - even) % 10)
    return body[-1] + str(sum(map(int, body)) % 10)


def my_number(body: str) -> str:
    rest = weighted(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return str(0 if rest <= 1 else 11 - rest)
