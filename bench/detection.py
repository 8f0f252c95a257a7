"""How well secrets and personal data are found: precision and recall by kind, beside others' detectors.

The texts are made by ``tests/labelled``, whose author has not seen the detectors. The `seen` half may be
looked at when detectors are written, the `hidden` one is only counted.
"""

import argparse
import importlib.util
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from labelled.texts import Labelled, make  # noqa: E402
from spanloom import types as t  # noqa: E402
from spanloom.processors import default_chain  # noqa: E402
from spanloom.processors.rules import KINDS  # noqa: E402
from spanloom.settings import load  # noqa: E402


class Found(NamedTuple):
    start: int
    end: int
    kind: str


Detector = Callable[[str], Iterable[Found]]


# --- ours: a whole span through the stages that every span passes


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


# --- others


_PRESIDIO = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "US_SSN": "ssn", "CREDIT_CARD": "card",
    "IBAN_CODE": "iban", "IP_ADDRESS": "ip",
    # nobody is told by these in the set, or no label has them
    "URL": "", "DATE_TIME": "", "MAC_ADDRESS": "", "UUID": "", "CRYPTO": "",
}  # fmt: skip
"""Whatever else it knows is a national number."""


def presidio() -> Detector:
    """Its pattern recognisers, of all countries, each called by itself: no models, no context words."""
    import presidio_analyzer.predefined_recognizers as shipped
    from presidio_analyzer import PatternRecognizer
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    logging.getLogger("tldextract").setLevel(
        logging.CRITICAL
    )  # it would fetch a list, and goes on without
    kinds = [v for v in vars(shipped).values() if isinstance(v, type)]
    made: list[Any] = [PhoneRecognizer()]
    for kind in kinds:
        if issubclass(kind, PatternRecognizer) and kind is not PatternRecognizer:
            made.append(kind())
    recognisers = [one for one in made if _PRESIDIO.get(one.supported_entities[0], "+")]

    def find(text: str) -> Iterator[Found]:
        for one in recognisers:
            for hit in one.analyze(text, entities=one.supported_entities, nlp_artifacts=None) or ():
                if hit.score >= 0.3:  # patterns that count only beside a word are below
                    yield Found(hit.start, hit.end, _PRESIDIO.get(hit.entity_type, "national_id"))

    return find


def langchain() -> Detector:
    """What its ``PIIMiddleware`` finds."""
    from langchain.agents.middleware._redaction import BUILTIN_DETECTORS

    kinds = {"email": "email", "credit_card": "card", "ip": "ip"}

    def find(text: str) -> Iterator[Found]:
        for name, kind in kinds.items():
            for match in BUILTIN_DETECTORS[name](text):
                yield Found(match["start"], match["end"], kind)

    return find


def logfire() -> Detector:
    """Its scrubber, which takes the whole of a value in which it sees a word."""
    from logfire._internal.scrubbing import Scrubber

    scrubber = Scrubber(None)

    def find(text: str) -> Iterator[Found]:
        new, _ = scrubber.scrub_value(("attributes", "input"), text)
        if new != text:
            yield Found(0, len(text), "secret")

    return find


def detect_secrets() -> Detector:
    """All its detectors but those by entropy, which take any id for a secret."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import transient_settings

    names = [one.__name__ for one in get_mapping_from_secret_type_to_class().values()]
    plugins = [
        {"name": name} for name in names if "Entropy" not in name and name != "IPPublicDetector"
    ]

    def find(text: str) -> Iterator[Found]:
        with transient_settings({"plugins_used": plugins}):
            at = 0
            for line in text.splitlines(keepends=True):
                for secret in scan_line(line):
                    begin = line.find(secret.secret_value or "")
                    yield Found(at + begin, at + begin + len(secret.secret_value or ""), "secret")
                at += len(line)

    return find


DETECTORS: dict[str, tuple[str, Callable[[], Detector]]] = {
    "spanloom": ("spanloom", spanloom),
    "Presidio": ("presidio_analyzer", presidio),
    "LangChain": ("langchain", langchain),
    "Logfire": ("logfire", logfire),
    "detect-secrets": ("detect_secrets", detect_secrets),
}


# --- the count


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


def table(half: str, results: dict[str, dict[str, Tally]]) -> str:
    """Markdown: a row for each kind, precision and recall of each detector."""
    lines = [
        f"| {half} half | labels | " + " | ".join(results) + " |",
        "| --- | ---: |" + " ---: |" * len(results),
    ]
    for kind in sorted(KINDS):
        cells = [
            f"{one[kind].precision:.3f} / {one[kind].recall:.3f}" if one[kind].finds else "-"
            for one in results.values()
        ]
        labels = next(iter(results.values()))[kind].labels
        lines.append(f"| {kind} | {labels:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables; with ``--misses`` also what spanloom missed and wrongly found in the seen half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="texts of each half")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="of the seen half")
    options = parser.parse_args()
    there = {
        name: make_one()
        for name, (module, make_one) in DETECTORS.items()
        if importlib.util.find_spec(module)
    }
    packages = {"Presidio": "presidio-analyzer"}
    versions = (f"{name} {version(packages.get(name, name.lower()))}" for name in there)
    print(f"Precision / recall of {', '.join(versions)}; {options.count:,} texts a half.")
    for half in ("seen", "hidden"):
        texts = make(options.seed, half, options.count)
        results = {}
        for name, detector in there.items():
            results[name], misses = count(detector, texts)
            if name == "spanloom" and half == "seen":
                shown = misses[: options.misses]
                for miss in shown:
                    print(f"{miss.what} {miss.kind} {miss.value!r} in {miss.text.text!r}")
        labelled = sum(bool(one.labels) for one in texts)
        shapes = Counter(one.shape for one in texts)
        print(f"\n{table(half, results)}\n")
        print(f"{labelled:,} of the texts have labels; shapes: {', '.join(sorted(shapes))}.")


if __name__ == "__main__":
    main()
