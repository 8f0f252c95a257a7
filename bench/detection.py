"""How well secrets and personal data are found: precision and recall by kind, beside others' detectors.

The texts are made by ``tests/labelled``, whose author has not seen the detectors. The `seen` half may be
looked at when detectors are written, the `hidden` one is only counted.
"""

import argparse
import importlib.util
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from labelled.score import Detector, Found, Tally, count, spanloom  # noqa: E402
from labelled.texts import make  # noqa: E402
from spanloom.processors.rules import KINDS  # noqa: E402

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


# --- the tables


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
