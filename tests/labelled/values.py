"""Made-up personal values: e-mails, phones, cards, IBANs, addresses of machines."""

from collections.abc import Mapping
from ipaddress import IPv6Address
from random import Random

from . import checksums
from .model import NO_LANGUAGE, Maker, chars, found, kind_of
from .national import COUNTRIES, ssn, ssn_text

FIRST = tuple(
    "anna ben carla david elena farid grace hugo ines jonas karin luca maria nadia omar paula quinn "
    "rosa samir tanja ursula viktor wanda xenia yusuf zoe priya chen yuki minjun".split()
)
LAST = tuple(
    "abbott becker costa dubois evans ferrari garcia hansen ivanov jensen kowalski lopez moreau "
    "nowak okafor petrov rossi silva tanaka ueda vries weber yilmaz zhang kim sharma levi haddad".split()
)
_HOSTS = (
    "northwind-mail.com fabrikam.co.uk posteo.de orange.fr telefonica.es uol.com.br libero.it xs4all.nl "
    "onet.pl turkcell.com.tr yandex.ru etisalat.ae walla.co.il rediffmail.in qq.com docomo.ne.jp "
    "naver.com gmail.com outlook.com acme-health.org proton.me mail.lakeside.edu"
).split()

# "#" any digit, "A" an area or exchange of North America
INTERNATIONAL: Mapping[str, tuple[str, ...]] = {
    "en": ("+1 (A) A-####", "+1-A-A-####", "+1AA####", "+44 20 7### ####", "+44 7### ######",
           "0044 7### ######", "+61 4## ### ###"),
    "de": ("+49 30 ########", "+49 (0) 89 ######", "+49 17# #######", "0049 40 #######",
           "+43 1 ## ## ###", "+41 44 ### ## ##"),
    "fr": ("+33 1 ## ## ## ##", "+33 6 ## ## ## ##", "0033 6########", "+336########"),
    "es": ("+34 6## ### ###", "+34 91 ### ## ##", "0034 6########", "+52 55 #### ####"),
    "pt": ("+351 91# ### ###", "+55 11 9####-####", "+55 (21) 9####-####", "00351 21 ### ####"),
    "it": ("+39 3## ### ####", "+39 06 #### ####", "0039 02 #######"),
    "nl": ("+31 6 ########", "+31 20 ### ####", "0031 6########", "+32 4## ## ## ##"),
    "pl": ("+48 5## ### ###", "+48 22 ### ## ##", "0048 6########"),
    "tr": ("+90 5## ### ## ##", "+90 (212) ### ## ##", "0090 5## #######"),
    "ru": ("+7 (9##) ###-##-##", "+7 9## ### ## ##", "+79#########"),
    "ar": ("+966 5# ### ####", "+971 5# ### ####", "+20 1## ### ####", "00966 5########"),
    "he": ("+972 5#-###-####", "+972-3-#######", "00972 5########"),
    "hi": ("+91 9#### #####", "+91-8#########", "0091 7#########"),
    "zh": ("+86 13# #### ####", "+86 10 #### ####", "+8618#########", "0086 15# #### ####"),
    "ja": ("+81 90 #### ####", "+81-3-####-####", "+8180########"),
    "ko": ("+82 10 #### ####", "+82-2-###-####", "+8210########"),
    "sv": ("+46 70 ### ## ##", "+46 8 ### ### ##", "0046 7########", "+47 9## ## ###", "+45 ## ## ## ##"),
}  # fmt: skip
NATIONAL: Mapping[str, tuple[str, ...]] = {
    "en": ("(A) A-####", "A-A-####", "A.A.####", "020 7### ####", "07### ######"),
    "de": ("030 ########", "089/######", "0171 #######", "(040) ### ## ##"),
    "fr": ("01 ## ## ## ##", "06 ## ## ## ##", "06.##.##.##.##", "07########"),
    "es": ("6## ### ###", "91 ### ## ##", "6## ## ## ##"),
    "pt": ("91# ### ###", "(11) 9####-####", "21 ### ####"),
    "it": ("3## ### ####", "06 #### ####", "3## #######"),
    "nl": ("06-########", "020-### ####", "06 ## ## ## ##"),
    "pl": ("5## ### ###", "22 ### ## ##", "6##-###-###"),
    "tr": ("05## ### ## ##", "0(212) ### ## ##", "0212 ### ## ##"),
    "ru": ("8 (9##) ###-##-##", "8-9##-###-##-##", "89#########"),
    "ar": ("05# ### ####", "05########", "011 ### ####"),
    "he": ("05#-###-####", "03-#######", "05#-#######"),
    "hi": ("9#### #####", "8#########", "011-2### ####"),
    "zh": ("13# #### ####", "18#########", "010-########"),
    "ja": ("090-####-####", "03-####-####", "080########"),
    "ko": ("010-####-####", "02-###-####", "010########"),
    "sv": ("070-### ## ##", "08-### ### ##", "07########"),
}

