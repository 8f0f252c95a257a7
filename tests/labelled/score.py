"""How well a detector finds the labels: what `spanloom` does with a whole span, and precision and recall by kind."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from spanloom import types as t
from spanloom.processors import default_chain
from spanloom.processors.rules import KINDS
from spanloom.settings import load

from .model import Labelled


class Found(NamedTuple):
    start: int
    end: int
    kind: str


Detector = Callable[[str], Iterable[Found]]


_MARK = re.compile("\ue000([a-z_]+)\ue001|\ue002")


def spanloom() -> Detector:
    """Each find is put between marks, so that what comes out tells where it was."""

    def marked(kind: str) -> Callable[[str], str]:
        return lambda text: f"\ue000{kind}\ue001{text}\ue002"

    redact = {kind: marked(kind) for kind in KINDS}
    chain = default_chain(load({"redact": redact, "hash_key": "bench"}, environ={}))[0]

    def find(text: str) -> Iterator[Found]:
        message = t.Message(role="user", parts=(t.Text(text=text),))
        span = t.Span(
            trace_id=1, span_id=2, name="chat", integration="bench", start_ns=1, end_ns=2,
            detail=t.LLMCall(input=(message,)),
        )  # fmt: skip
        detail = chain(span).detail
        assert isinstance(detail, t.LLMCall) and detail.input
        (part,) = detail.input[0].parts
        assert isinstance(part, t.Text)
        place = _places(text, _MARK.sub("", part.text))
        at, last, kind = 0, 0, ""
        for mark in _MARK.finditer(part.text):
            at += mark.start() - last
            last = mark.end()
            if mark[1]:
                begin, kind = at, mark[1]
            else:
                yield Found(place(begin), place(at), kind)

    return find


def _places(text: str, kept: str) -> Callable[[int], int]:
    """Where in ``text`` a place in ``kept`` was: a picture may have been set aside, JSON written anew."""
    if text == kept:
        return lambda at: at
    blocks = SequenceMatcher(None, text, kept, autojunk=False).get_matching_blocks()
    return lambda at: next(b.a + at - b.b for b in reversed(blocks) if b.b <= at)


class Tally:
    """Labels and finds of one kind."""

    def __init__(self) -> None:
        self.labels = self.gone = self.finds = self.right = 0

    @property
    def recall(self) -> float:
        """Of the labels, those of which no character stays."""
        return self.gone / self.labels if self.labels else 1.0

    @property
    def precision(self) -> float:
        """Of the finds of this kind, those in which something of it, or of another kind, is labelled."""
        return self.right / self.finds if self.finds else 1.0


class Miss(NamedTuple):
    what: str
    kind: str
    value: str
    text: Labelled


def count(detector: Detector, texts: Sequence[Labelled]) -> tuple[dict[str, Tally], list[Miss]]:
    """Tallies by kind, and what was missed and wrongly found."""
    tallies = {kind: Tally() for kind in sorted(KINDS)}
    misses = []
    for one in texts:
        found = [*detector(one.text)]
        taken = {at for hit in found for at in range(hit.start, hit.end)}
        for label in one.labels:
            tally = tallies[label.kind]
            tally.labels += 1
            if taken.issuperset(range(label.start, label.end)):
                tally.gone += 1
            else:
                misses.append(Miss("missed", label.kind, one.text[label.start : label.end], one))
        for hit in found:
            tally = tallies[hit.kind]
            tally.finds += 1
            if any(label.start < hit.end and hit.start < label.end for label in one.labels):
                tally.right += 1
            else:
                misses.append(Miss("wrong", hit.kind, one.text[hit.start : hit.end], one))
    return tallies, misses
