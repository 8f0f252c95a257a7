"""Figures as people read them. ``None`` is an empty text: nobody said."""

import re
from datetime import datetime, timedelta


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(ns: int | None) -> str:
    """Three digits: ``840us``, ``31ms``, ``2.40s``, ``3m12s``, ``2h05m``."""
    if ns is None:
        return ""
    if ns < 999_500:
        return f"{ns / 1e3:.0f}us"
    if ns < 999_500_000:
        return f"{ns / 1e6:.0f}ms"
    seconds = ns / 1e9
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    minutes = whole // 60
    if minutes < 48 * 60:
        return f"{minutes // 60}h{minutes % 60:02}m"
    return f"{minutes // 1440}d{minutes % 1440 // 60:02}h"


def tokens(count: int | None) -> str:
    """``812``, ``1.9k``, ``24k``, ``1.2M``."""
    if count is None:
        return ""
    if count < 1000:
        return str(count)
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        scaled = count / size
        if scaled < 9.95:
            return f"{scaled:.1f}{unit}"
        if scaled < 999.5:
            return f"{scaled:.0f}{unit}"
    return f"{count / 1e12:.1f}T"


def money(usd: float | None) -> str:
    """Dollars: cents from a dollar on, else enough digits to tell calls apart."""
    if usd is None:
        return ""
    if usd == 0:
        return "$0"
    if usd >= 1:
        return f"${usd:,.2f}"
    if usd >= 0.1:
        return f"${usd:.3f}"
    return f"${usd:.4f}" if usd >= 0.00005 else "<$0.0001"


_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def clean(text: str, *, lines: bool = False) -> str:
    """Without what would move the cursor, colour or reorder the rest of the screen.

    Args:
        text: anything a program or a model said.
        lines: keep line breaks and tabs; else all white space becomes one space.
    """
    if lines:
        text = text.replace("\r\n", "\n").expandtabs(4)
        return "\n".join(_ODD.sub(_escaped, line) for line in text.split("\n"))
    return _ODD.sub(_escaped, " ".join(text.split()))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def since(text: str, now: datetime) -> datetime:
    """A moment from ``30m``, ``1h``, ``2d`` before ``now``, or from a date and time in ISO 8601.

    Raises:
        ValueError: it is neither; the message says so.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    try:
        if match:
            unit = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]]
            return now - timedelta(seconds=float(match[1]) * unit)
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time: write 30m, 1h, 2d or a date such as 2026-01-31T09:00"
        ) from None
    return moment if moment.tzinfo else moment.astimezone()