# prefixes, length, groups
CARDS: tuple[tuple[tuple[str, ...], int, tuple[int, ...]], ...] = (
    (("4",), 16, (4, 4, 4, 4)),
    (("51", "52", "53", "54", "55", "2221", "2345", "2720"), 16, (4, 4, 4, 4)),
    (("34", "37"), 15, (4, 6, 5)),
    (("6011", "644", "647", "65"), 16, (4, 4, 4, 4)),
    (("300", "305", "36", "38"), 14, (4, 6, 4)),
    (("3528", "3566", "3589"), 16, (4, 4, 4, 4)),
    (("62",), 16, (4, 4, 4, 4)),
    (("62",), 19, (6, 13)),
    (("5018", "5038", "6304", "6759", "6761"), 16, (4, 4, 4, 4)),
    (("6759", "6763"), 18, (4, 4, 4, 4, 2)),
    (("2200", "2204"), 16, (4, 4, 4, 4)),
    (("9792",), 16, (4, 4, 4, 4)),
    (("508", "6069", "6521"), 16, (4, 4, 4, 4)),
    (("4",), 13, (4, 3, 3, 3)),
    (("4",), 19, (4, 4, 4, 4, 3)),
)  # fmt: skip
CARD_WEIGHTS = (30, 20, 10, 6, 5, 5, 4, 2, 4, 1, 3, 3, 3, 1, 1)

# the rest of an IBAN: digits, capitals, both
IBANS: Mapping[str, str] = {
    "DE": "d18", "FR": "d10A11d2", "GB": "U4d14", "ES": "d20", "IT": "U1d10A12", "NL": "U4d10",
    "BE": "d12", "CH": "d5A12", "AT": "d16", "PL": "d24", "PT": "d21", "SE": "d20", "NO": "d11",
    "DK": "d14", "FI": "d14", "IE": "U4d14", "TR": "d6A16", "SA": "d2A18", "AE": "d19",
    "IL": "d19", "BR": "d23U1A1", "GR": "d7A16", "CZ": "d20", "HU": "d24", "RO": "U4A16",
    "BG": "U4d6A8", "HR": "d17", "LT": "d16", "LV": "U4A13", "EE": "d16", "LU": "d3A13",
    "MT": "U4d5A18", "CY": "d8A16", "SK": "d20", "SI": "d15", "UA": "d6A19", "KZ": "d3A13",
    "QA": "U4A21", "KW": "U4A22", "PK": "U4A16", "EG": "d25", "JO": "U4d4A18",
}  # fmt: skip


def email(rng: Random, _language: str) -> str:
    first, last, host = rng.choice(FIRST), rng.choice(LAST), rng.choice(_HOSTS)
    local = rng.choice(
        (
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}_{last}{rng.randint(1, 99)}",
            f"{first}.{last}+news",
            f"{first}{rng.randint(1950, 2005)}",
            f"{first}-{last}",
        )
    )
    return f"{local}@{host}"


def area(rng: Random) -> str:
    """Three digits that North America gives out: never x11, never from 0 or 1."""
    while True:
        code = rng.choice("23456789") + chars(rng, "d", 2)
        if not code.endswith("11"):
            return code


