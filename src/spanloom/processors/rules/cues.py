"""The words before a number that say what it is, or that it is something harmless."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from .later import later

Topic = Literal["phone", "card", "id", "ssn", "ip", "version", "order", "filler"]

LEAD: Final = 48
"""How many characters before a number are asked."""

_WORDS: Final[Mapping[Topic, str]] = {
    "phone": "contact contacto kontakt phone phones telephone telefono telefone telefon telefonnummer tel mobile mobil "
    "mobilnummer cell cellphone cellular celular cellulare handy handynummer fax whatsapp sms "
    "msisdn hotline helpline landline voicemail rufnummer numero-de-telephone téléphone teléfono "
    "telèfon portable móvil movil fone smartphone callback dial dialed dialled ringing texted texting "
    "whats-app my-number his-number her-number our-number called-from calls-from",
    "card": "card cards creditcard debitcard visa mastercard amex maestro discover jcb diners cc "
    "ccnum cardnumber kreditkarte karte carte tarjeta carta cartao cartão",
    "id": "national nationalid identity identification identifier-nationality citizen citizenship "
    "resident residence government passport tax taxid taxpayer fiscal fiscale fiscaux steuer "
    "steuerid steueridentifikationsnummer steuernummer idnr tin tfn sin nin nino insurance bsn "
    "burgerservicenummer pesel aadhaar aadhar uidai uid pan cpf cnpj rg nir insee sécurité securite "
    "dni nie nif documento identidad identité identite codice codicefiscale curp nric fin ahv avs "
    "personnummer personal-number personal-id personalausweis rrn resident-id "
    "id-card id-number id-no idcard idnumber social sozialversicherungsnummer ssn itin",
    "ssn": "ssn ssns itin social-security socialsecurity ss-number taxpayer-id social-sec us-tin",
    "ip": "ip ips ipv ipaddress addr address host hostname server client peer remote remoteaddr ping "
    "dns gateway router subnet nameserver resolver ssh forwarded origin-ip",
    "version": "rv version versions ver v rev revision release released build firmware driver upgrade "
    "upgraded upgrading downgrade downgraded update updated patched section sections chapter clause "
    "article paragraph appendix figure table step oid assemblyversion fileversion sdk",
    "order": "order orders invoice ticket case isbn issn sku serial tracking batch part product "
    "transaction confirmation booking reservation shipment parcel item article ean upc gtin asin "
    "timestamp epoch unix created updated expires iat exp nbf pid seed offset commit revision "
    "checksum hash uuid guid trace span request quantity qty amount total price invoice-no po",
    "filler": "number numbers no nr num id ids code the a is was are of at and my your our their this "
    "please ref reference value x from to with for using",
}  # fmt: skip

_SPEAK: Final = "call reach ring text phone message dial".split()
_WHOM: Final = "me us him her them at on back".split()

_TOPICS: dict[str, set[Topic]] = {f"{verb}-{whom}": {"phone"} for verb in _SPEAK for whom in _WHOM}
for _topic, _list in _WORDS.items():
    for _word in _list.split():
        _TOPICS.setdefault(_word, set()).add(_topic)

_PARTS = later(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
_PRODUCTS = later("iPhone|Mobile/")
_TELLING: Final[frozenset[Topic]] = frozenset({"phone", "card", "id", "ssn", "ip"})
# written without spaces, so not to be found word by word
_CJK: Final[Mapping[str, Topic]] = {
    "电话": "phone", "電話": "phone", "手机": "phone", "手機": "phone", "携帯": "phone", "전화": "phone",
    "身份证": "id", "身份證": "id", "マイナンバー": "id", "주민등록": "id",
}  # fmt: skip


@lru_cache(maxsize=2048)
def topics(lead: str) -> frozenset[Topic]:
    """What a number after these words may be: ``phone``, ``id``, ``ssn``, ``ip``; empty if nobody says."""
    words = [word.lower() for word in _PARTS.findall(_PRODUCTS.sub(" ", lead))]
    pairs = map("-".join, pairwise(words))
    found: set[Topic] = set()
    for word in (*words, *pairs):
        if word in _TOPICS:
            found |= _TOPICS[word]
    if not lead.isascii():
        found |= {topic for word, topic in _CJK.items() if word in lead}
    return frozenset(found & _TELLING)


def told(text: str, start: int) -> frozenset[Topic]:
    """What the words before ``start`` say that stands there."""
    return topics(text[max(0, start - LEAD) : start])


@lru_cache(maxsize=2048)
def _named(lead: str, topic: Topic) -> bool:
    words = [word.lower() for word in _PARTS.findall(lead)]
    for word in reversed(words[-4:]):
        found = _TOPICS.get(word, ())
        if topic in found:
            return True
        if "filler" not in found:
            return False
    return False


def named(text: str, start: int, topic: Topic) -> bool:
    """Whether the very words before ``start`` name it so: ``order number:``, ``version``."""
    return _named(text[max(0, start - 24) : start], topic)


@lru_cache(maxsize=4096)
def telling(name: str) -> bool:
    """Whether a field of that name says what a number in it is."""
    short = name[-LEAD:]
    return bool(topics(short)) or _named(short, "version") or _named(short, "order")
