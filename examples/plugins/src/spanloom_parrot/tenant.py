"""A processor: every span gets a tag with its tenant, and those of some tenants are not kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from spanloom.sdk import Processor, Settings
from spanloom.types import Span


def make(settings: Settings, *, key: str = "tenant", drop: Sequence[str] = ()) -> Processor:
    """Called once, with the table ``[processors.tenant]`` as keyword arguments.

    Args:
        settings: all of spanloom's; not needed here.
        key: of the metadata in which the program names the tenant.
        drop: tenants of whom nothing is to be kept.
    """
    unwanted = frozenset([drop] if isinstance(drop, str) else drop)

    def tenant(span: Span) -> Span | None:
        name = span.metadata.get(key)
        if not isinstance(name, str):
            return span
        if name in unwanted:
            return None  # and all below it: metadata is inherited, so no span loses its parent
        return msgspec.structs.replace(span, tags=(*span.tags, f"{key}:{name}"))

    return tenant