def dial(rng: Random, pattern: str) -> str:
    made = []
    for char in pattern:
        if char == "#":
            made.append(chars(rng, "d", 1))
        elif char == "A":
            made.append(area(rng))
        else:
            made.append(char)
    return "".join(made)


def abroad(rng: Random, language: str) -> str:
    """With the country in front, which needs no word beside it."""
    if language == NO_LANGUAGE or rng.random() < 0.1:
        language = rng.choice(tuple(INTERNATIONAL))
    return dial(rng, rng.choice(INTERNATIONAL[language]))


def phone(rng: Random, language: str) -> str:
    """As people write it at home or to others: for places that say that it is a phone."""
    if language == NO_LANGUAGE:
        language = rng.choice(tuple(NATIONAL))
    if rng.random() < 0.3:
        return abroad(rng, language)
    return dial(rng, rng.choice(NATIONAL[language]))


def group(text: str, sizes: tuple[int, ...], between: str) -> str:
    groups, at = [], 0
    for size in sizes:
        groups.append(text[at : at + size])
        at += size
    return between.join(groups)


def card_with(rng: Random, between: str) -> str:
    prefixes, length, groups = rng.choices(CARDS, CARD_WEIGHTS)[0]
    prefix = rng.choice(prefixes)
    body = prefix + chars(rng, "d", length - 1 - len(prefix))
    return group(body + checksums.luhn(body), groups, between)


def card(rng: Random, _language: str) -> str:
    return card_with(rng, rng.choice(("", " ", "-")))


def iban_compact(rng: Random) -> str:
    country = rng.choice(tuple(IBANS))
    bban, layout = "", IBANS[country]
    at = 0
    while at < len(layout):
        end = at + 1
        while end < len(layout) and layout[end].isdigit():
            end += 1
        bban += chars(rng, layout[at], int(layout[at + 1 : end]))
        at = end
    return country + checksums.iban(country, bban) + bban


def in_fours(text: str, between: str = " ") -> str:
    return between.join(text[at : at + 4] for at in range(0, len(text), 4))


def iban(rng: Random, _language: str) -> str:
    compact = iban_compact(rng)
    return rng.choice((compact, in_fours(compact)))


def ip4(rng: Random, _language: str = NO_LANGUAGE) -> str:
    first = rng.choice((10, 172, 192, *rng.sample([*range(1, 10), *range(11, 127)], 3), 185, 203))
    second = {172: rng.randint(16, 31), 192: 168}.get(first, rng.randint(0, 254))
    return f"{first}.{second}.{rng.randint(0, 254)}.{rng.randint(1, 254)}"


def ip6(rng: Random, _language: str = NO_LANGUAGE) -> str:
    groups = [rng.choice(("2001", "2a01", "2a02", "2600", "2404", "fd12")), *(
        chars(rng, "h", 4) for _ in range(7)
    )]  # fmt: skip
    style = rng.randrange(4)
    if style == 1:
        groups[3:7] = ["0000"] * 4
    elif style == 2:
        groups[2:6] = ["0000"] * 4
    address = IPv6Address(":".join(groups))
    return address.exploded if style == 0 else str(address)


def ip(rng: Random, language: str) -> str:
    return ip4(rng, language) if rng.random() < 0.65 else ip6(rng, language)


def spoken_ssn(rng: Random, _language: str) -> str:
    """Where the text says what it is, without dashes too."""
    return rng.choice(("-", "-", " ", "")).join(ssn(rng))


MAKERS: dict[str, Maker] = {
    "email": kind_of("email", email),
    "phone": kind_of("phone", phone),
    "phone+": kind_of("phone", abroad),
    "ssn": kind_of("ssn", ssn_text),
    "ssn?": kind_of("ssn", spoken_ssn),
    "card": kind_of("card", card),
    "iban": kind_of("iban", iban),
    "ip": kind_of("ip", ip),
    "ip4": kind_of("ip", ip4),
    "ip6": kind_of("ip", ip6),
}


def _national(country: str) -> Maker:
    return lambda rng, _: found("national_id", COUNTRIES[country](rng))


MAKERS |= {f"id.{country}": _national(country) for country in COUNTRIES}
