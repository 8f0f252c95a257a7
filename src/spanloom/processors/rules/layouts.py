"""How people write the numbers by which states know people, by country."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from spanloom.processors.rules import checks, national


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
