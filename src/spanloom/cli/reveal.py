"""``spanloom reveal``: what the action ``encrypt`` sealed, for those who hold the key."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from re import Match
from typing import Any

from spanloom import record, store
from spanloom.processors.sealing import SEALED, Sealer
from spanloom.words import plural

from .traces import complain, where

_LEVELS = 6
"""How deep JSON in JSON is opened, as it was when it was sealed."""


def configure(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "source",
        metavar="TRACE|FILE",
        help="a trace id, the beginning of one, `last`, a file, or -",
    )
    add("--dir", metavar="DIR", help="directory of the local record")


def main(args: Namespace) -> int:
    opener = _opener()
    if opener is None:
        return 2
    try:
        for line in _lines(args):
            sys.stdout.write(opener.line(line))
    except store.Unknown as exc:
        print(exc, file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"spanloom reveal: {args.source}: {exc.strerror}", file=sys.stderr)
        return 1
    said = f"{plural(opener.opened, 'value')} revealed"
    if opener.foreign:
        ids = ", ".join(sorted(opener.foreign))
        said += f"; others were sealed with another key ({ids}; yours is {opener.key_id})"
    sys.stdout.flush()
    print(f"spanloom: {said}", file=sys.stderr)
    return 1 if opener.foreign and not opener.opened else 0


def _lines(args: Namespace) -> Iterable[str]:
    if args.source == "-":
        yield from sys.stdin
    elif os.path.isfile(args.source):
        with open(args.source, encoding="utf-8", errors="surrogateescape") as file:
            yield from file
    else:
        reading = store.Reading()
        try:
            found = store.trace(where(args), args.source, reading=reading)
        finally:
            complain(reading)
        for node in found.nodes:
            yield record.encode(record.to_span(node.record)).decode() + "\n"


def _opener() -> "_Opener | None":
    from spanloom import settings

    key = settings.load().encrypt_key
    if key is None:
        print(
            "spanloom reveal: there is no key; set SPANLOOM_ENCRYPT_KEY to the one it was sealed with",
            file=sys.stderr,
        )
        return None
    try:
        return _Opener(Sealer(key))
    except ImportError:
        print("spanloom reveal: pip install 'spanloom[encrypt]'", file=sys.stderr)
    except ValueError:
        print("spanloom reveal: SPANLOOM_ENCRYPT_KEY must be 64 hex digits", file=sys.stderr)
    return None


class _Opener:
    """Opens what was sealed with one key and counts what was not."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self.key_id: str = sealer.key_id
        self.opened: int = 0
        self.foreign: set[str] = set()

    def line(self, line: str) -> str:
        if SEALED.search(line) is None:
            return line
        body = line.rstrip("\r\n")
        return self._text(body, _LEVELS) + line[len(body) :]

    def _text(self, text: str, levels: int) -> str:
        if SEALED.search(text) is None:
            return text
        if levels and text.lstrip()[:1] in ("{", "[", '"'):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                pass
            else:  # what is opened may need escapes there
                compact = '": ' not in text
                return json.dumps(
                    _each_text(value, lambda inner: self._text(inner, levels - 1)),
                    ensure_ascii=False,
                    separators=(",", ":") if compact else None,
                )
        return SEALED.sub(self._open, text)

    def _open(self, match: Match[str]) -> str:
        try:
            text = self._sealer.open(match[2])
        except ValueError:
            self.foreign.add(match[1])
            return match[0]
        self.opened += 1
        return text


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each_text(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key): _each_text(item, change) for key, item in value.items()}
    return value
