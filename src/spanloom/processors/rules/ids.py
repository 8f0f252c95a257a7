"""Numbers by which states know people: social security, tax, identity.

Facts (layouts and check digits) from the public definitions of each. What has neither a layout of
its own nor check digits that are hard to meet by chance counts only after a word that says what it is.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from spanloom.processors.rules import checks, national
from spanloom.processors.rules.cues import LEAD, named, nearest, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

DASH: Final = "[-\u2010-\u2015]"
GAP: Final = "[ \u00a0\u2007\u2009\u202f]"
NOT_BEFORE: Final = (
    r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))(?<![0-9][-./])(?<!@)"
)
"""Not in the middle of a word or of a longer number; but after ``\\n`` of JSON or ``%3D`` of a URL."""
NOT_AFTER: Final = r"(?![0-9A-Za-z_\u00c0-\u024f]|[-./][0-9]|-[A-Za-z])"

_DATE = later("(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_ROW_BEFORE = later(rf"[0-9]{GAP}\Z")
_ROW_AFTER = later(rf"{GAP}[0-9]")
_SEPARATORS = later(r"[^0-9A-Za-z]+")


class Id(Struct, frozen=True):
    """One country's number.

    In layouts a digit stands for so many digits, ``A`` for a letter, ``X`` for a digit or X, ``C`` for a letter
    or digit. ``plain`` ones can be told by themselves, ``cued`` ones need a word
    before them, ``named`` ones are so common that the word has to stand right before them.
    """

    name: str
    check: Callable[[str], bool]
    plain: tuple[str, ...] = ()
    cued: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    words: str = ""
    """After these only a number of this kind counts."""


NATIONAL: Final = (
    # Americas
    Id("br_cnpj", checks.br_cnpj, ("2.3.3/4-2",), ("14",), words="cnpj"),
    Id("br_cpf", checks.br_cpf, ("3.3.3-2",), ("11", "9-2", "3 3 3 2"), words="cpf"),
    Id("br_pis", national.br_pis, ("3.5.2-1",), ("11",), words="pis"),
    Id("ca_sin", checks.ca_sin, ("3-3-3",), ("3 3 3", "9"), words="sin"),
    Id("ar_cuit", national.ar_cuit, ("2-8-1",), ("11",), words="cuit cuil"),
    Id("cl_rut", national.cl_rut, ("2.3.3-C", "1.3.3-C"), ("8-C", "7-C", "9", "8A"), words="rut"),
    Id("co_nit", national.co_nit, (), ("9-1", "3.3.3-1", "10")),
    Id("pe_ruc", national.pe_ruc, (), ("11",)),
    Id("ec_cedula", national.ec_cedula, (), ("10", "9-1")),
    Id("uy_ci", national.uy_ci, ("1.3.3-1",), ("8", "7-1")),
    # Europe
    Id("fr_nir", checks.fr_nir, ("15", "1 2 2 2 3 3 2", "13 2"), ("13", "1 2 2 2 3 3"), words="nir insee"),
    Id("fr_tax", national.fr_tax, (), ("13", "2 2 3 3 3")),
    Id("ch_ahv", checks.ch_ahv, ("3.4.4.2", "13"), ("3 4 4 2",), words="ahv avs"),
    Id("de_tax", checks.de_tax, ("2 3 3 3",), ("11", "3 3 3 2", "2/3/3/3", "2-3-3-3"), words="idnr steuerid"),
    Id("at_social", national.at_social, (), ("10", "4 6", "4-6", "4 2 2 2")),
    Id("be_national", national.be_national, ("2.2.2-3.2",), ("11", "6 3 2", "6-3-2", "2 2 2 3 2", "6-3.2")),
    Id("lu_national", national.lu_national, (), ("13", "8 5", "4 4 5", "8 3 2")),
    Id("nl_bsn", checks.nl_bsn, (), ("9", "4.2.3", "4 2 3", "3 3 3", "3.3.3"), words="bsn burgerservicenummer"),
    Id("gb_nhs", national.gb_nhs, (), ("10", "3 3 4", "3-3-4"), words="nhs"),
    Id("es_dni", checks.es_dni, ("8A", "8-A", "2.3.3-A", "2.3.3A"), ("8 A",)),
    Id("pt_nif", national.pt_nif, (), ("9", "3 3 3", "3.3.3")),
    Id("gr_tax", national.gr_tax, (), ("9", "3 3 3"), words="afm αφμ"),
    Id("gr_amka", national.gr_amka, (), ("11", "6 5", "6-5"), words="amka αμκα"),
    Id("pl_pesel", checks.pl_pesel, (), ("11",), words="pesel"),
    Id("pl_nip", national.pl_nip, (), ("10", "3-3-2-2", "3-2-2-3", "3 3 2 2"), words="nip"),
    Id("cz_birth", national.cz_birth, ("6/4",), ("10", "9", "6/3", "6 4"), words="rodné"),
    Id("hu_tax", national.hu_tax, (), ("10",)),
    Id("hu_social", national.hu_social, (), ("9", "3 3 3", "3-3-3")),
    Id("hu_personal", national.hu_personal, (), ("11", "1-6-4", "1 6 4")),
    Id("ro_cnp", national.ro_cnp, (), ("13", "1 6 6"), words="cnp"),
    Id("bg_egn", national.bg_egn, (), ("10",), words="egn егн"),
    Id("hr_oib", national.hr_oib, (), ("11",), words="oib"),
    Id("jmbg", national.jmbg, (), ("13",), words="jmbg emso emšo јмбг"),
    Id("baltic", national.baltic, (), ("11",), words="isikukood"),
    Id("lv_personal", national.lv_personal, (), ("11", "6-5", "6 5")),
    Id("fi_personal", national.fi_personal, ("6-3A",), ("6-3C", "6+3C"), words="hetu henkilötunnus"),
    Id("se_personal", checks.se_personal, (), ("6-4", "6+4", "8-4", "10", "12", "6 4", "8 4")),
    Id("no_birth", national.no_birth, (), ("11", "6 5", "6-5", "2 2 2 3 2", "2.2.2 5"), words="fødselsnummer fodselsnummer"),
    Id("dk_cpr", national.dk_cpr, (), ("10", "6-4", "6 4"), words="cpr"),
    Id("is_kennitala", national.is_kennitala, (), ("10", "6-4", "6 4"), words="kennitala"),
    Id("ru_snils", national.ru_snils, ("3-3-3 2", "3-3-3-2"), ("11", "3 3 3 2"), words="снилс snils"),
    Id("ru_inn", national.ru_inn, (), ("10", "12"), words="инн inn"),
    Id("ua_tax", national.ua_tax, (), ("10",), words="рнокпп rnokpp"),
    # Asia
    Id("kz_iin", national.kz_iin, (), ("12",), words="иин жсн iin"),
    Id("tr_kimlik", national.tr_kimlik, (), ("11", "3 3 3 2", "3 3 2 3", "3 2 2 2 2"), words="tckn kimlik tckimlik"),
    Id("il_id", national.il_id, (), ("9", "8", "8-1", "1-7-1", "1 7 1", "3 3 3", "3-3-3")),
    Id("ae_id", national.ae_id, ("3-4-7-1", "3 4 7 1"), ("15",), words="emirates"),
    Id("sa_id", national.sa_id, (), ("10",)),
    Id("kw_civil", national.kw_civil, (), ("12",)),
    Id("ir_national", national.ir_national, (), ("10", "3-6-1")),
    Id("pk_cnic", national.pk_cnic, (), ("5-7-1", "13", "5 7 1"), words="cnic nicop"),
    Id("in_aadhaar", checks.in_aadhaar, ("4 4 4", "4-4-4"), ("12",), words="aadhaar aadhar आधार"),
    Id("lk_nic", national.lk_nic, (), ("9A",)),
    Id("cn_resident", checks.cn_resident, ("17X", "6 8 3X", "6 4 4 3X")),
    Id("jp_my_number", national.jp_my_number, (), ("12", "4 4 4", "4-4-4"), words="mynumber マイナンバー"),
    Id("kr_resident", checks.kr_resident, ("6-7",)),
    Id("kr_born", national.kr_born, (), ("13", "6-7", "6 7"), words="rrn"),
    Id("my_kad", national.my_kad, ("6-2-4",), ("12", "6 2 4"), words="mykad nric"),
    Id("th_national", national.th_national, ("1-4-5-2-1",), ("13", "1 4 5 2 1")),
    Id("id_nik", national.id_nik, (), ("16", "6 6 4", "4 4 4 4", "6.6.4"), words="nik ktp"),
    # Africa, Oceania
    Id("eg_national", national.eg_national, (), ("14",)),
    Id("za_id", national.za_id, (), ("13", "6 4 2 1", "6 4 3", "6 7")),
    Id("au_tfn", checks.au_tfn, (), ("3 3 3", "3-3-3", "9", "8", "3 3 2"), words="tfn"),
    Id("au_medicare", national.au_medicare, (), ("10", "11", "4 5 1", "4-5-1"), words="medicare"),
    Id("nz_ird", national.nz_ird, (), ("9", "8", "3-3-3", "2-3-3", "3 3 3", "2 3 3"), words="ird"),
    # of Nigeria, Vietnam, Bangladesh, Argentina, Peru, Colombia, Venezuela, the Philippines...
    Id("without_check", national.various, (), (), (
        "7", "8", "10", "12", "17", "2.3.3", "1.3.3", "1.3.3.3", "4-4-4", "4-7-1", "2-7-1", "3-7-1", "3-7-4-1",
        "3-3-3-3", "6-6-4", "3-6-4", "3-4-3", "1-4-5-2-1", "2.2.3", "10-1",
    )),
)  # fmt: skip
"""Of each the layouts that people write."""


def _pattern(layout: str) -> str:
    parts = []
    for token in re.findall(r"\d+|.", layout):
        if token.isdigit():
            parts.append(f"[0-9]{{{token}}}")
        else:
            known = {"A": "[A-Za-z]", " ": GAP, "-": DASH}
            parts.append(known.get(token) or re.escape(token))
    return "".join(parts)


def _spelt(layout: str) -> tuple[str, ...]:
    """With a digit at its end and with a letter, so that a number has one layout only."""
    if layout[-1] not in "XC":
        return (layout,)
    last = re.search(r"\d*.\Z", layout)
    assert last
    head, count = layout[: last.start()], last[0][:-1]
    return f"{head}{int(count or 0) + 1}", f"{head}{count}A"


_LAYOUTS: Final = tuple(
    sorted(
        {
            layout
            for each in NATIONAL
            for written in (*each.plain, *each.cued, *each.named)
            for layout in _spelt(written)
        },
        key=lambda layout: (-len(layout), layout),
    )
)


def _by_layout(layouts: Callable[[Id], tuple[str, ...]]) -> dict[str, tuple[Id, ...]]:
    return {
        f"n{i}": tuple(each for each in NATIONAL if any(layout in _spelt(w) for w in layouts(each)))
        for i, layout in enumerate(_LAYOUTS)
    }


_PLAIN: Final = _by_layout(lambda each: each.plain)
_CUED: Final = _by_layout(lambda each: each.cued)
_NAMED: Final = _by_layout(lambda each: each.named)
_WORDS: Final = {word: each for each in NATIONAL for word in each.words.split()}
_OWN_WORDS: Final = frozenset(_WORDS)
_CUES: Final = frozenset({"id", "named_id", "ssn"})


def apart(text: str, start: int, end: int) -> bool:
    """Whether a number written with spaces is not part of a longer row of numbers."""
    if text[start:end].isalnum():
        return True
    row_before = _ROW_BEFORE.search(text, max(0, start - 2), start)
    return not row_before and not _ROW_AFTER.match(text, end)


def _digits_of(layout: str) -> int:
    """How many digits a layout has, if it has no letters."""
    return sum(map(int, re.findall(r"\d+", layout))) if not layout[-1].isalpha() else 0


_BY_DIGITS: Final = {
    count: tuple(
        each
        for each in NATIONAL
        if any(_digits_of(s) == count for w in (*each.plain, *each.cued) for s in _spelt(w))
    )
    for count in range(8, 19)
}
_LOOSE = later(rf"[0-9](?:[ \u00a0\u2007\u2009\u202f\u2010-\u2015./-]?[0-9]){{7,17}}{NOT_AFTER}")


def _loose(match: re.Match[str]) -> tuple[int, int] | None:
    """After a word for such numbers: however its digits are put in groups."""
    text, start = match.string, match.start()
    number = _SEPARATORS.sub("", match[0])
    if "." in match[0] and any(c.isspace() for c in match[0]):
        return None  # measurements in a row
    if (
        _DATE.match(number)
        or not told(text, start, match.end()) & _CUES
        or named(text, start, "order")
    ):
        return None
    own = _WORDS.get(nearest(text[max(0, start - LEAD) : start], _OWN_WORDS))
    return match.span() if _of(_BY_DIGITS.get(len(number), ()), number, own) else None


def _of(ids: tuple[Id, ...], number: str, own: Id | None = None) -> bool:
    return any(each.check(number) for each in ids if own in (None, each))


def _national(match: re.Match[str]) -> tuple[int, int] | None:
    group = match.lastgroup
    loose = _LOOSE.match(match.string, match.start())
    if group is None:
        return loose and _loose(loose)
    text, (start, end) = match.string, match.span(group)
    if not apart(text, start, end) or _DATE.fullmatch(text, start, end):
        return None
    number = _SEPARATORS.sub("", match[group]).upper()
    good = _of(_PLAIN[group], number)
    if not good and told(text, start, end) & _CUES:
        own = _WORDS.get(nearest(text[max(0, start - LEAD) : start], _OWN_WORDS))
        by_name = own is None and named(text, start, "named_id")
        good = _of(_CUED[group], number, own) or (by_name and _of(_NAMED[group], number))
    if good:
        return (start, end) if not named(text, start, "order") else None
    return loose and _loose(loose)


NATIONAL_ID: Final = Rule(
    name="national_id",
    kind="national_id",
    digits=7,
    pattern=later(
        NOT_BEFORE
        + "(?="
        + "|".join(f"(?P<n{i}>{_pattern(layout)}){NOT_AFTER}" for i, layout in enumerate(_LAYOUTS))
        + "|[0-9])"
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
        f"[A-Z]{{3}}{GAP}?[A-Z]{{3}}",
        rf"[0-9][A-EHLMPRST][0-9L-NP-V]{{2}}{GAP}?[A-Z][0-9L-NP-V]{{3}}[A-Z]",
        checks.it_fiscal,
    ),
    "mx_curp": ("[A-Z]{4}", r"[0-9]{5}[HMX][A-Z]{5}[A-Z0-9][0-9]", checks.mx_curp),
    "mx_rfc": ("[A-ZÑ&]{3,4}", r"(?<=[A-ZÑ&][A-ZÑ&][A-ZÑ&].)[0-9]{5}-?[A-Z0-9]{3}", national.mx_rfc),
    "tw_id": ("[A-Z]", r"(?<=[A-Z][12])[0-9]{8}", national.tw_id),
    "hk_id": ("[A-Z]{1,2}", r"(?<=[A-Z].)[0-9]{5}(?:\([0-9A]\)|[0-9A])", national.hk_id),
    "ie_pps": ("", r"[0-9]{6}[A-W][A-IW]?", national.ie_pps),
    "de_social": ("", r"[0-9]{7}[A-Z][0-9]{3}", national.de_social),
    "fi_personal": ("", r"[0-9]{5}[A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]", national.fi_personal),
    "fr_nir": (  # of Corsica
        "",
        rf"(?<=[12]){GAP}?[0-9]{{2}}{GAP}?[0-9]{{2}}{GAP}?2[AB]{GAP}?[0-9]{{3}}{GAP}?[0-9]{{3}}(?:{GAP}?[0-9]{{2}})?",
        checks.fr_nir,
    ),
}  # fmt: skip
"""The letters before the first digit, what follows it, the check."""
_UNCHECKED: Final = frozenset({"gb_nino", "in_pan"})
_WEAK: Final = frozenset({"tw_id", "ie_pps"})
"""Whose check one in ten or twenty meets by chance."""


def _either_case(pattern: str) -> str:
    # re.IGNORECASE would ask for the case of every character, which takes three times as long
    return re.sub(
        r"\[([0-9-]*[A-Z][0-9A-Z-]*)\]", lambda found: f"[{found[1]}{found[1].lower()}]", pattern
    )


_LETTERS: Final = {
    name: later(
        r"(?:(?<![0-9A-Za-z_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
        rf"{_either_case(letters)}{_SEP if letters else ''}\Z"
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
        good = (good or name == "gb_nino") and bool(told(text, start, end) & _CUES)
    weak = name in _WEAK or (name == "hk_id" and written[-1] != ")")
    if good and weak:
        good = bool(told(text, start, end) & _CUES)
    if name == "mx_rfc" and not good and written.isupper():
        good = "named_id" in told(
            text, start, end
        )  # its last letters are not always those that are right
    return (start, end) if good and not named(text, start, "order") else None


def _preceded(gap: str) -> str:
    """Looks back from the last letter of such a number at the shape of all of it."""
    shapes = [
        *(f"[\n ]aa{a}{digits}{gap}a" for a in ("", " ") for digits in ("000000", "00 00 00")),
        *(f"[\n ]a{a}0000000{gap}a" for a in ("", " ")),
    ]
    if not gap:
        shapes += ["[\n ]aaaaa0000a", "aaa00a00a000a", "aaa 00a00a000a", "00a00 a000a"]
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


SHORT_ID: Final = Rule(
    name="short_id",
    kind="national_id",
    view="mask",
    hints=("a000000", "000000a"),
    probes=(
        later(
            "a000000(?:(?<=[\n ]a000000)(?:000(?![a0])| ?0(?![a0])|a(?![a0]))"
            "|(?:(?<=[\n ]aaaa000000)|(?<=[\n ]aaa000000)) ?[0a]{3}(?![0a])"
            "|(?<=[\n ]aa000000)(?: ?0(?![a0])|a(?![a0])))"
        ),
        later(
            "000000a(?:(?<=[\n ]000000a)|(?<=[\n ]00000000a))000[0a]?(?![0a])"
            "|000000a(?<=[\n ]0000000a)a?(?![a0])"
        ),
    ),
    pattern=LETTERED_ID.pattern,
    spot=_lettered,
)
"""The same, by other shapes: a letter or two before or behind six digits or more."""


# --- US social security


def _ssn(match: re.Match[str]) -> tuple[int, int] | None:
    text, (start, end) = match.string, match.span(1)
    if not checks.us_ssn(_SEPARATORS.sub("", match[1])) or named(text, start, "order"):
        return None
    if match[2] is None or match[2] in "./":
        return (start, end) if "ssn" in told(text, start, end) else None
    return (start, end) if match[2] not in GAP or apart(text, start, end) else None


SSN: Final = Rule(
    name="ssn",
    kind="ssn",
    digits=9,
    pattern=later(
        rf"{NOT_BEFORE}(?=([0-9]{{3}}(?:({DASH}|{GAP}|[./])[0-9]{{2}}\2[0-9]{{4}}|[0-9]{{6}})){NOT_AFTER})"
    ),
    spot=_ssn,
)
