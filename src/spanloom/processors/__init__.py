"""What happens to a span between the program and the lanes, off the program's threads.

The stages are: hard cap and normalise, media, content policy and redaction, limits. They are one
processor, because most spans need none of them, and one look at the span can tell.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Protocol

from msgspec.structs import replace

from spanloom.errors import strict
from spanloom.processors.actions import Actions
from spanloom.processors.content import KEPT, REMOVED, Policies, Withholder
from spanloom.processors.custom import from_patterns, load_recognisers
from spanloom.processors.fields import USER_IDS
from spanloom.processors.keys import Hasher
from spanloom.processors.limit import Limiter
from spanloom.processors.media import Blobs
from spanloom.processors.normalise import Normaliser
from spanloom.processors.redact import WITHHELD, Redactor, Screen, without_found
from spanloom.processors.rules import RULES, Rule, RuleSet
from spanloom.processors.sealing import Sealer, sealer
from spanloom.processors.survey import Survey
from spanloom.settings import Action, Content, Redact
from spanloom.types import DETAILS, AnyEvent, Error, LLMCall, Redaction, Resource, Score, Span

__all__ = [
    "KEPT",
    "REMOVED",
    "RULES",
    "Chain",
    "Hasher",
    "Rule",
    "RuleSet",
    "default_chain",
]


_CLEAN_WORDS: Final = 64
_HASHED = re.compile(r"[0-9a-f]{32}")


class Settings(Protocol):
    """What the chain reads of the settings."""

    @property
    def dir(self) -> str: ...
    @property
    def content(self) -> Content | Mapping[str, Content]: ...
    @property
    def redact(self) -> Redact: ...
    @property
    def user_ids(self) -> Action: ...
    @property
    def hash_key(self) -> str | None: ...
    @property
    def encrypt_key(self) -> str | None: ...
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
        self.hasher: Hasher = Hasher(settings.dir, settings.hash_key)
        self._recognisers, missing = load_recognisers(settings.redact.recognisers)
        # what a detector that is wanted and cannot be used would have found cannot be told
        blind = missing or settings.redact.broken
        self._policies = Policies("none" if blind else settings.content)
        own = tuple(from_patterns(settings.redact.patterns))
        self._rules = RuleSet((*rules.rules, *own)) if own else rules
        self._screen = Screen(self._rules)
        self._actions = Actions(settings.redact, self.hasher, _sealer(settings))
        self._user = Actions(Redact(default=settings.user_ids), self.hasher, self._actions.sealer)
        self._clean: set[str] = set()
        """Names that were looked at, and in which no rule may find anything."""
        self._resource = lru_cache(maxsize=4)(self._redact_resource)

    def __call__(self, span: Span, passed: Span | None = None) -> Span:
        """``passed``: the span as it left here, before others changed it; its hashes stay."""
        try:
            return self._process(span) if passed is None else self._again(span, passed)
        except Exception as exc:  # our fault: what was not checked does not go on
            if strict():
                raise
            return bare(span, exc)

    def _again(self, span: Span, passed: Span) -> Span:
        done = self._process(span, passed)
        return replace(done, redactions=tuple(dict.fromkeys(done.redactions)))

    def _rehash(self, text: str) -> str:
        return text if _HASHED.fullmatch(text) else self.hasher(text)

    def _process(self, span: Span, passed: Span | None = None) -> Span:
        span, survey = self._plain(span)
        if (
            span.user_id is not None
            and self._settings.user_ids != "keep"
            and (passed is None or span.user_id != passed.user_id)
        ):
            redaction = self._user_redaction("user_id")
            stands = self._user_id(span.user_id)
            span = replace(span, user_id=stands or None, redactions=(*span.redactions, redaction))
        policies = self._policies
        if policies.of("params") in ("full", "redacted") and self._settings.user_ids != "keep":
            span = self._without_users(span)  # a policy that withholds parameters hashes them alike
        if policies.withholds:
            keyed = self.hasher if passed is None else self._rehash
            span = Withholder(policies, keyed, lambda: self.hasher.key_id)(span)
            survey = self._survey(span, media=False)
        if policies.scans:
            fields = (one.field for one in span.redactions)
            texts = (*survey.texts, *span.truncated, *span.faults, *fields)
            rules = self._screen(texts, survey.longest)
            if not rules:
                self._learn(survey.words)
            if rules or self._recognisers:
                redactor = Redactor(rules, self._actions, policies.unscanned, self._recognisers)
                span = self._apart(redactor(span), span)
            if span.blobs and policies.of("media") != "full":
                span = without_found(span, self._rules)
        resource = self._resource(span.resource)
        if resource != span.resource:
            span = replace(span, resource=resource)
        return self._limited(span, survey.longest)

    def _user_id(self, text: str) -> str:
        if self._settings.user_ids == "hash":
            return self.hasher(text)  # bare, so that it joins with what others hashed
        return self._user.apply("names", "user_id", text)

    def _user_redaction(self, field: str) -> Redaction:
        action = self._user.of("names", "user_id")
        return Redaction(
            field=field,
            kind="user_id",
            action=action,  # type: ignore[arg-type]
            key_id=self._user.key_id(action),
        )

    def _without_users(self, span: Span) -> Span:
        """The parameters that name the user, treated as ``user_id`` is, so that both join."""
        detail = span.detail
        if type(detail) is not LLMCall:
            return span
        named = [key for key in USER_IDS if detail.params.get(key)]
        if not named:
            return span
        params, redactions = dict(detail.params), list(span.redactions)
        for key in named:
            value = params[key]
            text = value if type(value) is str else json.dumps(value, sort_keys=True)
            params[key] = self._user_id(text)
            redactions.append(self._user_redaction(f"detail.params.{key}"))
        return replace(span, detail=replace(detail, params=params), redactions=tuple(redactions))

    def _apart(self, span: Span, before: Span) -> Span:
        """Two sessions named after two people stay two: a keyed hash where the id itself was taken out."""
        old, new = before.session, span.session
        if old is not None and new is not None and old.id != new.id:
            span = replace(span, session=replace(new, id=self.hasher(old.id)))
        if span.events is not before.events:
            events = map(self._targeted, span.events, before.events)
            span = replace(span, events=tuple(events))
        return span

    def _targeted(self, event: AnyEvent, before: AnyEvent) -> AnyEvent:
        if type(event) is not Score or type(before) is not Score:
            return event
        target = before.target_session_id
        if target is None or event.target_session_id == target:
            return event
        return replace(event, target_session_id=self.hasher(target))

    def _survey(self, span: Span, *, media: bool) -> Survey:
        settings = self._settings
        return Survey(
            span,
            max_depth=settings.max_depth,
            max_bytes=settings.max_value_bytes,
            media=media,
            known=self._clean,
        )

    def _learn(self, words: list[str]) -> None:
        if len(self._clean) > _CLEAN_WORDS:
            self._clean.clear()
        self._clean.update(words)

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
        redactor = Redactor(self._rules.rules, self._actions, self._policies.unscanned)
        return redactor.struct(plain, "names", None)

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


def _sealer(settings: Settings) -> Sealer | None:
    """What encrypts, where something is to be encrypted."""
    if settings.user_ids != "encrypt" and not settings.redact.uses("encrypt"):
        return None
    return sealer(settings.encrypt_key)


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
