"""Addresses: e-mail, IPv4, IPv6."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from spanloom.processors.rules.cues import named, told
from spanloom.processors.rules.later import later
from spanloom.processors.rules.screen import Rule

_FILES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "html"})


def _email(match: re.Match[str]) -> tuple[int, int] | None:
    text, at = match.string, match.start()
    start, limit = at, max(0, at - 64)
    spaced = text[at - 1 : at].isascii()
    while start > limit and (text[start - 1].isalnum() or text[start - 1] in "._%+'-"):
        if spaced and text[start - 1] >= _UNSPACED:
            break
        start -= 1
    while start < at and text[start] in ".'-":
        start += 1
    if start == at or match[1].lower() in _FILES:
        return None
    if text[match.end() : match.end() + 1] == ":" and text[start:at] == "git":
        return None  # git@github.com:owner/repository
    before = _USER_OF_URL.search(text, max(0, start - 256), at)
    if before and (":" in before[1] or (len(before[1]) >= 20 and not before[1].isalpha())):
        return None  # a password or a token in a URL
    return start, match.end()


_UNSPACED: Final = "\u2e80"
"""From here on are scripts whose words stand right beside each other, and beside an address."""
_USER_OF_URL = later(r"://([^\s/?#\"'<>\\]{0,256})\Z")
_DOMAIN: Final = (
    r"(?:[^\W_][\w-]{0,62}\.){1,8}"
    r"([A-Za-z]{2,24}(?![A-Za-z0-9_-])|xn--[A-Za-z0-9-]{2,59}(?![A-Za-z0-9_-])|[^\W\d_]{2,24}(?![\w-]))"
)

EMAIL: Final = Rule(
    name="email",
    kind="email",
    view="text",
    hints=("@",),
    pattern=later("@" + _DOMAIN),
    spot=_email,
)
QUOTED_EMAIL: Final = Rule(  # in the query of a URL
    name="quoted_email",
    kind="email",
    view="text",
    hints=("%40",),
    pattern=later("%40" + _DOMAIN),
    spot=_email,
)

# --- IP

_OCTETS: Final = frozenset(map(str, range(256)))
_BEFORE_V4 = later(r"(?:[0-9A-Za-z_.+~^]|[A-Za-z][-/]|[=<>~^]=[ ]?|[<>][ ]?)\Z")
_AFTER_V4 = later(r"[0-9A-Za-z_+]|\.[0-9]|-(?:[A-Za-z]|[0-9]{1,9}(?![0-9.]))")
_NOBODY = later(r"(?:127|0)\.|255\.255\.255\.|2(?:24|39|55)\.0\.0\.")
"""Loopback, unspecified, netmasks, well-known multicast: they tell of nobody."""


def _ipv4(match: re.Match[str]) -> tuple[int, int] | None:
    text, start, end = match.string, match.start(), match.end()
    while start > 0 and match.start() - start < 3 and "0" <= text[start - 1] <= "9":
        start -= 1
    found = text[start:end]
    parts = found.split(".")
    if not _OCTETS.issuperset(parts) or _AFTER_V4.match(text, end) or _NOBODY.match(found):
        return None
    lead = text[max(0, start - 3) : start]
    tagged = text[start - 1 : start] in ("<", ">") and text[end : end + 1] in ("<", ">")
    if _BEFORE_V4.search(lead) and not _escaped(lead) and not tagged:
        return None
    if named(text, start, "version") or text[max(0, start - 1) : start] == "§":
        return None
    if max(map(len, parts)) == 1 and "ip" not in told(text, start, end):
        return None  # 1.2.3.4 is a version or a section sooner than an address
    return start, end


def _escaped(lead: str) -> bool:
    """A newline of JSON, or ``%3D`` of a URL."""
    return lead[-2:-1] == "\\" or lead[-3:-2] == "%"


IPV4: Final = Rule(
    name="ipv4",
    kind="ip",
    view="text",
    hints=(".",),
    numeric=True,
    probes=(later(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),),
    # from its first dot: dots are rarer than digits, and found faster
    pattern=later(r"\.(?<=[0-9]\.)[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"),
    spot=_ipv4,
    read=True,
)

_V6_CHARS: Final = frozenset("0123456789ABCDEFabcdef:")
_V6_RIGHT = later(r"[0-9A-Fa-f:]{0,40}(?:(?:\.[0-9]{1,3}){3})?")


def _ipv6(match: re.Match[str]) -> tuple[int, int] | None:
    text = match.string
    if match[0] == "::" and ":" in (
        text[match.start() - 1 : match.start()],
        text[match.end() : match.end() + 1],
    ):
        return None
    start, limit = match.start(), max(0, match.start() - 39)
    while start > limit and text[start - 1] in _V6_CHARS:
        start -= 1
    if text[start] == ":" != text[start + 1 : start + 2]:
        start += 1  # of "INFO:root:"
    right = _V6_RIGHT.match(text, match.start())
    end = right.end() if right else start
    while end > start and text[end - 1] == ":" and text[end - 2 : end] != "::":
        end -= 1
    before = text[max(0, start - 1) : start]
    around = (before if before != ":" else "") + text[end : end + 1]
    if any(c.isascii() and (c.isalnum() or c in "_:") for c in around) or end - start > 45:
        return None
    found = text[start:end]
    if ":::" in found or found.count("::") > 1:
        return None
    try:
        address = IPv6Address(found)
    except AddressValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    if "::" in found:  # as in Rust's and C++'s paths
        groups = [group for group in found.split(":") if group]
        long_first = len(found.partition(":")[0]) >= 3
        if not any(c.isdigit() for c in found) or not (
            len(groups) > 2 or long_first or "." in found
        ):
            return None
    return start, end


IPV6: Final = Rule(
    name="ipv6",
    kind="ip",
    view="text",
    hints=(":",),
    probes=(later(r":(?::|(?:[0-9A-Fa-f]{1,4}:){6})"),),
    pattern=later(r":(?::|(?<=[0-9A-Fa-f]:)(?:[0-9A-Fa-f]{1,4}:){6})"),
    spot=_ipv6,
)
QUOTED_IPV6: Final = Rule(  # in the query of a URL
    name="quoted_ipv6",
    kind="ip",
    view="text",
    hints=("%3A", "%3a"),
    pattern=IPV6.pattern,
    spot=_ipv6,
    read=True,
)
