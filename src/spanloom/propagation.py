"""W3C trace context and baggage, in and out: HTTP headers and environment variables.

Formats: https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/. Bad headers are
ignored, as the specification asks; nothing here raises.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from .recorder import NOTHING, Ambient, Frame, Remote, ambient, current_frame, current_parent
from .types import Session

_TRACEPARENT = re.compile(
    r"\s*(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\s*"
)
MAX_BAGGAGE = 8192

SESSION_KEYS = ("session.id", "session_id")
USER_KEYS = ("user.id", "user_id")


def inject(headers: MutableMapping[str, str], *, baggage: bool = True) -> MutableMapping[str, str]:
    """Write the current trace context into ``headers`` and return it; a no-op without a span.

    Args:
        headers: any mutable mapping of header names to values, changed in place.
        baggage: also send session id and baggage that came in or was set with ``context``.
    """
    span = current_parent()
    if span is None:
        return headers
    headers["traceparent"] = f"00-{span.trace_id:032x}-{span.span_id:016x}-01"
    around = ambient()
    if around.trace_state:
        headers["tracestate"] = around.trace_state
    if baggage and (text := _baggage_text(around, headers.get("baggage"))):
        headers["baggage"] = text
    return headers


def _baggage_text(around: Ambient, present: str | None) -> str:
    items = dict(around.baggage)
    if around.session is not None:
        items["session.id"] = around.session.id
    pairs = [f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in items.items()]
    if present:
        taken = {p.split("=", 1)[0].strip() for p in present.split(",")}
        pairs = [present, *(p for p in pairs if p.split("=", 1)[0] not in taken)]
    while pairs and len(",".join(pairs)) > MAX_BAGGAGE:
        pairs.pop()
    return ",".join(pairs)


def header(headers: Any, name: str) -> str | None:
    """One header, whatever the case, from a mapping or from pairs of str or bytes.

    One that occurs several times is joined by commas, which makes a ``traceparent`` invalid.
    """
    pairs: Iterable[Any] = headers.items() if isinstance(headers, Mapping) else headers
    found: list[str] = []
    for key, value in pairs:
        if _text(key).lower() == name:
            found.extend(map(_text, value if isinstance(value, list | tuple) else (value,)))
    return ",".join(found) if found else None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def frame_from(headers: Any, *, inside: Remote | None = None) -> Frame | None:
    """The frame that ``headers`` describe: a remote parent with its baggage, or None.

    ``inside``: a span of another library that is open here. Where it continues the same trace it is
    nearer than the caller's, and the headers only tell what is inherited.
    """
    ids = parse_traceparent(header(headers, "traceparent"))
    # a state belongs to its parent: https://www.w3.org/TR/trace-context/#a-traceparent-is-received
    around = _ambient_from(headers, header(headers, "tracestate") if ids is not None else None)
    if ids is None:
        if around is NOTHING:
            return None
        frame = Frame()
        frame.above, frame.span = current_frame(), current_parent()
        frame.ambient = around
        return frame
    if inside is not None and inside.trace_id == ids[0]:
        return Remote(inside.trace_id, inside.span_id, around, inside.above)
    return Remote(*ids, ambient=around)


def parse_traceparent(text: str | None) -> tuple[int, int] | None:
    """Trace id and span id, or None where the text is no valid ``traceparent``."""
    match = _TRACEPARENT.fullmatch(text or "")
    if match is None or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    return (trace_id, span_id) if trace_id and span_id else None


def _ambient_from(headers: Any, state: str | None) -> Ambient:
    items = parse_baggage(header(headers, "baggage"))
    request = header(headers, "x-request-id")
    above = current_frame()
    below = above.ambient if above is not None else NOTHING
    if not items and not state and not request:
        return below
    session = next((items[k] for k in SESSION_KEYS if items.get(k)), None)
    user = next((items[k] for k in USER_KEYS if items.get(k)), None)
    return Ambient(
        # an explicit session around the call is nearer than one that came from afar
        session=below.session or (Session(id=session, source="baggage") if session else None),
        user_id=below.user_id or user,
        user_tier=below.user_tier,
        feature=below.feature,
        budgets=below.budgets,
        request_id=request or below.request_id,
        tags=below.tags,
        metadata=below.metadata,
        baggage={**below.baggage, **items},
        trace_state=state,
        suppressed=below.suppressed,
    )


def parse_baggage(text: str | None) -> dict[str, str]:
    """Keys and values of a ``baggage`` header; what does not parse is left out."""
    found: dict[str, str] = {}
    members = (text or "").encode()[: MAX_BAGGAGE + 1].decode(errors="ignore")
    if len(members) > MAX_BAGGAGE:
        members = members.rpartition(",")[0]  # half a member is a wrong value
    for member in members.split(","):
        pair = member.split(";", 1)[0]
        key, equals, value = pair.partition("=")
        if equals and (key := key.strip()):
            found[unquote(key)] = unquote(value.strip())
    return found
