"""What happens to a span between the program and the lanes, off the program's threads.

The stages are: hard cap and normalise, media, content policy and redaction, limits. They are one
processor, because most spans need none of them, and one look at the span can tell.
"""

from functools import lru_cache
from typing import Protocol

from msgspec.structs import replace

from spanloom.errors import strict
from spanloom.processors.content import KEPT, REMOVED, Policy, Withholder, removed
from spanloom.processors.keys import Hasher
from spanloom.processors.limit import Limiter
from spanloom.processors.media import Blobs
from spanloom.processors.normalise import Normaliser
from spanloom.processors.redact import WITHHELD, Redactor, suspects, without_found
from spanloom.processors.rules import RULES, Rule, RuleSet
from spanloom.processors.survey import Survey
from spanloom.types import DETAILS, Error, Redaction, Resource, Session, Span

__all__ = [
    "KEPT",
    "REMOVED",
    "RULES",
    "Chain",
    "Hasher",
    "Policy",
    "Rule",
    "RuleSet",
    "default_chain",
]


class Settings(Protocol):
    """What the chain reads of the settings."""

    @property
    def dir(self) -> str: ...
    @property
    def content(self) -> Policy: ...
    @property
    def user_ids(self) -> str: ...
    @property
    def hash_key(self) -> str | None: ...
    @property
    def max_value_bytes(self) -> int: ...
    @property
    def max_text_bytes(self) -> int: ...
    @property
    def max_attributes(self) -> int: ...
    @property
    def max_events(self) -> int: ...
    @property
    def max_depth(self) -> int: ...
    @property
    def max_blob_bytes(self) -> int: ...


class Chain:
    """All stages over one span. Never raises, never drops a span."""

    def __init__(self, settings: Settings, rules: RuleSet = RULES) -> None:
        self._settings = settings
        self._rules = rules
        self.hasher = Hasher(settings.dir, settings.hash_key)
        self._resource = lru_cache(maxsize=4)(self._redact_resource)

    def __call__(self, span: Span) -> Span:
        try:
            return self._process(span)
        except Exception as exc:  # our fault: what was not checked does not go on
            if strict():
                raise
            return bare(span, exc)

    def _process(self, span: Span) -> Span:
        span, survey = self._plain(span)
        if span.user_id is not None and self._settings.user_ids == "hash":
            redaction = Redaction(field="user_id", kind="user_id")
            span = replace(
                span, user_id=self.hasher(span.user_id), redactions=(*span.redactions, redaction)
            )
        policy = self._settings.content
        if policy != "full":
            if policy != "redacted":
                span = Withholder(removed if policy == "none" else self.hasher)(span)
                survey = self._survey(span, media=False)
            texts = (*survey.texts, *span.truncated, *span.faults)
            rules = suspects(texts, self._rules)
            if rules:
                span = self._apart(Redactor(rules)(span), span.session)
            if span.blobs:
                span = without_found(span, self._rules)
        resource = self._resource(span.resource)
        if resource != span.resource:
            span = replace(span, resource=resource)
        return self._limited(span, survey.longest)

    def _apart(self, span: Span, before: Session | None) -> Span:
        """Two sessions named after two people stay two: a keyed hash where the id itself was taken out."""
        if before is None or span.session is None or span.session.id == before.id:
            return span
        return replace(span, session=replace(span.session, id=self.hasher(before.id)))

    def _survey(self, span: Span, *, media: bool) -> Survey:
        settings = self._settings
        return Survey(
            span, max_depth=settings.max_depth, max_bytes=settings.max_value_bytes, media=media
        )

    def _plain(self, span: Span) -> tuple[Span, Survey]:
        settings = self._settings
        try:
            survey = self._survey(span, media=True)
            "".join(survey.texts).encode()
        except Exception:  # anything that is not plain data within the bounds, or broken objects
            blobs = Blobs(settings.max_blob_bytes, span.blobs)
            normaliser = Normaliser(
                max_bytes=settings.max_value_bytes, max_depth=settings.max_depth, blobs=blobs
            )
            span = normaliser(span)
            survey = self._survey(span, media=False)
        return span, survey

    def _redact_resource(self, resource: Resource) -> Resource:
        """The same for all spans of a process; its command line may hold anything."""
        settings = self._settings
        normaliser = Normaliser(
            max_bytes=settings.max_value_bytes,
            max_depth=settings.max_depth,
            blobs=Blobs(settings.max_blob_bytes),
        )
        plain: Resource = normaliser.struct(resource, "names", None)
        if settings.content == "full":
            return plain
        return Redactor(self._rules.rules).struct(plain, "names", None)

    def _limited(self, span: Span, longest: int) -> Span:
        settings = self._settings
        within = (
            longest * 4 <= settings.max_text_bytes
            and len(span.attributes) <= settings.max_attributes
            and len(span.metadata) <= settings.max_attributes
            and len(span.events) <= settings.max_events
        )
        if within:
            return span
        return Limiter(
            max_bytes=settings.max_text_bytes,
            max_attributes=settings.max_attributes,
            max_events=settings.max_events,
        )(span)


def bare(span: Span, fault: Exception) -> Span:
    """Only the structure of a span: when it began and ended, whose child it is, and how it went."""
    error = span.error and Error(type=span.error.type, message=WITHHELD)
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.kind,
        detail=DETAILS[span.kind](),
        integration=span.integration,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        status=span.status,
        error=error,
        complete=span.complete,
        redactions=(Redaction(field="detail", kind="withheld"),),
        faults=(f"processors: {type(fault).__qualname__}",),
    )


def default_chain(settings: Settings) -> tuple[Chain, ...]:
    """The processors that every span passes before any other, whoever made it."""
    return (Chain(settings),)
